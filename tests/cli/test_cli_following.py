# SPDX-License-Identifier: Apache-2.0
"""Bad input of --policy, --machine and --plan in `deeptm run` and `train`: one line that says what would work."""

import json

import pytest

TRUE = ("--", "true")
NVME = ("--graph", "step.graph.json", "--plan", "plan.json", "--machine", "nvme")


@pytest.fixture
def step(deeptm, tmp_path):
    """step.graph.json and plan.json, its plan on nvme in 20 % of fast memory."""
    assert deeptm("synthesize", "chain", "--tensors", "60", "-o", "step.graph.json").returncode == 0
    graph = json.loads((tmp_path / "step.graph.json").read_text())
    graph["origin"] |= {"framework": "tensorflow", "framework_version": "1.0.0"}
    (tmp_path / "step.graph.json").write_text(json.dumps(graph))
    planned = deeptm("plan", "step.graph.json", "--machine", "nvme", "--policy", "lru", "-o", "plan.json")
    assert planned.returncode == 0, planned.stderr
    return graph


def refused(process):
    assert process.returncode == 2, process
    assert process.stdout == "" and process.stderr.count("\n") == 1, process.stderr
    return process.stderr


@pytest.mark.parametrize(
    "options, expected",
    [
        (["--policy", "best"], "no policy 'best'"),
        (["--policy", "best"], "and demand"),
        (["--policy", "deeptm+best"], "has no option 'best'"),
        (["--policy", "deeptm+recompute"], "leave +recompute out"),
        (["--policy", "autotm-async", "--mode", "sync"], "--mode async"),
        (["--policy", "demand", "--machine", "nvme"], "--policy demand plans nothing"),
        (["--machine", "no-such-machine"], "no-such-machine"),
        (["--machine", "optane"], "deeptm calibrate makes a machine file of this one"),
        (["--machine", "optane"], "--slow node:N"),
        (["--machine", "nvme", "--slow", "node:0"], "reached by copies alone"),
        (["--mode", "later"], "--mode"),
        (["--graph", "x.graph.json"], "--graph is the step of a --plan"),
        (["--plan", "plan.json"], "--graph"),
        (["--plan", "plan.json", "--graph", "x.graph.json"], "--plan needs --machine"),
        (["--plan", "plan.json", "--graph", "x.graph.json", "--policy", "lru"], "--policy"),
        (["--plan", "plan.json", "--graph", "x.graph.json", "--machine", "nvme"], "x.graph.json"),
    ],
)
def test_options_that_do_not_fit(deeptm, options, expected):
    assert expected in refused(deeptm("run", "--fast", "64MiB", *options, *TRUE))
    assert expected in refused(deeptm("train", "mobilenet", *options))


def test_plan_of_a_machine_that_no_run_is(deeptm, step):
    planned = deeptm("plan", "step.graph.json", "--machine", "optane", "--policy", "lru", "-o", "plan.json")
    assert planned.returncode == 0, planned.stderr
    line = refused(deeptm("run", *NVME[:-1], "optane", *TRUE))
    assert "in place" in line and "deeptm calibrate" in line


def test_plan_of_another_step(deeptm, step, tmp_path):
    step["tensors"][-1]["bytes"] += 1
    (tmp_path / "step.graph.json").write_text(json.dumps(step))
    assert "plan.json: graph: the plan is for graph" in refused(deeptm("run", *NVME, *TRUE))


def test_plan_that_is_wrong(deeptm, step, tmp_path):
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["fast_bytes"] //= 2
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert "plan.json: over limit" in refused(deeptm("run", *NVME, *TRUE))


def test_less_fast_memory_than_the_plan_has(deeptm, step):
    assert "leave --fast out" in refused(deeptm("run", "--fast", "64KiB", *NVME, *TRUE))
    assert "leave --fast out" in refused(deeptm("run", "--fast", "50%", *NVME, *TRUE))


def test_step_of_another_framework(deeptm, step):
    line = refused(deeptm("run", *NVME, *TRUE))
    assert "recorded with tensorflow 1.0.0, this run has tensorflow" in line
