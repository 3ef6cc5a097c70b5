# SPDX-License-Identifier: Apache-2.0
"""The pager's states, looked at exhaustively by Spin, and mistakes that it must find there (pager.pml)."""

import pathlib
import re
import shutil
import subprocess

import pytest

MODEL = pathlib.Path(__file__).with_name("pager.pml")
DEEP = "-m2000000"

# What the model is of, and how many states that has at least: a model that can go nowhere is right, too.
SIZES = [
    ({"TOUCHERS": 1, "ROUNDS": 3}, 500_000),
    ({"TOUCHERS": 2, "ROUNDS": 1}, 5_000_000),
    ({"TOUCHERS": 1, "ROUNDS": 2, "WORKERS": 2}, 200_000),
]
MISTAKES = [
    ("stands by though it was touched", {"BUG": 1}, "invalid end state"),
    ("written before it is taken", {"BUG": 2, "ROUNDS": 3}, "assertion violated"),
    ("nobody is woken", {"BUG": 3}, "invalid end state"),
    ("dies while it is read for a touch", {"BUG": 4, "TOUCHERS": 2, "ROUNDS": 1}, "invalid end state"),
    ("a frame too many", {"BUG": 5}, "assertion violated"),
]


def look(folder, **sizes):
    """(the complaint or "", how many states)"""
    if shutil.which("spin") is None:
        pytest.skip("spin is not installed (Debian's package spin)")
    def run(*command):
        return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=True, timeout=300).stdout

    run("spin", *[f"-D{name}={value}" for name, value in sizes.items()], "-a", MODEL)
    run("cc", "-w", "-DSAFETY", "-o", "pan", "pan.c")
    said = run("./pan", DEEP)
    assert "max search depth too small" not in said, said
    states = int(re.search(r"(\d+) states, stored", said)[1])
    complaint = re.search(r"pan:\d*:? ?(.*) \(at depth", said)
    assert (complaint is not None) == ("errors: 0" not in said), said
    return complaint[1] if complaint else "", states


@pytest.mark.parametrize("sizes, states", SIZES, ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "")
def test_no_state_is_wrong(sizes, states, tmp_path):
    complaint, seen = look(tmp_path, **sizes)
    assert complaint == ""
    assert seen >= states


@pytest.mark.parametrize("mistake, sizes, expected", MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_mistakes_are_found(mistake, sizes, expected, tmp_path):
    complaint, _ = look(tmp_path, **sizes)
    assert expected in complaint, f"{mistake}: {complaint!r}"
