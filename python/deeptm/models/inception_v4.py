# SPDX-License-Identifier: Apache-2.0
"""Inception-v4: Szegedy, Ioffe, Vanhoucke, Alemi, "Inception-v4, Inception-ResNet and the Impact of Residual
Connections on Learning", 2016. Figure numbers below are the paper's. Every convolution is followed by batch
normalisation and a rectifier; "valid" is the paper's mark V.
"""

import keras
from keras import layers


def _conv(x, filters, rows, columns, strides=1, padding="same"):
    x = layers.Conv2D(filters, (rows, columns), strides=strides, padding=padding, use_bias=False)(x)
    x = layers.BatchNormalization(epsilon=1e-3)(x)
    return layers.ReLU()(x)


def _chain(x, *convolutions):
    """Stride-1 convolutions (filters, rows, columns) one after another."""
    for filters, rows, columns in convolutions:
        x = _conv(x, filters, rows, columns)
    return x


def _shrink(x, filters):
    return _conv(x, filters, 3, 3, strides=2, padding="valid")


def _max_pool(x):
    return layers.MaxPooling2D(3, strides=2)(x)


def _average_pool(x):
    return layers.AveragePooling2D(3, strides=1, padding="same")(x)


def _concat(*branches):
    return layers.Concatenate()(branches)


def _stem(x):  # figure 3
    x = _shrink(x, 32)
    x = _conv(x, 32, 3, 3, padding="valid")
    x = _conv(x, 64, 3, 3)
    x = _concat(_max_pool(x), _shrink(x, 96))
    x = _concat(
        _conv(_chain(x, (64, 1, 1)), 96, 3, 3, padding="valid"),
        _conv(_chain(x, (64, 1, 1), (64, 7, 1), (64, 1, 7)), 96, 3, 3, padding="valid"),
    )
    return _concat(_shrink(x, 192), _max_pool(x))


def _inception_a(x):  # figure 4
    return _concat(
        _chain(_average_pool(x), (96, 1, 1)),
        _chain(x, (96, 1, 1)),
        _chain(x, (64, 1, 1), (96, 3, 3)),
        _chain(x, (64, 1, 1), (96, 3, 3), (96, 3, 3)),
    )


def _reduction_a(x):  # figure 7, k l m n = 192 224 256 384
    return _concat(
        _max_pool(x),
        _shrink(x, 384),
        _shrink(_chain(x, (192, 1, 1), (224, 3, 3)), 256),
    )


def _inception_b(x):  # figure 5
    return _concat(
        _chain(_average_pool(x), (128, 1, 1)),
        _chain(x, (384, 1, 1)),
        _chain(x, (192, 1, 1), (224, 1, 7), (256, 7, 1)),
        _chain(x, (192, 1, 1), (192, 1, 7), (224, 7, 1), (224, 1, 7), (256, 7, 1)),
    )


def _reduction_b(x):  # figure 8
    return _concat(
        _max_pool(x),
        _shrink(_chain(x, (192, 1, 1)), 192),
        _shrink(_chain(x, (256, 1, 1), (256, 1, 7), (320, 7, 1)), 320),
    )


def _inception_c(x):  # figure 6: the last two branches fork once more at their end
    middle = _chain(x, (384, 1, 1))
    deep = _chain(x, (384, 1, 1), (448, 1, 3), (512, 3, 1))
    return _concat(
        _chain(_average_pool(x), (256, 1, 1)),
        _chain(x, (256, 1, 1)),
        _chain(middle, (256, 1, 3)),
        _chain(middle, (256, 3, 1)),
        _chain(deep, (256, 3, 1)),
        _chain(deep, (256, 1, 3)),
    )


def inception_v4(image, classes):  # figure 9
    inputs = keras.Input((image, image, 3))
    x = _stem(inputs)
    for _ in range(4):
        x = _inception_a(x)
    x = _reduction_a(x)
    for _ in range(7):
        x = _inception_b(x)
    x = _reduction_b(x)
    for _ in range(3):
        x = _inception_c(x)
    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(0.2)(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="inception_v4")
