# SPDX-License-Identifier: Apache-2.0
"""Real training with slow memory that kernels work in: node 0, which every machine has."""

import json

import pytest

SMALL = ("train", "mobilenet", "--batch", "16", "--image", "96", "--fast", "40%", "--slow", "node:0", "--check")


@pytest.mark.parametrize(
    "policy", [["--policy", "demand"], ["--policy", "deeptm", "--machine", "optane"], ["--policy", "lru"]]
)
def test_training_is_bit_identical(deeptm, tmp_path, policy):
    process = deeptm(*SMALL, "--steps", "24", "--json", "run.json", *policy, timeout=900)
    assert process.returncode == 0, process.stderr
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["bit_identical"]
    assert record["slow_tier"] == "node:0: memory of NUMA node 0, used in place"
    assert record["fast_peak_bytes"] <= record["fast_limit_bytes"]
    moved = record["bytes_in"] + record["bytes_out"]
    if "demand" in policy:
        assert moved == 0
    else:
        assert "predicted performance" in record["plan"] and record["followed_steps"] > 0
