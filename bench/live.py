# SPDX-License-Identifier: Apache-2.0
"""Training under plans and on demand in a memory cgroup that has room for stock's memory beside its tensors and for the fast limit;
by the kernel's swap in one of what the run under a plan has taken; beside stock without a limit, and the bound that the disk allows:
the least bytes that have to be read and written take the disk some time, and the processors some of theirs, which stock beside fio
loses just so; and a kernel that touches more than fast memory holds waits for the rest of it, which the planner's bound knows. It is
asked for a disk that reads and writes as fast as this one ever did in the bench, either way alone and without a start, because a
virtual disk's rates change within seconds."""

import json
import os
import pathlib
import statistics
import subprocess
import time

import disk
from limited import PROGRAM, Workload, limits, policies, policy_options
from memory_cgroup import MemoryCgroup, swap_file
from training import train

# Steps of one to eight seconds on two free cores, everything fast.
CELLS = {
    "tensorflow": {
        "vgg19": (8, 160),
        "resnet50": (16, 160),
        "resnet152": (8, 160),
        "inception_v4": (16, 160),
        "mobilenet": (32, 160),
        "alexnet": (64, 224),
    },
    "torch": {
        "vgg19": (8, 160),
        "resnet50": (16, 160),
        "resnet152": (8, 160),
        "mobilenet": (32, 160),
        "alexnet": (64, 224),
        "transformer": (8, 256),
        "lstm": (32, 128),
    },
}
STEPS = 10
WARMUP, WARMUP_SECONDS = 8, 30  # recorded, planned for and followed by then
SWAP_WARMUP, SWAP_STEPS = 1, 3
SWAP_BYTES = 16 << 30
FIGURES = ("plan", "bytes_in_per_step", "bytes_out_per_step", "waits_per_step", "wait_seconds_per_step")

LINE = "{:<13} {:>5} {:<7} {:>9} {:>9} {:>6} {:>6} {:>9} {:>8} {:>8} {:>8} {:>8}"
HEAD = LINE.format(
    "model", "fast", "policy", "step, s", "stock, s", "perf.", "bound", "of bound", "GB in", "GB out", "GB least", "waits"
)


def managed_options(place, folder):
    return ("--slow", f"file:{place}", "--results", folder, "--steps", STEPS, "--warmup", WARMUP, "--warmup-seconds", WARMUP_SECONDS)


def proven_bound(kept, fast, rates):
    """The share of full speed that no plan passes, of the step and the machine in the folder `kept` (--save-plan); 1 if the run had no plan."""
    if not (kept / "plan.json").exists():
        return 1.0
    machine = json.loads((kept / "machine.json").read_text())
    fast_tier = machine["tiers"][0]["name"]
    for copy in machine["copies"]:
        best = max(rate["read" if copy["to"] == fast_tier else "write"] for rate in rates)
        copy |= {"by_threads": [[1, best]], "by_size": [[4096, best]], "fixed_seconds": 0}
    (kept / "best.json").write_text(json.dumps(machine))
    command = [PROGRAM, "compare", kept / "step.graph.json.zst", "--machine", kept / "best.json", "--mode", "async", "--fast", str(fast)]
    subprocess.run([*command, "--policy", "all-fast", "--json", kept / "bound.json"], cwd=kept, check=True, capture_output=True)
    return json.loads((kept / "bound.json").read_text())[0]["bound"]


class Cell:
    """One model at one share of its peak: what its runs took, by policy."""

    def __init__(self, framework, model, percent, stock, peak, folder):
        self.framework, self.model, self.percent, self.peak = framework, model, percent, peak
        self.kept = folder / f"{model}-{percent}"
        self.fast, self.cgroup_bytes = limits(stock, peak, percent)
        self.runs, self.beside = {}, []

    def swap_bytes(self):
        """What swap's cgroup has: as much as the first run under a plan has taken."""
        return self.runs[policies()[-1]][0]["cgroup_peak_bytes"]

    def add(self, policy, figures):
        self.runs.setdefault(policy, []).append(figures)

    def rows(self, stock_seconds, rates):
        rate = {name: statistics.median(one[name] for one in rates) for name in rates[0]}
        least = self.peak - self.fast
        disk_seconds = disk.least_seconds(least, rate)
        beside_seconds = statistics.median(self.beside)
        proven = proven_bound(self.kept, self.fast, rates)
        bound_seconds = max(stock_seconds, disk_seconds, beside_seconds, stock_seconds / proven)
        batch, image = CELLS[self.framework][self.model]
        for policy, runs in self.runs.items():
            # A round that took too long says only what a step takes at least, and so does the median then.
            seconds = statistics.median(run["step_seconds"] for run in runs)
            row = {"kind": "measured", "framework": self.framework, "model": self.model, "batch": batch, "image": image}
            row["percent"] = self.percent
            row |= {"fast_limit_bytes": self.fast, "cgroup_bytes": self.cgroup_bytes, "live_peak_bytes": self.peak}
            if policy == "swap":
                row["cgroup_bytes"] = self.swap_bytes()
            row |= {"policy": policy, "step_seconds": seconds, "timed_out": any(run["timed_out"] for run in runs)}
            row |= {"step_seconds_stock": stock_seconds, "performance": stock_seconds / seconds}
            row |= {"least_bytes_each_way": least, "disk_bytes_per_second": rate, "disk_seconds": disk_seconds}
            row |= {"stock_beside_fio_seconds": beside_seconds, "proven_bound": proven, "bound_seconds": bound_seconds}
            row |= {"bound": stock_seconds / bound_seconds, "share_of_bound": bound_seconds / seconds}
            row |= {name: runs[-1].get(name) for name in FIGURES} | {"runs": runs}
            yield row


def line(row):
    def shown(field, format_spec, scale=1.0):
        return "" if row[field] is None else format(row[field] * scale, format_spec)

    less, more = ("<", ">") if row["timed_out"] else ("", "")
    return LINE.format(
        row["model"], f"{row['percent']}%", row["policy"], more + shown("step_seconds", ".2f"), shown("step_seconds_stock", ".2f"),
        less + shown("performance", ".3f"), shown("bound", ".3f"), less + shown("share_of_bound", ".3f"),
        shown("bytes_in_per_step", ".2f", 1e-9), shown("bytes_out_per_step", ".2f", 1e-9),
        shown("least_bytes_each_way", ".2f", 1e-9), shown("waits_per_step", ".0f"),
    )


class Bench:
    def __init__(self, group, folder, framework, model, limit_seconds):
        self.group, self.folder, self.limit_seconds = group, pathlib.Path(folder), limit_seconds
        self.framework, self.model, self.size = framework, model, CELLS[framework][model]
        self.place = os.environ.get("DEEPTM_SLOW_DIR", "/var/tmp")

    def workload(self, steps, warmup):
        return Workload(self.model, *self.size, steps, self.folder, ("--warmup", str(warmup)), framework=self.framework)

    def stock(self):
        began = time.monotonic()
        result = self.workload(STEPS, 2).run("stock")
        self.start_seconds = time.monotonic() - began - sum(result["step_seconds"])
        # What is half as fast as stock is not cut short, whatever the limit.
        needed = self.start_seconds + WARMUP_SECONDS + (WARMUP + STEPS) * result["median_step_seconds"]
        self.limit_seconds = max(self.limit_seconds, 2 * needed)
        return result

    def peak(self):
        return self.workload(2, 0).run("free", fast="100%")["record"]["live_peak_bytes"]

    def within(self, steps, run):
        """Figures of a run; where it takes too long, what its steps take at least."""
        try:
            return run(timeout=self.limit_seconds) | {"timed_out": False}
        except subprocess.TimeoutExpired:
            self.group.wait_until_empty()
            return {"step_seconds": (self.limit_seconds - self.start_seconds) / steps, "timed_out": True}

    def beside(self, cell, stock_seconds):
        """What stock's step takes while fio moves the least bytes of the cell during it."""
        least = cell.peak - cell.fast
        with disk.Transfers(self.place, least / stock_seconds) as transfers:
            seconds = self.workload(STEPS, 2).run("beside")["median_step_seconds"]
        moved = seconds * statistics.mean(transfers.rate.values())
        cell.beside.append(stock_seconds + (seconds - stock_seconds) * least / moved)

    def managed(self, cell, policy):
        self.group.limit(cell.cgroup_bytes)
        options = (*managed_options(self.place, self.folder), *policy_options(policy))
        if policy == policies()[-1]:
            options += ("--save-plan", cell.kept)

        def run(timeout):
            entering = {"enter": self.group.enter, "timeout": timeout}
            return train(self.model, *self.size, cell.fast, *options, framework=self.framework, **entering)

        self.group.start_peak()
        figures = self.within(WARMUP + STEPS, run)
        figures["cgroup_peak_bytes"] = self.group.peak_bytes()
        cell.add(policy, figures)

    def swapped(self, cell):
        """Stock in as much memory as the plan has taken, with a swap file."""

        def run(timeout):
            result = self.workload(SWAP_STEPS, SWAP_WARMUP).run("swap", enter=self.group.enter, timeout=timeout)
            return {"step_seconds": result["median_step_seconds"]}

        with swap_file(SWAP_BYTES, self.place):
            self.group.limit(cell.swap_bytes(), swap=True)
            cell.add("swap", self.within(SWAP_WARMUP + SWAP_STEPS, run))

    def rows(self, percents, rounds):
        """All of one model, in turn, between two of stock. Swap, which is slow, has one round."""
        stock, rates, cells = [], [], []
        for number in range(rounds):
            result = self.stock()
            stock.append(result["median_step_seconds"])
            if not cells:
                peak = self.peak()
                cells = [Cell(self.framework, self.model, percent, result, peak, self.folder) for percent in percents]
            rates.append(disk.rates(self.place))
            for cell in cells:
                self.beside(cell, stock[-1])
                for policy in reversed(policies()):
                    self.managed(cell, policy)
                if number == 0:
                    self.swapped(cell)
        stock.append(self.stock()["median_step_seconds"])
        for cell in cells:
            yield from cell.rows(statistics.median(stock), rates)


def live(folder, framework, models, percents, rounds, limit_seconds):
    """Yields rows and prints them as a table."""
    print(HEAD, flush=True)
    with MemoryCgroup("deeptm-bench") as group:
        for model in models:
            for row in Bench(group, folder, framework, model, limit_seconds).rows(percents, rounds):
                print(line(row), flush=True)
                yield row
