# SPDX-License-Identifier: Apache-2.0
"""Trainings that depart from the step they began with: under every policy they learn what they learn in stock TensorFlow."""

import json
import pathlib
import re
import subprocess
import sys

import pytest

import limited

SCRIPT = pathlib.Path(__file__).with_name("drift.py")
CASES = re.findall(r"^def case_(\w+)\(", SCRIPT.read_text(), re.MULTILINE)
FAST = "16MiB"
# Each operation is a step of its own to the framework: what is grouped into steps is recorded, but not followed.
UNRECORDED = {"eager_loop"}


def learned(case, folder, start=(), waits=False):
    """What the case learns in a process of its own, started by the command `start`."""
    log = folder / "log"
    command = [*start, sys.executable, SCRIPT, case, *((log,) if waits else ())]
    with log.open("w") as errors:
        options = {"cwd": folder, "env": limited.environment(), "timeout": 600}
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=errors, text=True, **options)
    assert process.returncode == 0, log.read_text()
    return json.loads(process.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def stock(tmp_path_factory):
    """stock(case) -> what stock TensorFlow learns; trained once for all policies."""
    found = {}

    def of(case):
        if case not in found:
            found[case] = learned(case, tmp_path_factory.mktemp("stock"))
        return found[case]

    return of


# What is recorded first is paged on demand, too: two cases that go on so are enough.
@pytest.mark.parametrize("case, policy", [*((case, "deeptm") for case in CASES), *((case, "demand") for case in CASES[:2])])
def test_drift_is_bit_identical(case, policy, stock, program, tmp_path):
    start = (program, "run", "--fast", FAST, *limited.policy_options(policy), "--json", "run.json", "--")
    assert learned(case, tmp_path, start, waits=policy != "demand") == stock(case)
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["fast_peak_bytes"] <= record["fast_limit_bytes"] < record["live_peak_bytes"]
    assert record["bytes_in"] > 0 and record["bytes_out"] > 0
    if policy != "demand" and case not in UNRECORDED:
        assert record["followed_steps"] > 0, record["plan"]
