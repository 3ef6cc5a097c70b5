# SPDX-License-Identifier: Apache-2.0
"""deeptm plan, verify, simulate, compare: on the checked-in graphs, on damaged ones, interrupted."""

import csv
import json
import pathlib
import signal
import subprocess
import time

import pytest
from test_cli_usage import only_line

GRAPHS = pathlib.Path(__file__).resolve().parents[2] / "graphs"
ALEXNET = GRAPHS / "alexnet.graph.json.zst"


def kernel(name):
    return {"name": name, "type": "Test", "seconds": 1.0}


def tensor(size, first, last, **more):
    return {"name": f"t{first}", "bytes": size, "first_kernel": first, "last_kernel": last, **more}


def graph(tensors, accesses, kernels=3):
    return {
        "magic": "deeptm-step-graph",
        "format": 1,
        "origin": {},
        "kernels": [kernel(f"k{i}") for i in range(kernels)],
        "tensors": tensors,
        "accesses": accesses,
    }


@pytest.fixture
def write(tmp_path):
    def write(document, name="graph.json"):
        text = document if isinstance(document, str) else json.dumps(document)
        (tmp_path / name).write_text(text)
        return name

    return write


def test_plan_verify_simulate(deeptm, tmp_path):
    for policy in (("--policy", "first-touch"), ("--policy", "autotm-sync"), ("--policy", "deeptm+whole-tensors+heat-seed"), ()):
        made = deeptm("plan", ALEXNET, "--batch", 512, "--fast", "20%", *policy, "-o", "plan.json")
        assert made.returncode == 0, made.stderr
        assert "performance 0." in made.stdout and "(simulated)" in made.stdout
        checked = deeptm("verify", ALEXNET, "plan.json", "--batch", 512)
        assert checked.returncode == 0 and "right" in checked.stdout
        simulated = deeptm("simulate", ALEXNET, "plan.json", "--batch", 512, "--json")
        timeline = json.loads(simulated.stdout)
        assert timeline["kind"] == "simulated"
        assert timeline["fast_peak_bytes"] <= json.loads((tmp_path / "plan.json").read_text())["fast_bytes"]
        assert f"performance {timeline['performance']:.3f}" in made.stdout


def test_the_joint_planner_plans_unless_told_otherwise(deeptm, tmp_path):
    deeptm("plan", ALEXNET, "--batch", 512)
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert plan["policy"] == "deeptm" and plan["options"].endswith("% above the bound")


def test_a_plan_is_good_enough_near_its_bound_or_after_a_time(deeptm, tmp_path):
    def gap(*options):
        made = deeptm("plan", ALEXNET, "--batch", 512, *options, "--json")
        assert made.returncode == 0, made.stderr
        return float(json.loads(made.stdout)["planner"].split()[0])

    best = gap()
    assert best <= gap("--gap", "5%") <= 5
    assert best <= gap("--seconds", 0)
    refused = deeptm("plan", ALEXNET, "--policy", "belady", "--gap", 5)
    assert refused.returncode == 2 and "are for deeptm" in only_line(refused)


def test_slack_is_told_against_the_plan_without_it(deeptm, tmp_path):
    arguments = ("plan", ALEXNET, "--batch", 512, "--mode", "async")
    without = json.loads(deeptm(*arguments, "--json").stdout)
    assert "slack" not in without
    with_slack = json.loads(deeptm(*arguments, "--slack", "30%", "--json").stdout)
    slack = with_slack["slack"]
    assert slack["percent"] == 30 and slack["performance_without"] == without["performance"]
    assert slack["performance_without_disturbed"] <= slack["performance_disturbed"] < with_slack["performance"]
    assert deeptm("verify", ALEXNET, "plan.json", "--batch", 512).returncode == 0
    line = deeptm(*arguments, "--slack", "30").stdout.splitlines()[1]
    assert line == (
        f"slack 30 %: performance {with_slack['performance']:.3f} ({slack['performance_without']:.3f} without slack); "
        f"if kernels run 30 % faster and copies 30 % slower: {slack['performance_disturbed']:.3f} "
        f"({slack['performance_without_disturbed']:.3f} without)"
    )


def test_compare_without_bound(deeptm, tmp_path):
    deeptm("compare", ALEXNET, "--policy", "lru", "--no-bound", "--json", "rows.json")
    (row,) = json.loads((tmp_path / "rows.json").read_text())
    assert row["bound"] is None and row["gap"] is None and row["verified"]


def test_the_same_input_gives_the_same_plan_to_the_byte(deeptm, tmp_path):
    for name in ("a.json", "b.json"):
        deeptm("plan", ALEXNET, "--batch", 512, "--policy", "autotm-sync+weights", "-o", name)
    assert (tmp_path / "a.json").read_bytes() == (tmp_path / "b.json").read_bytes()


def test_compare_writes_rows_and_answers_again_from_its_cache(deeptm, tmp_path):
    arguments = ("compare", ALEXNET, "--batch", 512, "--fast", "20%,50%", "--policy", "all")
    first = deeptm(*arguments, "--json", "rows.json", "--csv", "rows.csv")
    assert first.returncode == 0, first.stderr
    assert first.stderr == "deeptm: report: results/compare/report.html\n"  # progress is for terminals
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert {row["fast"] for row in rows} == {"20%", "50%"}
    for row in rows:
        fields = "graph batch machine fast mode policy performance bound gap plan_seconds plan_peak_bytes verified config_hash"
        assert set(fields.split()) <= row.keys()
        assert row["kind"] == "simulated" and row["mode"] == "sync" and row["batch"] == 512
        if row["policy"] not in ("all-fast", "2lm"):
            assert row["verified"] and row["performance"] <= row["bound"] * (1 + 1e-6)
    assert len({row["config_hash"] for row in rows}) == len(rows)
    with open(tmp_path / "rows.csv") as file:
        assert [row["policy"] for row in csv.DictReader(file)] == [row["policy"] for row in rows]
    # Times, too, are those of the first run.
    again = deeptm(*arguments, "--json", "again.json")
    assert again.stdout == first.stdout
    assert (tmp_path / "again.json").read_bytes() == (tmp_path / "rows.json").read_bytes()


def test_compare_survives_a_damaged_cache(deeptm, tmp_path):
    arguments = ("compare", ALEXNET, "--policy", "lru", "--json", "rows.json")
    deeptm(*arguments)
    for file in (tmp_path / "results/compare").iterdir():
        file.write_text('{"performance": ')
    again = deeptm(*arguments)
    assert again.returncode == 0, again.stderr
    assert json.loads((tmp_path / "rows.json").read_text())[0]["verified"]


def test_compare_tells_a_policy_that_cannot_and_goes_on(deeptm):
    process = deeptm("compare", ALEXNET, "--batch", 2, "--fast", "1%", "--policy", "autotm-sync,lru")
    assert process.returncode == 0
    lines = process.stdout.splitlines()
    assert "AutoTM keeps weights in fast memory" in lines[1]
    assert " lru " in lines[2]


def test_interrupted_compare_keeps_what_is_done(program, tmp_path):
    large = GRAPHS / "inception_v4.graph.json.zst"
    process = subprocess.Popen(
        [program, "compare", large, "--batch", "512", "--policy", "first-touch,autotm-sync", "--jobs", "2"]
        + ["--cache", "", "--json", "rows.json"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    head, row = process.stdout.readline(), process.stdout.readline()
    assert "first-touch" in row
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 30
    assert process.returncode == 130
    assert "interrupted" in errors
    assert [row["policy"] for row in json.loads((tmp_path / "rows.json").read_text())] == ["first-touch"]


@pytest.mark.parametrize(
    "tensors, accesses, expected",
    [
        ([tensor(8, 2, 1)], [], "tensors[0].last_kernel: 1 is before the first_kernel 2"),  # a cycle in time
        ([tensor(8, 1, 2)], [{"kernel": 0, "tensor": 0, "reads": 1}], "accesses[0].kernel: 0 is outside the lifetime"),
        ([tensor(-8, 0, 1)], [], "tensors[0].bytes: "),
        ([tensor(2**63, 0, 1)], [], "tensors[0].bytes: "),
        ([tensor(2**59, 0, 1)] * 3, [], "tensors[2].bytes: "),
        ([tensor(8, 0, 9)], [], "tensors[0].last_kernel: 9 is past the last of 3 kernels"),
        ([tensor(8, 0, 1)], [{"kernel": 0, "tensor": 7, "reads": 1}], "accesses[0].tensor: 7 is past the last"),
        ([tensor(8, 0, 2, alive_at_end=True, becomes=0)], [], "tensors[0].becomes: "),
    ],
)
@pytest.mark.parametrize("command", ["plan", "compare"])
def test_impossible_graphs_are_refused_by_field(deeptm, write, tensors, accesses, expected, command):
    line = only_line(deeptm(command, write(graph(tensors, accesses))))
    assert "graph.json: " + expected in line


def test_damaged_text_is_told_by_line(deeptm, write):
    line = only_line(deeptm("plan", write('{"magic": "deeptm-step-graph",\n "format": 1,\n "kernels": [}')))
    assert line.startswith("deeptm: error: graph.json: line 3")


def test_kernel_larger_than_every_tier_is_told(deeptm, write):
    size = 2**59
    document = graph([tensor(size, 0, 1)], [{"kernel": 0, "tensor": 0, "writes": 1}])
    process = deeptm("plan", write(document), "--fast", "1GiB", "--policy", "lru")
    assert process.returncode == 1
    assert "can't hold them" in process.stderr and len(process.stderr.splitlines()) == 1


def test_kernel_larger_than_the_limit_is_planned(deeptm, write):
    document = graph([tensor(10**9, 0, 1)], [{"kernel": 0, "tensor": 0, "writes": 1}])
    for policy in ("first-touch", "lru", "belady", "autotm-sync"):
        process = deeptm("plan", write(document), "--fast", "1MiB", "--policy", policy)
        assert process.returncode == 0, process.stderr


def test_recompute_is_an_option_of_deeptm(deeptm, tmp_path):
    arguments = ("plan", ALEXNET, "--batch", 512, "--machine", "nvme", "--json")
    without = json.loads(deeptm(*arguments, "--policy", "deeptm", "-o", "without.json").stdout)
    made = json.loads(deeptm(*arguments, "--policy", "deeptm", "--recompute", "cheap", "-o", "with.json").stdout)
    assert without["recomputes"] == 0 and made["recomputes"] > 0
    assert made["performance"] > without["performance"]
    assert "above the bound" in made["planner"]
    plan = json.loads((tmp_path / "with.json").read_text())
    assert plan["policy"] == "deeptm+recompute" and len(plan["recomputes"]) == made["recomputes"]
    deeptm(*arguments, "--policy", "deeptm+recompute", "-o", "named.json")
    assert (tmp_path / "named.json").read_bytes() == (tmp_path / "with.json").read_bytes()
    of_plan = (ALEXNET, "with.json", "--batch", 512, "--machine", "nvme")
    assert f"{made['recomputes']} recomputes" in deeptm("verify", *of_plan).stdout
    assert "(simulated)" in deeptm("simulate", *of_plan).stdout
    timeline = json.loads(deeptm("simulate", *of_plan, "--json").stdout)
    assert timeline["recompute_seconds"] > 0 and timeline["kind"] == "simulated"
    assert timeline["performance"] == made["performance"]


def test_bound_of_moves_is_not_that_of_recomputes(deeptm, tmp_path):
    arguments = ("compare", ALEXNET, "--batch", 8, "--policy", "lru,deeptm", "--recompute", "cheap")
    deeptm(*arguments, "--cache", "", "--json", "rows.json")
    lru, joint = json.loads((tmp_path / "rows.json").read_text())
    assert lru["policy"] == "lru" and lru["bound"] >= lru["performance"]
    assert joint["policy"] == "deeptm+recompute" and joint["bound"] is None and joint["gap"] is None
    assert "above the bound" in joint["planner"]


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("plan", ALEXNET, "--policy", "lru", "--recompute", "cheap"), "--recompute cheap: lru can't; --policy deeptm can"),
        (("plan", ALEXNET, "--recompute", "all"), "--recompute"),
        (("plan", ALEXNET, "--policy", "autotm"), "no policy 'autotm'; there are all-fast, "),
        (("plan", ALEXNET, "--policy", "autotm-sync+fast"), "autotm-sync has no option 'fast'; it has weights, "),
        (("plan", ALEXNET, "--policy", "autotm-async"), "autotm-async copies beside kernels: --mode async"),
        (("plan", ALEXNET, "--machine", "optan"), "no machine 'optan': name a file, or one of "),
        (("plan", ALEXNET, "--fast", "lots"), "plan: --fast "),
        (("plan", ALEXNET, "--slack", "much"), "--slack"),
        (("plan", ALEXNET, "--slack", "-1%"), "--slack"),
        (("compare", ALEXNET, "--policy", "lru,mru"), "no policy 'mru'"),
        (("compare", "nowhere.json"), "nowhere.json"),
        (("compare", ALEXNET, "--json", "no/where.json"), "no/where.json: the directory "),
    ],
)
def test_bad_arguments_get_one_line_that_says_what_works(deeptm, arguments, expected):
    assert expected in only_line(deeptm(*arguments))


def test_plan_of_another_graph_is_refused(deeptm):
    deeptm("plan", ALEXNET, "--policy", "lru")
    line = only_line(deeptm("verify", ALEXNET, "plan.json", "--batch", 8))
    assert "plan.json: graph: the plan is for graph " in line


def test_wrong_plan_is_told_with_its_kernel(deeptm, tmp_path):
    deeptm("plan", ALEXNET, "--batch", 512, "--policy", "lru")
    plan = json.loads((tmp_path / "plan.json").read_text())
    plan["fast_bytes"] //= 2
    (tmp_path / "plan.json").write_text(json.dumps(plan))
    process = deeptm("verify", ALEXNET, "plan.json", "--batch", 512)
    assert process.returncode == 1
    assert "over limit" in process.stderr and "kernel " in process.stderr
