# SPDX-License-Identifier: Apache-2.0
"""A loop of one's own: tf.function, GradientTape, accumulated and clipped gradients, a subclassed model."""

import common
import keras
import tensorflow as tf
from keras import layers


class Residual(layers.Layer):
    def __init__(self, filters):
        super().__init__()
        self.first = layers.Conv2D(filters, 3, padding="same", activation="relu")
        self.second = layers.Conv2D(filters, 3, padding="same")

    def call(self, x):
        return tf.nn.relu(x + self.second(self.first(x)))


class Network(keras.Model):
    def __init__(self, classes):
        super().__init__()
        self.stem = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")
        self.blocks = [Residual(64) for _ in range(3)]
        self.head = layers.Dense(classes)

    def call(self, x):
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(tf.reduce_mean(x, axis=(1, 2)))


def main():
    common.start(__doc__)
    inputs, labels = common.images(128, 64)
    dataset = tf.data.Dataset.from_tensor_slices((inputs, labels)).batch(16)
    model = Network(10)
    model(inputs[:1])
    optimizer = keras.optimizers.SGD(0.05, momentum=0.9)
    loss_of = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    totals = [tf.Variable(tf.zeros_like(w), trainable=False) for w in model.trainable_variables]

    @tf.function
    def accumulate(x, y):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        for total, gradient in zip(totals, tape.gradient(loss, model.trainable_variables)):
            total.assign_add(gradient)
        return loss

    @tf.function
    def apply():
        gradients, norm = tf.clip_by_global_norm([total / 2.0 for total in totals], 1.0)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        for total in totals:
            total.assign(tf.zeros_like(total))
        return norm

    losses = []
    for epoch in range(3):
        for number, (x, y) in enumerate(dataset):
            losses.append(accumulate(x, y))
            if number % 2 == 1:
                apply()
        print(f"epoch {epoch}: loss {float(losses[-1]):.4f}", flush=True)
    common.result(*model.weights, *losses)


if __name__ == "__main__":
    main()
