# SPDX-License-Identifier: Apache-2.0
"""Puts python/ on the path, and makes a Fashion-MNIST of 20 images, so that no test needs the real one."""

import gzip
import os
import pathlib
import struct
import sys

import numpy as np
import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "python"))
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")


def write_idx(path, values):
    header = bytes((0, 0, 8, values.ndim)) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes()))


@pytest.fixture
def fashion(tmp_path):
    """(folder, images, labels); image n has the label n % 10 and its own constant brightness in the first row."""
    images = np.random.default_rng(7).integers(256, size=(20, 28, 28), dtype=np.uint8)
    images[:, 0, :] = np.arange(20, dtype=np.uint8)[:, None]
    labels = (np.arange(20) % 10).astype(np.uint8)
    write_idx(tmp_path / "train-images-idx3-ubyte.gz", images)
    write_idx(tmp_path / "train-labels-idx1-ubyte.gz", labels)
    return tmp_path, images, labels
