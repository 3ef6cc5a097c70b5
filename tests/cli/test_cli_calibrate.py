# SPDX-License-Identifier: Apache-2.0
"""deeptm calibrate: a machine file that the planning commands take."""

import json
import pathlib

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
ALEXNET = CHECKOUT / "graphs/alexnet.graph.json.zst"


@pytest.mark.parametrize("slow", ["file", "memory", "node:0"])
def test_machine_of_calibrate_is_one_that_compare_takes(deeptm, tmp_path, slow):
    made = deeptm("calibrate", "--quick", "--slow", slow, "--price-fast", "5", "-o", "machine.json")
    assert made.returncode == 0, made
    assert made.stderr == ""  # progress is for terminals
    machine = json.loads((tmp_path / "machine.json").read_text())
    assert machine["source"].startswith("measured by deeptm calibrate --quick")
    fast, behind = machine["tiers"]
    assert fast["price_per_gb"] == 5 and behind["price_per_gb"] == 0
    assert [path["from"] for path in machine["copies"]] == [fast["name"], behind["name"]]
    assert machine["compute"]["flops_per_second"] == 0
    compared = deeptm("compare", ALEXNET, "--batch", "32", "--machine", "machine.json", "--policy", "first-touch", "--cache", "")
    assert compared.returncode == 0, compared
    assert "first-touch" in compared.stdout
    # Nothing is left but the file.
    assert [path.name for path in tmp_path.iterdir()] == ["machine.json"]


def test_flops_come_from_a_graph(deeptm, tmp_path):
    made = deeptm("calibrate", "--quick", "--slow", "memory", "--graph", ALEXNET, "-o", "machine.json")
    assert made.returncode == 0, made
    compute = json.loads((tmp_path / "machine.json").read_text())["compute"]
    assert compute["flops_per_second"] > 0
    assert compute["flops_per_second_by_type"]["Conv2D"] > 0


def test_graph_that_nobody_measured_gives_no_flops(deeptm, tmp_path):
    assert deeptm("synthesize", "chain", "--tensors", "100", "-o", "chain.json").returncode == 0
    made = deeptm("calibrate", "--graph", "chain.json", "-o", "machine.json")
    assert made.returncode == 2
    assert "durations were not measured" in made.stderr
