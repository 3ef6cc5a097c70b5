# SPDX-License-Identifier: Apache-2.0
"""The models for PyTorch are those of their papers: trained parameters, shapes, causality."""

import pytest

torch = pytest.importorskip("torch", reason="PyTorch is not installed: pip install torch==2.13.0")

from deeptm import models, torch_models  # noqa: E402

# Trained parameters at 1000 classes, as published with these architectures (no convolution before a normalisation has a bias):
# AlexNet of one column 62.4 M, VGG-19 143.67 M, MobileNet 4.23 M, ResNet-50 25.56 M, ResNet-152 60.19 M.
PARAMETERS = {
    "alexnet": 62_378_344,
    "vgg19": 143_667_240,
    "mobilenet": 4_231_976,
    "resnet50": 25_557_032,
    "resnet152": 60_192_808,
}


def parameters(model):
    return sum(parameter.numel() for parameter in model.parameters())


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameters_are_those_of_the_paper(name):
    with torch.device("meta"):
        assert parameters(torch_models.build(name, models.MODELS[name].default_image, 1000)) == PARAMETERS[name]


def test_transformer_parameters_are_those_for_tensorflow():
    d, vocabulary, length = 384, 256, 64
    expected = (vocabulary + length) * d + 6 * (12 * d * d + 13 * d) + 2 * d + d * vocabulary + vocabulary
    assert parameters(torch_models.build("transformer", length, vocabulary)) == expected


def test_lstm_parameters_by_hand():
    # As for TensorFlow, but PyTorch adds two biases in each gate.
    u, vocabulary = 512, 256
    expected = vocabulary * u + 2 * 4 * (2 * u * u + 2 * u) + u * vocabulary + vocabulary
    assert parameters(torch_models.build("lstm", 16, vocabulary)) == expected


@pytest.mark.parametrize("name", torch_models.MODULES)
def test_smallest_image_runs(name):
    spec = models.MODELS[name]
    images = spec.kind == "image"
    inputs = torch.zeros(2, 3, spec.min_image, spec.min_image) if images else torch.zeros(2, spec.min_image, dtype=torch.int64)
    with torch.no_grad():
        outputs = torch_models.build(name, spec.min_image, 7).eval()(inputs)
    assert outputs.shape == ((2, 7) if images else (2, spec.min_image, 7))
    assert torch.isfinite(outputs).all()


@pytest.mark.parametrize("name", ["transformer", "lstm"])
def test_language_models_do_not_see_the_future(name):
    model = torch_models.build(name, 12, 50).eval()
    tokens = torch.arange(12)[None]
    changed = tokens.clone()
    changed[0, 8] = 42
    with torch.no_grad():
        before, after = model(tokens), model(changed)
    torch.testing.assert_close(before[0, :8], after[0, :8], rtol=1e-5, atol=1e-6)
    assert not torch.allclose(before[0, 8:], after[0, 8:])
