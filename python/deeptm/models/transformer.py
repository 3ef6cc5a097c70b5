# SPDX-License-Identifier: Apache-2.0
"""A small decoder-only transformer: Radford et al., "Language Models are Unsupervised Multitask Learners", 2019
(pre-norm blocks, learned positions, GELU), narrowed to what a small machine trains in seconds.
"""

import keras
from keras import layers, ops

LAYERS = 6
HEADS = 6
WIDTH = 384
DROPOUT = 0.1


@keras.saving.register_keras_serializable(package="deeptm")
class TokenAndPosition(layers.Layer):
    """The sum of a token's vector and its position's vector."""

    def __init__(self, vocabulary, length, width, **kwargs):
        super().__init__(**kwargs)
        self.vocabulary, self.length, self.width = vocabulary, length, width
        self.tokens = layers.Embedding(vocabulary, width)
        self.positions = layers.Embedding(length, width)

    def build(self, input_shape):
        self.tokens.build(input_shape)
        self.positions.build((self.length,))

    def call(self, inputs):
        return self.tokens(inputs) + self.positions(ops.arange(self.length))

    def get_config(self):
        return super().get_config() | {"vocabulary": self.vocabulary, "length": self.length, "width": self.width}


def _block(x):
    y = layers.LayerNormalization(epsilon=1e-5)(x)
    y = layers.MultiHeadAttention(HEADS, WIDTH // HEADS, dropout=DROPOUT)(y, y, use_causal_mask=True)
    x = x + layers.Dropout(DROPOUT)(y)
    y = layers.LayerNormalization(epsilon=1e-5)(x)
    y = layers.Dense(4 * WIDTH, activation="gelu")(y)
    y = layers.Dense(WIDTH)(y)
    return x + layers.Dropout(DROPOUT)(y)


def transformer(image, classes):
    """`image` is the length of the sequences, `classes` the size of the vocabulary."""
    inputs = keras.Input((image,), dtype="int32")
    x = TokenAndPosition(classes, image, WIDTH)(inputs)
    x = layers.Dropout(DROPOUT)(x)
    for _ in range(LAYERS):
        x = _block(x)
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model(inputs, layers.Dense(classes)(x), name="transformer")
