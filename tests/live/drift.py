# SPDX-License-Identifier: Apache-2.0
"""Trainings whose steps are not always the same. Each settles into one kind of step, then departs from it and comes back.

    python drift.py NAME [LOG]      prints, as JSON, the losses and hashes of everything that was learned

With LOG, which has its own standard error, it waits in mid-way until DeepTM says there that it has planned.
"""

import json
import pathlib
import sys
import tempfile

CHECKOUT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(CHECKOUT / folder) for folder in ("examples", "python", "tests")]

import common
import gan
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from deeptm import measure, measuring
from processes import wait_until

BATCH, SIDE = 32, 40
SETTLED = 40  # steps of one kind: enough to be recorded, planned for and followed
RECORDED = 25  # of them, before the plan is waited for
BRIEF = 12  # steps of another kind, or of the first one again


def learned(losses, models, optimizers, *others):
    return {
        "losses": [float(loss).hex() for loss in losses],
        "weights": [measuring.digest(model.weights) for model in models],
        "optimizers": [measuring.digest(optimizer.variables) for optimizer in optimizers],
        "others": measuring.digest(others),
    }


def wait_for_plan():
    if len(sys.argv) > 2:
        log = pathlib.Path(sys.argv[2])
        wait_until(lambda: "deeptm: plan: " in log.read_text(), 300)


def with_wait(steps):
    for number, step in enumerate(steps):
        if number == RECORDED:
            wait_for_plan()
        yield step


class WaitForPlan(keras.callbacks.Callback):
    executions = 0  # of all fits

    def __init__(self, recorded):
        super().__init__()
        self._recorded = recorded

    def on_train_batch_end(self, batch, logs=None):
        WaitForPlan.executions += 1
        if WaitForPlan.executions == self._recorded:
            wait_for_plan()


def samples(steps, batch=BATCH):
    return common.images(steps * batch, SIDE)


def batches(steps, batch=BATCH):
    """`steps` batches; the same few again and again, so that data takes no time."""
    return tf.data.Dataset.from_tensor_slices(samples(4, batch)).batch(batch).repeat().take(steps)


def network():
    model = keras.Sequential([keras.Input((SIDE, SIDE, 3))])
    for filters in (32, 64):
        model.add(layers.Conv2D(filters, 3, padding="same", use_bias=False))
        model.add(layers.BatchNormalization())
        model.add(layers.ReLU())
        model.add(layers.MaxPooling2D())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dropout(0.2))
    model.add(layers.Dense(10))
    return model


def perceptron():
    """Most of its bytes are weights."""
    return keras.Sequential([keras.Input((SIDE, SIDE, 3)), layers.Flatten(), layers.Dense(256, "relu"), layers.Dense(10)])


def loss_function():
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)


def compiled(model, optimizer="adam", **options):
    model.compile(optimizer=optimizer, loss=loss_function(), **options)
    return model


def fit(model, data, recorded=RECORDED, **options):
    """The loss of every batch."""
    recorder = measure.StepRecorder()
    model.fit(data, verbose=0, callbacks=[recorder, WaitForPlan(recorded)], shuffle=False, **options)
    return recorder.losses


def case_odd_last_batch():
    inputs, labels = samples(SETTLED // 3)
    data = tf.data.Dataset.from_tensor_slices((inputs[:-9], labels[:-9])).batch(BATCH)
    model = compiled(network())
    return learned(fit(model, data, epochs=4), [model], [model.optimizer])


def case_evaluation_between_epochs():
    model = compiled(network(), metrics=["accuracy"])
    losses = fit(model, batches(SETTLED // 3), epochs=4, validation_data=batches(3, 50))
    return learned(losses, [model], [model.optimizer], *model.evaluate(batches(2), verbose=0))


def case_second_model():
    first, second = compiled(network()), compiled(perceptron(), keras.optimizers.SGD(0.01, momentum=0.9))
    losses = fit(first, batches(SETTLED))
    for model in (second, first, second):
        losses += fit(model, batches(BRIEF))
    return learned(losses, [first, second], [first.optimizer, second.optimizer])


def case_batch_size():
    model = compiled(network())
    losses = fit(model, batches(SETTLED))
    for batch in (16, BATCH, 48):
        losses += fit(model, batches(BRIEF, batch))
    return learned(losses, [model], [model.optimizer])


def case_frozen_layers():
    model = compiled(network())
    losses = fit(model, batches(SETTLED))
    for trainable in (False, True):
        for layer in model.layers[:4]:
            layer.trainable = trainable
        losses += fit(compiled(model, "sgd" if trainable else "adam"), batches(BRIEF))
    return learned(losses, [model], [model.optimizer])


def case_control_flow():
    """How often the loop runs, and which branch is taken, depends on the data."""
    model, optimizer, loss_of = network(), keras.optimizers.Adam(), loss_function()
    optimizer.build(model.trainable_variables)

    @tf.function
    def step(x, y, number):
        times = y[number % BATCH] % 4
        with tf.GradientTape() as tape:
            x = tf.while_loop(lambda i, _: i < times, lambda i, z: (i + 1, tf.tanh(z * 1.1)), (0, x))[1]
            outputs = model(x, training=True)
            loss = loss_of(y, tf.cond(tf.reduce_mean(outputs) > 0, lambda: outputs * 2, lambda: tf.nn.softmax(outputs)))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    losses = [step(x, y, tf.constant(number)) for number, (x, y) in enumerate(with_wait(batches(SETTLED)))]
    return learned(losses, [model], [optimizer])


def case_rnn_of_changing_length():
    generator = np.random.default_rng(1)
    model = keras.Sequential(
        [keras.Input((None,), dtype="int32"), layers.Embedding(500, 64), layers.LSTM(128, return_sequences=True),
         layers.GRU(128), layers.Dense(10)]
    )
    compiled(model)
    losses = []
    for length, steps in ((40, SETTLED), (25, BRIEF), (40, BRIEF), (60, BRIEF)):
        tokens = generator.integers(500, size=(4 * BATCH, length), dtype=np.int32)
        data = tf.data.Dataset.from_tensor_slices((tokens, tokens[:, 0] % 10)).batch(BATCH)
        losses += fit(model, data.repeat().take(steps))
    return learned(losses, [model], [model.optimizer])


def case_gan_in_turns():
    """The discriminator learns thrice for each time that the generator does."""
    models = generator, discriminator = gan.make_generator(), gan.make_discriminator()
    optimizers = [keras.optimizers.Adam(1e-4), keras.optimizers.SGD(1e-3, momentum=0.9)]
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
    noise = tf.random.Generator.from_seed(1)
    for model, optimizer in zip(models, optimizers):
        optimizer.build(model.trainable_variables)

    def descend(tape, loss, model, optimizer):
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    @tf.function
    def discriminate(real):
        with tf.GradientTape() as tape:
            says = discriminator(tf.concat([real, generator(noise.normal((BATCH, gan.NOISE)))], 0), training=True)
            loss = loss_of(tf.concat([tf.ones((BATCH, 1)), tf.zeros((BATCH, 1))], 0), says)
        return descend(tape, loss, discriminator, optimizers[1])

    @tf.function
    def generate():
        with tf.GradientTape() as tape:
            loss = loss_of(tf.ones((BATCH, 1)), discriminator(generator(noise.normal((BATCH, gan.NOISE)), training=True)))
        return descend(tape, loss, generator, optimizers[0])

    images = tf.constant(common.images(BATCH, 32, channels=1)[0])
    losses = []
    for number in with_wait(range(SETTLED)):
        losses.append(discriminate(images))
        if number % 3 == 2:
            losses.append(generate())
    return learned(losses, models, optimizers)


def case_several_steps_per_execution():
    model = compiled(network(), steps_per_execution=4)
    losses = fit(model, batches(SETTLED + 33), recorded=12)  # the last execution has one
    return learned(losses, [model], [model.optimizer])


def case_checkpoints():
    """Weights are read, saved and put back while most of them are away."""
    model = compiled(perceptron())
    losses = fit(model, batches(SETTLED))
    with tempfile.TemporaryDirectory() as folder:
        whole = pathlib.Path(folder) / "model.keras"
        model.save(whole)
        kept = model.get_weights()
        checkpoint = tf.train.Checkpoint(model=model, optimizer=model.optimizer)
        path = checkpoint.save(pathlib.Path(folder) / "checkpoint")
        losses += fit(model, batches(BRIEF))
        further = model.get_weights()
        checkpoint.restore(path).assert_consumed()
        losses += fit(model, batches(BRIEF))
        assert losses[SETTLED : SETTLED + BRIEF] == losses[SETTLED + BRIEF :], "restored, it learns otherwise"
        again = keras.saving.load_model(whole)
        losses += fit(again, batches(BRIEF))
        model.set_weights(kept)
        losses += fit(model, batches(BRIEF))
    return learned(losses, [model, again], [model.optimizer, again.optimizer], *kept, *further)


def case_eager_loop():
    model, optimizer, loss_of = network(), keras.optimizers.SGD(0.05, momentum=0.9), loss_function()
    losses = []
    for x, y in batches(SETTLED // 2):
        with tf.GradientTape() as tape:
            loss = loss_of(y, model(x, training=True))
        optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        losses.append(loss)
    return learned(losses, [model], [optimizer])


def case_predict_between_steps():
    model = compiled(network())
    inputs, _ = samples(2, 20)
    losses, answers = [], []
    for number, (x, y) in enumerate(with_wait(batches(SETTLED))):
        losses.append(model.train_on_batch(x, y))
        if number % 5 == 4:
            answers.append(model.predict_on_batch(inputs))
        if number % 20 == 19:
            answers.append(model.predict(inputs, batch_size=7, verbose=0))
    return learned(losses, [model], [model.optimizer], *answers)


if __name__ == "__main__":
    keras.utils.set_random_seed(1)
    tf.config.experimental.enable_op_determinism()
    print(json.dumps(globals()[f"case_{sys.argv[1]}"]()), flush=True)
