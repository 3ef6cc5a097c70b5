# SPDX-License-Identifier: Apache-2.0
"""What becomes of a managed process when `deeptm` is gone, and the way of moving pages that older systems have."""

import signal
import subprocess
import sys

from processes import is_gone, wait_until

TRAINING = """
import os, time
import tensorflow as tf
x = tf.random.normal([1024, 1024])
print(os.getpid(), flush=True)
while True:
    x = x @ x / 1024
"""


def test_killed_deeptm_leaves_no_training_behind_a_shell(program, tmp_path):
    (tmp_path / "train.py").write_text(TRAINING)
    # The second command keeps the shell from handing its process to python.
    command = [program, "run", "--fast", "64MiB", "--", "sh", "-c", f"{sys.executable} train.py; true"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    training = int(process.stdout.readline())
    process.send_signal(signal.SIGKILL)
    process.wait()
    wait_until(lambda: is_gone(training))


def test_older_way_of_moving_is_bit_identical_too(deeptm):
    process = deeptm(
        *("train", "mobilenet", "--image", "96", "--batch", "8", "--data", "random", "--steps", "2", "--warmup", "0"),
        *("--fast", "20%", "--remap", "mremap", "--check"), timeout=600,
    )
    assert process.returncode == 0, process.stderr
    assert "bit-identical" in process.stdout
