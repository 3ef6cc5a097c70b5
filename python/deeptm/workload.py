# SPDX-License-Identifier: Apache-2.0
"""Trains a built-in model by Keras' own `fit` and writes what it measured as JSON.

    python -m deeptm.workload --model mobilenet --batch 32 --image 160 --steps 10 --output mobilenet.json

An ordinary training script: it neither knows nor asks whether anything manages its memory.
"""

import argparse
import json
import os
import pathlib
import sys
import tempfile

from deeptm import models
from deeptm.errors import BadInput, TrainingFailed

OPTIMIZERS = ("sgd", "momentum", "adam")
EXIT_FAILED = 1
EXIT_BAD_INPUT = 2
EXIT_INTERRUPTED = 130


class _Parser(argparse.ArgumentParser):
    def error(self, message):
        raise BadInput(message)


def _at_least(low, high=2**31 - 1):
    def number(text):
        try:
            value = int(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"'{text}' is not a whole number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{value} is not between {low} and {high}")
        return value

    return number


def parse(arguments):
    parser = _Parser(prog="python -m deeptm.workload", description="Trains a built-in model.", allow_abbrev=False)
    parser.add_argument("--model", required=True, help=", ".join(models.MODELS))
    parser.add_argument("--batch", type=_at_least(1), required=True, metavar="B", help="samples of a step")
    parser.add_argument(
        "--image", type=_at_least(1, 65536), metavar="S", help="pixels of a side, or tokens of a sequence [the paper's]"
    )
    parser.add_argument("--steps", type=_at_least(1), required=True, metavar="N", help="timed steps, after the warm-up")
    parser.add_argument("--warmup", type=_at_least(0), default=2, metavar="W", help="steps before them [2]")
    parser.add_argument(
        "--warmup-seconds", type=_at_least(0), default=0, metavar="T", help="more of them, until they took so long [0]"
    )
    parser.add_argument("--data", choices=("fashion-mnist", "random"), default="fashion-mnist")
    parser.add_argument("--data-dir", metavar="DIR", help="where Fashion-MNIST is [Debian's place]")
    parser.add_argument("--seed", type=_at_least(0), default=1)
    parser.add_argument("--optimizer", choices=OPTIMIZERS, default="sgd")
    parser.add_argument(
        "--batch-norm", choices=models.BATCH_NORMS, default="keras", help="of several kernels as in Keras 3, or fused [keras]"
    )
    parser.add_argument("--deterministic", action="store_true", help="use deterministic operations only")
    parser.add_argument(
        "--inter-op", type=_at_least(0, 1024), default=0, metavar="K", help="operations at a time [0: TensorFlow's default]"
    )
    parser.add_argument("--digest", action="store_true", help="hash the final weights and optimizer state")
    parser.add_argument("--output", type=pathlib.Path, required=True, metavar="FILE.json")
    parser.add_argument("--progress", action="store_true", help="show the steps even if stderr is no terminal")
    return _check(parser.parse_args(arguments))


def _check(options):
    """What can be told to be wrong before TensorFlow is loaded."""
    try:
        spec = models.find(options.model)
    except ValueError as error:
        raise BadInput(str(error)) from None
    if options.image is None:
        options.image = spec.default_image
    try:
        models.check_image(spec, options.image)
    except ValueError as error:
        raise BadInput(str(error)) from None
    folder = options.output.absolute().parent
    if options.output.is_dir():
        raise BadInput(f"--output {options.output} is a folder, name a file")
    if not folder.is_dir():
        raise BadInput(f"--output {options.output}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK):
        raise BadInput(f"--output {options.output}: the folder {folder} is not writable")
    if options.warmup_seconds and options.digest:
        raise BadInput("--digest with --warmup-seconds: how many steps there are is chance, and what is learned with it")
    return options


def _import_tensorflow(options):
    """TensorFlow reads its environment when it is imported, so this comes after the options are known."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if options.inter_op:
        os.environ["TF_NUM_INTEROP_THREADS"] = str(options.inter_op)
    try:
        import keras
        import tensorflow
    except ImportError as error:
        raise BadInput(f"{sys.executable} has no TensorFlow ({error}): pip install tensorflow-cpu") from None
    return tensorflow, keras


def _optimizer(keras, name):
    if name == "adam":
        return keras.optimizers.Adam(1e-3)
    return keras.optimizers.SGD(1e-3, momentum=0.9 if name == "momentum" else 0.0)


def _cause(error):
    """The line that says what was lacking, of the many that TensorFlow writes about where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return next((line for line in lines if "OOM" in line or "allocat" in line), lines[0])


def train(options):
    """Trains as asked; the measured values, ready for JSON."""
    tf, keras = _import_tensorflow(options)
    from deeptm import data, measure, measuring

    keras.utils.set_random_seed(options.seed)
    if options.deterministic:
        tf.config.experimental.enable_op_determinism()

    kind = models.find(options.model).kind
    folder = options.data_dir or data.FASHION_MNIST
    dataset = data.make(kind, options.data, options.batch, options.image, options.warmup + options.steps, options.seed, folder)
    model = models.build(options.model, options.image, data.CLASSES[kind, options.data], options.batch_norm)
    model.compile(
        optimizer=_optimizer(keras, options.optimizer),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    recorder = measure.TimedSteps(options.steps, options.warmup, options.warmup_seconds, measuring.progress_of(options))
    try:
        model.fit(dataset, epochs=1, shuffle=False, callbacks=[recorder], verbose=0)
    except tf.errors.ResourceExhaustedError as error:
        raise TrainingFailed(_cause(error)) from error
    versions = {"tensorflow": tf.__version__, "keras": keras.__version__, "numpy": data.np.__version__}
    result = measuring.measured(options, model.count_params(), recorder.warmup, recorder.seconds, recorder.losses, versions)
    if options.digest:
        result["digest"] = {
            "weights": measuring.digest(model.weights),
            "optimizer": measuring.digest(model.optimizer.variables),
        }
    return result


def write_json(path, value):
    """All of the file or nothing of it: written beside its place, then renamed."""
    with tempfile.NamedTemporaryFile("w", dir=path.absolute().parent, prefix=path.name, suffix=".tmp", delete=False) as file:
        try:
            json.dump(value, file, indent=2)
            file.write("\n")
            file.flush()
            os.replace(file.name, path)
        except BaseException:
            os.unlink(file.name)
            raise


def main(arguments=None, train=train):
    try:
        options = parse(arguments)
        write_json(options.output, train(options))
        return 0
    except KeyboardInterrupt:
        return EXIT_INTERRUPTED
    except BadInput as error:
        return _fail(str(error), EXIT_BAD_INPUT)
    except (TrainingFailed, OSError, MemoryError) as error:
        return _fail(str(error), EXIT_FAILED)


def _fail(text, code):
    print(f"deeptm.workload: error: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
