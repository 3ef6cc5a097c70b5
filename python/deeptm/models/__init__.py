# SPDX-License-Identifier: Apache-2.0
"""The built-in models, by name.

The table can be read without TensorFlow: a model's module, and TensorFlow with it, is imported when it is built.
"""

import dataclasses
import difflib
import importlib


@dataclasses.dataclass(frozen=True)
class ModelSpec:
    """What a caller must know of a model before building it."""

    name: str
    module: str  # under deeptm.models; holds a function called like the model, (image, classes) -> keras.Model
    min_image: int
    default_image: int
    kind: str = "image"  # "image": inputs are image x image x 3; "tokens": sequences of `image` tokens


_SPECS = (
    ModelSpec("alexnet", "alexnet", min_image=64, default_image=224),
    ModelSpec("vgg19", "vgg", min_image=32, default_image=224),
    ModelSpec("mobilenet", "mobilenet", min_image=32, default_image=224),
    ModelSpec("resnet50", "resnet", min_image=32, default_image=224),
    ModelSpec("resnet152", "resnet", min_image=32, default_image=224),
    ModelSpec("inception_v4", "inception_v4", min_image=75, default_image=299),
    ModelSpec("transformer", "transformer", min_image=2, default_image=256, kind="tokens"),
    ModelSpec("lstm", "lstm", min_image=2, default_image=64, kind="tokens"),
)
MODELS = {spec.name: spec for spec in _SPECS}
BATCH_NORMS = ("keras", "fused")


def find(name):
    """The model called `name`; a ValueError that says the nearest known name otherwise."""
    if name in MODELS:
        return MODELS[name]
    canonical = name.lower().replace("-", "_")
    nearest = difflib.get_close_matches(canonical, MODELS, n=1, cutoff=0.0)[0]
    raise ValueError(f"unknown model '{name}': did you mean '{nearest}'? known: {', '.join(MODELS)}")


def check_image(spec, image):
    """A ValueError where the model's layers would shrink inputs of that side to nothing."""
    if image < spec.min_image:
        raise ValueError(f"{spec.name} needs --image of at least {spec.min_image}, got {image}")


def build(name, image, classes, batch_norm="keras"):
    """An untrained, uncompiled Keras model whose outputs are logits over `classes`."""
    spec = find(name)
    check_image(spec, image)
    module = importlib.import_module(f"deeptm.models.{spec.module}")
    model = getattr(module, name)(image, classes)
    if batch_norm == "keras":
        return model
    return importlib.import_module("deeptm.models.fused_batch_norm").fuse(model)
