# SPDX-License-Identifier: Apache-2.0
"""What the workloads of all frameworks measure with: when a warm-up is over, progress, digests, resident memory."""

import hashlib
import pathlib
import platform
import statistics
import sys

import numpy as np

OPTIONS_KEPT = ("model", "batch", "image", "steps", "data", "seed", "optimizer", "batch_norm", "deterministic", "inter_op")


class Warmup:
    """`steps` steps follow a warm-up of `warmup` steps and no less than `warmup_seconds`. `warmup` then says how many it had."""

    def __init__(self, steps, warmup, warmup_seconds=0.0):
        self.steps, self.warmup = steps, warmup
        self._warmup_seconds = warmup_seconds
        self._warming = warmup_seconds > 0

    def total(self):
        return self.warmup + self.steps

    def done(self, seconds):
        """Whether the training is over after steps of so many seconds; asked after each."""
        if self._warming:
            self._warming = sum(seconds) < self._warmup_seconds
            self.warmup = max(self.warmup, len(seconds) + self._warming)
        return len(seconds) == self.total()


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


def progress_of(options):
    """None where nobody looks."""
    return Progress(options.model) if options.progress or sys.stderr.isatty() else None


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


def measured(options, parameters, warmup, seconds, losses, versions):
    """What a training has to tell, whatever its framework. `warmup` is how many of the steps were that."""
    peak_rss_bytes, rss_bytes_after = resident_bytes()
    return {key: getattr(options, key) for key in OPTIONS_KEPT} | {
        "parameters": parameters,
        "warmup": warmup,
        "step_seconds": seconds,
        "median_step_seconds": statistics.median(seconds[warmup:]),
        "losses": [loss.hex() for loss in losses],
        "peak_rss_bytes": peak_rss_bytes,
        "rss_bytes_after": rss_bytes_after,
        "versions": {"python": platform.python_version()} | versions,
    }
