# SPDX-License-Identifier: Apache-2.0
"""Policies run live on an emulated machine beside what the simulator says, and demand paging on the real file tier
beside the simulator's on a machine calibrated here."""

import itertools
import json
import pathlib
import subprocess

MACHINE, FAST = "optane-4dimm", "20%"
# By how copies run; what makes no difference is run once and stands in both tables.
POLICIES = {
    "sync": ("first-touch", "lru", "autotm-sync", "sentinel", "deeptm-heat", "deeptm-sync", "deeptm"),
    "async": ("first-touch", "lru", "autotm-sync", "sentinel", "deeptm-async", "deeptm"),
}
BETWEEN_KERNELS = ("first-touch", "lru", "autotm-sync")  # whatever the mode
# Of these models the weights, which AutoTM keeps in fast memory, are more than a fifth of the peak at such batches.
WEIGHTS_MOVE = ("resnet50", "vgg19", "alexnet", "inception_v4")
# A third of a second to a second a step on two free cores, everything fast.
CELLS = {"mobilenet": (16, 128), "resnet50": (8, 128), "vgg19": (4, 96), "alexnet": (16, 224), "inception_v4": (2, 128)}


class Bench:
    """`deeptm` on one model; what it makes lies in `folder`."""

    def __init__(self, program, folder, model):
        self.program, self.folder, self.model = str(program), pathlib.Path(folder), model
        self.batch, self.image = CELLS[model]
        self.workload = ["--batch", str(self.batch), "--image", str(self.image), "--data", "random", "--batch-norm", "fused"]
        self.graph = str(self.folder / f"{model}.graph.json.zst")

    def run(self, *arguments):
        command = [self.program, *map(str, arguments)]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        return " ".join(["deeptm", *command[1:]])

    def record(self):
        """On this machine as it is now: the scale is of its kernels."""
        return self.run("record", self.model, *self.workload, "-o", self.folder)

    def train(self, *options):
        out = self.folder / "cell.json"
        command = self.run("train", self.model, *self.workload, *options, "--json", out)
        row = {"model": self.model, "batch": self.batch, "image": self.image, "fast": FAST}
        return row, json.loads(out.read_text()), command


def full_name(policy, model):
    return f"{policy}+weights" if policy.startswith("autotm") and model in WEIGHTS_MOVE else policy


def rank(rows, field):
    """Writes each row's place by that field, the best first, into rank_ of it."""
    for place, row in enumerate(sorted(rows, key=lambda row: -row[field]), 1):
        row[field.replace("performance", "rank")] = place


def pairs_in_order(rows):
    """(pairs of rows that both fields order alike, all pairs)."""
    pairs = list(itertools.combinations(rows, 2))
    return sum((a["rank_paced"] < b["rank_paced"]) == (a["rank_simulated"] < b["rank_simulated"]) for a, b in pairs), len(pairs)


def at_recorded_pace(row):
    """What its delays and copies make of the step as it was recorded: kernels that have become faster or slower since, as a machine's other
    work has it, change the step with everything fast, not what is added to it."""
    recorded = row["step_seconds_simulated"] * row["performance_simulated"]
    return recorded / (recorded + max(0.0, row["step_seconds"] - row["step_seconds_all_fast"]))


def emulated_rows(bench, rounds):
    """By mode, each policy on the emulated machine, everything fast in turn with it."""
    rows = {"sync": [], "async": []}
    for mode, policies in POLICIES.items():
        for policy in policies:
            name = full_name(policy, bench.model)
            if mode == "async" and policy in BETWEEN_KERNELS:
                same = next(row for row in rows["sync"] if row["policy"] == name)
                rows[mode].append(same | {"mode": mode})
                continue
            options = ["--emulate", MACHINE, "--graph", bench.graph, "--policy", name, "--mode", mode, "--fast", FAST]
            row, record, command = bench.train(*options, "--rounds", rounds, "--steps", "4", "--warmup", "2")
            row |= {"kind": "emulated", "policy": name, "mode": mode, **record["emulation"]}
            row |= {"host": record["machine"], "command": command}
            row["performance_paced"] = at_recorded_pace(row)
            rows[mode].append(row)
        for field in ("performance_paced", "performance_simulated"):
            rank(rows[mode], field)
    return rows


def file_row(bench, rounds):
    """The real file tier under demand paging, and the simulator's lru with this machine's own numbers."""
    machine, plan = bench.folder / "machine.json", bench.folder / "plan.json"
    calibrated = bench.run("calibrate", "--quick", "--graph", bench.graph, "-o", machine)
    bench.run("plan", bench.graph, "--machine", machine, "--policy", "lru", "--fast", FAST, "-o", plan)
    simulated = subprocess.run(
        [bench.program, "simulate", bench.graph, str(plan), "--machine", str(machine), "--json"],
        check=True, capture_output=True, text=True,
    ).stdout
    row, record, command = bench.train("--fast", FAST, "--compare", "--rounds", rounds, "--steps", "4")
    return row | {
        "kind": "measured", "policy": "demand paging, file tier", "performance": record["performance"],
        "performance_simulated": json.loads(simulated)["performance"], "host": record["machine"],
        "calibrated": calibrated, "command": command,
    }


LINE = "{:<13} {:<26} {:<6} {:<9} {:>8} {:>8} {:>10} {:>5} {:>6}"
HEAD = LINE.format("model", "policy", "copies", "kind", "live", "at pace", "simulated", "rank", "sim.")


def line(row):
    live, paced, simulated = (f"{row[field]:.3f}" if field in row else "" for field in ("performance", "performance_paced", "performance_simulated"))
    return LINE.format(
        row["model"], row["policy"], row.get("mode", ""), row["kind"], live, paced, simulated, row.get("rank_paced", ""), row.get("rank_simulated", "")
    )


def emulated(program, folder, models, rounds):
    """Yields rows and prints them as a table."""
    print(HEAD, flush=True)
    for model in models:
        bench = Bench(program, folder, model)
        bench.record()
        for mode, rows in emulated_rows(bench, rounds).items():
            for row in rows:
                print(line(row), flush=True)
                yield row
            alike, pairs = pairs_in_order(rows)
            print(f"{model}, {mode}: {alike} of {pairs} pairs of policies in the simulator's order", flush=True)
        row = file_row(bench, rounds)
        print(line(row), flush=True)
        yield row
