# SPDX-License-Identifier: Apache-2.0
"""Every example as a user would run it: the same bits under DeepTM, in 32 MiB, as under stock TensorFlow."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "examples"
NAMES = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem != "common")
ONE_THREAD = {"TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def result_of(text):
    lines = re.findall(r"^result (\S+)$", text, re.MULTILINE)
    assert lines, text
    return lines[-1]


@pytest.mark.parametrize("name", NAMES)
def test_example_is_bit_identical(name, deeptm, tmp_path):
    command = [sys.executable, str(EXAMPLES / f"{name}.py"), "--deterministic"]
    stock = subprocess.run(
        command, cwd=tmp_path, env=os.environ | ONE_THREAD, text=True, capture_output=True, timeout=300
    )
    assert stock.returncode == 0, stock.stderr
    process = deeptm("run", "--fast", "32MiB", "--json", "run.json", "--", *command, env=ONE_THREAD)
    assert process.returncode == 0, process.stderr
    assert result_of(process.stdout) == result_of(stock.stdout)
    assert "fast memory: limit 32.0 MiB" in process.stderr
