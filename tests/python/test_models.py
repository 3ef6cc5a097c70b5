# SPDX-License-Identifier: Apache-2.0
"""The models are those of their papers: parameters, shapes, limits."""

import subprocess
import sys

import numpy as np
import pytest

from conftest import ROOT
from deeptm import models

# All parameters at 1000 classes, the moving means and variances of batch normalisation among them, by the published
# figures: AlexNet of one column 62.4 M, VGG-19 143.67 M, MobileNet 4.25 M, ResNet-50 25.6 M, ResNet-152 60.4 M.
# Inception-v4: 42,679,816 trained ones and twice 31,584 moving ones.
PARAMETERS = {
    "alexnet": 62_378_344,
    "vgg19": 143_667_240,
    "mobilenet": 4_253_864,
    "resnet50": 25_636_712,
    "resnet152": 60_419_944,
    "inception_v4": 42_679_816 + 2 * 31_584,
}


def shapes(model):
    return {tuple(layer.output.shape[1:]) for layer in model.layers}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_paper(name):
    model = models.build(name, models.MODELS[name].default_image, 1000)
    assert model.count_params() == PARAMETERS[name]
    assert model.output_shape == (None, 1000)


def test_transformer_parameters_by_hand():
    # tokens V*d, positions L*d; a block: 4 d*d + 4 d of attention, 8 d*d + 5 d of the feed-forward, 4 d of two norms;
    # the last norm 2 d, the output d*V + V. d = 384, V = 256, L = 64, 6 blocks.
    d, vocabulary, length = 384, 256, 64
    expected = (vocabulary + length) * d + 6 * (12 * d * d + 13 * d) + 2 * d + d * vocabulary + vocabulary
    assert models.build("transformer", length, vocabulary).count_params() == expected


def test_lstm_parameters_by_hand():
    # embedding V*u, two LSTM layers of 4 (u*u + u*u + u), the output u*V + V.
    u, vocabulary = 512, 256
    expected = vocabulary * u + 2 * 4 * (2 * u * u + u) + u * vocabulary + vocabulary
    assert models.build("lstm", 16, vocabulary).count_params() == expected


def test_inception_v4_has_the_grids_of_figure_9():
    assert {(35, 35, 384), (17, 17, 1024), (8, 8, 1536)} <= shapes(models.build("inception_v4", 299, 10))


def test_alexnet_has_the_grids_of_figure_2():
    assert {(55, 55, 96), (27, 27, 256), (13, 13, 384), (13, 13, 256)} <= shapes(models.build("alexnet", 224, 10))


@pytest.mark.parametrize("name", models.MODELS)
def test_smallest_image_runs_and_smaller_is_refused(name):
    spec = models.MODELS[name]
    shape = (1, spec.min_image, spec.min_image, 3) if spec.kind == "image" else (1, spec.min_image)
    outputs = np.asarray(models.build(name, spec.min_image, 7)(np.zeros(shape, np.int32 if spec.kind == "tokens" else np.float32)))
    assert outputs.shape == ((1, 7) if spec.kind == "image" else (1, spec.min_image, 7))
    assert np.isfinite(outputs).all()
    with pytest.raises(ValueError, match=f"{name} needs --image of at least {spec.min_image}"):
        models.build(name, spec.min_image - 1, 7)


@pytest.mark.parametrize("name", ["transformer", "lstm"])
def test_language_models_do_not_see_the_future(name):
    model = models.build(name, 12, 50)
    tokens = np.arange(12, dtype=np.int32)[None]
    changed = tokens.copy()
    changed[0, 8] = 42
    before, after = np.asarray(model(tokens)), np.asarray(model(changed))
    np.testing.assert_allclose(before[0, :8], after[0, :8], rtol=1e-5, atol=1e-6)
    assert not np.allclose(before[0, 8:], after[0, 8:])


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("resnet15", "resnet152"), ("VGG", "vgg19"), ("Inception-V4", "inception_v4"), ("mobile-net", "mobilenet"), ("", "lstm")],
)
def test_unknown_name_says_a_known_one(typed, meant):
    with pytest.raises(ValueError, match=f"did you mean '{meant}'" if typed else "did you mean"):
        models.find(typed)


def test_registry_is_readable_without_tensorflow():
    script = "import sys; from deeptm import models; assert models.MODELS; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", script], check=True, env={"PYTHONPATH": str(ROOT / "python")})
