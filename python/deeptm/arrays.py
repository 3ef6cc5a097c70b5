# SPDX-License-Identifier: Apache-2.0
"""What training data is made of, whatever the framework: Fashion-MNIST from Debian's package, or seeded random numbers."""

import gzip
import pathlib
import struct

import numpy as np

from deeptm.errors import BadInput

FASHION_MNIST = "/usr/share/datasets/fashion-mnist"
SOURCES = ("fashion-mnist", "random")
# What a source's labels range over, per kind of input. Fashion-MNIST as tokens is its pixels, a byte each.
CLASSES = {
    ("image", "fashion-mnist"): 10,
    ("image", "random"): 1000,
    ("tokens", "fashion-mnist"): 256,
    ("tokens", "random"): 8192,
}


def _read_idx(path, dimensions):
    """The bytes of a gzipped IDX file of unsigned bytes with that many dimensions."""
    try:
        raw = gzip.decompress(path.read_bytes())
    except FileNotFoundError:
        raise BadInput(f"{path} is missing: sudo apt-get install dataset-fashion-mnist, or use --data random") from None
    except (OSError, EOFError) as error:
        raise BadInput(f"{path} can't be read: {error}") from None
    header = 4 + 4 * dimensions
    if len(raw) < header or raw[:4] != bytes((0, 0, 8, dimensions)):
        raise BadInput(f"{path} is not an IDX file of {dimensions}-dimensional bytes")
    shape = struct.unpack(f">{dimensions}I", raw[4:header])
    values = np.frombuffer(raw, np.uint8, offset=header)
    if values.size != int(np.prod(shape)):
        raise BadInput(f"{path} holds {values.size} bytes of data, its header says {int(np.prod(shape))}")
    return values.reshape(shape)


def load_fashion_mnist(folder=FASHION_MNIST):
    """(images, labels) of the training set: uint8 of shapes (60000, 28, 28) and (60000,)."""
    folder = pathlib.Path(folder)
    images = _read_idx(folder / "train-images-idx3-ubyte.gz", 3)
    labels = _read_idx(folder / "train-labels-idx1-ubyte.gz", 1)
    if len(images) == 0 or len(images) != len(labels):
        raise BadInput(f"{folder}: {len(images)} images but {len(labels)} labels")
    return images, labels


def image_order(count, seed):
    """The order in which images come: a permutation drawn from the seed."""
    return np.random.default_rng(seed).permutation(count)


def token_sequences(images, length, most, seed):
    """(inputs, targets) of shape (at most `most`, length): the images' bytes one after another, and each one's next."""
    stream = images[image_order(len(images), seed)].reshape(-1)
    # A sequence and the token after it; the next sequence starts at that token.
    sequences = min(most, (stream.size - 1) // length)
    if sequences == 0:
        raise BadInput(f"--image {length} is longer than all of Fashion-MNIST, {stream.size} tokens")
    stream = stream[: sequences * length + 1].astype(np.int32)
    return stream[:-1].reshape(-1, length), stream[1:].reshape(-1, length)


def random_images(batch, image, seed):
    """(inputs, labels): float32 in [0, 1) of shape (batch, image, image, 3), int32."""
    generator = np.random.default_rng(seed)
    inputs = generator.random((batch, image, image, 3), dtype=np.float32)
    return inputs, generator.integers(CLASSES["image", "random"], size=batch, dtype=np.int32)


def random_tokens(batch, length, seed):
    """(inputs, targets), int32 of shape (batch, length)."""
    tokens = np.random.default_rng(seed).integers(CLASSES["tokens", "random"], size=(batch, length + 1), dtype=np.int32)
    return tokens[:, :-1], tokens[:, 1:]
