# SPDX-License-Identifier: Apache-2.0
"""Training data: Fashion-MNIST from Debian's package, or seeded random numbers, as images or as tokens.

Same arguments, same batches: the order of Fashion-MNIST is a permutation drawn from the seed, and the pipeline keeps it.
"""

import gzip
import pathlib
import struct

import numpy as np
import tensorflow as tf

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
PREFETCHED_BATCHES = 2


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


def _fashion_mnist_images(batch, image, steps, seed, folder):
    images, labels = load_fashion_mnist(folder)
    order = np.random.default_rng(seed).permutation(len(images))[: batch * steps]

    def to_input(pixels, label):
        resized = tf.image.resize(tf.cast(pixels, tf.float32)[..., tf.newaxis] / 255.0, (image, image))
        return tf.repeat(resized, 3, axis=-1), label

    dataset = tf.data.Dataset.from_tensor_slices((images[order], labels[order].astype(np.int32)))
    dataset = dataset.repeat().batch(batch, drop_remainder=True)
    return dataset.map(to_input, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _fashion_mnist_tokens(batch, length, steps, seed, folder):
    images, _ = load_fashion_mnist(folder)
    order = np.random.default_rng(seed).permutation(len(images))
    stream = images[order].reshape(-1)
    # A sequence and the token after it; the next sequence starts at that token.
    sequences = min(batch * steps, (stream.size - 1) // length)
    if sequences == 0:
        raise BadInput(f"--image {length} is longer than all of Fashion-MNIST, {stream.size} tokens")
    stream = stream[: sequences * length + 1].astype(np.int32)
    inputs, targets = stream[:-1].reshape(-1, length), stream[1:].reshape(-1, length)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, targets))
    return dataset.repeat().batch(batch, drop_remainder=True)


def _random_images(batch, image, seed):
    generator = np.random.default_rng(seed)
    inputs = generator.random((batch, image, image, 3), dtype=np.float32)
    labels = generator.integers(CLASSES["image", "random"], size=batch, dtype=np.int32)
    return tf.data.Dataset.from_tensors((inputs, labels)).repeat()


def _random_tokens(batch, length, seed):
    tokens = np.random.default_rng(seed).integers(
        CLASSES["tokens", "random"], size=(batch, length + 1), dtype=np.int32
    )
    return tf.data.Dataset.from_tensors((tokens[:, :-1], tokens[:, 1:])).repeat()


def make(kind, source, batch, image, steps, seed, folder=FASHION_MNIST):
    """An endless dataset of (inputs, labels) batches, of which `steps` will be used.

    Images are float32 in [0, 1], `batch` x `image` x `image` x 3; tokens are int32, `batch` x `image`, and their labels the
    tokens that follow. Random data is one batch, made once and given again at every step.
    """
    if source == "fashion-mnist":
        build = _fashion_mnist_images if kind == "image" else _fashion_mnist_tokens
        dataset = build(batch, image, steps, seed, folder)
    else:
        build = _random_images if kind == "image" else _random_tokens
        dataset = build(batch, image, seed)
    return dataset.prefetch(PREFETCHED_BATCHES)
