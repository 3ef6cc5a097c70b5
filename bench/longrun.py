# SPDX-License-Identifier: Apache-2.0
"""A training of very many steps, and whether anything of its process grows: memory, mappings, handles.

    python longrun.py STEPS          the training; prints a sample of itself, as JSON, after each epoch
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

from limited import PROGRAM, PYTHON, RunFailed, environment, policies, policy_options

FAST = "3MiB"
EPOCHS = 100
BATCH, WIDTH = 64, 256
GROWING = ("rss_bytes", "mappings", "handles")
RING = "anon_inode:[io_uring]"


def sample():
    """`rings` apart: io_uring's are made when callers meet, however late, and there are few of them at most (src/memory/file_tier.h)."""
    own = pathlib.Path("/proc/self")
    resident_pages = int((own / "statm").read_text().split()[1])
    mapped = [line for line in (own / "maps").read_text().splitlines() if not line.endswith(RING)]
    opened = [os.readlink(handle) for handle in (own / "fd").iterdir() if handle.is_symlink()]
    return {
        "seconds": time.monotonic(),
        "rss_bytes": resident_pages * 4096,
        "mappings": len(mapped),
        "handles": len(opened) - opened.count(RING),
        "rings": opened.count(RING),
    }


def train(steps):
    """Small steps; a few of evaluation after each epoch."""
    import keras
    import numpy as np
    import tensorflow as tf

    class Sampler(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            print(json.dumps({"epoch": epoch} | sample()), flush=True)

    keras.utils.set_random_seed(1)
    inputs = np.random.default_rng(1).random((BATCH, WIDTH), dtype=np.float32)
    data = tf.data.Dataset.from_tensors((inputs, inputs[:, :10])).repeat()
    model = keras.Sequential([keras.Input((WIDTH,))])
    for _ in range(4):
        model.add(keras.layers.Dense(WIDTH, "relu"))
    model.add(keras.layers.Dense(10))
    model.compile(optimizer="adam", loss="mse")
    model.fit(
        data, epochs=EPOCHS, steps_per_epoch=steps // EPOCHS, validation_data=data, validation_steps=3, verbose=0,
        callbacks=[Sampler()],
    )


def growth(samples):
    """By how much the last quarter is above the second one, medians; the first is warm-up."""
    quarter = len(samples) // 4

    def median(name, part):
        return statistics.median(one[name] for one in part)

    return {name: median(name, samples[-quarter:]) - median(name, samples[quarter : 2 * quarter]) for name in GROWING}


def train_apart(script, arguments, folder, fast, policy=None):
    """What `script` prints in a process of its own, a JSON value each line, and the run's record; stock's, which has none, without a policy."""
    record = pathlib.Path(folder) / "record.json"
    managed = [PROGRAM, "run", "--fast", fast, *policy_options(policy), "--json", record, "--"] if policy else []
    command = [*managed, PYTHON if PYTHON.exists() else sys.executable, pathlib.Path(script).resolve(), *map(str, arguments)]
    finished = subprocess.run(command, env=environment(), cwd=folder, text=True, capture_output=True)
    if finished.returncode != 0:
        raise RunFailed(policy or "stock", finished)
    return [json.loads(line) for line in finished.stdout.splitlines()], json.loads(record.read_text()) if policy else None


def measure(steps, folder, policy=None):
    """The row of one run: stock's without a policy."""
    samples, record = train_apart(__file__, [steps], folder, FAST, policy)
    row = {"kind": "measured", "policy": policy or "stock", "steps": steps, "growth": growth(samples), "samples": samples}
    row["step_seconds"] = (samples[-1]["seconds"] - samples[0]["seconds"]) / (steps - steps // EPOCHS)
    if policy:
        row["record"] = record
    return row


LINE = "{:<8} {:>8} {:>9} {:>14} {:>10} {:>9} {:>14} {:>10} {:>9}"


def longrun(folder, steps):
    """Yields rows and prints them as a table."""
    print(LINE.format("policy", "steps", "ms/step", "RSS at end, MB", "mappings", "handles", "RSS grew, MB", "mappings", "handles"))
    for policy in (None, *policies()):
        row = measure(steps, folder, policy)
        last, grew = row["samples"][-1], row["growth"]
        print(
            LINE.format(
                row["policy"], steps, f"{row['step_seconds'] * 1e3:.2f}", f"{last['rss_bytes'] / 1e6:.1f}", last["mappings"],
                last["handles"], f"{grew['rss_bytes'] / 1e6:+.1f}", f"{grew['mappings']:+.0f}", f"{grew['handles']:+.0f}",
            ),
            flush=True,
        )
        yield row


if __name__ == "__main__":
    train(int(sys.argv[1]))
