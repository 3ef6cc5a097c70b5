# SPDX-License-Identifier: Apache-2.0
"""Recorded steps become plans while real training goes on."""

import json

SMALL = ("train", "mobilenet", "--batch", "16", "--image", "96", "--fast", "40%")


def trained(deeptm, tmp_path, *options):
    process = deeptm(*SMALL, "--json", "run.json", *options, timeout=900)
    assert process.returncode == 0, process.stderr
    return process, json.loads((tmp_path / "run.json").read_text())


def test_the_training_step_is_recorded_and_planned(deeptm, tmp_path):
    # A policy that needs next to no time: whatever else this machine does, its plan comes before the end.
    process, record = trained(deeptm, tmp_path, "--steps", "24", "--check", "--policy", "belady")
    assert record["bit_identical"]
    assert "deeptm: recorded: a step of training, " in process.stderr
    assert "medians over 4 steps" in process.stderr
    assert record["plan"].startswith("a step of training, ")
    assert "belady, " in record["plan"] and "predicted performance" in record["plan"]
    assert f"plan: {record['plan']}" in process.stdout


def test_demand_plans_nothing(deeptm, tmp_path):
    process, record = trained(deeptm, tmp_path, "--steps", "8", "--policy", "demand")
    assert record["plan"] is None
    assert "recorded" not in process.stderr and "plan:" not in process.stdout


def test_a_process_that_ends_while_its_step_is_planned_ends_in_order(deeptm, tmp_path):
    _, record = trained(deeptm, tmp_path, "--steps", "5")  # with the warm-up, just enough to be recorded
    assert record["exit_code"] == 0
    assert record["plan"].startswith("a step of training, ")
