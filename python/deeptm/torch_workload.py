# SPDX-License-Identifier: Apache-2.0
"""Trains a built-in model by an ordinary PyTorch loop and writes what it measured as JSON, in the form of deeptm.workload.

    python -m deeptm.torch_workload --model mobilenet --batch 32 --image 160 --steps 10 --output mobilenet.json
"""

import sys
import time

from deeptm import workload
from deeptm.errors import BadInput, TrainingFailed


def _import_torch():
    try:
        import numpy
        import torch
    except ImportError as error:
        raise BadInput(f"{sys.executable} has no PyTorch ({error}): pip install torch") from None
    return torch, numpy


def _optimizer(torch, name, parameters):
    if name == "adam":
        return torch.optim.Adam(parameters, 1e-3)
    return torch.optim.SGD(parameters, 1e-3, momentum=0.9 if name == "momentum" else 0.0)


def train(options, forward=lambda model, inputs: model(inputs)):
    """Trains as asked; the measured values, ready for JSON. `forward` gives the model's outputs."""
    torch, numpy = _import_torch()
    from deeptm import arrays, measuring, models, torch_data, torch_models

    if options.model not in torch_models.MODULES:
        raise BadInput(f"{options.model} is not among the models for PyTorch: {', '.join(torch_models.MODULES)}")
    torch.manual_seed(options.seed)
    if options.deterministic:
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # only reads of what was never written would see it
    kind = models.find(options.model).kind
    batches = torch_data.make(kind, options.data, options.batch, options.image, options.seed, options.data_dir or arrays.FASHION_MNIST)
    model = torch_models.build(options.model, options.image, arrays.CLASSES[kind, options.data])
    optimizer = _optimizer(torch, options.optimizer, model.parameters())
    loss_of = torch.nn.CrossEntropyLoss()
    progress = measuring.progress_of(options)
    clock = measuring.Warmup(options.steps, options.warmup, options.warmup_seconds)
    seconds, losses = [], []
    try:
        while not clock.done(seconds):
            inputs, labels = next(batches)
            began = time.perf_counter()
            optimizer.zero_grad()
            logits = forward(model, inputs)
            loss = loss_of(logits.flatten(0, -2), labels.flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
            seconds.append(time.perf_counter() - began)
            if progress:
                progress.step(len(seconds), clock.total(), seconds[-1], losses[-1])
    except torch.OutOfMemoryError as error:
        raise TrainingFailed(str(error).splitlines()[0]) from error
    parameters = sum(parameter.numel() for parameter in model.parameters())
    versions = {"torch": torch.__version__, "numpy": numpy.__version__}
    result = measuring.measured(options, parameters, clock.warmup, seconds, losses, versions)
    if options.digest:
        state = [value for entry in optimizer.state.values() for value in entry.values() if torch.is_tensor(value)]
        result["digest"] = {
            "weights": measuring.digest(tensor.detach().numpy() for tensor in model.state_dict().values()),
            "optimizer": measuring.digest(tensor.numpy() for tensor in state),
        }
    return result


if __name__ == "__main__":
    sys.exit(workload.main(train=train))
