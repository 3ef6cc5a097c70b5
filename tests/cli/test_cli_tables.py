# SPDX-License-Identifier: Apache-2.0
"""--csv and --json of the commands that have both: the same figures, line by line."""

import csv
import json
import pathlib

import pytest
from test_cli_usage import only_line

MOBILENET = pathlib.Path(__file__).resolve().parents[2] / "graphs/mobilenet.graph.json.zst"


def rows(path):
    return list(csv.DictReader(path.open(newline="")))


@pytest.fixture
def planned(deeptm, tmp_path):
    made = deeptm("plan", MOBILENET, "--policy", "lru", "--fast", "20%", "-o", "plan.json")
    assert made.returncode == 0, made.stderr
    return MOBILENET, "plan.json"


def test_show_has_a_line_for_each_tensor(deeptm, tmp_path):
    done = deeptm("show", MOBILENET, "--json", "--csv", "tensors.csv")
    summary, tensors = json.loads(done.stdout), rows(tmp_path / "tensors.csv")
    assert len(tensors) == summary["tensors"]
    assert sum(int(row["bytes"]) for row in tensors) == summary["total_bytes"]
    assert all(int(row["first_kernel"]) <= int(row["last_kernel"]) for row in tensors)


def test_simulate_has_a_line_for_each_kernel(deeptm, planned, tmp_path):
    done = deeptm("simulate", *planned, "--json", "--csv", "kernels.csv")
    step, kernels = json.loads(done.stdout), rows(tmp_path / "kernels.csv")
    assert max(int(row["fast_bytes"]) for row in kernels) <= step["fast_peak_bytes"]
    assert float(kernels[-1]["end_seconds"]) <= step["step_seconds"] * (1 + 1e-9)
    assert 0 < sum(float(row["stall_seconds"]) for row in kernels) <= step["stall_seconds"] * (1 + 1e-9)


def test_capacity_has_a_line_for_each_point(deeptm, tmp_path):
    done = deeptm("capacity", MOBILENET, "--policy", "lru", "--fast", "20%,50%,100%", "--json", "--csv", "points.csv")
    (graph,), points = json.loads(done.stdout)["graphs"], rows(tmp_path / "points.csv")
    assert [float(row["performance"]) for row in points] == pytest.approx([point["performance"] for point in graph["points"]])
    (least,) = [row for row in points if row["least"] == "true"]
    assert int(least["fast_bytes"]) == graph["curves"][0]["least"]["fast_bytes"]


def test_verify_says_it_as_json(deeptm, planned, tmp_path):
    right = json.loads(deeptm("verify", *planned, "--json").stdout)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert right["right"] is True and right["moves"] == len(plan["moves"]) and right["fast_bytes"] == plan["fast_bytes"]
    plan["fast_bytes"] = 4096
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    wrong = deeptm("verify", *planned, "--json")
    assert wrong.returncode == 1
    assert json.loads(wrong.stdout) == {"right": False, "error": wrong.stderr.strip().removeprefix("deeptm: error: ")}


@pytest.mark.parametrize("command", [("show", MOBILENET), ("capacity", MOBILENET)])
def test_a_table_that_cannot_be_written_is_refused(command, deeptm):
    assert "no/such/folder" in only_line(deeptm(*command, "--csv", "no/such/folder/x.csv"))
