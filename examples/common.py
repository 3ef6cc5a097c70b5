# SPDX-License-Identifier: Apache-2.0
"""What the examples share: --deterministic, fixed seeds, and the last line that tells one run from another."""

import argparse
import hashlib
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf


def start(description, seed=1):
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--deterministic", action="store_true", help="use deterministic operations only")
    if parser.parse_args().deterministic:
        tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)


def images(count, side, channels=3, classes=10, seed=1):
    """Random images whose brightness depends on their class, so that there is something to learn."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(classes, size=count, dtype=np.int32)
    noise = generator.random((count, side, side, channels), dtype=np.float32)
    brightness = (labels.astype(np.float32) + 1) / classes
    return noise * brightness[:, None, None, None], labels


def result(*values):
    """Prints the SHA-256 of all values in order: arrays, variables, tensors, numbers or bytes."""
    total = hashlib.sha256()
    for value in values:
        if not isinstance(value, bytes):
            value = np.ascontiguousarray(value.numpy() if hasattr(value, "numpy") else value).tobytes()
        total.update(value)
    print("result", total.hexdigest(), flush=True)
