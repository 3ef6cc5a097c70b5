# SPDX-License-Identifier: Apache-2.0
"""Bad input of --emulate: one line that names file and field, before anything is trained."""

import json

import pytest

TRAIN = ("train", "mobilenet", "--emulate")


@pytest.fixture
def graph(deeptm, tmp_path):
    """A step graph whose durations count as measured, for one batch only."""
    assert deeptm("synthesize", "chain", "--tensors", "60", "-o", "chain.graph.json").returncode == 0
    step = json.loads((tmp_path / "chain.graph.json").read_text())
    step["origin"]["recorded_steps"] = 4
    step["origin"].pop("batch", None)
    (tmp_path / "measured.graph.json").write_text(json.dumps(step))
    return "measured.graph.json"


def refused(process):
    assert process.returncode == 2, process
    assert process.stdout == "" and process.stderr.count("\n") == 1, process.stderr
    return process.stderr


def test_unknown_machine_is_named_with_those_that_there_are(deeptm, graph):
    line = refused(deeptm(*TRAIN, "optain", "--graph", graph, "--policy", "lru"))
    assert "optain" in line and "optane-4dimm" in line


def test_plan_of_another_graph_is_refused(deeptm, graph, tmp_path):
    planned = deeptm("plan", graph, "--machine", "optane-4dimm", "--policy", "lru", "-o", "plan.json")
    assert planned.returncode == 0, planned.stderr
    step = json.loads((tmp_path / graph).read_text())
    step["tensors"][-1]["bytes"] += 1
    (tmp_path / "other.graph.json").write_text(json.dumps(step))
    line = refused(deeptm(*TRAIN, "optane-4dimm", "--graph", "other.graph.json", "--plan", "plan.json"))
    assert "plan.json: graph: the plan is for graph" in line


def test_plan_of_another_machine_is_refused(deeptm, graph):
    assert deeptm("plan", graph, "--machine", "optane", "--policy", "lru", "-o", "plan.json").returncode == 0
    line = refused(deeptm(*TRAIN, "optane-4dimm", "--graph", graph, "--plan", "plan.json"))
    assert "plan.json: machine: the plan is for \"optane\"" in line


def test_plan_that_recomputes_is_refused(deeptm, graph, tmp_path):
    # y = f(x) at kernel 0 and used at 2: kernel 0 may run again.
    step = json.loads((tmp_path / graph).read_text())
    step["kernels"] = [{"name": f"k{i}", "type": "Relu", "seconds": 1.0} for i in range(3)]
    step["tensors"] = [{"name": "y", "bytes": 8192, "first_kernel": 0, "last_kernel": 2, "allocated_by": 0}]
    step["accesses"] = [{"kernel": 0, "tensor": 0, "writes": 1}, {"kernel": 2, "tensor": 0, "reads": 1}]
    (tmp_path / graph).write_text(json.dumps(step))
    planned = deeptm("plan", graph, "--machine", "optane-4dimm", "--policy", "lru", "--fast", "1MiB", "-o", "plan.json")
    assert planned.returncode == 0, planned.stderr
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["recomputes"] = [{"tensor": 0, "gone": 1, "again": 2, "fast_bytes": 8192, "rest": "pm"}]
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    assert deeptm("verify", graph, "plan.json", "--machine", "optane-4dimm").returncode == 0
    line = refused(deeptm(*TRAIN, "optane-4dimm", "--graph", graph, "--plan", "plan.json"))
    assert "plan.json: recomputes: 1, which runs can't follow" in line


def test_graph_without_measured_durations_gives_no_scale(deeptm, graph, tmp_path):
    step = json.loads((tmp_path / graph).read_text())
    step["origin"]["recorded_steps"] = 0
    (tmp_path / graph).write_text(json.dumps(step))
    line = refused(deeptm(*TRAIN, "optane-4dimm", "--graph", graph, "--policy", "lru"))
    assert f"{graph}: origin.recorded_steps" in line


@pytest.mark.parametrize(
    "options, expected",
    [
        ([], "--plan FILE or --policy NAME"),
        (["--policy", "best"], "best"),
        (["--policy", "lru", "--fast", "much"], "'much' is not a limit"),
        (["--policy", "autotm-async"], "--policy:"),
        (["--policy", "lru", "--compare"], "--compare is for real tiers"),
        (["--policy", "lru", "--slow", "memory"], "--slow"),
        (["--plan", "plan.json", "--fast", "20%"], "--fast"),
        (["--plan", "plan.json", "--policy", "lru"], "--policy"),
        (["--plan", "nothing.json"], "nothing.json"),
    ],
)
def test_options_that_do_not_fit(deeptm, graph, options, expected):
    assert expected in refused(deeptm(*TRAIN, "optane-4dimm", "--graph", graph, *options))


def test_emulation_needs_a_graph(deeptm):
    assert "--graph" in refused(deeptm(*TRAIN, "optane-4dimm", "--policy", "lru"))
    assert "--emulate" in refused(deeptm("run", "--fast", "20%", "--graph", "x.graph.json", "--", "true"))


def test_placements_need_a_machine_that_kernels_can_work_in(deeptm):
    record = ("record", "mobilenet", "--placements")
    assert "optain" in refused(deeptm(*record, "optain"))
    assert "kernels can't work in its second tier" in refused(deeptm(*record, "nvme"))
