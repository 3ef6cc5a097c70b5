# SPDX-License-Identifier: Apache-2.0
"""Batch normalisation as one kernel forward and one backward, as TensorFlow 1 and nGraph ran it.

Keras 3 composes it of means, differences and products, each of which passes over the whole tensor and leaves another.
"""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable(package="deeptm")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Trains with FusedBatchNormV3 where that can do it; else it is Keras' own.

    One value differs: the kernel hands out the variance of the population that the batch is a sample of (Bessel's
    correction, n / (n - 1) of Keras'), so `moving_variance` is a little larger. Outputs and gradients are the same.
    """

    def call(self, inputs, training=None, mask=None):
        channels_last = len(inputs.shape) == 4 and self.axis in (-1, 3)
        if not (training and self.trainable) or not channels_last or mask is not None or self.renorm or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            inputs,
            scale=tf.ones_like(self.moving_mean) if self.gamma is None else self.gamma,
            offset=tf.zeros_like(self.moving_mean) if self.beta is None else self.beta,
            mean=self.moving_mean,
            variance=self.moving_variance,
            epsilon=self.epsilon,
            is_training=True,
            exponential_avg_factor=1.0 - self.momentum,
        )
        self.moving_mean.assign(mean)
        self.moving_variance.assign(variance)
        return outputs


def fuse(model):
    """The same model, its batch normalisation fused from now on. Before it is compiled.

    Layers change their class where they are: a clone of the model would leave the weights of the first alive for as long
    as Python likes, and a recorded step shows whatever is alive.
    """
    for layer in model.layers:
        if type(layer) is keras.layers.BatchNormalization:
            layer.__class__ = FusedBatchNormalization
    return model
