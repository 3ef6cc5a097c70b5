# SPDX-License-Identifier: Apache-2.0
"""MobileNet: Howard et al., "MobileNets: Efficient Convolutional Neural Networks for Mobile Vision", 2017."""

import keras


def mobilenet(image, classes):
    return keras.applications.MobileNet(
        weights=None, input_shape=(image, image, 3), classes=classes, classifier_activation=None
    )
