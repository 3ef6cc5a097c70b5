# SPDX-License-Identifier: Apache-2.0
"""Bounded fast memory for a process that runs already, such as a notebook's kernel."""

import ctypes
import json
import os
import pathlib
import shutil
import subprocess
import sys

from deeptm.errors import BadInput

FRAMEWORKS = ("tensorflow", "torch")


def find_program():
    """The `deeptm` command: DEEPTM_PROGRAM, that of the checkout or installation this file is in, or one in PATH."""
    named = os.environ.get("DEEPTM_PROGRAM")
    here = pathlib.Path(__file__).resolve()
    # The package of a wheel, a checkout's, that under a prefix (share/deeptm/python).
    beside = [here.parent / "bin/deeptm", here.parents[2] / "build/bin/deeptm", *(folder / "bin/deeptm" for folder in here.parents[4:5])]
    found = named or next((str(path) for path in beside if path.is_file()), None) or shutil.which("deeptm")
    if found is None:
        raise BadInput("deeptm: the command is not in PATH; DEEPTM_PROGRAM names it")
    return found


def enable(fast, **options):
    """Has the framework that is imported afterwards keep its tensors within `fast` of fast memory ("4GiB", "20%").

    Options are those of `deeptm env`: enable("4GiB", slow="file:/var/tmp", policy="demand"). Raises BadInput where it comes
    too late, an option is wrong or something is missing. Processes that this one starts inherit it, each with a limit of its own.
    """
    for name in FRAMEWORKS:
        if name in sys.modules:
            raise BadInput(f"deeptm.enable() comes too late: {name} is imported already; call it before (in a notebook: restart the kernel)")
    command = [find_program(), "env", "--json", "--python", sys.executable, "--fast", str(fast)]
    for name, value in options.items():
        command += ["--" + name.replace("_", "-"), str(value)]
    done = subprocess.run(command, capture_output=True, text=True)
    notes = done.stderr.strip()
    if done.returncode != 0:
        raise BadInput(notes.removeprefix("deeptm: error: ") or f"deeptm env ended with {done.returncode}")
    if notes:
        print(notes, file=sys.stderr)
    environment = json.loads(done.stdout)
    os.environ.update(environment["set"])
    for name in environment["unset"]:
        os.environ.pop(name, None)
    # PyTorch looks there for what it loads; other processes will find it by themselves.
    for folder in environment["set"].get("PYTHONPATH", "").split(os.pathsep):
        if folder and folder not in sys.path:
            sys.path.append(folder)


def step():
    """Says that a training step of a PyTorch script ends here, for loops whose steps DeepTM does not recognise (docs/pytorch.md).

    Does nothing where the process does not run under DeepTM.
    """
    adapter = os.environ.get("DEEPTM_PYTORCH_ADAPTER")
    if adapter and "torch" in sys.modules:
        ctypes.PyDLL(adapter).deeptm_pytorch_step()
