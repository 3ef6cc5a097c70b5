# SPDX-License-Identifier: Apache-2.0
"""deeptm.torch_workload with less memory by PyTorch's own means: --way checkpoint or files, then its own options."""

import functools
import math
import os
import sys
import tempfile

import torch
from torch.utils.checkpoint import checkpoint_sequential

from deeptm import torch_workload, workload


def checkpointed(model, inputs):
    """In the square root of so many segments: Chen et al., "Training Deep Nets with Sublinear Memory Cost", 2016."""
    layers = model if isinstance(model, torch.nn.Sequential) else model.blocks
    if layers is model:
        return checkpoint_sequential(model, round(math.sqrt(len(model))), inputs, use_reentrant=False)
    ordinary = layers.forward
    layers.forward = lambda x: checkpoint_sequential(list(layers), len(layers), x, use_reentrant=False)
    try:
        return model(inputs)
    finally:
        layers.forward = ordinary


class File:
    """A saved tensor in a file, which goes with it."""

    def __init__(self, tensor):
        handle, self.name = tempfile.mkstemp(prefix="saved-", dir=os.environ.get("DEEPTM_SLOW_DIR", "/var/tmp"))
        os.close(handle)
        torch.save(tensor, self.name)

    def read(self):
        return torch.load(self.name)

    def __del__(self):
        os.unlink(self.name)


def pack(tensor):
    # Weights are there anyway, and what is small costs more than it frees.
    stays = tensor.is_leaf and tensor.requires_grad
    return tensor if stays or tensor.nbytes < 1 << 16 else File(tensor)


def unpack(packed):
    return packed.read() if isinstance(packed, File) else packed


def in_files(model, inputs):
    with torch.autograd.graph.saved_tensors_hooks(pack, unpack):
        return model(inputs)


if __name__ == "__main__":
    at = sys.argv.index("--way")
    forward = {"checkpoint": checkpointed, "files": in_files}[sys.argv[at + 1]]
    del sys.argv[at : at + 2]
    sys.exit(workload.main(train=functools.partial(torch_workload.train, forward=forward)))
