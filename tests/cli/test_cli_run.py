# SPDX-License-Identifier: Apache-2.0
"""`deeptm run` around commands that train nothing: streams, exit codes, signals, environment, orphans."""

import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

from processes import is_gone, wait_until

FAST = ("run", "--fast", "64MiB", "--")


def start(program, script, **options):
    """Runs `script` under deeptm until it has printed a line; (process, that line)."""
    process = subprocess.Popen(
        [program, *FAST, sys.executable, "-u", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    return process, process.stdout.readline().strip()


def test_streams_and_exit_code_pass_through(deeptm):
    process = deeptm(*FAST, "sh", "-c", "cat; echo err >&2; exit 7", input="in\n")
    assert process.returncode == 7
    assert process.stdout == "in\n"
    assert process.stderr.startswith("err\n")


def test_says_when_tensorflow_was_never_loaded(deeptm):
    process = deeptm(*FAST, "true")
    assert process.returncode == 0
    assert "never made a tensor in TensorFlow or PyTorch" in process.stderr


def test_program_that_is_not_there(deeptm):
    process = deeptm(*FAST, "no-such-program")
    assert process.returncode == 127
    assert "cannot run 'no-such-program'" in process.stderr


def test_death_by_signal_is_128_plus_its_number(deeptm):
    process = deeptm(*FAST, "sh", "-c", "kill -SEGV $$")
    assert process.returncode == 128 + signal.SIGSEGV
    assert "ended by signal 11" in process.stderr


def test_a_caller_that_ignores_ends_of_children(deeptm):
    """Linux then tells nobody of them; the command is started as the caller was."""
    ignore = lambda: signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    script = "import signal, sys; sys.exit(5 if signal.getsignal(signal.SIGCHLD) == signal.SIG_IGN else 1)"
    assert deeptm(*FAST, sys.executable, "-c", script, preexec_fn=ignore, timeout=60).returncode == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGUSR1, signal.SIGUSR2])
def test_signals_reach_the_command_once(program, number):
    script = (
        "import signal, sys, time\n"
        "got = []\n"
        f"signal.signal({int(number)}, lambda *_: got.append(1))\n"
        "print('ready')\n"
        "while not got: time.sleep(0.01)\n"
        "time.sleep(0.2)\n"
        "print(len(got)); sys.exit(5)"
    )
    process, line = start(program, script)
    assert line == "ready"
    process.send_signal(number)
    out, _ = process.communicate(timeout=60)
    assert out == "1\n"
    assert process.returncode == 5


def test_ctrl_c_of_a_terminal_reaches_the_command_once(program):
    """The terminal signals the whole group; passing it on as well would interrupt twice."""
    import pty

    script = (
        "import signal, sys, time\n"
        "got = []\n"
        "signal.signal(signal.SIGINT, lambda *_: got.append(1))\n"
        "print('ready', flush=True)\n"
        "while not got: time.sleep(0.01)\n"
        "time.sleep(0.3)\n"
        "print('count', len(got), flush=True)"
    )
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(program, [program, *FAST, sys.executable, "-c", script])
    text = ""
    while "ready" not in text:
        text += os.read(terminal, 4096).decode()
    os.write(terminal, b"\x03")
    while "count" not in text or "\n" not in text[text.index("count") :]:
        text += os.read(terminal, 4096).decode()
    os.close(terminal)
    os.waitpid(pid, 0)
    assert "count 1" in text


def test_the_command_dies_with_deeptm(program):
    process, line = start(program, "import os, time; print(os.getpid()); time.sleep(600)")
    process.kill()
    process.communicate()
    wait_until(lambda: is_gone(int(line)))


def test_environment_is_what_the_adapter_needs_and_nothing_else(deeptm):
    script = "import json, os; print(json.dumps(dict(os.environ)))"
    hostile = {"TF_CPU_ALLOCATOR_USE_BFC": "1", "TF_XLA_FLAGS": "--tf_xla_auto_jit=2 --tf_xla_min_cluster_size=4"}
    process = deeptm(*FAST, sys.executable, "-c", script, env=hostile)
    child = json.loads(process.stdout)
    assert "TF_CPU_ALLOCATOR_USE_BFC" not in child
    assert child["TF_XLA_FLAGS"] == "--tf_xla_min_cluster_size=4"
    assert "TF_CPU_ALLOCATOR_USE_BFC is ignored" in process.stderr
    assert child["TF_NUM_INTEROP_THREADS"] == "1"
    assert pathlib.Path(child["TF_PLUGGABLE_DEVICE_LIBRARY_PATH"]).is_file()
    config = json.loads(child["DEEPTM_CONFIG"])
    assert config["fast_bytes"] == 64 << 20
    before = os.environ | hostile
    ours = {"TF_PLUGGABLE_DEVICE_LIBRARY_PATH", "DEEPTM_CONFIG", "TF_NUM_INTEROP_THREADS"}
    ours |= {"DEEPTM_PYTORCH_ADAPTER", "DEEPTM_PYTORCH_CONFIG", "PYTHONPATH"}
    changed = {name for name in child.keys() | before.keys() if child.get(name) != before.get(name)}
    # The interpreter's own start may add LC_CTYPE.
    assert changed - {"LC_CTYPE"} == ours | hostile.keys()


def test_the_users_own_inter_op_threads_stay(deeptm):
    script = "import os; print(os.environ['TF_NUM_INTEROP_THREADS'])"
    process = deeptm(*FAST, sys.executable, "-c", script, env={"TF_NUM_INTEROP_THREADS": "3"})
    assert process.stdout == "3\n"


def test_json_has_every_field_and_null_for_what_was_not_measured(deeptm, tmp_path):
    process = deeptm("run", "--fast", "64MiB", "--json", "run.json", "--", "sh", "-c", "exit 3")
    assert process.returncode == 3
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["kind"] == "measured"
    assert record["exit_code"] == 3
    for name in (
        "performance step_seconds_stock step_seconds fast_limit_bytes fast_peak_bytes live_peak_bytes "
        "bytes_in_per_step bytes_out_per_step waits_per_step wait_seconds_per_step bit_identical slow_tier"
    ).split():
        assert record[name] is None, name
    assert record["machine"]["processors"] >= 1
    assert record["versions"]["deeptm"]
    assert len(record["config_hash"]) == 16
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.json"]
