# SPDX-License-Identifier: Apache-2.0
"""deeptm plan with policies that learn: what is refused before training, and what training leaves."""

import csv
import json
import os
import pathlib
import signal
import subprocess

import pytest
from test_cli_usage import only_line

GRAPHS = pathlib.Path(__file__).resolve().parents[2] / "graphs"
ALEXNET = GRAPHS / "alexnet.graph.json.zst"
LEARN = ("plan", ALEXNET, "--batch", 512, "--policy", "deeptm-sync")


def agent(inputs=4, actions=2, hidden=1, **more):
    options = {"inputs": inputs, "actions": actions, "hidden": hidden, "episodes": 1, "exploring_episodes": 1}
    options |= {"replay": 100, "batch": 32, "learning_rate": 1e-4, "gamma": 0.99, "learn_every": 1, "target_every": 0}
    options |= {"seed": 1, "loss": "huber"}
    parameters = [0] * (hidden * (inputs + hidden + actions + 2) + actions)
    head = {"magic": "deeptm-agent", "format": 1, "trained_on": "nothing"}
    return head | {"options": options, "parameters": parameters, **more}


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (("--episodes", 0), "plan: --episodes: must be from 1 to 1000000, not 0"),
        (("--episodes", 1000001), "plan: --episodes: must be from 1 to 1000000, not 1000001"),
        (("--episodes", "many"), "--episodes"),
        (("--seed", -1), "--seed"),
        (("--agent", "nowhere.json"), "plan: nowhere.json: "),
        (("--agent", "."), "plan: .: "),
        (("--save-agent", "no/where.json"), "plan: no/where.json: the directory "),
        (("--save-agent", "."), "plan: . is a directory"),
        (("--curve", "no/where.csv"), "plan: no/where.csv: the directory "),
    ],
)
def test_refused_before_training_in_one_line(deeptm, tmp_path, arguments, expected):
    endless = () if {"--episodes", "--agent"} & {*arguments} else ("--episodes", 1000000)
    assert expected in only_line(deeptm(*LEARN, *endless, *arguments, timeout=60))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("option", [("--episodes", 5), ("--seed", 1), ("--save-agent", "b.json"), ("--curve", "c.csv")])
def test_agent_that_decides_is_not_trained(deeptm, tmp_path, option):
    (tmp_path / "a.json").write_text(json.dumps(agent()))
    line = only_line(deeptm(*LEARN, *option, "--agent", "a.json"))
    assert f"--agent decides as it is, nothing is trained: no {option[0]}" in line


@pytest.mark.parametrize("option", ["--episodes", "--seed", "--agent", "--save-agent", "--curve"])
@pytest.mark.parametrize("policy", ["belady", "deeptm-heat", "deeptm-no-drl"])
def test_policies_that_do_not_learn_take_no_option_of_training(deeptm, policy, option):
    line = only_line(deeptm("plan", ALEXNET, "--policy", policy, option, 5))
    assert f"--policy {policy} does not learn: no {option}" in line


@pytest.mark.parametrize(
    "document, expected",
    [
        ("{", "a.json: line 1"),
        ('{"magic": "deeptm-plan"}', "a.json: magic"),
        (agent(inputs=3), "a.json: an agent of 3 inputs and 2 actions; placing tensors takes 4 and 2"),
        (agent(actions=3), "a.json: an agent of 4 inputs and 3 actions; placing tensors takes 4 and 2"),
        (agent(parameters=[0]), "a.json: parameters"),
        (agent(hidden=0), "a.json: options.hidden: "),
    ],
)
def test_agents_that_cannot_place_tensors_are_refused_by_file(deeptm, tmp_path, document, expected):
    (tmp_path / "a.json").write_text(document if isinstance(document, str) else json.dumps(document))
    assert expected in only_line(deeptm(*LEARN, "--agent", "a.json"))


def test_curve_has_a_row_for_each_episode(deeptm, tmp_path):
    process = deeptm(*LEARN, "--episodes", 7, "--curve", "curve.csv")
    assert process.returncode == 0 and process.stderr == ""
    with open(tmp_path / "curve.csv") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == "episode greedy step_rewards reward loss performance best_performance".split()
    assert [int(row["episode"]) for row in rows] == list(range(7))
    assert float(rows[0]["greedy"]) == 0.1
    assert all(float(row["reward"]) <= 50 and row["reward"] != row["step_rewards"] for row in rows)
    best = [float(row["best_performance"]) for row in rows]
    assert best == sorted(best) and all(b >= float(row["performance"]) for b, row in zip(best, rows))
    assert "by=" in process.stdout and "episodes=7 " in process.stdout


def test_same_seed_gives_the_same_files_to_the_byte(deeptm, tmp_path):
    def train(name, *more):
        deeptm(*LEARN, "--episodes", 5, *more, "-o", name, "--save-agent", "agent-" + name, "--curve", "curve-" + name)
        return [(tmp_path / (kind + name)).read_bytes() for kind in ("", "agent-", "curve-")]

    first = train("a")
    assert train("b", "--seed", 1) == first  # the default
    other = train("c", "--seed", 2)
    assert other[1] != first[1] and other[2] != first[2]


def test_kept_agent_plans_the_same_again_without_training(deeptm, tmp_path):
    assert deeptm(*LEARN, "--episodes", 5, "--save-agent", "a.json").returncode == 0
    (tmp_path / "plan.json").unlink()
    plans = []
    for name in ("one.json", "two.json"):
        made = json.loads(deeptm(*LEARN, "--agent", "a.json", "-o", name, "--json").stdout)
        assert made["plan"] == name
        assert " episodes=0 " in made["planner"] and made["planner"].startswith("by=")
        plans.append((tmp_path / name).read_bytes())
        plan = json.loads(plans[-1])
        assert made["moves"] == len(plan["moves"]) and made["plan_seconds"] > 0
    assert plans[0] == plans[1]
    simulated = json.loads(deeptm("simulate", ALEXNET, "one.json", "--batch", 512, "--json").stdout)
    assert simulated["performance"] == pytest.approx(made["performance"])


def test_interrupted_training_writes_the_best_plan_so_far(program, tmp_path):
    """Once an episode's progress is on the terminal, Ctrl-C: the plan, the agent and the curve as far as they are."""
    graph = GRAPHS / "resnet152.graph.json.zst"
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [program, "plan", graph, "--batch", "512", "--policy", "deeptm-sync", "--episodes", "1000000"]
        + ["--save-agent", "agent.json", "--curve", "curve.csv"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=theirs,
        text=True,
    )
    os.close(theirs)
    said = b""
    while b"episode 2 of 1000000" not in said:
        said += os.read(ours, 1000)
    process.send_signal(signal.SIGINT)
    try:
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()  # it would train for days
        os.close(ours)
    assert process.returncode == 0
    rows = len((tmp_path / "curve.csv").read_text().splitlines()) - 1
    assert 2 <= rows < 1000000 and f"episodes={rows} " in output
    assert json.loads((tmp_path / "agent.json").read_text())["magic"] == "deeptm-agent"
    verify = [program, "verify", graph, tmp_path / "plan.json", "--batch", "512"]
    verified = subprocess.run(verify, capture_output=True, text=True)
    assert verified.returncode == 0 and "right" in verified.stdout
