# SPDX-License-Identifier: Apache-2.0
"""VGG-19: Simonyan, Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", 2015."""

import keras


def vgg19(image, classes):
    return keras.applications.VGG19(
        weights=None, input_shape=(image, image, 3), classes=classes, classifier_activation=None
    )
