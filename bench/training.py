# SPDX-License-Identifier: Apache-2.0
"""Rows of `deeptm train` on random data."""

import json
import pathlib
import subprocess
import tempfile

from limited import PROGRAM, RunFailed

FIGURES = (
    "performance", "performance_against_defaults", "step_seconds", "step_seconds_stock", "fast_limit_bytes",
    "fast_peak_bytes", "live_peak_bytes", "bytes_in_per_step", "bytes_out_per_step", "waits_per_step",
    "wait_seconds_per_step", "plan", "bit_identical",
)


def train(model, batch, image, fast, *options, framework="tensorflow", enter=None, timeout=None):
    """One `deeptm train`; its figures and its command. `enter` runs in the child first."""
    if framework != "tensorflow":
        options = ("--framework", framework, *options)
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "record.json"
        command = ["train", model, "--batch", str(batch), "--image", str(image), "--data", "random", "--fast", str(fast)]
        command += map(str, options)
        finished = subprocess.run(
            [PROGRAM, *command, "--json", out], preexec_fn=enter, timeout=timeout, text=True, capture_output=True
        )
        if finished.returncode != 0:
            raise RunFailed(f"deeptm train {model}", finished)
        record = json.loads(out.read_text())
    row = {"framework": framework, "model": model, "batch": batch, "image": image, "fast": fast, "config_hash": record["config_hash"]}
    row["inter_op"] = record["config"]["inter_op"]
    row |= {name: record.get(name) for name in FIGURES}
    row["machine"], row["versions"] = record["machine"], record["versions"]
    row["command"] = " ".join(["deeptm", *command])
    return row
