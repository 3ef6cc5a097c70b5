# SPDX-License-Identifier: Apache-2.0
"""An input pipeline that works beside the training: parallel map, cache, shuffle, interleave, prefetch."""

import common
import keras
import numpy as np
import tensorflow as tf
from keras import layers


def source(shard):
    """Images made on the fly, a few for each shard."""
    seeds = tf.data.Dataset.range(16).map(lambda number: tf.stack([tf.cast(shard, tf.int64), number]))

    def make(seed):
        label = tf.random.stateless_uniform((), seed, maxval=10, dtype=tf.int32)
        image = tf.random.stateless_uniform((96, 96, 3), seed) * (tf.cast(label, tf.float32) + 1.0) / 10.0
        return image, label

    return seeds.map(make)


def augment(image, label):
    image = tf.image.resize(image, (64, 64))
    return tf.image.adjust_contrast(image, 1.2), label


def make_dataset():
    shards = tf.data.Dataset.range(16).interleave(source, cycle_length=4, num_parallel_calls=4, deterministic=True)
    cached = shards.map(augment, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True).cache()
    batches = cached.shuffle(128, seed=1).batch(32, num_parallel_calls=2)
    return batches.prefetch(tf.data.AUTOTUNE)


def main():
    common.start(__doc__)
    model = keras.Sequential(
        [
            keras.Input((64, 64, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.MaxPooling2D(),
            layers.Conv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    history = model.fit(make_dataset(), epochs=4, verbose=2)
    common.result(*model.weights, np.array(history.history["loss"]))


if __name__ == "__main__":
    main()
