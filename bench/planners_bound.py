# SPDX-License-Identifier: Apache-2.0
"""The bound that the planner proves for a recorded step and a disk: a kernel whose operands are larger than fast memory waits for the
disk whatever the plan, and what a few kernels need at once can't all come beside the kernels before them."""

import json
import subprocess

from limited import PROGRAM, RunFailed

NO_LIMIT = 10**15


def _run(*command):
    finished = subprocess.run([PROGRAM, *map(str, command)], text=True, capture_output=True)
    if finished.returncode != 0:
        raise RunFailed(f"deeptm {command[0]}", finished)
    return finished.stdout


def recorded(model, batch, image, folder):
    """The path of the training step's graph, its kernels timed with everything fast."""
    options = ("--batch", batch, "--image", image, "--batch-norm", "keras", "--data", "random", "--warmup", 4)
    _run("record", model, *options, "-o", folder, "--results", folder)
    return folder / f"{model}.graph.json.zst"


def _machine(rate):
    """Memory without a price beside a disk whose copies start at once and need no processor: what a bound may suppose."""

    def link(origin, target, bytes_per_second):
        curve = [[1, bytes_per_second]]
        return {"from": origin, "to": target, "threads": 1, "by_threads": curve, "by_size": curve, "fixed_seconds": 0}

    memory = {"name": "memory", "capacity_bytes": NO_LIMIT, "load": [[1, NO_LIMIT]], "store": [[1, NO_LIMIT]]}
    memory |= {"load_latency_seconds": 0, "store_latency_seconds": 0, "price_per_gb": 0}
    return {
        "magic": "deeptm-machine", "format": 1, "name": "disk", "source": "bench/disk.py",
        "compute": {"threads": 1, "flops_per_second": 0, "overlaps_memory": False},
        "copies_overlap_kernels": True, "copy_cores": 0,
        "tiers": [memory, {"name": "file", "capacity_bytes": NO_LIMIT, "byte_addressable": False, "price_per_gb": 0}],
        "copies": [link("memory", "file", rate["write"]), link("file", "memory", rate["read"])],
    }


def planners_bound(graph, fast, rate, stock_seconds, folder):
    """The performance that no plan passes with `fast` bytes; `rate` is what disk.rates() gave. Stock's step is longer than its kernels
    by what passes between them, in which the disk goes on: each kernel counts as that much longer, so the disk as that much faster."""
    kernel_seconds = json.loads(_run("show", graph, "--json"))["seconds"]
    longer = max(1.0, stock_seconds / kernel_seconds)
    machine, rows = folder / "disk.json", folder / "bound.json"
    machine.write_text(json.dumps(_machine({way: longer * value for way, value in rate.items()})))
    options = ("--machine", machine, "--mode", "async", "--fast", fast, "--policy", "deeptm")
    _run("compare", graph, *options, "--json", rows, "--cache", folder / "compare")
    return json.loads(rows.read_text())[0]["bound"]
