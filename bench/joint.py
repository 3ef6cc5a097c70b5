# SPDX-License-Identifier: Apache-2.0
"""The joint planner (policy deeptm): its plans beside its own bound, the exact one and every other policy; what planning
takes, up to a million tensors; what its parts are worth. All but times and memory of planning is simulated.

    scripts/bench joint              beside policies that take seconds
    scripts/bench joint --quick      fewer cells
    scripts/bench joint --full       beside integer programs and agents, too
"""

import pathlib
import re
import statistics
import subprocess
import tempfile

from comparison import PROGRAM, compare, recorded

MODELS = ("vgg19", "alexnet", "mobilenet", "inception_v4", "resnet152")
QUICK_MODELS = ("alexnet", "mobilenet")
MACHINES = ("optane", "gpu-host", "cxl", "nvme")
MODES = ("sync", "async")
SHARES = ("10%", "20%", "30%", "50%")
CHEAP = ("first-touch", "lru", "belady", "sentinel", "deeptm-heat")
DEAR = ("autotm-static", "autotm-sync", "autotm-sync+weights", "deeptm-no-drl", "deeptm-sync")
DEAR_BESIDE = ("autotm-async", "autotm-async+weights", "deeptm-async")
VARIANTS = ("deeptm", "deeptm+whole-tensors", "deeptm+no-seeds", "deeptm+heat-seed")
TOLERANCE = 1e-9


def gap_to_own_bound(row):
    """In percent of the bound; deeptm prints it with its plan."""
    return float(re.search(r"([\d.]+) % above the bound", row["planner"])[1])


def own_bound(row):
    """The best performance that its bound allows."""
    return row["performance"] * (1 + gap_to_own_bound(row) / 100)


def megabytes(row):
    return row["plan_peak_bytes"] / 1e6


def best_other(rows):
    able = [row for row in rows if row["performance"] is not None]
    return max(able, key=lambda row: row["performance"])


def cell(rows):
    """deeptm's row with those of the others at the same limit."""
    ours, *others = rows
    other = best_other(others)
    made = {name: ours[name] for name in ("graph", "batch", "machine", "mode", "fast", "performance")}
    made |= {"gap_percent": gap_to_own_bound(ours), "plan_seconds": ours["plan_seconds"]}
    made |= {"plan_peak_bytes": ours["plan_peak_bytes"], "config_hash": ours["config_hash"]}
    made |= {"best_other": other["policy"], "best_other_performance": other["performance"]}
    made["below_other"] = other["performance"] > ours["performance"] * (1 + TOLERANCE)
    return made


def table(quick, full):
    """Every model, batch, limit, machine: deeptm, its gap, and the best of the others."""
    models, batches, shares = (QUICK_MODELS, (128,), ("20%",)) if quick else (MODELS, (128, 512), SHARES)
    print(f"{'machine':<9} {'mode':<6} {'gap, %: median':>14} {'most':>7} {'at 2 or less':>13} {'below another':>14}"
          f" {'plan s: median':>15} {'most':>7} {'MB: most':>9}")
    for machine in MACHINES:
        for mode in MODES:
            policies = ("deeptm",) + CHEAP
            if full:
                policies += DEAR + (DEAR_BESIDE if mode == "async" else ())
            cells = []
            for batch in batches:
                rows = compare(map(recorded, models), shares, policies, "--no-bound", batch=batch, machine=machine, mode=mode)
                cells += [cell(rows[i:i + len(policies)]) for i in range(0, len(rows), len(policies))]
            gaps = [row["gap_percent"] for row in cells]
            seconds = [row["plan_seconds"] for row in cells]
            near, below = sum(gap <= 2 for gap in gaps), sum(row["below_other"] for row in cells)
            print(f"{machine:<9} {mode:<6} {statistics.median(gaps):>14.2f} {max(gaps):>7.1f} {near:>6} of {len(gaps):<3}"
                  f" {below:>14} {statistics.median(seconds):>15.2f} {max(seconds):>7.2f} {max(map(megabytes, cells)):>9.1f}",
                  flush=True)
            for row in cells:
                if row["below_other"]:
                    print(f"    {row['graph']} batch {row['batch']} {row['fast']}: {row['performance']:.4f}, "
                          f"{row['best_other']} {row['best_other_performance']:.4f}", flush=True)
            yield from cells


def synthetic(folder, kind, tensors):
    """The file of a step with about so many tensors, and how many there are."""
    file = pathlib.Path(folder) / f"{kind}-{tensors}.graph.json.zst"
    command = [PROGRAM, "synthesize", kind, "--tensors", str(tensors), "--batch", "8", "--bytes", "1MiB", "-o", file]
    made = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return file, int(re.search(r"(\d+) tensors", made)[1])


def sizes(quick, _):
    """What planning takes as the step grows (a million tensors: between kernels only)."""
    print(f"{'tensors':>9} {'mode':<6} {'seconds':>9} {'MB':>9} {'bytes a tensor':>15} {'performance':>12} {'gap, %':>7}")
    with tempfile.TemporaryDirectory() as folder:
        for about in (10_000, 100_000) if quick else (10_000, 100_000, 1_000_000):
            file, tensors = synthetic(folder, "transformer", about)
            for mode in MODES if about < 1_000_000 else ("sync",):
                row = compare((file,), ("20%",), ("deeptm",), "--no-bound", machine="cxl", mode=mode)[0]
                print(f"{tensors:>9} {mode:<6} {row['plan_seconds']:>9.2f} {megabytes(row):>9.1f}"
                      f" {row['plan_peak_bytes'] / tensors:>15.0f} {row['performance']:>12.4f} {gap_to_own_bound(row):>7.2f}",
                      flush=True)
                yield row | {"tensors": tensors, "bytes_per_tensor": row["plan_peak_bytes"] / tensors}


def bounds(quick, _):
    """deeptm's own bound beside the exact linear program (ten thousand tensors: between kernels only); both as the
    performance that they allow."""
    print(f"{'graph':<24} {'mode':<6} {'own':>7} {'exact':>7} {'own is looser by, %':>20}")
    with tempfile.TemporaryDirectory() as folder:
        def made(tensors):
            return [(synthetic(folder, kind, tensors)[0], 0) for kind in ("chain", "residual", "transformer")]

        steps = [(recorded(model), 512) for model in (QUICK_MODELS if quick else MODELS)] + made(1_000)
        large = [] if quick else made(10_000)
        for mode in MODES:
            for graph, batch in steps + (large if mode == "sync" else []):
                row = compare((graph,), ("20%",), ("deeptm",), batch=batch, mode=mode)[0]
                looser = 100 * (own_bound(row) / row["bound"] - 1)
                print(f"{row['graph']:<24} {mode:<6} {own_bound(row):>7.4f} {row['bound']:>7.4f} {looser:>20.2f}", flush=True)
                yield row | {"own_bound": own_bound(row), "looser_percent": looser}


def against_autotm(quick, _):
    """What planning takes, beside AutoTM's integer program; weights of AlexNet, which would fill fast memory, may move."""
    print(f"{'graph':<14} {'deeptm':>8} {'AutoTM':>8} {'deeptm, s':>10} {'AutoTM, s':>10} {'times':>7} {'MB':>8} {'MB':>8} {'times':>7}")
    for model in QUICK_MODELS if quick else MODELS:
        policy = "autotm-sync+weights" if model == "alexnet" else "autotm-sync"
        ours, theirs = compare((recorded(model),), ("20%",), ("deeptm", policy), "--no-bound", batch=512)
        times = theirs["plan_seconds"] / ours["plan_seconds"]
        memory = theirs["plan_peak_bytes"] / ours["plan_peak_bytes"]
        print(f"{model:<14} {ours['performance']:>8.4f} {theirs['performance']:>8.4f} {ours['plan_seconds']:>10.2f}"
              f" {theirs['plan_seconds']:>10.2f} {times:>7.0f} {megabytes(ours):>8.1f} {megabytes(theirs):>8.1f} {memory:>7.1f}",
              flush=True)
        yield ours | {"autotm": theirs, "times_faster": times, "times_less_memory": memory}


def ablation(quick, _):
    """What parts of the planner are worth, at a fifth of the peak; the first line is deeptm as it is."""
    models = QUICK_MODELS if quick else MODELS
    for mode in MODES:
        rows = compare(map(recorded, models), ("20%",), VARIANTS, "--no-bound", batch=512, mode=mode)
        of = {(row["graph"], row["policy"]): row for row in rows}
        print(f"{mode:<24}" + "".join(f"{model:>14}" for model in models))
        for variant in VARIANTS:
            print(f"{variant:<24}" + "".join(f"{of[model, variant]['performance']:>14.4f}" for model in models), flush=True)
        yield from rows


def joint(quick, full):
    """Rows for results/bench/joint.json."""
    for part in (table, sizes, bounds, against_autotm, ablation):
        print(f"\n{part.__doc__}", flush=True)
        for row in part(quick, full):
            yield {"part": part.__name__, "kind": "simulated"} | row
