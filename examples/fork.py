# SPDX-License-Identifier: Apache-2.0
"""Processes forked while training: by os.fork and by multiprocessing. The children touch no tensor made before."""

import hashlib
import multiprocessing
import os

import common
import keras
import numpy as np
from keras import layers


def work(number):
    """A child's own memory, made after the fork."""
    values = np.arange(1_000_000, dtype=np.int64) * number
    return hashlib.sha256(values.tobytes()).digest()


def forked(number):
    """What `work` says in a child made by os.fork."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        os.write(writer, work(number))
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as file:
        answer = file.read()
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0, f"the child ended with status {status}"
    return answer


class Forker(keras.callbacks.Callback):
    def __init__(self):
        super().__init__()
        self.answers = []
        self._pool = None

    def on_train_batch_end(self, batch, logs=None):
        if batch % 4 == 1:
            self.answers.append(forked(batch))

    def on_epoch_begin(self, epoch, logs=None):
        # These children live while the parent goes on training.
        self._pool = multiprocessing.get_context("fork").Pool(2)
        self._pending = [self._pool.apply_async(work, (number,)) for number in range(4)]

    def on_epoch_end(self, epoch, logs=None):
        self.answers.extend(task.get(timeout=60) for task in self._pending)
        self._pool.close()
        self._pool.join()


def main():
    common.start(__doc__)
    inputs, labels = common.images(256, 48)
    model = keras.Sequential(
        [
            keras.Input((48, 48, 3)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.GlobalAveragePooling2D(),
            layers.Dense(10),
        ]
    )
    model.compile(optimizer="sgd", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    forker = Forker()
    history = model.fit(inputs, labels, batch_size=32, epochs=2, callbacks=[forker], verbose=2)
    common.result(*model.weights, np.array(history.history["loss"]), *forker.answers)


if __name__ == "__main__":
    main()
