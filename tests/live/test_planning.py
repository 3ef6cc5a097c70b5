# SPDX-License-Identifier: Apache-2.0
"""Recorded steps become plans while real training goes on."""

import json
import re

import pytest

SMALL = ("train", "mobilenet", "--batch", "16", "--image", "96", "--fast", "40%")


def trained(deeptm, tmp_path, *options):
    process = deeptm(*SMALL, "--json", "run.json", *options, timeout=900)
    assert process.returncode == 0, process.stderr
    return process, json.loads((tmp_path / "run.json").read_text())


def test_the_training_step_is_recorded_and_planned(deeptm, tmp_path):
    # A policy that needs next to no time: whatever else this machine does, its plan comes before the end.
    options = ("--report", "report.html", "--save-plan", "plan")
    process, record = trained(deeptm, tmp_path, "--steps", "24", "--check", "--policy", "belady", *options)
    assert record["bit_identical"]
    assert "deeptm: recorded: a step of training, " in process.stderr
    assert "medians over 4 steps" in process.stderr
    assert record["plan"].startswith("a step of training, ")
    assert "belady, " in record["plan"] and "predicted performance" in record["plan"]
    assert f"plan: {record['plan']}" in process.stdout
    # What is kept is what deeptm plan and record write, and is in the report.
    simulated = deeptm("simulate", "plan/step.graph.json.zst", "plan/plan.json", "--machine", "plan/machine.json", "--json")
    assert simulated.returncode == 0, simulated.stderr
    assert len(record["each_step_seconds"]) == 24
    assert "deeptm: report: report.html" in process.stderr
    page = (tmp_path / "report.html").read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.+?)</script>', page, re.S)[1])
    assert data["kind"] == "measured; the step's views are simulated"
    assert data["step"]["policy"] == "belady"
    assert data["step"]["seconds"] == pytest.approx(json.loads(simulated.stdout)["step_seconds"])
    assert data["measured"]["step_seconds"] == record["each_step_seconds"]


def test_demand_plans_nothing(deeptm, tmp_path):
    process, record = trained(deeptm, tmp_path, "--steps", "8", "--policy", "demand", "--report", "report.html")
    assert record["plan"] is None
    page = (tmp_path / "report.html").read_text()
    assert '"step":' not in page and '"measured":' in page  # no plan, no step to show
    assert "recorded" not in process.stderr and "plan:" not in process.stdout


def test_a_process_that_ends_while_its_step_is_planned_ends_in_order(deeptm, tmp_path):
    _, record = trained(deeptm, tmp_path, "--steps", "5")  # with the warm-up, just enough to be recorded
    assert record["exit_code"] == 0
    assert record["plan"].startswith("a step of training, ")
