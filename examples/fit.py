# SPDX-License-Identifier: Apache-2.0
"""model.fit with validation and callbacks, then evaluate, predict, save and load."""

import pathlib
import tempfile

import common
import keras
import numpy as np
from keras import layers


def make_model():
    model = keras.Sequential([keras.Input((64, 64, 3))])
    for filters in (32, 64, 128):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(10, activation="softmax"))
    model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main():
    common.start(__doc__)
    # 250 samples for training in batches of 64: the last batch of each epoch is a smaller one.
    inputs, labels = common.images(300, 64)
    with tempfile.TemporaryDirectory() as folder:
        best = str(pathlib.Path(folder) / "best.weights.h5")
        model = make_model()
        history = model.fit(
            inputs[:250],
            labels[:250],
            batch_size=64,
            epochs=3,
            validation_data=(inputs[250:], labels[250:]),
            callbacks=[
                keras.callbacks.ModelCheckpoint(best, save_best_only=True, save_weights_only=True),
                keras.callbacks.ReduceLROnPlateau(patience=1),
                keras.callbacks.EarlyStopping(patience=5, restore_best_weights=True),
                keras.callbacks.TerminateOnNaN(),
            ],
            verbose=2,
        )
        model.load_weights(best)
        loss, _ = model.evaluate(inputs[250:], labels[250:], batch_size=32, verbose=0)
        predictions = model.predict(inputs[:100], batch_size=32, verbose=0)

        saved = pathlib.Path(folder) / "model.keras"
        model.save(saved)
        again = keras.saving.load_model(saved).predict(inputs[:100], batch_size=32, verbose=0)
        assert np.array_equal(predictions, again), "the loaded model predicts otherwise"
    common.result(*model.get_weights(), np.array(history.history["loss"]), np.array(loss), predictions)


if __name__ == "__main__":
    main()
