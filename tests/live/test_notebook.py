# SPDX-License-Identifier: Apache-2.0
"""`deeptm.enable()` and `deeptm env`: processes that DeepTM does not start."""

import os
import pathlib
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
LIMIT = "64MiB"
# Half a GB of tensors, each read again at the end.
SCRIPT = """
import tensorflow as tf
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
before = resident()
kept = [tf.fill((16 << 20,), float(i)) for i in range(8)]
print(resident() - before)
print([float(tf.reduce_max(t) + tf.reduce_min(t)) for t in kept])
print("libdeeptm.so" in open("/proc/self/maps").read())
"""


def python(code, tmp_path, **environment):
    return subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, text=True, capture_output=True, timeout=300,
        env=os.environ | {"PYTHONPATH": str(CHECKOUT / "python")} | environment,
    )


def expect_bounded(process):
    assert process.returncode == 0, process.stderr
    resident, values, managed = process.stdout.splitlines()[-3:]
    assert int(resident) < 200 << 20
    assert values == str([2.0 * i for i in range(8)])
    assert managed == "True"


def test_enable_bounds_what_is_imported_afterwards(program, tmp_path):
    enable = f"import deeptm; deeptm.enable(fast='{LIMIT}', slow='file:/var/tmp', policy='demand')"
    expect_bounded(python(enable + SCRIPT, tmp_path, DEEPTM_PROGRAM=program))
    # The checkout's own command is found by itself.
    done = python(f"import deeptm, os; deeptm.enable('{LIMIT}'); print(os.environ['DEEPTM_CONFIG'])", tmp_path)
    assert done.returncode == 0, done.stderr
    assert f'"fast_bytes":{64 << 20}' in done.stdout


def test_a_shell_takes_the_environment(program, tmp_path):
    script = f'eval "$({program} env --fast {LIMIT} --policy demand --python {sys.executable})"; exec {sys.executable} -c "$SCRIPT"'
    process = subprocess.run(
        ["sh", "-c", script], cwd=tmp_path, text=True, capture_output=True, timeout=300,
        env=os.environ | {"SCRIPT": SCRIPT, "TF_CPU_ALLOCATOR_USE_BFC": "1"},
    )
    expect_bounded(process)
    assert "TF_CPU_ALLOCATOR_USE_BFC is ignored" in process.stderr


@pytest.mark.parametrize(
    "call, expected",
    [
        ("enable('20%')", "comes too late: tensorflow is imported already"),
        ("enable('20 parsecs')", "--fast"),
        ("enable('20%', policy='deepmt')", "deeptm"),
        ("enable('20%', flow='x')", "unknown option '--flow': did you mean '--slow'?"),
        ("enable('20%', plan='p.json', graph='g.json')", "`deeptm run`"),
    ],
)
def test_mistakes_are_told_before_anything_is_changed(program, tmp_path, call, expected):
    late = "import sys, types; sys.modules['tensorflow'] = types.ModuleType('tensorflow')\n" if "late" in expected else ""
    code = f"""
import os
before = dict(os.environ)
{late}import deeptm
try:
    deeptm.{call}
except Exception as error:
    print(type(error).__name__, error)
print(dict(os.environ) == before)
"""
    process = python(code, tmp_path, DEEPTM_PROGRAM=program)
    assert process.returncode == 0, process.stderr
    message, unchanged = process.stdout.splitlines()
    assert message.startswith("BadInput ") and expected in message
    assert unchanged == "True"
