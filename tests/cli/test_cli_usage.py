# SPDX-License-Identifier: Apache-2.0
"""What is said about the command line itself: help, mistakes, exit codes."""

import json
import os
import pathlib
import subprocess

import pytest

COMMANDS = (
    "run", "env", "train", "record", "show", "synthesize", "aggregate", "plan", "verify", "simulate", "compare", "capacity", "trace", "report",
    "reproduce", "calibrate", "doctor", "clean",
)


def only_line(process):
    """Bad input: exit code 2, nothing on standard output, one line on standard error."""
    assert process.returncode == 2, process
    assert process.stdout == ""
    lines = process.stderr.splitlines()
    assert len(lines) == 1, lines
    return lines[0]


def test_help_shows_every_command_with_an_example(deeptm):
    process = deeptm("--help")
    assert process.returncode == 0
    for command in COMMANDS:
        assert f"deeptm {command} " in process.stdout + " ", command


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_with_an_example(deeptm, command):
    process = deeptm(command, "--help")
    assert process.returncode == 0
    assert "Example:\n  deeptm " + command in process.stdout


def test_no_command_shows_help_and_fails(deeptm):
    process = deeptm()
    assert process.returncode == 2
    assert "Subcommands:" in process.stderr


@pytest.mark.parametrize(
    "arguments, expected",
    [
        (["doctr"], "did you mean 'doctor'?"),
        (["frobnicate"], "unknown command 'frobnicate'"),
        (["run", "--fsat", "4GiB", "--", "true"], "unknown option '--fsat': did you mean '--fast'?"),
        (["train", "mobilenet", "--stepz", "3"], "unknown option '--stepz': did you mean '--steps'?"),
        (["run", "--", "true"], "--fast is required"),
        (["run", "--fast", "64MiB"], "no command"),
        (["run", "--fast", "64MiB", "true"], "write the command behind --"),
        (["doctor", "--", "true"], "only `deeptm run` takes a command"),
        (["run", "--fast", "much", "--", "true"], "'much' is not a limit"),
        (["run", "--fast", "0%", "--", "true"], "'0%' is not a share of the peak"),
        (["run", "--fast", "101%", "--", "true"], "'101%' is not a share of the peak"),
        (["run", "--fast", "-4GiB", "--", "true"], "-4GiB"),
        (["run", "--fast", "9000GiB", "--", "true"], "above the"),
        (["run", "--fast", "64MiB", "--chunk", "big", "--", "true"], "--chunk: 'big' is not a size"),
        (["run", "--fast", "64MiB", "--workers", "0", "--", "true"], "--workers"),
        (["run", "--fast", "64MiB", "--remap", "copy", "--", "true"], "--remap"),
        (["run", "--fast", "64MiB", "--slow", "tape", "--", "true"], "'tape' is not a slow tier"),
        (["run", "--fast", "64MiB", "--slow", "file:/no/such/folder", "--", "true"], "does not exist"),
        (["run", "--fast", "64MiB", "--slow", "file:/etc/passwd", "--", "true"], "not a directory"),
        (["run", "--fast", "64MiB", "--json", "/no/such/folder/x.json", "--", "true"], "does not exist"),
        (["run", "--fast", "64MiB", "--record", "/", "--", "true"], "is a directory"),
        (["train", "mobilenet", "--batch", "0"], "--batch"),
        (["train", "mobilenet", "--data", "imagenet"], "--data"),
        (["train", "mobilenet", "--check", "--warmup-seconds", "9"], "--check needs the same steps in both runs"),
        (["synthesize", "tree", "--tensors", "100", "-o", "x.json"], "'tree' is no kind of step"),
        (["synthesize", "chain", "--tensors", "5", "-o", "x.json"], "--tensors 5 is too few"),
        (["synthesize", "chain", "--tensors", "2000000", "-o", "x.json"], "--tensors must be from 1 to 1000000"),
        (["synthesize", "chain", "--tensors", "many", "-o", "x.json"], "--tensors"),
        (["synthesize", "chain", "--tensors", "100", "--bytes", "1", "-o", "x.json"], "--bytes must be from 128 B"),
        (["synthesize", "chain", "--tensors", "100", "--batch", "0", "-o", "x.json"], "--batch must be from 1"),
        (["synthesize", "chain", "--tensors", "100", "-o", "/no/such/folder/x.json"], "does not exist"),
        (["aggregate"], "required"),
        (["aggregate", "/no/such/file.graph.json.zst"], "/no/such/file.graph.json.zst"),
        (["aggregate", "x.json", "--without", "sorting"], "--without: sorting not in {batching,adjoining}"),
        (["aggregate", "/no/such/graph", "--picture", "/no/such/folder/x.svg"], "--picture /no/such/folder/x.svg: the directory"),
        (["aggregate", "/no/such/graph", "--picture", "/"], "is a directory"),
        (["calibrate"], "required"),
        (["calibrate", "-o", "/no/such/folder/x.json"], "does not exist"),
        (["run", "--fast", "64MiB", "--slow", "node:777", "--", "true"], "no NUMA node 777 with memory is here; there is 0"),
        (["train", "mobilenet", "--slow", "node:one"], "write node:1"),
        (["calibrate", "--slow", "tape", "-o", "x.json"], "'tape' is not a slow tier"),
        (["calibrate", "--slow", "node:777", "-o", "x.json"], "there is 0"),
        (["calibrate", "--slow", "file:/no/such/folder", "-o", "x.json"], "does not exist"),
        (["calibrate", "--graph", "/no/such/graph", "-o", "x.json"], "/no/such/graph"),
        (["calibrate", "--price-fast", "-1", "-o", "x.json"], "--price-fast"),
        (["show"], "required"),
        (["show", "/no/such/file.graph.json.zst"], "/no/such/file.graph.json.zst"),
    ],
)
def test_bad_input_gets_one_line_that_names_it(deeptm, arguments, expected):
    assert expected in only_line(deeptm(*arguments))


def test_slow_directory_in_memory_is_refused_with_what_works(deeptm):
    shared = pathlib.Path("/dev/shm")
    kind = subprocess.run(["stat", "-f", "-c", "%T", shared], capture_output=True, text=True).stdout.strip()
    if kind != "tmpfs":
        pytest.skip(f"/dev/shm is {kind or 'missing'}, not tmpfs")
    line = only_line(deeptm("run", "--fast", "64MiB", "--slow", "file:/dev/shm", "--", "true"))
    assert "tmpfs keeps files in memory" in line and "--slow memory" in line


def test_slow_directory_that_is_not_writable(program, tmp_path):
    if os.geteuid() != 0:
        folder = tmp_path / "closed"
        folder.mkdir(mode=0o500)
        become = []
    else:
        # Root may write anywhere; nobody may not write into root's folders.
        folder = pathlib.Path("/usr")
        become = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        readable = subprocess.run([*become, program, "--version"], capture_output=True).returncode == 0
        if not readable:
            pytest.skip("the user nobody cannot start the program in this checkout")
    process = subprocess.run(
        [*become, program, "run", "--fast", "64MiB", "--slow", f"file:{folder}", "--", "true"],
        capture_output=True,
        text=True,
    )
    assert "not writable" in only_line(process)


def test_a_pipe_is_written_not_replaced(deeptm, tmp_path):
    """A file renamed over /dev/stdout, as root could, would be there for good."""
    pipe = tmp_path / "pipe.json"
    pipe.symlink_to("/dev/stdout")
    process = deeptm("synthesize", "chain", "--tensors", "100", "-o", pipe)
    assert process.returncode == 0
    assert process.stdout.startswith("{") and pipe.is_symlink()


def test_doctor_has_a_line_for_everything_and_json_says_the_same(deeptm, tmp_path):
    text = deeptm("doctor", "--slow", f"file:{tmp_path}")
    parsed = deeptm("doctor", "--slow", f"file:{tmp_path}", "--json")
    report = json.loads(parsed.stdout)
    names = [finding["name"] for finding in report["findings"]]
    for name in ("kernel", "userfaultfd", "io_uring", "huge pages", "swap", "memory", "slow directory", "compiler", "tensorflow"):
        assert name in names
        assert name in text.stdout
    works = all(finding["health"] != "FAIL" for finding in report["findings"])
    assert report["works"] == works
    assert text.returncode == parsed.returncode == (0 if works else 1)


def test_every_lack_says_what_it_costs(deeptm, tmp_path):
    report = json.loads(deeptm("doctor", "--slow", f"file:{tmp_path}", "--json").stdout)
    for finding in report["findings"]:
        assert (finding["health"] == "ok") == (finding["cost"] == ""), finding


def test_files_are_their_owners_alone(deeptm, tmp_path):
    made = deeptm("synthesize", "transformer", "--tensors", "1000", "-o", "step.graph.json.zst")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "step.graph.json.zst").stat().st_mode & 0o777 == 0o600
