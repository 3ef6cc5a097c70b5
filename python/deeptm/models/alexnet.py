# SPDX-License-Identifier: Apache-2.0
"""AlexNet: Krizhevsky, Sutskever, Hinton, "ImageNet Classification with Deep Convolutional Neural Networks", 2012.

The variant with a single column: the paper's layers and widths, without the split over two devices, so that the
second, fourth and fifth convolutions see all channels.
"""

import keras
import tensorflow as tf
from keras import layers


@keras.saving.register_keras_serializable(package="deeptm")
class LocalResponseNormalization(layers.Layer):
    """Section 3.3 of the paper: k = 2, n = 5, alpha = 1e-4, beta = 0.75."""

    def call(self, inputs):
        return tf.nn.local_response_normalization(inputs, depth_radius=2, bias=2.0, alpha=1e-4, beta=0.75)


def alexnet(image, classes):
    inputs = keras.Input((image, image, 3))
    # Two pixels on each side make 224 give the 55 positions of the paper's figure.
    x = layers.ZeroPadding2D(2)(inputs)
    x = layers.Conv2D(96, 11, strides=4, activation="relu")(x)
    x = LocalResponseNormalization()(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.Conv2D(256, 5, padding="same", activation="relu")(x)
    x = LocalResponseNormalization()(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(384, 3, padding="same", activation="relu")(x)
    x = layers.Conv2D(256, 3, padding="same", activation="relu")(x)
    x = layers.MaxPooling2D(3, strides=2)(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(4096, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="alexnet")
