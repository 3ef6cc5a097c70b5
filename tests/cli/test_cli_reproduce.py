# SPDX-License-Identifier: Apache-2.0
"""deeptm reproduce: the smallest part of it, interrupted, done again, refused."""

import csv
import json
import pathlib
import re
import signal
import subprocess
import sys

import pytest
from processes import wait_until
from test_cli_usage import only_line

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
SMALL = ("reproduce", "--quick", "--models", "alexnet", "--figures", "models,performance,micro,utilisation,planning")
MEASURED = {"planning-seconds", "planning-memory"}


@pytest.fixture(scope="module")
def reproduced(program, tmp_path_factory):
    """A finished run: (its folder, the process)."""
    folder = tmp_path_factory.mktemp("reproduced")
    done = subprocess.run([program, *SMALL, "--output", "out"], cwd=folder, text=True, capture_output=True, timeout=300)
    return folder / "out", done


def figures(folder):
    read = {file.stem: json.loads(file.read_text()) for file in folder.glob("*.json")}
    return {name: figure for name, figure in read.items() if "rows" in figure}


def test_every_table_says_what_it_is_and_stands_beside_what_was_published(reproduced):
    folder, done = reproduced
    assert done.returncode == 0, done.stderr
    found = figures(folder)
    assert {"models", "peaks", "fit-cpu-constants", "fit-cpu-residuals", "fit-cpu-reach", "performance-cpu-b128"} <= found.keys()
    for name, figure in found.items():
        assert figure["kind"] == ("measured" if name in MEASURED | {"models", "peaks"} else "simulated")
        assert figure["title"] in done.stdout
        rows = list(csv.DictReader((folder / f"{name}.csv").open()))
        assert [row["what"] for row in rows] == [row["what"] for row in figure["rows"]]
    published = {row["series"]: row["published"] for row in found["fit-cpu-residuals"]["rows"]}
    assert published == {"sentinel": 0.61, "autotm-sync": 0.625, "first-touch": 0.24}
    assert all(row["ours"] is not None for row in found["fit-cpu-residuals"]["rows"])
    kernels = {row["series"]: row["published"] for row in found["models"]["rows"]}
    assert kernels == {"kernels": 36, "tensors": 695}


def test_a_page_shows_every_table(reproduced, browse):
    folder, done = reproduced
    assert "deeptm: report: out/report.html" in done.stderr.splitlines()
    page = (folder / "report.html").read_text()
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.S).group(1))
    assert {figure["name"] for figure in data["figures"]} == figures(folder).keys()
    titles = browse(folder / "report.html", 'return [...document.querySelectorAll("#the-paper-s-evaluation h3")].map((title) => title.textContent);')
    assert titles == [figure["title"] for figure in data["figures"]]


def test_the_fitted_machine_is_one_that_compare_takes(reproduced, deeptm):
    folder, _ = reproduced
    graph = CHECKOUT / "graphs/alexnet.graph.json.zst"
    done = deeptm("compare", graph, "--batch", 512, "--machine", folder / "paper-cpu.json", "--policy", "first-touch")
    assert done.returncode == 0, done.stderr
    row = next(row for row in figures(folder)["fit-cpu-residuals"]["rows"] if row["series"] == "first-touch")
    assert f"{row['ours']:.3f}" in done.stdout


def test_planning_is_measured_in_processes_of_their_own(reproduced):
    folder, _ = reproduced
    rows = {row["series"]: row["ours"] for row in figures(folder)["planning-memory"]["rows"]}
    assert rows["all-slow"] > 0.005
    assert rows["autotm-sync"] >= rows["all-slow"]


def test_it_goes_on_after_ctrl_c_and_says_the_same(reproduced, program, tmp_path):
    folder, _ = reproduced
    command = [program, *SMALL, "--output", "out", "--jobs", "1"]
    running = subprocess.Popen(command, cwd=tmp_path, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    cells = tmp_path / "out/cells"
    wait_until(lambda: cells.is_dir() and any(cells.iterdir()))
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "interrupted: what was done is kept" in error
    kept = {file: file.stat().st_mtime_ns for file in cells.iterdir()}
    assert kept
    assert subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=300).returncode == 0
    assert all(file.stat().st_mtime_ns == time for file, time in kept.items())
    for name in figures(folder).keys() - MEASURED:
        assert (tmp_path / f"out/{name}.json").read_bytes() == (folder / f"{name}.json").read_bytes(), name
    assert (tmp_path / "out/paper-cpu.json").read_bytes() == (folder / "paper-cpu.json").read_bytes()


def test_pictures_are_the_same_for_the_same_tables(reproduced, tmp_path):
    pytest.importorskip("matplotlib")
    folder, _ = reproduced
    picture = folder / "performance-cpu-b128.svg"
    assert picture.is_file() and picture.with_suffix(".png").is_file()
    before = picture.read_bytes()
    subprocess.run([sys.executable, CHECKOUT / "python/deeptm/draw.py", folder], check=True)
    assert picture.read_bytes() == before


@pytest.mark.parametrize("output", ["/proc/reproduction", "file/below"])
def test_a_folder_that_cannot_be_written_is_refused_at_once(deeptm, tmp_path, output):
    (tmp_path / "file").write_text("")
    line = only_line(deeptm("reproduce", "--quick", "--output", output))
    assert line.startswith("deeptm: error: reproduce: --output ")


def test_unknown_figures_and_models_are_refused(deeptm):
    assert "--figures" in only_line(deeptm("reproduce", "--figures", "nothing"))
    assert "--models" in only_line(deeptm("reproduce", "--models", "nothing"))
    assert "Example:" in deeptm("reproduce", "--help").stdout
