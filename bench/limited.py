# SPDX-License-Identifier: Apache-2.0
"""Training in a memory cgroup that has room for what stock TensorFlow needs beside its tensors, and for the fast limit."""

import json
import os
import pathlib
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = CHECKOUT / ".venv/bin/python"
MARGIN = 1.1


class Workload:
    """A built-in model, trained by `python -m deeptm.workload` with one operation at a time."""

    def __init__(self, model, batch, image, steps, folder, options=(), program=CHECKOUT / "build/bin/deeptm"):
        self.folder, self.program = pathlib.Path(folder), str(program)
        self.command = [str(PYTHON if PYTHON.exists() else sys.executable), "-m", "deeptm.workload", "--model", model]
        self.command += ["--batch", str(batch), "--image", str(image), "--steps", str(steps), "--warmup", "1"]
        self.command += ["--data", "random", *options]

    def run(self, name, fast=None, enter=None):
        """Result of one run: stock's, or with `fast` (bytes or percent) under DeepTM. `enter` runs in the child first."""
        output, record = self.folder / f"{name}.json", self.folder / f"{name}-record.json"
        managed = [self.program, "run", "--fast", str(fast), "--json", str(record), "--"] if fast else []
        environment = os.environ | {
            "PYTHONPATH": str(CHECKOUT / "python"),
            "TF_NUM_INTEROP_THREADS": "1",
            "TF_CPP_MIN_LOG_LEVEL": "2",
        }
        finished = subprocess.run(
            [*managed, *self.command, "--output", str(output)],
            env=environment, preexec_fn=enter, text=True, capture_output=True, cwd=self.folder,
        )
        if finished.returncode != 0:
            raise RuntimeError(f"{name} ended with {finished.returncode}:\n{finished.stderr}")
        result = json.loads(output.read_text())
        if fast:
            result["record"] = json.loads(record.read_text())
        return result


def limits(stock, peak, percent):
    """(fast limit, cgroup limit) in bytes, from a stock run and the peak of live tensors."""
    fast = peak * percent // 100
    return fast, int((stock["peak_rss_bytes"] - peak + fast) * MARGIN)


def same(stock, ours):
    """Losses, final weights and optimizer state agree to the bit."""
    return stock["losses"] == ours["losses"] and stock["digest"] == ours["digest"]
