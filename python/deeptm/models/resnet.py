# SPDX-License-Identifier: Apache-2.0
"""ResNet-50 and ResNet-152: He et al., "Deep Residual Learning for Image Recognition", 2016."""

import keras


def resnet50(image, classes):
    return keras.applications.ResNet50(
        weights=None, input_shape=(image, image, 3), classes=classes, classifier_activation=None
    )


def resnet152(image, classes):
    return keras.applications.ResNet152(
        weights=None, input_shape=(image, image, 3), classes=classes, classifier_activation=None
    )
