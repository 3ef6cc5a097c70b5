# SPDX-License-Identifier: Apache-2.0
"""The benchmarks. Each writes its rows, with the command that made them, to results/bench/NAME.json.

    make bench                                  all of them but longrun, soak, live, ways and beyond
    scripts/bench fits table                    some
    scripts/bench live --percent 20 10          plans, demand and swap beside stock and what the disk allows
    scripts/bench live --framework torch        the same of PyTorch
    scripts/bench beyond --memory 2GiB          in a cgroup that plays a machine of so much memory
"""

import argparse
import json
import pathlib
import shutil
import subprocess
import sys
import tempfile

from beyond import beyond as beyond_row
from emulated import CELLS as EMULATED_CELLS
from emulated import emulated as emulated_rows
from joint import joint as joint_rows
from literature import literature as literature_rows
from limited import CHECKOUT, PROGRAM, Workload, limits, same
from live import CELLS as LIVE_CELLS
from live import live as live_rows
from longrun import longrun as longrun_rows
from memory_cgroup import MemoryCgroup, swap_file
from operators import operators as operators_rows
from soak import soak as soak_row
from training import train
from ways import MODELS as WAYS_MODELS
from ways import ways as ways_rows

RESULTS = CHECKOUT / "results/bench"

# Steps of about half a second to four seconds on two cores.
CELLS = {
    "mobilenet": (32, 160),
    "resnet50": (16, 160),
    "resnet152": (8, 160),
    "vgg19": (8, 160),
    "inception_v4": (8, 160),  # TensorFlow only
    "alexnet": (32, 224),
    "transformer": (8, 256),
    "lstm": (32, 128),  # PyTorch only
}
ONLY = {"inception_v4": "tensorflow", "lstm": "torch"}
# Small ones for bit-identity. A tenth of VGG19's peak with batch 4 is less than one of its weight matrices, which are read by
# columns: two minutes a step.
CHECK_CELLS = {"vgg19": (64, 64)}


def tell(row):
    print(json.dumps(row), flush=True)
    return row


def show(row):
    shown = {name: row[name] for name in ("framework", "model", "fast", "inter_op", "performance", "performance_against_defaults", "bit_identical")}
    tell({name: value for name, value in shown.items() if value is not None})
    return row


def google_benchmark(name, *options):
    command = [CHECKOUT / "build/bin" / name, "--benchmark_format=json", *options]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)["benchmarks"]


def program(name, what):
    """A program of Google Benchmark as a benchmark of this table."""

    def run(_):
        rows = google_benchmark(name)
        for row in rows:
            print(f"{row['name']:40} {row['real_time']:10.1f} {row['time_unit']}", flush=True)
        return rows

    run.__doc__ = what
    return run


def fits(arguments):
    """Everything fits: one operation at a time as stock with one and with its defaults; and both with the defaults."""
    options = ("--compare", "--rounds", arguments.rounds)
    return [
        show(train(model, *CELLS[model], "100%", *options, *inter_op, framework=arguments.framework))
        for model in ("resnet50", "mobilenet")
        for inter_op in ((("--inter-op", "1"), ("--inter-op", "0")) if arguments.framework == "tensorflow" else ((),))
    ]


def table(arguments):
    """A fifth of the peak, paged on demand, file tier."""
    options = ("--compare", "--rounds", arguments.rounds)
    return [show(train(model, *CELLS[model], "20%", *options, framework=arguments.framework)) for model in arguments.models]


def check(arguments):
    """Losses, weights and optimizer state against stock at half, a fifth and a tenth of the peak."""
    options = ("--check", "--steps", "2", "--warmup", "1")
    return [
        show(train(model, *CHECK_CELLS.get(model, (4, 96)), fast, *options, framework=arguments.framework))
        for model in arguments.models
        for fast in ("50%", "20%", "10%")
    ]


def in_cgroup(arguments):
    """The same result as stock at a fifth of the peak, in a memory cgroup without swap that has room for no more."""
    rows = []
    with MemoryCgroup("deeptm-bench") as group, tempfile.TemporaryDirectory() as folder:
        for model in arguments.models:
            options = ("--deterministic", "--digest")
            workload = Workload(model, *CELLS[model], 3, folder, options, framework=arguments.framework)
            stock = workload.run("stock")
            peak = workload.run("free", fast="100%")["record"]["live_peak_bytes"]
            fast, limit = limits(stock, peak, 20)
            group.limit(limit)
            ours = workload.run("limited", fast, group.enter)
            row = {"model": model, "fast_limit_bytes": fast, "cgroup_bytes": limit, "bit_identical": same(stock, ours)}
            rows.append(tell(row))
    return rows


def swap(arguments):
    """DeepTM against kernel swap (a swap file) in the memory that DeepTM itself takes, and stock without a limit."""
    rows = []
    swap_bytes = 8 << 30
    with MemoryCgroup("deeptm-bench") as group, tempfile.TemporaryDirectory() as folder, swap_file(swap_bytes):
        for model in arguments.asked or ("mobilenet", "resnet50"):
            workload = Workload(model, *CELLS[model], 4, folder, framework=arguments.framework)
            stock = workload.run("stock")
            fast = workload.run("free", fast="100%")["record"]["live_peak_bytes"] // 5
            limit = workload.run("unlimited", fast)["peak_rss_bytes"]
            group.limit(limit, swap=True)
            ours = workload.run("deeptm", fast, group.enter)
            swapped = workload.run("swap", enter=group.enter)
            seconds = {"step_seconds_stock": stock, "step_seconds": ours, "step_seconds_swap": swapped}
            row = {"model": model, "fast_limit_bytes": fast, "cgroup_bytes": limit}
            row |= {name: run["median_step_seconds"] for name, run in seconds.items()}
            row["times_faster_than_swap"] = row["step_seconds_swap"] / row["step_seconds"]
            row["times_faster_at_most"] = row["step_seconds_swap"] / row["step_seconds_stock"]  # at stock's own speed
            rows.append(tell(row))
    return rows


def io(_):
    """The slow tiers beside the limit of what they are made of, demand beside planned transfers, computing beside both."""
    rows = json.loads(subprocess.run([str(CHECKOUT / "build/bin/io_bench")], check=True, capture_output=True).stdout)
    if shutil.which("fio") is not None:
        rows += [fio(load) for load in ("read", "write")]
    for row in rows:
        tell(row)
    return rows


def fio(load):
    """What fio makes of the disk of the slow tier, as a check of our own bare loop."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as folder:
        command = ["fio", "--name=limit", f"--directory={folder}", "--size=2G", f"--rw={load}", "--bs=2M", "--iodepth=16"]
        command += ["--direct=1", "--ioengine=io_uring", "--runtime=5", "--time_based", "--output-format=json"]
        text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    rate = json.loads(text)["jobs"][0][load]["bw_bytes"] / 1e9
    return {"fio": load, "gigabytes_per_second": round(rate, 2), "command": " ".join(command)}


def literature(_):
    """Our comparators beside what their papers print; simulated."""
    return list(literature_rows())


def joint(arguments):
    """The joint planner beside bounds and other policies, and what planning takes; simulated."""
    return list(joint_rows(arguments.quick, arguments.full))


def emulated(arguments):
    """Policies live on an emulated machine, and the file tier, each beside the simulator."""
    models = [model for model in arguments.models if model in EMULATED_CELLS]
    with tempfile.TemporaryDirectory() as folder:
        return list(emulated_rows(PROGRAM, folder, models, arguments.rounds))


def live(arguments):
    """Plans, demand and kernel swap in a memory cgroup, beside stock and the bound of the disk; measured."""
    models = [model for model in arguments.models if model in LIVE_CELLS[arguments.framework]]
    with tempfile.TemporaryDirectory() as folder:
        return list(live_rows(folder, arguments.framework, models, arguments.percent, int(arguments.rounds), arguments.limit_seconds))


def ways(arguments):
    """What PyTorch's users do today, beside a plan: step time and peak memory; measured."""
    with tempfile.TemporaryDirectory() as folder:
        return list(ways_rows(folder, arguments.asked or WAYS_MODELS, LIVE_CELLS["torch"], int(arguments.rounds)))


def longrun(arguments):
    """A hundred thousand small steps: memory, mappings and handles over time."""
    with tempfile.TemporaryDirectory() as folder:
        return list(longrun_rows(folder, arguments.steps))


def soak(arguments):
    """Hours of training with evaluation, checkpoints and other batches mixed: what grows, and what is learned."""
    with tempfile.TemporaryDirectory() as folder:
        return [soak_row(folder, 60 * arguments.minutes)]


def beyond(arguments):
    """A training that needs half as much again as there is memory."""
    with tempfile.TemporaryDirectory() as folder:
        return [beyond_row(folder, arguments.memory)]


def overhead(arguments):
    """What DeepTM costs a kernel that has one new tensor, when everything fits; and the kernels of a step with a plan."""
    if arguments.framework == "torch":
        return [tell(row) for row in operators_rows(int(arguments.rounds))]
    costs = {
        row["run_name"]: row["real_time"]
        for row in google_benchmark("memory_bench", "--benchmark_filter=^BM_Kernel", "--benchmark_repetitions=5")
        if row.get("aggregate_name") == "median"
    }
    row = {"kind": "measured", "policy": "demand", "unit": "ns"}
    row |= {"begin_and_end": costs["BM_KernelBeginEnd"], "allocate_and_free": costs["BM_KernelTensor"]}
    row |= {"sum": row["begin_and_end"] + row["allocate_and_free"], "together": costs["BM_KernelWithTensor"]}
    command = [CHECKOUT / "build/bin/follow_bench", CHECKOUT / "graphs/mobilenet.graph.json.zst"]
    followed = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return [tell(row)] + [tell({"kind": "measured", "step": "mobilenet, replayed"} | row) for row in followed]


# They take a quarter of an hour to some hours, so only by name.
LONG = ("longrun", "soak", "live", "ways", "beyond")
BENCHMARKS = {
    "memory": program("memory_bench", "Hot paths of allocator and kernel announcements."),
    "pager": program("pager_bench", "Sweeps over more memory than is fast."),
    "background": program("background_planning_bench", "What planning in the background costs whoever computes."),
    "planning": program("planning_bench", "Reading, planning, verifying, simulating up to a million tensors."),
    "io": io,
    "joint": joint,
    "literature": literature,
    "fits": fits,
    "table": table,
    "check": check,
    "cgroup": in_cgroup,
    "swap": swap,
    "emulated": emulated,
    "overhead": overhead,
    "longrun": longrun,
    "soak": soak,
    "live": live,
    "ways": ways,
    "beyond": beyond,
}


def default_models(framework):
    return [model for model in CELLS if ONLY.get(model, framework) == framework]


def size(text):
    """Bytes of 2GiB, 512MiB."""
    for unit, factor in (("GiB", 1 << 30), ("MiB", 1 << 20)):
        if text.endswith(unit) and text.removesuffix(unit).isdigit():
            return int(text.removesuffix(unit)) * factor
    raise argparse.ArgumentTypeError(f"'{text}' is not a size such as 2GiB")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(BENCHMARKS))
    parser.add_argument("--framework", choices=("tensorflow", "torch"), default="tensorflow", help="of fits, table, check, cgroup, swap, live, overhead")
    parser.add_argument("--models", nargs="+", choices=CELLS, help="all of the framework if not given")
    parser.add_argument("--rounds", default="2")
    parser.add_argument("--percent", nargs="+", type=int, default=[20, 10], help="of the peak, for live")
    parser.add_argument("--limit-seconds", type=int, default=900, help="of a run of live that is too slow")
    parser.add_argument("--steps", type=int, default=100_000, help="of longrun")
    parser.add_argument("--minutes", type=float, default=120, help="of soak")
    parser.add_argument("--memory", type=size, help="for beyond: of a cgroup instead of this machine's, such as 2GiB")
    parser.add_argument("--quick", action="store_true", help="fewer cells of joint")
    parser.add_argument("--full", action="store_true", help="joint beside policies that take minutes a cell, too")
    arguments = parser.parse_args()
    arguments.asked = arguments.models
    arguments.models = arguments.models or default_models(arguments.framework)
    unknown = [name for name in arguments.names if name not in BENCHMARKS]
    if unknown:
        sys.exit(f"bench: no benchmark {unknown[0]}; there are {', '.join(BENCHMARKS)}")
    RESULTS.mkdir(parents=True, exist_ok=True)
    for name in arguments.names or [name for name in BENCHMARKS if name not in LONG]:
        print(f"{name}: {BENCHMARKS[name].__doc__}", flush=True)
        try:
            rows = BENCHMARKS[name](arguments)
        except OSError as error:
            print(f"{name}: left out: {error}", flush=True)
            continue
        temporary = RESULTS / f"{name}.json.new"
        temporary.write_text(json.dumps(rows, indent=2) + "\n")
        temporary.rename(RESULTS / f"{name}.json")


if __name__ == "__main__":
    main()
