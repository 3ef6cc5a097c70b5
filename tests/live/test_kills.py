# SPDX-License-Identifier: Apache-2.0
"""Killed at any moment, a training leaves nothing behind: no file, no process; what it had saved is whole, and stock TensorFlow reads it.

DEEPTM_KILLS=200 for as many kills; a few else."""

import hashlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import time

import pytest

import limited
from processes import is_gone, wait_until
from small_training import FAST, IMPORTS, MODEL

KILLS = int(os.environ.get("DEEPTM_KILLS", 4))
STEPS = 6

# A model that does not fit, saved after every step. Prints its own process's number, then a line for each step.
TRAINING = IMPORTS + "print(os.getpid(), flush=True)\n" + MODEL + """
saved = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
kept = tf.train.CheckpointManager(saved, sys.argv[1], max_to_keep=2)
for step in range(int(sys.argv[2])):
    train(1)
    kept.save()
    print("saved", step, flush=True)
"""
# The newest one, read by stock TensorFlow.
READING = """
import sys
import tensorflow as tf
newest = tf.train.latest_checkpoint(sys.argv[1])
if newest:
    for name, _ in tf.train.list_variables(newest):
        tf.train.load_variable(newest, name)
print(newest)
"""


@pytest.fixture
def places(tmp_path):
    """Where a run writes: its slow file, its compiled and remembered things; and the shared memory of the system."""
    folders = {name: tmp_path / name for name in ("slow", "state", "temporary", "saved")}
    for folder in folders.values():
        folder.mkdir()
    return folders


def left_behind(places):
    """But for the report of a run that ended by itself: its training was killed, not it."""
    files = [path for folder in ("slow", "state") for path in places[folder].rglob("*") if path.is_file() and path.name != "last-run.html"]
    shared = [path for folder in (places["temporary"], pathlib.Path("/dev/shm")) for path in folder.iterdir() if "deeptm" in path.name]
    return set(files + shared)


def start(program, places, folder, steps):
    (folder / "train.py").write_text(TRAINING)
    command = [program, "run", "--fast", FAST, "--slow", f"file:{places['slow']}", "--"]
    command += [sys.executable, "train.py", str(places["saved"]), str(steps)]
    environment = limited.environment() | {"XDG_STATE_HOME": str(places["state"]), "TMPDIR": str(places["temporary"])}
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def test_a_killed_run_leaves_nothing_and_what_it_saved_is_whole(program, places, tmp_path):
    generator = random.Random(7)
    for number in range(KILLS):
        process = start(program, places, tmp_path, 100_000)
        training = int(process.stdout.readline())
        # At its start as well as while it trains and saves: plans are made and followed after some steps.
        for _ in range(generator.choice((0, 1, 3, 20))):
            assert process.stdout.readline().startswith("saved")
        time.sleep(generator.uniform(0, 1))
        os.kill(training if number % 2 else process.pid, signal.SIGKILL)
        process.stdout.read()
        assert process.wait(30) != 0
        wait_until(lambda: is_gone(training))
        assert left_behind(places) == set(), number
    read = subprocess.run([sys.executable, "-c", READING, places["saved"]], env=limited.environment(), text=True, capture_output=True)
    assert read.returncode == 0, read.stderr
    assert "None" not in read.stdout


def test_checkpoints_are_those_of_stock_byte_for_byte(program, places, tmp_path):
    process = start(program, places, tmp_path, STEPS)
    process.communicate(timeout=300)
    assert process.returncode == 0
    stock = tmp_path / "stock"
    subprocess.run([sys.executable, "train.py", stock, str(STEPS)], cwd=tmp_path, env=limited.environment(), check=True, capture_output=True)
    hashes = [{path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("ckpt-*")} for folder in (places["saved"], stock)]
    assert len(hashes[0]) == 4 and hashes[0] == hashes[1]
