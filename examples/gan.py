# SPDX-License-Identifier: Apache-2.0
"""Two models with two optimizers in one process, trained in turn on each other's output."""

import common
import keras
import tensorflow as tf
from keras import layers

NOISE = 64


def make_generator():
    return keras.Sequential(
        [
            keras.Input((NOISE,)),
            layers.Dense(8 * 8 * 128, use_bias=False),
            layers.Reshape((8, 8, 128)),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.Conv2DTranspose(64, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2DTranspose(32, 4, strides=2, padding="same", activation="relu"),
            layers.Conv2D(1, 3, padding="same", activation="sigmoid"),
        ]
    )


def make_discriminator():
    return keras.Sequential(
        [
            keras.Input((32, 32, 1)),
            layers.Conv2D(64, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Conv2D(128, 4, strides=2, padding="same"),
            layers.LeakyReLU(),
            layers.Dropout(0.3),
            layers.Flatten(),
            layers.Dense(1),
        ]
    )


def main():
    common.start(__doc__)
    real, _ = common.images(256, 32, channels=1)
    generator, discriminator = make_generator(), make_discriminator()
    generator_optimizer, discriminator_optimizer = keras.optimizers.Adam(1e-4), keras.optimizers.Adam(1e-4)
    loss_of = keras.losses.BinaryCrossentropy(from_logits=True)
    noise = tf.random.Generator.from_seed(1)

    @tf.function
    def step(images):
        drawn = noise.normal((tf.shape(images)[0], NOISE))
        with tf.GradientTape() as of_generator, tf.GradientTape() as of_discriminator:
            fake = generator(drawn, training=True)
            says_real = discriminator(images, training=True)
            says_fake = discriminator(fake, training=True)
            generator_loss = loss_of(tf.ones_like(says_fake), says_fake)
            discriminator_loss = loss_of(tf.ones_like(says_real), says_real)
            discriminator_loss += loss_of(tf.zeros_like(says_fake), says_fake)
        for loss, model, tape, optimizer in (
            (generator_loss, generator, of_generator, generator_optimizer),
            (discriminator_loss, discriminator, of_discriminator, discriminator_optimizer),
        ):
            variables = model.trainable_variables
            optimizer.apply_gradients(zip(tape.gradient(loss, variables), variables))
        return generator_loss, discriminator_loss

    losses = []
    for epoch in range(4):
        for images in tf.data.Dataset.from_tensor_slices(real).batch(64):
            losses.extend(step(images))
        print(f"epoch {epoch}: generator {float(losses[-2]):.4f}, discriminator {float(losses[-1]):.4f}", flush=True)
    common.result(*generator.weights, *discriminator.weights, *losses)


if __name__ == "__main__":
    main()
