# SPDX-License-Identifier: Apache-2.0
"""Training data as PyTorch tensors: what deeptm.data gives Keras, images with their channels first."""

import torch
from torch.nn import functional

from deeptm import arrays


def _images(batch, image, seed, folder):
    pixels, labels = arrays.load_fashion_mnist(folder)
    order = torch.from_numpy(arrays.image_order(len(pixels), seed))
    pixels, labels = torch.from_numpy(pixels.copy()), torch.from_numpy(labels.copy())
    while True:
        for chosen in order.split(batch):
            if len(chosen) < batch:
                continue
            inputs = functional.interpolate(pixels[chosen, None].float() / 255.0, (image, image), mode="bilinear", antialias=False)
            yield inputs.expand(-1, 3, -1, -1).contiguous(), labels[chosen].long()


def _tokens(batch, length, seed, folder):
    images, _ = arrays.load_fashion_mnist(folder)
    inputs, targets = map(torch.from_numpy, arrays.token_sequences(images, length, images.size, seed))
    while True:
        for one, other in zip(inputs.split(batch), targets.split(batch)):
            if len(one) == batch:
                yield one.long(), other.long()


def _repeated(inputs, labels):
    while True:
        yield inputs, labels


def make(kind, source, batch, image, seed, folder=arrays.FASHION_MNIST):
    """Endless (inputs, labels): float32 batch x 3 x image x image and int64 labels, or int64 tokens batch x image and those that follow."""
    if source == "fashion-mnist":
        return (_images if kind == "image" else _tokens)(batch, image, seed, folder)
    if kind == "image":
        inputs, labels = arrays.random_images(batch, image, seed)
        return _repeated(torch.from_numpy(inputs).permute(0, 3, 1, 2).contiguous(), torch.from_numpy(labels).long())
    inputs, labels = arrays.random_tokens(batch, image, seed)
    return _repeated(torch.from_numpy(inputs).long(), torch.from_numpy(labels).long())
