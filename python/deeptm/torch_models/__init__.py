# SPDX-License-Identifier: Apache-2.0
"""The built-in models for PyTorch: the architectures of deeptm.models, written in plain torch.nn."""

import importlib

MODULES = {
    "alexnet": "alexnet", "vgg19": "vgg", "mobilenet": "mobilenet", "resnet50": "resnet", "resnet152": "resnet",
    "transformer": "transformer", "lstm": "lstm",
}


def build(name, image, classes):
    """An untrained module whose outputs are logits over `classes`. Images are batch x 3 x image x image, tokens batch x image."""
    return getattr(importlib.import_module(f"{__name__}.{MODULES[name]}"), name)(image, classes)
