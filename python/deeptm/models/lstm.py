# SPDX-License-Identifier: Apache-2.0
"""A language model of two LSTM layers: Zaremba, Sutskever, Vinyals, "Recurrent Neural Network Regularization",
2014, its medium size narrowed from 650 to 512 units.
"""

import keras
from keras import layers

UNITS = 512
DROPOUT = 0.5


def lstm(image, classes):
    """`image` is the length of the sequences, `classes` the size of the vocabulary."""
    inputs = keras.Input((image,), dtype="int32")
    x = layers.Embedding(classes, UNITS)(inputs)
    for _ in range(2):
        x = layers.Dropout(DROPOUT)(x)
        x = layers.LSTM(UNITS, return_sequences=True)(x)
    x = layers.Dropout(DROPOUT)(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="lstm")
