# SPDX-License-Identifier: Apache-2.0
"""Mixed precision: layers compute in bfloat16, variables stay float32."""

import common
import keras
import numpy as np
from keras import layers


def make_model(length, vocabulary, width=128):
    inputs = keras.Input((length,), dtype="int32")
    x = layers.Embedding(vocabulary, width)(inputs)
    for _ in range(2):
        y = layers.MultiHeadAttention(4, width // 4)(x, x, use_causal_mask=True)
        x = layers.LayerNormalization()(x + y)
        y = layers.Dense(4 * width, activation="gelu")(x)
        x = layers.LayerNormalization()(x + layers.Dense(width)(y))
    return keras.Model(inputs, layers.Dense(vocabulary, dtype="float32")(x))


def main():
    common.start(__doc__)
    keras.mixed_precision.set_global_policy("mixed_bfloat16")
    tokens = np.random.default_rng(1).integers(500, size=(64, 129), dtype=np.int32)
    model = make_model(128, 500)
    model.compile(
        optimizer=keras.optimizers.Adam(1e-3),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    history = model.fit(tokens[:, :-1], tokens[:, 1:], batch_size=16, epochs=3, verbose=2)
    common.result(*model.weights, np.array(history.history["loss"]))


if __name__ == "__main__":
    main()
