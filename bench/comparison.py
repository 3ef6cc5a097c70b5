# SPDX-License-Identifier: Apache-2.0
"""Rows of `deeptm compare`."""

import json
import pathlib
import subprocess
import tempfile

from limited import CHECKOUT, PROGRAM


def recorded(model):
    return CHECKOUT / f"graphs/{model}.graph.json.zst"


def compare(graphs, fast, policies, *options, batch=0, machine="optane", mode="sync"):
    """Rows, in the order of graphs, limits, policies. What the same program answered before comes from its cache."""
    with tempfile.TemporaryDirectory() as folder:
        out = pathlib.Path(folder) / "rows.json"
        command = [str(PROGRAM), "compare", *map(str, graphs), "--batch", str(batch), "--machine", str(machine)]
        command += ["--mode", mode, "--fast", ",".join(fast), "--policy", ",".join(policies), "--json", str(out)]
        command += ["--cache", str(CHECKOUT / "results/compare"), *options]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return json.loads(out.read_text())
