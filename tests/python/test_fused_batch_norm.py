# SPDX-License-Identifier: Apache-2.0
"""Fused batch normalisation computes what Keras' own does."""

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from deeptm.models.fused_batch_norm import FusedBatchNormalization, fuse

MOMENTUM = 0.9
SAMPLES = 5 * 8 * 8  # that each statistic is over: batch, rows, columns
IMAGES = np.random.default_rng(3).normal(0.5, 2, (5, 8, 8, 3)).astype(np.float32)


def small_model():
    """Without a scale, without an offset, with both; a smooth activation, so that rounding decides nothing."""
    x = inputs = keras.Input((8, 8, 3))
    for centre, scale in ((True, False), (False, True), (True, True)):
        x = layers.Conv2D(6, 3, padding="same", use_bias=False)(x)
        x = layers.BatchNormalization(momentum=MOMENTUM, center=centre, scale=scale)(x)
        x = layers.Activation("tanh")(x)
    return keras.Model(inputs, layers.Dense(4)(layers.Flatten()(x)))


def moving(model, name):
    return [w.numpy() for w in model.non_trainable_variables if w.name == name]


def gradients(model):
    images = tf.constant(IMAGES)
    with tf.GradientTape() as tape:
        tape.watch(images)
        outputs = model(images, training=True)
        loss = tf.reduce_mean(outputs**2)
    return outputs.numpy(), tape.gradient(loss, [images, *model.trainable_variables])


@pytest.fixture
def pair():
    """A model and, with the same weights, its fused twin."""
    keras.utils.set_random_seed(1)
    plain, other = small_model(), small_model()
    random = np.random.default_rng(2)
    for weight in plain.weights:
        weight.assign(weight + random.uniform(0, 0.5, weight.shape))
    other.set_weights(plain.get_weights())
    return plain, fuse(other)


def test_weights_stay_the_only_ones():
    model = small_model()
    before = model.weights
    after = fuse(model).weights
    assert len(after) == len(before) and all(x is y for x, y in zip(after, before))
    assert sum(type(layer) is FusedBatchNormalization for layer in model.layers) == 3


def test_same_outputs_gradients_and_moving_averages(pair):
    plain, fused = pair
    before = moving(plain, "moving_variance")
    (expected, expected_gradients), (outputs, fused_gradients) = gradients(plain), gradients(fused)
    np.testing.assert_allclose(outputs, expected, rtol=1e-4, atol=1e-5)
    for ours, keras_own in zip(fused_gradients, expected_gradients, strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-3, atol=1e-5)
    for ours, keras_own in zip(moving(fused, "moving_mean"), moving(plain, "moving_mean"), strict=True):
        np.testing.assert_allclose(ours, keras_own, rtol=1e-4, atol=1e-6)
    bessel = SAMPLES / (SAMPLES - 1)
    for ours, keras_own, old in zip(moving(fused, "moving_variance"), moving(plain, "moving_variance"), before, strict=True):
        np.testing.assert_allclose(ours, MOMENTUM * old + bessel * (keras_own - MOMENTUM * old), rtol=1e-4)


def test_same_inference(pair):
    plain, fused = pair
    np.testing.assert_allclose(fused(IMAGES, training=False), plain(IMAGES, training=False), rtol=1e-5, atol=1e-6)


def test_trains_on_a_fused_kernel_each_way(pair):
    step = tf.function(lambda: gradients_of_sum(pair[1])).get_concrete_function()
    kinds = [operation.type for operation in step.graph.get_operations()]
    assert kinds.count("FusedBatchNormV3") == kinds.count("FusedBatchNormGradV3") == 3


def gradients_of_sum(model):
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(model(IMAGES, training=True))
    return tape.gradient(loss, model.trainable_variables)


@pytest.mark.parametrize(("shape", "axis"), [((4, 6), -1), ((4, 3, 5, 5), 1), ((4, 7, 3), -1)])
def test_what_the_kernel_cannot_do_is_left_to_keras(shape, axis):
    values = np.random.default_rng(5).normal(size=shape).astype(np.float32)
    outputs = FusedBatchNormalization(axis=axis)(values, training=True)
    np.testing.assert_array_equal(outputs, layers.BatchNormalization(axis=axis)(values, training=True))
