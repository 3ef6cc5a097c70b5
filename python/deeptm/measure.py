# SPDX-License-Identifier: Apache-2.0
"""What a workload measures: seconds and loss of each step, resident memory, digests of what was learned."""

import hashlib
import pathlib
import sys
import time

import keras
import numpy as np


class StepRecorder(keras.callbacks.Callback):
    """Seconds and loss of every training batch; tells a `progress` of each, if there is one."""

    def __init__(self, progress=None):
        super().__init__()
        self.seconds = []
        self.losses = []
        self._progress = progress
        self._began = 0.0

    def on_train_batch_begin(self, batch, logs=None):
        # Keras reports the mean of the epoch so far; started afresh, that is the batch's own loss.
        self.model.reset_metrics()
        self._began = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        self.seconds.append(time.perf_counter() - self._began)
        self.losses.append(float(logs["loss"]))
        if self._progress:
            self._progress.step(len(self.seconds), self.seconds[-1], self.losses[-1])


class Progress:
    """One line on stderr: rewritten in place on a terminal, else a line for each step."""

    def __init__(self, name, total, stream=sys.stderr):
        self._name, self._total, self._stream = name, total, stream
        self._in_place = stream.isatty()

    def step(self, number, seconds, loss):
        line = f"{self._name}: step {number}/{self._total}, {seconds:.2f} s, loss {loss:.4f}"
        last = number == self._total
        text = f"\r\x1b[K{line}" + ("\n" if last else "") if self._in_place else line + "\n"
        self._stream.write(text)
        self._stream.flush()


def digest(variables):
    """SHA-256 over the bytes of all variables in order, in hexadecimal."""
    total = hashlib.sha256()
    for variable in variables:
        total.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return total.hexdigest()


def resident_bytes():
    """(highest so far, now) of this process, as Linux counts them: VmHWM and VmRSS."""
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines())
    return tuple(int(fields[name].split()[0]) * 1024 for name in ("VmHWM", "VmRSS"))
