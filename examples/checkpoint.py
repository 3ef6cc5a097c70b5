# SPDX-License-Identifier: Apache-2.0
"""Bytes of tensors that leave and enter by system calls: checkpoints, a file written by numpy, a socket."""

import pathlib
import socket
import tempfile
import threading

import common
import keras
import numpy as np
import tensorflow as tf
from keras import layers


def make():
    model = keras.Sequential([keras.Input((1024,)), layers.Dense(2048, activation="relu"), layers.Dense(10)])
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def through_socket(values):
    """What arrives at the other end of a socket when the array's own memory is sent."""
    near, far = socket.socketpair()
    received = bytearray(values.nbytes)

    def receive():
        view = memoryview(received)
        while view:
            count = far.recv_into(view)
            if count == 0:
                return
            view = view[count:]

    reader = threading.Thread(target=receive)
    reader.start()
    with near, far:
        near.sendall(memoryview(values).cast("B"))
        reader.join()
    return bytes(received)


def main():
    common.start(__doc__)
    generator = np.random.default_rng(1)
    inputs = generator.random((512, 1024), dtype=np.float32)
    labels = generator.integers(10, size=512, dtype=np.int32)
    big = tf.random.stateless_normal((4096, 4096), seed=(1, 2))  # 64 MiB

    model = make()
    model.fit(inputs, labels, batch_size=64, epochs=2, verbose=2)
    with tempfile.TemporaryDirectory() as folder:
        saved = tf.train.Checkpoint(model=model, optimizer=model.optimizer, big=tf.Variable(big))
        path = saved.save(pathlib.Path(folder) / "checkpoint")
        before = [weight.numpy() for weight in model.weights]
        model.fit(inputs, labels, batch_size=64, epochs=1, verbose=2)
        saved.restore(path).assert_consumed()
        for weight, value in zip(model.weights, before):
            assert np.array_equal(weight.numpy(), value), f"{weight.path} was not restored"

        file = pathlib.Path(folder) / "big.bin"
        big.numpy().tofile(file)
        assert np.array_equal(np.fromfile(file, np.float32), big.numpy().ravel()), "tofile wrote other bytes"
    arrived = through_socket(big.numpy())
    assert arrived == big.numpy().tobytes(), "the socket carried other bytes"
    model.fit(inputs, labels, batch_size=64, epochs=1, verbose=2)
    common.result(*model.weights, *model.optimizer.variables, arrived)


if __name__ == "__main__":
    main()
