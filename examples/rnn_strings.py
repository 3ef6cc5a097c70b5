# SPDX-License-Identifier: Apache-2.0
"""Strings in, a vocabulary table, an embedding, and a bidirectional LSTM that runs as a while loop."""

import common
import keras
import numpy as np
import tensorflow as tf
from keras import layers


def reviews(count, seed=1):
    """Sentences of made-up words; the label says which half of the vocabulary they prefer."""
    generator = np.random.default_rng(seed)
    words = np.array([f"word{number}" for number in range(400)])
    labels = generator.integers(2, size=count, dtype=np.int32)
    texts = []
    for label in labels:
        drawn = generator.integers(300, size=generator.integers(20, 60)) + 100 * label
        texts.append(" ".join(words[drawn]))
    return np.array(texts, dtype=object), labels


def main():
    common.start(__doc__)
    texts, labels = reviews(256)
    vectorize = layers.TextVectorization(max_tokens=500, output_sequence_length=64)
    vectorize.adapt(texts)
    model = keras.Sequential(
        [
            keras.Input((64,), dtype="int64"),
            layers.Embedding(500, 64, mask_zero=True),
            layers.Bidirectional(layers.LSTM(64, return_sequences=True)),
            layers.Bidirectional(layers.LSTM(64)),
            layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    dataset = tf.data.Dataset.from_tensor_slices((texts.astype(str), labels)).batch(32)
    dataset = dataset.map(lambda text, label: (vectorize(text), label))
    history = model.fit(dataset, epochs=3, verbose=2)
    common.result(*model.weights, np.array(history.history["loss"]))


if __name__ == "__main__":
    main()
