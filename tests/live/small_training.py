# SPDX-License-Identifier: Apache-2.0
"""The beginning of scripts that train a model of 13 MB of weights, with its optimizer's state five times what FAST holds."""

FAST = "8MiB"
IMPORTS = """
import json, os, sys
import numpy as np
import tensorflow as tf

tf.keras.utils.set_random_seed(1)
tf.config.experimental.enable_op_determinism()
"""
MODEL = """
rows = np.random.default_rng(1).random((64, 256), dtype=np.float32)
model = tf.keras.Sequential([tf.keras.Input((256,))] + [tf.keras.layers.Dense(1024, "relu") for _ in range(4)] + [tf.keras.layers.Dense(1)])
model.compile(optimizer="adam", loss="mse")

def train(steps):
    return [float(model.train_on_batch(rows, rows[:, :1])).hex() for _ in range(steps)]

"""
