# SPDX-License-Identifier: Apache-2.0
"""A training of hours whose steps are not always the same: epochs with an odd last batch, evaluation, another batch size, checkpoints saved
and gone back to. Nothing of its process grows, and in the end it has learned what stock has in as many rounds.

    python soak.py ROUNDS SECONDS    trains ROUNDS, or for SECONDS if ROUNDS is 0; prints a sample of itself, as JSON, after each round
"""

import hashlib
import json
import sys
import tempfile
import time

from limited import policies
from longrun import growth, sample, train_apart

FAST = "16MiB"


def train(rounds, seconds):
    import keras
    import numpy as np
    import tensorflow as tf

    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    random = np.random.default_rng(1)
    images, labels = random.random((300, 40, 40, 3), dtype=np.float32), random.integers(10, size=300)

    def data(batch):
        return tf.data.Dataset.from_tensor_slices((images, labels)).batch(batch)

    convolutions = [keras.layers.Conv2D(filters, 3, 2, "same", activation="relu") for filters in (32, 64, 128)]
    model = keras.Sequential([keras.Input((40, 40, 3)), *convolutions, keras.layers.Flatten(), keras.layers.Dense(10)])
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    end, done, losses = time.monotonic() + seconds, 0, hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        kept = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=1)
        while done < rounds or (rounds == 0 and time.monotonic() < end):
            history = model.fit(data(32), validation_data=data(50), epochs=2, verbose=0).history
            kept.save()
            further = model.fit(data(20), verbose=0).history
            if done % 2:
                checkpoint.restore(kept.latest_checkpoint).assert_consumed()
            losses.update(repr((history, further)).encode())
            done += 1
            print(json.dumps({"round": done} | sample()), flush=True)
    for weights in model.get_weights():
        losses.update(weights.tobytes())
    print(json.dumps({"rounds": done, "digest": losses.hexdigest()}), flush=True)


def soak(folder, seconds):
    """One row: the run under a plan, and whether stock learns the same."""
    policy = policies()[-1]
    (*samples, end), record = train_apart(__file__, [0, seconds], folder, FAST, policy)
    (*stock_samples, stock_end), _ = train_apart(__file__, [end["rounds"], 0], folder, FAST)
    row = {"kind": "measured", "policy": policy, "seconds": seconds, "rounds": end["rounds"], "bit_identical": end == stock_end}
    row |= {"growth": growth(samples), "growth_stock": growth(stock_samples), "record": record}
    grew = ", ".join(f"{name} {value:+.0f} (stock {row['growth_stock'][name]:+.0f})" for name, value in row["growth"].items())
    learned = "as stock to the bit" if row["bit_identical"] else "OTHERWISE than stock"
    print(f"{end['rounds']} rounds in {seconds} s: learned {learned}; between the second and the last quarter {grew}", flush=True)
    return row


if __name__ == "__main__":
    train(int(sys.argv[1]), float(sys.argv[2]))
