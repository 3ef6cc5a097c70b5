# SPDX-License-Identifier: Apache-2.0
"""python -m deeptm.workload as users call it: the JSON, the repeatability, the words about bad input."""

import json
import os
import statistics
import subprocess
import sys
import types

import pytest

from conftest import ROOT
from deeptm import measure, measuring, workload


def without_banner(stderr):
    """On some processors TensorFlow says, whatever its log level, that it uses oneDNN, before it has opened its log."""
    banner = ("before absl::InitializeLog()", "oneDNN custom operations are on")
    return "".join(line for line in stderr.splitlines(keepends=True) if not any(words in line for words in banner))


def run(folder, *arguments, name="out.json"):
    """(finished process, the JSON it wrote) of a small MobileNet on random images."""
    output = folder / name
    base = "--model mobilenet --batch 2 --image 32 --steps 3 --warmup 1 --data random --inter-op 1 --output".split()
    process = subprocess.run(
        [sys.executable, "-m", "deeptm.workload", *base, str(output), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT / "python")},
    )
    process.stderr = without_banner(process.stderr)
    return process, json.loads(output.read_text()) if output.exists() else None


def test_json_and_repeatability(tmp_path):
    process, first = run(tmp_path, "--deterministic", "--digest", "--optimizer", "adam", name="first.json")
    assert process.returncode == 0, process.stderr
    assert process.stdout == "" and process.stderr == ""
    expected = {"model": "mobilenet", "batch": 2, "image": 32, "steps": 3, "warmup": 1, "data": "random", "seed": 1}
    assert expected | {"optimizer": "adam", "inter_op": 1, "deterministic": True} == {
        key: first[key] for key in [*expected, "optimizer", "inter_op", "deterministic"]
    }
    assert first["parameters"] == 4_253_864
    assert len(first["step_seconds"]) == len(first["losses"]) == 4
    assert all(seconds > 0 for seconds in first["step_seconds"])
    assert first["median_step_seconds"] == statistics.median(first["step_seconds"][1:])
    assert first["peak_rss_bytes"] >= first["rss_bytes_after"] > 100e6
    assert set(first["versions"]) == {"python", "tensorflow", "keras", "numpy"}
    # Untrained over 1000 classes: the loss of a guess is ln 1000 = 6.9.
    assert 6 < float.fromhex(first["losses"][0]) < 8

    _, second = run(tmp_path, "--deterministic", "--digest", "--optimizer", "adam", name="second.json")
    assert (second["losses"], second["digest"]) == (first["losses"], first["digest"])

    _, other = run(tmp_path, "--deterministic", "--digest", "--seed", "2", name="other.json")
    assert other["losses"] != first["losses"]
    assert other["digest"]["weights"] != first["digest"]["weights"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.json", "other.json", "second.json"]


def test_progress_tells_each_step(tmp_path):
    process, result = run(tmp_path, "--progress")
    lines = process.stderr.splitlines()
    assert [line.split(",")[0] for line in lines] == [f"mobilenet: step {number}/4" for number in range(1, 5)]
    assert "digest" not in result


@pytest.mark.parametrize(
    ("warmup", "warmup_seconds", "seconds", "expected"),
    [
        (2, 0, [1, 1, 1, 1, 1], 2),
        (2, 3, [1, 1, 1, 1, 1, 1], 3),  # three seconds are over after three steps
        (4, 3, [1, 1, 1, 1, 1, 1, 1], 4),  # ... and then there are steps to go
        (0, 3, [5, 1, 1, 1], 1),
    ],
)
def test_warmup_lasts_for_steps_and_for_seconds(warmup, warmup_seconds, seconds, expected, monkeypatch):
    clock = iter([time for second in seconds for time in (0.0, float(second))])
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    recorder = measure.TimedSteps(3, warmup, warmup_seconds)
    recorder.set_model(types.SimpleNamespace(stop_training=False, reset_metrics=lambda: None))
    for number in range(len(seconds)):
        assert not recorder.model.stop_training
        recorder.on_train_batch_begin(number)
        recorder.on_train_batch_end(number, {"loss": 0.0})
    assert recorder.model.stop_training and recorder.warmup == expected


def test_running_out_of_memory_is_one_line(tmp_path):
    # 25 PB of images: more than addresses reach.
    process, result = run(tmp_path, "--batch", "2000000000", "--image", "1024")
    assert (process.returncode, result) == (1, None)
    assert process.stderr.startswith("deeptm.workload: error: ") and process.stderr.count("\n") == 1


GOOD = {"--model": "mobilenet", "--batch": "2", "--image": "32", "--steps": "3"}


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"--model": "resnet15"}, "unknown model 'resnet15': did you mean 'resnet152'? known: alexnet, "),
        ({"--model": "alexnet", "--image": "63"}, "alexnet needs --image of at least 64, got 63"),
        ({"--model": "inception_v4", "--image": "74"}, "inception_v4 needs --image of at least 75, got 74"),
        ({"--batch": "0"}, "argument --batch: 0 is not between 1 and"),
        ({"--batch": "many"}, "argument --batch: 'many' is not a whole number"),
        ({"--steps": "-1"}, "argument --steps: -1 is not between 1 and"),
        ({"--warmup": "-1"}, "argument --warmup: -1 is not between 0 and"),
        ({"--warmup-seconds": "1.5"}, "argument --warmup-seconds: '1.5' is not a whole number"),
        ({"--seed": "1e3"}, "argument --seed: '1e3' is not a whole number"),
        ({"--optimizer": "lion"}, "argument --optimizer: invalid choice: 'lion'"),
        ({"--data": "imagenet"}, "argument --data: invalid choice: 'imagenet'"),
        ({"--data-dir": "/nowhere"}, "/nowhere/train-images-idx3-ubyte.gz is missing: sudo apt-get install dataset-fashion-mnist"),
        ({"--output": "/nowhere/x.json"}, "the folder /nowhere does not exist"),
        ({"--output": "/"}, "--output / is a folder, name a file"),
        ({"--colour": "red"}, "unrecognized arguments: --colour red"),
        ({"--steps": None}, "the following arguments are required: --steps"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(changes, says, tmp_path, capsys):
    options = GOOD | {"--output": str(tmp_path / "out.json")} | changes
    arguments = [word for key, value in options.items() if value is not None for word in (key, value)]
    assert workload.main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("deeptm.workload: error: ") and captured.err.count("\n") == 1
    assert says in captured.err
    assert captured.out == "" and not list(tmp_path.iterdir())


def test_help_is_not_an_error(capsys):
    with pytest.raises(SystemExit) as stopped:
        workload.main(["--help"])
    assert stopped.value.code == 0 and "resnet152" in capsys.readouterr().out


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "out.json"
    workload.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        workload.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}
    assert list(tmp_path.iterdir()) == [path]


def test_digest_sees_every_bit_and_the_order():
    import tensorflow as tf

    one, two = tf.Variable([1.0, 2.0]), tf.Variable([3.0])
    same = measuring.digest([tf.Variable([1.0, 2.0]), tf.Variable([3.0])])
    assert measuring.digest([one, two]) == same
    assert measuring.digest([two, one]) != same
    two.assign([3.0000002])
    assert measuring.digest([one, two]) != same


def test_progress_on_a_terminal_is_one_line_rewritten():
    class Terminal:
        def __init__(self):
            self.text = ""

        def isatty(self):
            return True

        def write(self, text):
            self.text += text

        def flush(self):
            pass

    terminal = Terminal()
    progress = measuring.Progress("vgg19", terminal)
    progress.step(1, 2, 0.5, 2.0)
    progress.step(2, 2, 0.25, 1.0)
    assert terminal.text == (
        "\r\x1b[Kvgg19: step 1/2, 0.50 s, loss 2.0000\r\x1b[Kvgg19: step 2/2, 0.25 s, loss 1.0000\n"
    )
