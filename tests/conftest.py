# SPDX-License-Identifier: Apache-2.0
"""Tests of the command line: each starts the built `deeptm` (DEEPTM_PROGRAM names another than the checkout's)."""

import os
import pathlib
import subprocess

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def program():
    path = pathlib.Path(os.environ.get("DEEPTM_PROGRAM", CHECKOUT / "build/bin/deeptm"))
    assert path.is_file(), f"{path} is missing: make build"
    # The first command on a machine builds the adapter and says so: here, so that no test meets that line.
    subprocess.run([path, "run", "--fast", "64MiB", "--", "true"], check=True, capture_output=True)
    return str(path)


@pytest.fixture
def deeptm(program, tmp_path, monkeypatch):
    """deeptm(*arguments, env={...}) -> the finished process, run in an empty folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    def run(*arguments, env=None, timeout=300, **options):
        return subprocess.run(
            [program, *map(str, arguments)],
            cwd=tmp_path,
            env=os.environ | (env or {}),
            timeout=timeout,
            text=True,
            capture_output=True,
            **options,
        )

    return run
