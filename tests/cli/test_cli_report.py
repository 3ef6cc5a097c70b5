# SPDX-License-Identifier: Apache-2.0
"""deeptm report and trace: the files, and the page in a real browser (headless Chromium)."""

import json
import pathlib
import re
import subprocess
import time

import pytest
from test_cli_usage import only_line

GRAPHS = pathlib.Path(__file__).resolve().parents[2] / "graphs"
MOBILENET = GRAPHS / "mobilenet.graph.json.zst"
VIEWS = (
    "headline", "memory-over-the-step", "kernels-copies-and-stalls", "longest-waits", "where-tensors-lie",
    "tensors-by-size-and-lifetime", "predicted-and-measured", "policies-compared", "memory-to-buy", "configuration",
)
RECORD = {
    "kind": "measured", "command": "deeptm train mobilenet", "config_hash": "0123456789abcdef", "config": {"fast": "20%"},
    "performance": 0.95, "step_seconds": 1.2, "step_seconds_stock": 1.14, "fast_limit_bytes": 2**26, "live_peak_bytes": 2**28,
    "bytes_in_per_step": 1e8, "bytes_out_per_step": 9e7, "waits_per_step": 3, "wait_seconds_per_step": 0.01, "bit_identical": True,
    "each_step_seconds": [1.3, 1.2, 1.21], "kernel_waits": [{"kernel": "conv </script>", "waits": 4, "seconds": 0.03}],
}


@pytest.fixture
def planned(deeptm, tmp_path):
    made = deeptm("plan", MOBILENET, "--machine", "nvme", "--policy", "lru", "--fast", "20%", "-o", "plan.json")
    assert made.returncode == 0, made.stderr
    return ("--graph", MOBILENET, "--plan", "plan.json", "--machine", "nvme")


@pytest.fixture
def page(deeptm, planned, tmp_path):
    """All views."""
    (tmp_path / "run.json").write_text(json.dumps(RECORD))
    compared = deeptm(
        "compare", MOBILENET, "--fast", "10%,20%", "--policy", "lru", "--policy", "first-touch", "--no-bound", "--json", "rows.json"
    )
    assert compared.returncode == 0, compared.stderr
    bought = deeptm("capacity", MOBILENET, "--policy", "lru", "--fast", "20%", "--fast", "100%", "--json")
    assert bought.returncode == 0, bought.stderr
    (tmp_path / "capacity.json").write_text(bought.stdout)
    made = deeptm("report", "run.json", *planned, "--compare", "rows.json", "--capacity", "capacity.json", "-o", "report.html")
    assert made.returncode == 0, made.stderr
    assert made.stdout == "report: report.html\n"
    return tmp_path / "report.html"


def test_every_view_draws(page, browse):
    seen = browse(page, """return {
        sections: [...document.querySelectorAll("main section")].map((section) => section.id),
        links: [...document.querySelectorAll("nav a")].map((link) => link.getAttribute("href").slice(1)),
        drawn: plots().map(drawn), kind: document.querySelector(".kind").textContent };""")
    assert seen["sections"] == seen["links"] == list(VIEWS)
    assert len(seen["drawn"]) == 6 and min(seen["drawn"]) > 500
    assert "measured" in seen["kind"] and "simulated" in seen["kind"]


def test_needs_no_network(page):
    library = (GRAPHS.parent / "third_party/d3/d3.min.js").read_text()
    text = page.read_text()
    assert library in text
    text = text.replace(library, "")  # it could fetch, if it were asked to
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", text)
    assert "<link" not in text and "@import" not in text and "fetch(" not in text
    assert "BSD-3-Clause" in text
    assert page.stat().st_size < 5e6


def test_hover_names_the_tensor_and_zoom_shows_less(page, browse):
    seen = browse(page, """
        const plot = plots()[0], canvas = plot.querySelector("canvas"), tip = plot.querySelector(".tip");
        const box = canvas.getBoundingClientRect();
        canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: box.x + box.width / 2, clientY: box.y + 90, bubbles: true }));
        await frames(3);
        const text = tip.hidden ? null : tip.textContent;
        const ticks = () => [...plot.querySelector("svg").querySelectorAll("g")[0].querySelectorAll(".tick")].map((tick) => tick.textContent);
        const before = ticks();
        plot.parentElement.querySelector("button").click();
        await frames(3);
        return { text, before, after: ticks() };""")
    assert re.search(r"kernel \d+: .+\nfast .+, slow .+\nlargest:\n", seen["text"])
    assert seen["before"] != seen["after"]


def test_the_keyboard_reaches_what_the_pointer_shows(page, browse):
    told = browse(page, """
        const told = [];
        for (const plot of plots()) {
          plot.focus();
          plot.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
          plot.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight" }));
          await frames(2);
          told.push([document.activeElement === plot, document.getElementById("told").textContent]);
        }
        return told;""")
    assert all(focused and text for focused, text in told)
    assert len({text for _, text in told}) == len(told)


def test_fits_a_phone(page, browse):
    seen = browse(page, "return { needed: document.documentElement.scrollWidth, width: innerWidth, drawn: plots().map(drawn) };", width=500)
    assert seen["needed"] <= seen["width"]
    assert min(seen["drawn"]) > 200


def test_a_hundred_thousand_tensors_stay_responsive(deeptm, browse, tmp_path):
    assert deeptm("synthesize", "transformer", "--tensors", 100_000, "-o", "large.graph.json").returncode == 0
    made = deeptm("plan", "large.graph.json", "--machine", "nvme", "--policy", "first-touch", "-o", "plan.json")
    assert made.returncode == 0, made.stderr
    made = deeptm("report", "--graph", "large.graph.json", "--plan", "plan.json", "--machine", "nvme")
    assert made.returncode == 0, made.stderr

    def seconds(rounds):
        # By our own clock: the page's stands still while it works.
        start = time.monotonic()
        done = browse(tmp_path / "report.html", """
            let done = 0;
            for (let round = 0; round < %d; ++round) {
              for (const plot of plots()) {
                const canvas = plot.querySelector("canvas"), box = canvas.getBoundingClientRect();
                const place = { clientX: box.x + box.width / 2 + round, clientY: box.y + 90, bubbles: true };
                canvas.dispatchEvent(new PointerEvent("pointermove", place));
                await frames(2);
                plot.parentElement.querySelectorAll("button")[round %% 3].click();
                ++done;
              }
            }
            return done;""" % rounds)
        assert done == 4 * rounds
        return time.monotonic() - start

    alone = seconds(0)
    assert seconds(20) - alone < 80 * 0.25  # hover and zoom together, on a busy machine


def test_same_data_same_bytes(deeptm, planned, tmp_path):
    for name in ("one.html", "two.html"):
        assert deeptm("report", *planned, "-o", name).returncode == 0
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


def test_commands_that_run_something_write_one_of_themselves(deeptm, tmp_path):
    options = ("compare", MOBILENET, "--fast", "20%", "--policy", "lru", "--no-bound", "--jobs", "1")
    made = deeptm(*options)
    assert made.returncode == 0, made.stderr
    assert "deeptm: report: results/compare/report.html" in made.stderr.splitlines()
    assert b"<!doctype html>" in (tmp_path / "results/compare/report.html").read_bytes()[:100].lower()
    assert deeptm(*options, "--report", "own.html").returncode == 0
    # The same cells, the same bytes.
    assert (tmp_path / "own.html").read_bytes() == (tmp_path / "results/compare/report.html").read_bytes()
    assert "no/such/folder" in only_line(deeptm(*options, "--report", "no/such/folder/own.html"))
    # A command without training steps has nothing to show.
    assert "report" not in deeptm("run", "--fast", "64MiB", "--", "true").stderr
    assert not (tmp_path / "state").exists()


def test_what_is_no_report_is_refused(deeptm, planned, tmp_path):
    assert "nothing to show" in only_line(deeptm("report"))
    assert "--plan and --graph go together" in only_line(deeptm("report", "--plan", "plan.json"))
    (tmp_path / "other.json").write_text('{"a": 1}')
    assert "other.json: kind is missing: not what run or train --json writes" in only_line(deeptm("report", "other.json"))
    assert "other.json: is no list: not what compare --json writes" in only_line(deeptm("report", "--compare", "other.json"))
    assert "other.json: has no graphs and target" in only_line(deeptm("report", "--capacity", "other.json"))
    (tmp_path / "other.json").write_text("{")
    assert "other.json: " in only_line(deeptm("report", "other.json"))
    assert "missing.json" in only_line(deeptm("report", "missing.json"))
    assert "--output" in only_line(deeptm("report", *planned, "-o", "no/such/folder/report.html"))


def test_trace_has_the_step(deeptm, planned, tmp_path):
    made = deeptm("trace", MOBILENET, "plan.json", "--machine", "nvme", "-o", "trace.json")
    assert made.returncode == 0, made.stderr
    trace = json.loads((tmp_path / "trace.json").read_text())
    simulated = json.loads(deeptm("simulate", MOBILENET, "plan.json", "--machine", "nvme", "--json").stdout)
    by_kind = {}
    for event in trace["traceEvents"]:
        by_kind.setdefault(event.get("cat", event["ph"]), []).append(event)
    kernels = json.loads(deeptm("show", MOBILENET, "--json").stdout)["kernels"]
    assert len(by_kind["kernel"]) == kernels == len(by_kind["C"])
    assert max(event["ts"] + event["dur"] for event in by_kind["kernel"]) <= simulated["step_seconds"] * 1e6 * 1.001
    assert sum(event["args"]["bytes"] for event in by_kind["copy"] if event["tid"] == 3) == simulated["bytes_in"]
    assert sum(event["args"]["bytes"] for event in by_kind["copy"] if event["tid"] == 4) == simulated["bytes_out"]
    assert "no/such" in only_line(deeptm("trace", MOBILENET, "plan.json", "--machine", "nvme", "-o", "no/such/trace.json"))
