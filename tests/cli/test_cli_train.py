# SPDX-License-Identifier: Apache-2.0
"""Commands that train for real, on sizes that take seconds."""

import json
import os
import pathlib
import signal
import subprocess

import pytest

SMALL = ("--batch", "8", "--image", "64", "--steps", "3", "--warmup", "1", "--data", "random")


def finished(process):
    assert process.returncode == 0, process.stderr
    return process


def test_check_proves_bit_identity_and_leaves_its_record(deeptm, tmp_path):
    arguments = ("train", "mobilenet", *SMALL, "--fast", "30%", "--check", "--json", "run.json")
    process = finished(deeptm(*arguments, timeout=600))
    assert "bit-identical to stock TensorFlow" in process.stdout
    assert "measuring the peak of live tensors" in process.stderr
    record = json.loads((tmp_path / "run.json").read_text())
    assert record["bit_identical"] is True and record["differences"] == []
    assert record["fast_peak_bytes"] <= record["fast_limit_bytes"] < 0.31 * record["live_peak_bytes"]
    assert record["bytes_in_per_step"] > 0 and record["bytes_out_per_step"] > 0
    assert record["performance"] == pytest.approx(record["step_seconds_stock"] / record["step_seconds"])
    assert record["slow_tier"].startswith("file: ")
    assert record["versions"]["tensorflow"]
    # Named on the last line, and the same.
    named = pathlib.Path(process.stdout.splitlines()[-1].removeprefix("files: "))
    assert json.loads(named.read_text()) == record
    page = named.parent / "report.html"
    assert f"report: {page}" in process.stderr and page.is_file()

    page.unlink()
    again = finished(deeptm(*arguments, "--no-report", timeout=600))
    assert "measured before" in again.stderr
    assert "report" not in again.stderr and not page.exists()
    assert json.loads((tmp_path / "run.json").read_text())["config_hash"] == record["config_hash"]


def test_compare_measures_against_both_kinds_of_stock(deeptm, tmp_path):
    process = finished(
        deeptm("train", "mobilenet", *SMALL, "--fast", "512MiB", "--compare", "--rounds", "1", "--json", "run.json", timeout=600)
    )
    record = json.loads((tmp_path / "run.json").read_text())
    for name, stock in (("performance", "step_seconds_stock"), ("performance_against_defaults", "step_seconds_stock_defaults")):
        assert record[name] == pytest.approx(record[stock] / record["step_seconds"])
    assert record["bit_identical"] is None
    assert "with the same threads" in process.stdout and "with its default threads" in process.stdout


def test_unknown_model_names_the_nearest(deeptm):
    process = deeptm("train", "mobilnet", "--fast", "64MiB")
    assert process.returncode == 2
    assert "did you mean 'mobilenet'?" in process.stderr


def test_limit_too_small_to_run_names_the_least(deeptm):
    process = deeptm("train", "mobilenet", *SMALL, "--fast", "64KiB")
    assert process.returncode != 0
    assert "too small" in process.stderr and "at least" in process.stderr


def test_record_then_show(deeptm, tmp_path):
    process = finished(deeptm("record", "mobilenet", "--batch", "4", "--image", "32", "--data", "random", "-o", "graphs"))
    file = tmp_path / "graphs/mobilenet.graph.json.zst"
    assert process.stdout.strip() == str(file)
    text = finished(deeptm("show", file)).stdout
    assert all(kind in text for kind in ("Conv2DBackpropFilter", "FusedBatchNormV3", "FusedBatchNormGradV3"))
    summary = json.loads(finished(deeptm("show", file, "--json")).stdout)
    assert summary["peak_bytes"] > 0


# Says its process number once it has trained for longer than it takes to see that a step is over (0.1 s).
ENDLESS = """
import os, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "2"
import keras, numpy

class Said(keras.callbacks.Callback):
    batches = 0
    def on_train_batch_end(self, batch, logs=None):
        self.batches += 1
        if self.batches == 4:
            self.began = time.monotonic()
        if self.batches > 4 and self.began and time.monotonic() - self.began > 1:
            print(os.getpid(), flush=True)
            self.began = 0

model = keras.Sequential([keras.Input((64, 64, 3)), keras.layers.Conv2D(32, 3), keras.layers.Flatten(), keras.layers.Dense(10)])
model.compile(optimizer="sgd", loss="mse")
model.fit(numpy.ones((64, 64, 64, 3), "float32"), numpy.ones((64, 10), "float32"), batch_size=8, epochs=10**6, verbose=0, callbacks=[Said()])
"""


@pytest.fixture
def training(program, tmp_path):
    """An endless training under deeptm with its slow file in an own folder; (process, its pid, that folder)."""
    slow = tmp_path / "slow"
    slow.mkdir()
    environment = os.environ | {"DEEPTM_SLOW_DIR": str(slow)}
    command = [program, "run", "--fast", "16MiB", "--", "python", "-c", ENDLESS]
    process = subprocess.Popen(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # What a shell runs in the background ignores SIGINT, and so would all that it starts.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    line = process.stdout.readline()
    if not line:
        pytest.fail("the training ended early: " + process.communicate()[1])
    yield process, int(line), slow
    process.kill()
    process.communicate()


def test_summary_survives_a_killed_training(training):
    process, pid, slow = training
    os.kill(pid, signal.SIGKILL)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGKILL
    assert "ended by signal 9" in errors and "median training step" in errors
    assert list(slow.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_training_and_leaves_nothing(training, number):
    process, pid, slow = training
    process.send_signal(number)
    _, errors = process.communicate(timeout=120)
    # Python turns SIGINT into KeyboardInterrupt and exits by the signal once it has cleaned up.
    assert process.returncode == 128 + number
    assert "median training step" in errors
    assert not pathlib.Path(f"/proc/{pid}").exists()
    assert list(slow.iterdir()) == []
