# SPDX-License-Identifier: Apache-2.0
"""A modelled machine emulated while TensorFlow trains: the same bits, slower."""

import json
import sys

import pytest

import limited

WORKLOAD = ("mobilenet", "--batch", "4", "--image", "32", "--data", "random", "--batch-norm", "fused")


def finished(process):
    assert process.returncode == 0, process.stderr
    return process


@pytest.fixture
def graph(deeptm):
    finished(deeptm("record", *WORKLOAD, "-o", "."))
    return "mobilenet.graph.json.zst"


def test_training_is_as_slow_as_the_plan_and_learns_the_same(deeptm, graph, tmp_path):
    options = ("--emulate", "optane-4dimm", "--graph", graph, "--policy", "lru", "--fast", "20%")
    measure = ("--rounds", "1", "--steps", "3", "--warmup", "1", "--check", "--json", "run.json")
    process = finished(deeptm("train", *WORKLOAD, *options, *measure, timeout=600))
    record = json.loads((tmp_path / "run.json").read_text())
    emulation = record["emulation"]
    assert record["kind"] == "emulated" and record["bit_identical"] is True
    assert record["slow_tier"].startswith("emulated: optane-4dimm, lru")
    assert emulation["matched_kernels"] > 0.95
    assert emulation["copied_bytes_per_step"] > 0
    # Waiting lasts at least as long as it should, whatever else the machine does.
    waited = emulation["delay_seconds_per_step"]
    assert emulation["step_seconds"] > waited > 0
    assert "warning" not in process.stdout
    assert all(word in process.stdout for word in ("emulated step:", "the simulator's, scaled", "bit-identical"))


def test_plan_file_is_followed_under_run(deeptm, graph, tmp_path):
    finished(deeptm("plan", graph, "--machine", "optane-4dimm", "--policy", "first-touch", "-o", "plan.json"))
    command = [sys.executable, "-m", "deeptm.workload", "--model", *WORKLOAD, "--steps", "3", "--output", "out.json"]
    environment = {"PYTHONPATH": str(limited.CHECKOUT / "python")}
    emulate = ("--emulate", "optane-4dimm", "--graph", graph, "--plan", "plan.json", "--json", "run.json")
    process = finished(deeptm("run", *emulate, "--", *command, env=environment))
    assert "emulated: optane-4dimm, first-touch" in process.stderr
    emulation = json.loads((tmp_path / "run.json").read_text())["emulation"]
    assert emulation["matched_kernels"] > 0.95 and emulation["delay_seconds_per_step"] > 0
    assert emulation["copied_bytes_per_step"] == 0  # first-touch moves nothing


def test_placements_are_recorded(deeptm, graph):
    finished(deeptm("record", *WORKLOAD, "--placements", "optane-4dimm", "-o", "placed", timeout=600))
    rows = {}
    for file in (graph, f"placed/{graph}"):
        plan = ("plan", file, "--machine", "optane-4dimm", "--policy", "all-slow", "-o", "plan.json")
        finished(deeptm(*plan))
        simulated = finished(deeptm("simulate", file, "plan.json", "--machine", "optane-4dimm", "--json"))
        rows[file] = json.loads(simulated.stdout)
    modelled, placed = rows.values()
    # The costs of the placed graph are measured ones: other kernels' times, the same machine's step within noise.
    assert placed["all_fast_seconds"] != modelled["all_fast_seconds"]
    assert placed["performance"] < 1
