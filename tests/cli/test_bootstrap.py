# SPDX-License-Identifier: Apache-2.0
"""scripts/bootstrap on machines that lack something, played by stand-ins for dpkg-query, id and apt-get."""

import os
import pathlib
import subprocess

import pytest

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]


@pytest.fixture
def bootstrap(tmp_path):
    """bootstrap(installed=[...], user=0, apt="...") -> the finished process; apt-get's calls are in apt.log."""

    def run(installed=(), user=1000, apt="exit 0"):
        stand_ins = {
            "dpkg-query": f'case " {" ".join(installed)} " in *" $3 "*) echo -n installed ;; *) exit 1 ;; esac',
            "id": f"echo {user}",
            "apt-get": f'echo "$*" >>"{tmp_path}/apt.log"; {apt}',
        }
        for name, body in stand_ins.items():
            path = tmp_path / name
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        environment = os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}", "DEEPTM_SKIP_PACKAGES": "0"}
        return subprocess.run(
            [CHECKOUT / "scripts/bootstrap", "run"], env=environment, capture_output=True, text=True, timeout=60
        )

    return run


def packages(name):
    lines = (CHECKOUT / f"scripts/packages/{name}.txt").read_text().splitlines()
    return [line for line in lines if not line.startswith("#")]


def test_not_root_prints_the_line_to_run_and_stops(bootstrap, tmp_path):
    have, lack = packages("run")[:-2], packages("run")[-2:]
    process = bootstrap(installed=have)
    assert process.returncode == 1
    assert process.stderr.splitlines()[-1].strip() == (
        "sudo apt-get install -y --no-install-recommends " + " ".join(lack)
    )
    assert not (tmp_path / "apt.log").exists()


def test_root_says_what_it_installs_and_stops_when_that_fails(bootstrap, tmp_path):
    process = bootstrap(installed=packages("run")[1:], user=0, apt='[ "$2" != -y ]')
    assert process.returncode == 1
    assert f"installing Debian packages: {packages('run')[0]}" in process.stdout
    assert "failed: apt-get install" in process.stderr
    assert "install -y -qq --no-install-recommends g++" in (tmp_path / "apt.log").read_text()


def test_lists_are_fetched_when_a_package_is_unknown(bootstrap, tmp_path):
    process = bootstrap(user=0, apt="exit 1")
    assert process.returncode == 1
    assert "apt-get update failed" in process.stderr
    assert "update -qq" in (tmp_path / "apt.log").read_text()
