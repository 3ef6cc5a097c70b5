# SPDX-License-Identifier: Apache-2.0
"""Training without tf.function: every operation is dispatched from Python, tensors die when Python lets go."""

import common
import tensorflow as tf


def main():
    common.start(__doc__)
    inputs, labels = common.images(128, 64)
    initial = tf.random.Generator.from_seed(1)
    shapes = [(3, 3, 3, 32), (3, 3, 32, 64), (3, 3, 64, 64), (64, 10)]
    weights = [tf.Variable(initial.normal(shape, stddev=0.05)) for shape in shapes]
    kept = []

    for step in range(12):
        chosen = slice(32 * (step % 4), 32 * (step % 4) + 32)
        with tf.GradientTape() as tape:
            x = tf.constant(inputs[chosen])
            for kernel in weights[:-1]:
                x = tf.nn.relu(tf.nn.conv2d(x, kernel, strides=1, padding="SAME"))
            if step % 4 == 0:
                kept.append(x)  # some activations outlive their step
            logits = tf.reduce_mean(x, axis=(1, 2)) @ weights[-1]
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels[chosen], logits)
            loss = tf.reduce_mean(losses)
        for weight, gradient in zip(weights, tape.gradient(loss, weights)):
            weight.assign_sub(0.1 * gradient)
        print(f"step {step}: loss {float(loss):.4f}", flush=True)
    common.result(*weights, *kept, loss)


if __name__ == "__main__":
    main()
