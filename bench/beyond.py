# SPDX-License-Identifier: Apache-2.0
"""A training whose tensors need half as much again as there is memory: stock TensorFlow is killed, DeepTM trains."""

import json
import os
import pathlib
import signal
import shutil
import subprocess

from comparison import recorded
from limited import PROGRAM, RunFailed, Workload
from memory_cgroup import MemoryCgroup
from training import train

MODEL, IMAGE, STEPS = "resnet152", 224, 3
FACTOR = 1.5
FAST_SHARE = 1 / 4  # of memory; the rest is for what is not a tensor
SPARE_BYTES = 1 << 30  # of this machine's memory, for everything else that runs
LEAST_MEMORY = 2 << 30


def machine_memory():
    fields = dict(line.split(":", 1) for line in pathlib.Path("/proc/meminfo").read_text().splitlines())
    return {name: int(fields[name].split()[0]) * 1024 for name in ("MemTotal", "MemAvailable")}


def peak_bytes(batch):
    command = [PROGRAM, "aggregate", recorded(MODEL), "--batch", str(batch), "--json"]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["live_peak_bytes"]


def batch_for(wanted_bytes):
    """The least batch whose tensors need so much: bytes grow linearly in the batch."""
    few, many = 8, 16
    per_sample = (peak_bytes(many) - peak_bytes(few)) / (many - few)
    batch = few + max(0, int((wanted_bytes - peak_bytes(few)) / per_sample))
    while peak_bytes(batch) < wanted_bytes:
        batch += 1
    return batch


def check_room(place, needed):
    free = shutil.disk_usage(place).free
    if free < needed:
        raise OSError(f"{place} has {free / 1e9:.1f} GB free, {needed / 1e9:.1f} GB are needed (DEEPTM_SLOW_DIR names another folder)")


def stock_ends(workload, enter):
    """How stock ends: by what signal, or with what code."""
    try:
        workload.run("stock", enter=enter)
    except RunFailed as ended:
        return signal.Signals(-ended.returncode).name if ended.returncode < 0 else f"exit code {ended.returncode}"
    return "trained"


def beyond(folder, memory_bytes=None):
    """The row: within `memory_bytes`, or this machine's memory."""
    machine = machine_memory()
    memory = memory_bytes or machine["MemTotal"]
    if memory < LEAST_MEMORY:
        raise OSError(f"--memory {memory} is too little for TensorFlow itself: {LEAST_MEMORY} is the least")
    limit = min(memory, machine["MemAvailable"] - SPARE_BYTES)
    place = os.environ.get("DEEPTM_SLOW_DIR", "/var/tmp")
    batch = batch_for(FACTOR * memory)
    peak = peak_bytes(batch)
    check_room(place, int(peak * 1.1))
    fast = int(limit * FAST_SHARE)
    print(f"{MODEL}, batch {batch}: tensors of {peak / 1e9:.1f} GB, {memory / 1e9:.1f} GB of memory, {fast / 1e9:.1f} GB of them fast")
    with MemoryCgroup("deeptm-bench") as group:
        group.limit(limit)
        options = ("--batch-norm", "fused", "--steps", STEPS, "--warmup", 0, "--slow", f"file:{place}", "--results", folder)
        row = train(MODEL, batch, IMAGE, fast, *options, enter=group.enter)
        stock = Workload(MODEL, batch, IMAGE, STEPS, folder, ("--batch-norm", "fused", "--warmup", "0"))
        row["stock"] = stock_ends(stock, group.enter)
    row |= {"kind": "measured", "memory_bytes": memory, "cgroup_bytes": limit, "steps": STEPS}
    row["times_memory"] = row["live_peak_bytes"] / memory
    print(f"peak of live tensors {row['times_memory']:.2f} times the memory: {STEPS} steps, {row['step_seconds']:.1f} s each;"
          f" {row['bytes_in_per_step'] / 1e9:.1f} GB in, {row['bytes_out_per_step'] / 1e9:.1f} GB out a step; stock: {row['stock']}",
          flush=True)
    return row
