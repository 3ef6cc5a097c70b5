# SPDX-License-Identifier: Apache-2.0
"""What a workload measures: seconds and loss of each step, resident memory, digests of what was learned."""

import hashlib
import pathlib
import sys
import time

import keras
import numpy as np


class StepRecorder(keras.callbacks.Callback):
    """Seconds and loss of every training batch."""

    def __init__(self):
        super().__init__()
        self.seconds = []
        self.losses = []
        self._began = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        # Keras reports the mean of the epoch so far; started afresh, that is the batch's own loss.
        self.model.reset_metrics()
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self._began)
        self.losses.append(float(logs["loss"]))


class TimedSteps(StepRecorder):
    """Ends the training after `steps` steps that follow a warm-up of `warmup` steps and no less than `warmup_seconds`.

    Tells a `progress` of each step, if there is one. `warmup` then says how many steps the warm-up had.
    """

    def __init__(self, steps, warmup, warmup_seconds=0.0, progress=None):
        super().__init__()
        self.warmup = warmup
        self._steps, self._warmup_seconds, self._progress = steps, warmup_seconds, progress
        self._warming = warmup_seconds > 0

    def on_train_batch_end(self, batch, logs=None):
        super().on_train_batch_end(batch, logs)
        done = len(self.seconds)
        if self._warming:
            self._warming = sum(self.seconds) < self._warmup_seconds
            self.warmup = max(self.warmup, done + self._warming)
        total = self.warmup + self._steps
        if self._progress:
            self._progress.step(done, total, self.seconds[-1], self.losses[-1])
        self.model.stop_training = done == total


class Progress:
    """One line on stderr: rewritten in place on a terminal, else a line for each step."""

    def __init__(self, name, stream=sys.stderr):
        self._name, self._stream = name, stream
        self._in_place = stream.isatty()

    def step(self, number, total, seconds, loss):
        line = f"{self._name}: step {number}/{total}, {seconds:.2f} s, loss {loss:.4f}"
        last = number == total
        text = f"\r\x1b[K{line}" + ("\n" if last else "") if self._in_place else line + "\n"
        self._stream.write(text)
        self._stream.flush()


def digest(values):
    """SHA-256 over the bytes of all variables, tensors or arrays in order, in hexadecimal."""
    total = hashlib.sha256()
    for value in values:
        total.update(np.ascontiguousarray(value).tobytes())
    return total.hexdigest()


def resident_bytes():
    """(highest so far, now) of this process, as Linux counts them: VmHWM and VmRSS."""
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))
