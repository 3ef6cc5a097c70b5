# SPDX-License-Identifier: Apache-2.0
"""Training data as tf.data: Fashion-MNIST from Debian's package, or seeded random numbers, as images or as tokens.

Same arguments, same batches: the order of Fashion-MNIST is a permutation drawn from the seed, and the pipeline keeps it.
"""

import numpy as np
import tensorflow as tf

from deeptm import arrays
from deeptm.arrays import CLASSES, FASHION_MNIST, SOURCES, load_fashion_mnist

__all__ = ["CLASSES", "FASHION_MNIST", "SOURCES", "load_fashion_mnist", "make"]
PREFETCHED_BATCHES = 2


def _fashion_mnist_images(batch, image, steps, seed, folder):
    images, labels = load_fashion_mnist(folder)
    order = arrays.image_order(len(images), seed)[: batch * steps]

    def to_input(pixels, label):
        resized = tf.image.resize(tf.cast(pixels, tf.float32)[..., tf.newaxis] / 255.0, (image, image))
        return tf.repeat(resized, 3, axis=-1), label

    dataset = tf.data.Dataset.from_tensor_slices((images[order], labels[order].astype(np.int32)))
    dataset = dataset.repeat().batch(batch, drop_remainder=True)
    return dataset.map(to_input, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True)


def _fashion_mnist_tokens(batch, length, steps, seed, folder):
    images, _ = load_fashion_mnist(folder)
    dataset = tf.data.Dataset.from_tensor_slices(arrays.token_sequences(images, length, batch * steps, seed))
    return dataset.repeat().batch(batch, drop_remainder=True)


def make(kind, source, batch, image, steps, seed, folder=FASHION_MNIST):
    """An endless dataset of (inputs, labels) batches, of which `steps` will be used.

    Images are float32 in [0, 1], `batch` x `image` x `image` x 3; tokens are int32, `batch` x `image`, and their labels the
    tokens that follow. Random data is one batch, made once and given again at every step.
    """
    if source == "fashion-mnist":
        build = _fashion_mnist_images if kind == "image" else _fashion_mnist_tokens
        dataset = build(batch, image, steps, seed, folder)
    else:
        build = arrays.random_images if kind == "image" else arrays.random_tokens
        dataset = tf.data.Dataset.from_tensors(build(batch, image, seed)).repeat()
    return dataset.prefetch(PREFETCHED_BATCHES)
