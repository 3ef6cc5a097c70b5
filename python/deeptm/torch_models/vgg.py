# SPDX-License-Identifier: Apache-2.0
"""VGG-19: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2014, configuration E."""

from torch import nn

STAGES = ((2, 64), (2, 128), (4, 256), (4, 512), (4, 512))


def vgg19(image, classes):
    layers, channels = [], 3
    for count, width in STAGES:
        for _ in range(count):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU()]
            channels = width
        layers.append(nn.MaxPool2d(2))
    side = image // 32
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(channels * side * side, 4096), nn.ReLU(), nn.Linear(4096, 4096), nn.ReLU(), nn.Linear(4096, classes)
    )
