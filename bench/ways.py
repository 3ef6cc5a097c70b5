# SPDX-License-Identifier: Apache-2.0
"""PyTorch in less memory, by what its users have: activation checkpointing, saved tensors in files (as torch.autograd.graph.save_on_cpu
has them in another memory), the kernel's swap; and under a plan of DeepTM. Files and swap have a memory cgroup of what the run under
the plan has taken."""

import os
import pathlib
import statistics

from limited import RunFailed, Workload, limits
from live import SWAP_BYTES, managed_options
from memory_cgroup import MemoryCgroup, swap_file
from training import train

MODELS = ("vgg19", "resnet50", "mobilenet", "transformer")
PERCENT = 20
STEPS, WARMUP = 6, 2
SCRIPT = pathlib.Path(__file__).with_name("ways_training.py")

LINE = "{:<13} {:<36} {:>8} {:>12} {:>14}"
HEAD = LINE.format("model", "way", "step, s", "performance", "memory, MiB")


class Ways:
    """The runs of one model, by way: (seconds a step, peak bytes of the process)."""

    def __init__(self, group, folder, model, size, place):
        self.group, self.folder, self.model, self.size, self.place = group, folder, model, size, place
        self.runs = {}

    def trained(self, way, options=(), script=None, **how):
        options = ("--warmup", str(WARMUP), *options)
        try:
            run = Workload(self.model, *self.size, STEPS, self.folder, options, framework="torch", script=script).run("way", **how)
        except RunFailed as ended:
            if ended.returncode >= 0:
                raise
            self.runs.setdefault(way, []).append(None)  # killed by the cgroup
            return None
        self.runs.setdefault(way, []).append((run["median_step_seconds"], run["peak_rss_bytes"]))
        return run

    def planned(self, stock, peak):
        fast, cgroup = limits(stock, peak, PERCENT)
        self.group.limit(cgroup)
        self.group.start_peak()
        options = managed_options(self.place, self.folder)
        row = train(self.model, *self.size, fast, *options, framework="torch", enter=self.group.enter)
        taken = self.group.peak_bytes()
        self.runs.setdefault(f"DeepTM, {PERCENT} % of the tensors", []).append((row["step_seconds"], taken))
        return taken

    def round(self):
        stock = self.trained("stock")
        peak = Workload(self.model, *self.size, 2, self.folder, framework="torch").run("free", fast="100%")["record"]["live_peak_bytes"]
        taken = self.planned(stock, peak)
        self.trained("checkpointing", ("--way", "checkpoint"), SCRIPT)
        self.group.limit(taken)
        self.trained("saved tensors in files", ("--way", "files"), SCRIPT, enter=self.group.enter)
        with swap_file(SWAP_BYTES, self.place):
            self.group.limit(taken, swap=True)
            self.trained("swap", enter=self.group.enter)

    def rows(self):
        seconds = {way: statistics.median(run[0] for run in runs) for way, runs in self.runs.items() if None not in runs}
        for way, runs in self.runs.items():
            row = {"kind": "measured", "framework": "torch", "model": self.model, "batch": self.size[0], "image": self.size[1], "way": way}
            if way in seconds:
                row |= {"step_seconds": seconds[way], "performance": seconds["stock"] / seconds[way], "peak_bytes": max(run[1] for run in runs)}
            yield row | {"runs": runs}


def line(row):
    if "step_seconds" not in row:
        return LINE.format(row["model"], row["way"], "killed", "", "")
    return LINE.format(row["model"], row["way"], f"{row['step_seconds']:.2f}", f"{row['performance']:.3f}", f"{row['peak_bytes'] / 2**20:.0f}")


def ways(folder, models, cells, rounds):
    """Yields rows and prints them as a table."""
    print(HEAD, flush=True)
    with MemoryCgroup("deeptm-bench") as group:
        for model in models:
            tried = Ways(group, folder, model, cells[model], os.environ.get("DEEPTM_SLOW_DIR", "/var/tmp"))
            for _ in range(rounds):
                tried.round()
            for row in tried.rows():
                print(line(row), flush=True)
                yield row
