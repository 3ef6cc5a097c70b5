# SPDX-License-Identifier: Apache-2.0
"""The fast limit against the system's own accounting: a memory cgroup that leaves no room for a broken promise."""

import json
import os
import pathlib
import subprocess
import sys

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
WORKLOAD = [
    *("-m", "deeptm.workload", "--model", "mobilenet", "--batch", "16", "--image", "96", "--steps", "4"),
    *("--data", "random", "--deterministic", "--digest"),
]
ENVIRONMENT = {"PYTHONPATH": str(CHECKOUT / "python"), "TF_NUM_INTEROP_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "2"}


def memory_cgroup():
    """Folder of this process's group, and the file of a group's limit, for version 1 or 2."""
    mine = dict(line.split(":", 2)[1:] for line in open("/proc/self/cgroup"))
    first = pathlib.Path("/sys/fs/cgroup/memory")
    if first.is_dir():
        return first / mine.get("memory", "/").strip().lstrip("/"), "memory.limit_in_bytes"
    second = pathlib.Path("/sys/fs/cgroup") / mine.get("", "/").strip().lstrip("/")
    return second, "memory.max"


@pytest.fixture
def limited():
    """limited(bytes) -> a function for subprocess's preexec_fn that enters a memory cgroup of that size."""
    parent, limit_file = memory_cgroup()
    group = parent / f"deeptm-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / limit_file).write_text(str(1 << 40))
    except OSError as error:
        pytest.skip(f"no memory cgroup can be made here: {error}")

    def enter(limit):
        (group / limit_file).write_text(str(limit))
        swap = group / "memory.swap.max"
        if swap.exists():
            swap.write_text("0")
        return lambda: (group / "cgroup.procs").write_text(str(os.getpid()))

    yield enter
    group.rmdir()


def test_training_fits_into_what_it_promises(deeptm, tmp_path, limited):
    stock_file = tmp_path / "stock.json"
    stock = subprocess.run(
        [sys.executable, *WORKLOAD, "--output", str(stock_file)],
        env=os.environ | ENVIRONMENT, cwd=tmp_path, text=True, capture_output=True, timeout=300,
    )
    assert stock.returncode == 0, stock.stderr
    command = [sys.executable, *WORKLOAD, "--output", "ours.json"]
    free = deeptm("run", "--fast", "100%", "--json", "free.json", "--", *command, env=ENVIRONMENT)
    assert free.returncode == 0, free.stderr
    peak = json.loads((tmp_path / "free.json").read_text())["live_peak_bytes"]
    stock_result = json.loads(stock_file.read_text())
    fast = peak // 5
    limit = int((stock_result["peak_rss_bytes"] - peak + fast) * 1.1)
    process = deeptm("run", "--fast", str(fast), "--", *command, env=ENVIRONMENT, preexec_fn=limited(limit))
    assert process.returncode == 0, process.stderr
    ours = json.loads((tmp_path / "ours.json").read_text())
    assert ours["losses"] == stock_result["losses"]
    assert ours["digest"] == stock_result["digest"]
