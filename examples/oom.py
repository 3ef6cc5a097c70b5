# SPDX-License-Identifier: Apache-2.0
"""A tensor that no memory holds: the error is TensorFlow's own, is caught, and training goes on."""

import common
import keras
import numpy as np
import tensorflow as tf
from keras import layers

TOO_BIG = (1 << 24, 1 << 22)  # 256 TiB of float32: more than addresses reach


def expect_out_of_memory(operation):
    try:
        operation()
    except tf.errors.ResourceExhaustedError as error:
        cause = next(line for line in str(error).splitlines() if "OOM" in line or "alloc" in line)
        print("caught:", cause.strip()[:120], flush=True)
        return
    raise AssertionError("a tensor of 256 TiB was allocated")


def main():
    common.start(__doc__)
    inputs, labels = common.images(256, 48)
    model = keras.Sequential(
        [
            keras.Input((48, 48, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))

    @tf.function
    def too_big_in_a_graph(x):
        y = model(x)
        return tf.reduce_sum(y) + tf.reduce_sum(tf.fill(TOO_BIG, y[0, 0]))

    def fit():
        return model.fit(inputs, labels, batch_size=32, epochs=1, verbose=2).history["loss"]

    losses = fit()
    # Stock TensorFlow waits for 10 seconds each time whether memory comes free.
    for too_big in (lambda: tf.fill(TOO_BIG, 1.0), lambda: too_big_in_a_graph(tf.constant(inputs[:32]))):
        expect_out_of_memory(too_big)
        losses += fit()
    common.result(*model.weights, np.array(losses))


if __name__ == "__main__":
    main()
