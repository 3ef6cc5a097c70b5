# SPDX-License-Identifier: Apache-2.0
"""MobileNet: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision", 2017, table 1."""

from torch import nn

BLOCKS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), (512, 1), (512, 1), (512, 1), (512, 1), (512, 1), (1024, 2), (1024, 1))


def _block(channels, width, stride):
    return (
        nn.Conv2d(channels, channels, 3, stride, padding=1, groups=channels, bias=False), nn.BatchNorm2d(channels), nn.ReLU6(),
        nn.Conv2d(channels, width, 1, bias=False), nn.BatchNorm2d(width), nn.ReLU6(),
    )


def mobilenet(image, classes):
    layers, channels = [nn.Conv2d(3, 32, 3, 2, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU6()], 32
    for width, stride in BLOCKS:
        layers += _block(channels, width, stride)
        channels = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Dropout(1e-3), nn.Linear(channels, classes))
