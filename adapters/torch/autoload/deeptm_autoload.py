# SPDX-License-Identifier: Apache-2.0
"""PyTorch calls load() at the end of `import torch`: this folder is in PYTHONPATH where `deeptm` has put it there."""

import ctypes
import json
import multiprocessing
import os
import sys


def load():
    library = os.environ.get("DEEPTM_PYTORCH_ADAPTER")
    if not library:
        return
    here = "torch " + sys.modules["torch"].__version__.split("+")[0]
    made_for = json.loads(os.environ["DEEPTM_PYTORCH_CONFIG"]).get("framework", here)
    if here != made_for:
        print(f"deeptm: warning: this is {here}, deeptm was started for {made_for}: these tensors are in ordinary memory", file=sys.stderr)
        return
    ctypes.PyDLL(library).deeptm_pytorch_start(_loads_data, _is_being_spawned())


def _is_being_spawned():
    """Whether `multiprocessing` reads the script before it knows what kind of process this is."""
    return getattr(multiprocessing.current_process(), "_inheriting", False)


@ctypes.CFUNCTYPE(ctypes.c_int)
def _loads_data():
    """As DataLoader's workers, which must not take the limit before the training does."""
    return multiprocessing.current_process().daemon
