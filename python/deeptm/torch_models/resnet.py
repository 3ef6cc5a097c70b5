# SPDX-License-Identifier: Apache-2.0
"""ResNet-50 and ResNet-152: He et al., "Deep Residual Learning for Image Recognition", 2016, table 1."""

from torch import nn
from torch.nn import functional

WIDTHS = (64, 128, 256, 512)
EXPANSION = 4


def _convolution(channels, width, size, stride=1):
    return nn.Sequential(nn.Conv2d(channels, width, size, stride, padding=size // 2, bias=False), nn.BatchNorm2d(width))


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 with a way around; the stride in the first, as in the paper."""

    def __init__(self, channels, width, stride):
        super().__init__()
        out = EXPANSION * width
        self.reduce = _convolution(channels, width, 1, stride)
        self.convolve = _convolution(width, width, 3)
        self.expand = _convolution(width, out, 1)
        self.around = nn.Identity() if stride == 1 and channels == out else _convolution(channels, out, 1, stride)

    def forward(self, x):
        y = functional.relu(self.reduce(x))
        y = functional.relu(self.convolve(y))
        return functional.relu(self.expand(y) + self.around(x))


def _resnet(depths, classes):
    layers, channels = [_convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, padding=1)], 64
    for stage, (depth, width) in enumerate(zip(depths, WIDTHS)):
        for block in range(depth):
            layers.append(Bottleneck(channels, width, 2 if block == 0 and stage > 0 else 1))
            channels = EXPANSION * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


def resnet50(image, classes):
    return _resnet((3, 4, 6, 3), classes)


def resnet152(image, classes):
    return _resnet((3, 8, 36, 3), classes)
