# SPDX-License-Identifier: Apache-2.0
"""A training of hours whose steps are not always the same: epochs with an odd last batch, evaluation, another batch size, checkpoints saved
and gone back to. Nothing of its process grows, and after each round it has learned what stock, which trains beside it, has in as many.

    python soak.py SECONDS    trains for so long; prints a sample of itself, as JSON, after each round
"""

import concurrent.futures
import hashlib
import json
import sys
import tempfile
import time

from limited import policies
from longrun import growth, sample, train_apart

FAST = "16MiB"


def train(seconds):
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
    end, done, learned = time.monotonic() + seconds, 0, hashlib.sha256()
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        kept = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=1)
        while time.monotonic() < end:
            history = model.fit(data(32), validation_data=data(50), epochs=2, verbose=0).history
            kept.save()
            further = model.fit(data(20), verbose=0).history
            if done % 2:
                checkpoint.restore(kept.latest_checkpoint).assert_consumed()
            learned.update(repr((history, further)).encode())
            for weights in model.get_weights():
                learned.update(weights.tobytes())
            done += 1
            print(json.dumps({"round": done, "digest": learned.hexdigest()} | sample()), flush=True)


def soak(folder, seconds):
    """One row: the run under a plan, and in how many of its rounds stock has learned the same."""
    policy = policies()[-1]
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stock_run = pool.submit(train_apart, __file__, [seconds], folder, FAST)
        samples, record = train_apart(__file__, [seconds], folder, FAST, policy)
        stock_samples, _ = stock_run.result()
    compared = list(zip(samples, stock_samples))
    same = sum(one["digest"] == stock["digest"] for one, stock in compared)
    row = {"kind": "measured", "policy": policy, "seconds": seconds, "rounds": len(samples), "rounds_compared": len(compared), "rounds_identical": same}
    row |= {"growth": growth(samples), "growth_stock": growth(stock_samples), "samples": samples, "record": record}
    grew = ", ".join(f"{name} {value:+.0f} (stock {row['growth_stock'][name]:+.0f})" for name, value in row["growth"].items())
    print(
        f"{len(samples)} rounds in {seconds:g} s: {same} of the {len(compared)} that stock has trained, too, are the same to the bit; "
        f"between the second and the last quarter {grew}",
        flush=True,
    )
    return row


if __name__ == "__main__":
    train(float(sys.argv[1]))
