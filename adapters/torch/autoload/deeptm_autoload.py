# SPDX-License-Identifier: Apache-2.0
"""PyTorch calls load() at the end of `import torch`: this folder is in PYTHONPATH where `deeptm` has put it there."""

import ctypes
import os


def load():
    library = os.environ.get("DEEPTM_PYTORCH_ADAPTER")
    if library:
        ctypes.PyDLL(library).deeptm_pytorch_start()
