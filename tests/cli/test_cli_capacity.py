# SPDX-License-Identifier: Apache-2.0
"""deeptm capacity: the least fast memory, the cheapest, the frontier; bad input."""

import json
import pathlib
import xml.etree.ElementTree as xml

import pytest
from test_cli_usage import only_line

GRAPHS = pathlib.Path(__file__).resolve().parents[2] / "graphs"
ALEXNET = GRAPHS / "alexnet.graph.json.zst"
ARGUMENTS = ("capacity", ALEXNET, "--batch", 512, "--policy", "deeptm,first-touch", "--fast", "10%,20%,60%,100%")


def test_the_least_reaches_the_target_and_a_little_less_does_not(deeptm, tmp_path):
    process = deeptm(*ARGUMENTS, "--tolerance", "1%", "--json")
    assert process.returncode == 0, process.stderr
    assert process.stderr == ""  # progress is for terminals
    found = json.loads(process.stdout)
    assert (found["kind"], found["mode"], found["target"], found["tolerance"]) == ("simulated", "sync", 0.9, 0.01)
    (graph,) = found["graphs"]
    assert (graph["graph"], graph["batch"]) == ("alexnet", 512)
    peak = graph["peak_bytes"]
    for curve in graph["curves"]:
        least = curve["least"]
        assert least["performance"] >= 0.9 and least["verified"]
        smaller = least["fast_bytes"] - peak // 100 - 1
        deeptm(
            *("compare", ALEXNET, "--batch", 512, "--policy", curve["policy"], "--cache", "", "--json", "rows.json"),
            *("--fast", f"{smaller},{least['fast_bytes']}"),
        )
        less, same = json.loads((tmp_path / "rows.json").read_text())
        assert less["performance"] < 0.9
        assert same["performance"] == least["performance"]
        assert same["memory_dollars"] == least["dollars"]


def test_points_are_what_they_cost_and_the_frontier_is_theirs(deeptm):
    found = json.loads(deeptm(*ARGUMENTS, "--price", "dram=10,pm=1", "--json").stdout)
    assert found["prices_per_gb"] == {"optane": {"dram": 10, "pm": 1}}
    (graph,) = found["graphs"]
    points = graph["points"]
    for point in points:
        dollars = (10 * point["tier_bytes"]["dram"] + point["tier_bytes"]["pm"]) / 1e9
        assert point["dollars"] == pytest.approx(dollars)
        assert point["share_of_all_fast_dollars"] == pytest.approx(dollars / (10 * graph["peak_bytes"] / 1e9))
        better = [
            other
            for other in points
            if other["dollars"] <= point["dollars"] and other["step_seconds"] <= point["step_seconds"]
            and (other["dollars"], other["step_seconds"]) != (point["dollars"], point["step_seconds"])
        ]
        assert point["on_frontier"] == (not better)
    enough = [point for point in points if point["performance"] >= 0.9]
    assert graph["cheapest"]["dollars"] == min(point["dollars"] for point in enough)
    # The last size of each curve has no next one.
    assert [point["fast_share"] for point in points if point["next_gib"] is None] == [1.0, 1.0]


def test_table_picture_and_cache(deeptm, tmp_path):
    first = deeptm(*ARGUMENTS, "-o", "picture.svg")
    assert first.returncode == 0, first.stderr
    assert "Simulated." in first.stdout and "least: " in first.stdout and "cheapest: " in first.stdout
    picture = (tmp_path / "picture.svg").read_bytes()
    assert b"simulated" in picture
    assert xml.fromstring(picture).tag.endswith("svg")
    cells = {file: file.stat().st_mtime_ns for file in (tmp_path / "results/capacity").iterdir()}
    assert cells
    assert deeptm(*ARGUMENTS, "-o", "picture.svg").stdout == first.stdout
    assert {file: file.stat().st_mtime_ns for file in (tmp_path / "results/capacity").iterdir()} == cells
    assert (tmp_path / "picture.svg").read_bytes() == picture


def test_several_graphs_and_machines(deeptm):
    small = ("--batch", 8, "--policy", "first-touch", "--fast", "50%,100%", "--tolerance", "10%", "--json")
    found = json.loads(
        deeptm("capacity", ALEXNET, GRAPHS / "mobilenet.graph.json.zst", "--machine", "optane,cxl", *small).stdout
    )
    assert [graph["graph"] for graph in found["graphs"]] == ["alexnet", "mobilenet"]
    for c, machine in enumerate(("optane", "cxl")):
        least = max(graph["curves"][c]["least"]["fast_bytes"] for graph in found["graphs"])
        assert found["all_graphs"][c]["machine"] == machine
        assert found["all_graphs"][c]["least_fast_bytes"] == least


def test_a_policy_that_can_not_plan_says_why_in_its_point(deeptm):
    process = deeptm("capacity", ALEXNET, "--batch", 2, "--policy", "autotm-sync", "--fast", "1%,100%", "--tolerance", "50%")
    assert process.returncode == 0, process.stderr
    assert "AutoTM keeps weights in fast memory" in process.stdout


def test_a_target_that_no_size_reaches(deeptm):
    process = deeptm("capacity", ALEXNET, "--batch", 512, "--fast", "5%", "--target", "99%", "--json")
    assert process.returncode == 2
    assert json.loads(process.stdout)["graphs"][0]["cheapest"] is None
    (line,) = process.stderr.splitlines()
    assert "alexnet: --target 99% is not reached at these sizes, the best is " in line


@pytest.fixture
def unpriced(deeptm, tmp_path):
    machine = json.loads((GRAPHS.parent / "machines/optane.json").read_text())
    machine["name"] = "mine"
    del machine["tiers"][1]["price_per_gb"]
    (tmp_path / "mine.json").write_text(json.dumps(machine))
    return "mine.json"


def test_a_machine_with_some_prices_needs_the_others(deeptm, unpriced):
    arguments = ("capacity", ALEXNET, "--machine", unpriced, "--policy", "first-touch", "--fast", "100%")
    assert "mine: tier 'pm' has no price: --price pm=DOLLARS_PER_GB" in only_line(deeptm(*arguments))
    # What is there anyway costs nothing.
    process = deeptm(*arguments, "--price", "pm=0", "--json")
    assert process.returncode == 0, process.stderr
    assert json.loads(process.stdout)["prices_per_gb"]["mine"]["pm"] == 0


def test_a_machine_without_any_price_has_no_dollars(deeptm, tmp_path):
    machine = json.loads((GRAPHS.parent / "machines/optane.json").read_text())
    for tier in machine["tiers"]:
        del tier["price_per_gb"]
    (tmp_path / "mine.json").write_text(json.dumps(machine))
    arguments = ("capacity", ALEXNET, "--machine", "mine.json", "--policy", "first-touch", "--fast", "50%,100%")
    process = deeptm(*arguments)
    assert process.returncode == 0, process.stderr
    assert "least: " in process.stdout and "performance 1.000" in process.stdout
    assert not [word for word in ("$0", "nan", "cheapest") if word in process.stdout]
    point = json.loads(deeptm(*arguments, "--json").stdout)["graphs"][0]["points"][0]
    assert point["share_of_all_fast_dollars"] is None
    assert "-o draws dollars, and optane has no prices" in only_line(deeptm(*arguments, "-o", "x.svg"))


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("--price", "gold=3"), "--price: no tier 'gold'; there are dram, pm"),
        (("--price", "dram"), "--price 'dram': write TIER=DOLLARS"),
        (("--price", "dram=-1"), "--price 'dram=-1': write TIER=DOLLARS"),
        (("--price", "dram=1x"), "--price 'dram=1x': write TIER=DOLLARS"),
        (("--price", "dram=1,dram=2"), "--price names 'dram' twice"),
        (("--target", "120%"), "--target '120%': write a percentage above 0% and up to 100%"),
        (("--target", "4GiB"), "--target '4GiB': write a percentage"),
        (("--tolerance", "0%"), "--tolerance '0%': write a percentage"),
        (("--fast", "lots"), "capacity: --fast 'lots' is not a limit"),
        (("--policy", "nobody"), "no policy 'nobody'"),
        (("--policy", "all-fast"), "all-fast ignores the limit"),
        (("--policy", "autotm-async"), "autotm-async copies beside kernels: --mode async"),
        (("--machine", "optan"), "no machine 'optan'"),
        (("--machine", "optane,optane"), "--machine: two are called 'optane'"),
        (("-o", "no/where.svg"), "no/where.svg: the directory "),
        ((ALEXNET,), "two graphs are called 'alexnet'"),
        (("nowhere.json",), "nowhere.json"),
    ],
)
def test_bad_arguments_get_one_line_that_says_what_works(deeptm, arguments, expected):
    assert expected in only_line(deeptm("capacity", ALEXNET, *arguments))
