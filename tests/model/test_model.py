# SPDX-License-Identifier: Apache-2.0
"""The pager's states, looked at exhaustively by Spin, and mistakes that it must find there (pager.pml, pager_in_place.pml)."""

import pathlib
import re
import shutil
import subprocess

import pytest

HERE = pathlib.Path(__file__).parent
PAGER, IN_PLACE = HERE / "pager.pml", HERE / "pager_in_place.pml"
DEEP = "-m2000000"

# What the model is of, and how many states that has at least: a model that can go nowhere is right, too.
SIZES = [
    (PAGER, {"TOUCHERS": 1, "ROUNDS": 3}, 500_000),
    (PAGER, {"TOUCHERS": 2, "ROUNDS": 1}, 5_000_000),
    (PAGER, {"TOUCHERS": 1, "ROUNDS": 2, "WORKERS": 2}, 200_000),
    (IN_PLACE, {"TOUCHERS": 2, "ROUNDS": 1, "MOVES": 1}, 4_000_000),
    (IN_PLACE, {"TOUCHERS": 1, "ROUNDS": 3, "MOVES": 2}, 1_000_000),
]
MISTAKES = [
    ("stands by though it was touched", PAGER, {"BUG": 1}, "invalid end state"),
    ("written before it is taken", PAGER, {"BUG": 2, "ROUNDS": 3}, "assertion violated"),
    ("nobody is woken", PAGER, {"BUG": 3}, "invalid end state"),
    ("dies while it is read for a touch", PAGER, {"BUG": 4, "TOUCHERS": 2, "ROUNDS": 1}, "invalid end state"),
    ("a frame too many", PAGER, {"BUG": 5}, "assertion violated"),
    ("copied out before it is taken", IN_PLACE, {"BUG": 1}, "assertion violated"),
    ("copied in before it is taken", IN_PLACE, {"BUG": 2}, "assertion violated"),
    ("nobody is woken in place", IN_PLACE, {"BUG": 3}, "invalid end state"),
    ("dies in transit while it is touched", IN_PLACE, {"BUG": 4}, "invalid end state"),
    ("born while its chunk is in transit", IN_PLACE, {"BUG": 5}, "assertion violated"),
]


def look(folder, model, **sizes):
    """(the complaint or "", how many states)"""
    if shutil.which("spin") is None:
        pytest.skip("spin is not installed (Debian's package spin)")
    def run(*command):
        return subprocess.run(command, cwd=folder, text=True, capture_output=True, check=True, timeout=300).stdout

    run("spin", *[f"-D{name}={value}" for name, value in sizes.items()], "-a", model)
    run("cc", "-w", "-DSAFETY", "-o", "pan", "pan.c")
    said = run("./pan", DEEP)
    assert "max search depth too small" not in said, said
    states = int(re.search(r"(\d+) states, stored", said)[1])
    complaint = re.search(r"pan:\d*:? ?(.*) \(at depth", said)
    assert (complaint is not None) == ("errors: 0" not in said), said
    return complaint[1] if complaint else "", states


@pytest.mark.parametrize("model, sizes, states", SIZES)
def test_no_state_is_wrong(model, sizes, states, tmp_path):
    complaint, seen = look(tmp_path, model, **sizes)
    assert complaint == ""
    assert seen >= states


@pytest.mark.parametrize("mistake, model, sizes, expected", MISTAKES, ids=[mistake[0] for mistake in MISTAKES])
def test_mistakes_are_found(mistake, model, sizes, expected, tmp_path):
    complaint, _ = look(tmp_path, model, **sizes)
    assert expected in complaint, f"{mistake}: {complaint!r}"
