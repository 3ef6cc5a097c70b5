# SPDX-License-Identifier: Apache-2.0
"""What DeepTM costs a PyTorch operator that has next to nothing to compute: in place, with a new tensor, forward and backward."""

import json
import statistics
import subprocess

from limited import PROGRAM, PYTHON, environment

SCRIPT = """
import json, time, torch
torch.set_num_threads(1)
torch.zeros(1 << 16)  # considerable: from here on tensors are DeepTM's, if it is there
a, b = torch.zeros(16), torch.ones(16)
w = torch.ones(16, requires_grad=True)
def backward():
    (w * b).sum().backward()
def nanoseconds(operate, count=20_000):
    for _ in range(count // 10):
        operate()
    began = time.perf_counter()
    for _ in range(count):
        operate()
    return 1e9 * (time.perf_counter() - began) / count
print(json.dumps({"in place": nanoseconds(lambda: a.add_(b)), "a new tensor": nanoseconds(lambda: torch.add(a, b)),
                  "product, sum, backward": nanoseconds(backward)}))
"""


def operators(rounds):
    """Rows of nanoseconds, medians of rounds in turn."""
    command = [PYTHON, "-c", SCRIPT]
    ways = {"stock": command, "deeptm": [PROGRAM, "run", "--fast", "64MiB", "--policy", "demand", "--", *command]}
    runs = {way: [] for way in ways}
    for _ in range(rounds):
        for way, arguments in ways.items():
            done = subprocess.run(arguments, env=environment(), check=True, capture_output=True, text=True)
            runs[way].append(json.loads(done.stdout.splitlines()[-1]))
    for operator in runs["stock"][0]:
        row = {way: statistics.median(run[operator] for run in runs[way]) for way in ways}
        yield {"kind": "measured", "framework": "torch", "operator": operator, "unit": "ns", **row, "overhead": row["deeptm"] - row["stock"]}
