# SPDX-License-Identifier: Apache-2.0
"""--json of every command, --csv of those that have rows."""

import csv
import json
import os
import pathlib
import subprocess

import pytest
from test_cli_usage import COMMANDS

GRAPH = pathlib.Path(__file__).resolve().parents[2] / "graphs/alexnet.graph.json.zst"


def rows_of(file):
    with file.open() as lines:
        return list(csv.DictReader(lines))


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_speaks_json(deeptm, command):
    assert "--json" in deeptm(command, "--help").stdout


@pytest.fixture
def planned(deeptm, tmp_path):
    assert deeptm("plan", GRAPH, "--fast", "30%", "--policy", "belady", "-o", "plan.json", "--csv", "moves.csv").returncode == 0
    return json.loads((tmp_path / "plan.json").read_text())


def test_moves_of_a_plan(planned, tmp_path):
    moves = rows_of(tmp_path / "moves.csv")
    assert len(moves) == len(planned["moves"]) > 0
    assert {move["from"] for move in moves} == {"dram", "pm"}


def test_trace_counts_its_events(deeptm, planned, tmp_path):
    told = json.loads(deeptm("trace", GRAPH, "plan.json", "-o", "trace.json", "--json").stdout)
    assert told == {"trace": "trace.json", "kind": "simulated", "events": len(json.loads((tmp_path / "trace.json").read_text())["traceEvents"])}


def test_what_is_synthesized_is_what_show_shows(deeptm):
    made = json.loads(deeptm("synthesize", "chain", "--tensors", "100", "-o", "chain.graph.json", "--json").stdout)
    assert made == json.loads(deeptm("show", "chain.graph.json", "--json").stdout)


def test_addresses_of_a_step(deeptm, tmp_path):
    assert deeptm("aggregate", GRAPH, "--csv", "addresses.csv").returncode == 0
    rows = rows_of(tmp_path / "addresses.csv")
    tensors = json.loads(deeptm("show", GRAPH, "--json").stdout)["tensors"]
    assert 0 < len(rows) <= tensors
    assert all(int(row["address"]) % 64 == 0 for row in rows)


def test_what_is_cleaned(program, tmp_path):
    (tmp_path / "cache/deeptm").mkdir(parents=True)
    (tmp_path / "cache/deeptm/adapter").write_text("12345")
    variables = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "XDG_STATE_HOME": str(tmp_path / "state")}

    def clean(*options):
        return json.loads(subprocess.run([program, "clean", "--json", *options], env=variables, capture_output=True, text=True, check=True).stdout)

    expected = [{"folder": str(tmp_path / "cache/deeptm"), "bytes": 5}]
    assert clean("--dry-run") == {"removed": expected, "dry_run": True}
    assert clean() == {"removed": expected, "dry_run": False}
    assert clean() == {"removed": [], "dry_run": False}
