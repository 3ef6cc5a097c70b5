# SPDX-License-Identifier: Apache-2.0
"""`deeptm run --progress`: what is going on while a command of TensorFlow runs."""

import os
import pty
import re
import subprocess
import sys

LINE = r"deeptm: before the first training step; fast .+ of 64\.0 MiB; \S+ \S+/s in, \S+ \S+/s out; waiting \d+ % of the time"


def command(seconds):
    script = f"import time; import tensorflow as tf; x = tf.ones((1024, 1024)); time.sleep({seconds})"
    return ("run", "--progress", "--fast", "64MiB", "--", sys.executable, "-c", script)


def test_a_line_now_and_then_where_there_is_no_terminal(deeptm):
    process = deeptm(*command(21))  # a line each ten seconds, the first one has no time before it
    assert process.returncode == 0, process.stderr
    lines = [line for line in process.stderr.splitlines() if "before the first training step" in line]
    assert 1 <= len(lines) <= 3
    assert re.fullmatch(LINE, lines[-1]), lines
    assert "\r" not in process.stderr


def test_one_line_that_is_written_over_on_a_terminal(program):
    terminal, other_end = pty.openpty()
    process = subprocess.Popen([program, *command(3)], stdout=subprocess.DEVNULL, stderr=other_end)
    os.close(other_end)
    shown = b""
    while True:
        try:
            more = os.read(terminal, 65536)
        except OSError:  # the other end is closed
            break
        if not more:
            break
        shown += more
    os.close(terminal)
    assert process.wait() == 0
    lines = shown.decode().split("\r\x1b[K")
    assert len([line for line in lines if re.fullmatch(LINE, line)]) >= 3, lines
    # Gone when the summary comes.
    assert lines[-1].startswith("deeptm: ") and "before the first" not in lines[-1]
