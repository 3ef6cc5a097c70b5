# SPDX-License-Identifier: Apache-2.0
"""Training in a memory cgroup that has room for what the framework alone needs beside its tensors, and for the fast limit."""

import functools
import json
import os
import pathlib
import subprocess
import sys

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]
PYTHON = CHECKOUT / ".venv/bin/python"
PROGRAM = pathlib.Path(os.environ.get("DEEPTM_PROGRAM", CHECKOUT / "build/bin/deeptm"))
MARGIN = 1.1
MODULES = {"tensorflow": "deeptm.workload", "torch": "deeptm.torch_workload"}


def environment():
    """Of a training that repeats to the bit where its operations do, and has the built-in models at hand."""
    return os.environ | {
        "PYTHONPATH": str(CHECKOUT / "python"),
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "2",
    }


@functools.cache
def follows_plans():
    """Whether `deeptm run` has a --policy that is more than a part of --emulate: then paging on demand is one."""
    return "demand" in subprocess.run([PROGRAM, "run", "--help"], check=True, capture_output=True, text=True).stdout


def policies():
    """By what moves of a run are decided: paging on demand, and the plan of the default policy."""
    return ("demand", "deeptm") if follows_plans() else ("demand",)


def policy_options(policy):
    return ("--policy", policy) if follows_plans() else ()


class RunFailed(RuntimeError):
    """A run that did not end with 0; negative is a signal."""

    def __init__(self, name, finished):
        super().__init__(f"{name} ended with {finished.returncode}:\n{finished.stderr}")
        self.returncode = finished.returncode


class Workload:
    """A built-in model, trained by the framework's module with one operation at a time; or by the `script` instead of the module."""

    def __init__(self, model, batch, image, steps, folder, options=(), program=PROGRAM, framework="tensorflow", script=None):
        self.folder, self.program = pathlib.Path(folder), str(program)
        trains = [str(script)] if script else ["-m", MODULES[framework]]
        self.command = [str(PYTHON if PYTHON.exists() else sys.executable), *trains, "--model", model]
        self.command += ["--batch", str(batch), "--image", str(image), "--steps", str(steps), "--warmup", "1"]
        self.command += ["--data", "random", *options]

    def run(self, name, fast=None, enter=None, timeout=None):
        """Result of one run: stock's, or with `fast` (bytes or percent) under DeepTM. `enter` runs in the child first."""
        output, record = self.folder / f"{name}.json", self.folder / f"{name}-record.json"
        managed = [self.program, "run", "--fast", str(fast), "--json", str(record), "--"] if fast else []
        finished = subprocess.run(
            [*managed, *self.command, "--output", str(output)],
            env=environment(), preexec_fn=enter, text=True, capture_output=True, cwd=self.folder,
            timeout=timeout,
        )
        if finished.returncode != 0:
            raise RunFailed(name, finished)
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
