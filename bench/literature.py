# SPDX-License-Identifier: Apache-2.0
"""Our re-implementations beside what their papers print. Everything of ours is simulated; published figures were read off
figures to two or three points. docs/literature.md explains what differs by more than ten points.

    scripts/bench literature
"""

import dataclasses
import json
import math
import pathlib
import tempfile

import comparison
from comparison import CHECKOUT

MODELS = ("vgg19", "alexnet", "mobilenet", "inception_v4", "resnet152")

# AutoTM (ASPLOS 2020), figures: performance of all-DRAM at DRAM shares 1/9, 1/5, 1/2. ResNet is its ResNet200.
SHARES = ("11.1%", "20%", "50%")
AUTOTM = {"vgg19": (0.435, 0.55, 0.925), "resnet152": (0.71, 0.74, 0.82), "inception_v4": (0.735, 0.815, 0.88)}
FIRST_TOUCH = {"vgg19": (0.33, 0.34, 0.46), "inception_v4": (0.22, 0.24, 0.36)}
# Slowdown of Inception v4 by share of the peak.
SLOWDOWN = {"75%": 1.09, "50%": 1.17, "33%": 1.20, "20%": 1.23, "10%": 1.49, "5%": 2.02, "0%": 4.58}
# How many times faster than Memory Mode with 185 GB of DRAM, at batches of 650 to 690 GB.
FASTER_THAN_2LM = {"inception_v4": (6144, 1.82), "resnet152": (2560, 2.20)}
# Sentinel (HPCA 2021): mean of ResNet, BERT, LSTM, DCGAN, MobileNet by share of the peak.
SENTINEL = {"10%": 0.77, "20%": 0.90, "40%": 0.99, "60%": 1.0}
# DeepTM (TPDS 2024), its figures at a share of 1/5, batch 512.
DEEPTM = {
    "sync": {
        "first-touch": (0.12, 0.24, 0.24, 0.145, 0.03),
        "autotm-sync": (0.63, 0.625, 0.515, 0.48, 0.48),
        "sentinel": (0.72, 0.61, 0.51, 0.55, 0.52),
    },
    "async": {
        "first-touch": (0.124, 0.24, 0.244, 0.146, 0.029),
        "autotm-async": (0.685, 0.76, 0.638, 0.585, 0.598),
        "sentinel": (0.772, 0.74, 0.632, 0.634, 0.665),
    },
}


@dataclasses.dataclass
class Table:
    title: str
    rows: list = dataclasses.field(default_factory=list)

    def add(self, what, ours, published):
        self.rows.append({"what": what, "ours": ours, "published": published})

    def print(self):
        print(f"\n{self.title}\n{'':<44} {'ours':>8} {'published':>10} {'differs':>8}")
        for row in self.rows:
            ours, published = row["ours"], row["published"]
            shown = "-" if ours is None else f"{ours:.3f}"
            differs = "" if ours is None else f"{ours - published:+.3f}"
            print(f"{row['what']:<44} {shown:>8} {published:>10.3f} {differs:>8}")


def compare(models, fast, policies, *, batch=512, machine="optane", mode="sync"):
    """{(model, fast, policy): performance, or None where the policy can't}."""
    graphs = map(comparison.recorded, models)
    rows = comparison.compare(graphs, fast, policies, batch=batch, machine=machine, mode=mode)
    return {(row["graph"], row["fast"], row["policy"]): row["performance"] for row in rows}


def geometric_mean(values):
    return math.exp(sum(map(math.log, values)) / len(values))


def autotm():
    ours = compare(AUTOTM, SHARES, ("autotm-sync", "autotm-sync+rounded", "first-touch"))
    # Solving again for addresses takes the larger models to its limit of 600 s.
    ours |= compare(("vgg19",), SHARES, ("autotm-sync+addresses+rounded",))
    for policy in ("autotm-sync", "autotm-sync+rounded", "autotm-sync+addresses+rounded"):
        table = Table(f"AutoTM, synchronous, {policy} (optane; published: AutoTM's machine, nGraph)")
        for model, values in AUTOTM.items():
            for share, value in zip(SHARES, values, strict=True):
                if (model, share, policy) in ours:
                    table.add(f"{model} {share}", ours[model, share, policy], value)
        for i, share in enumerate(SHARES):
            mine = [ours.get((model, share, policy)) for model in AUTOTM]
            if None not in mine:
                theirs = geometric_mean([values[i] for values in AUTOTM.values()])
                table.add(f"geometric mean {share}", geometric_mean(mine), theirs)
        yield table
    table = Table("First touch")
    for model, values in FIRST_TOUCH.items():
        for share, value in zip(SHARES, values, strict=True):
            table.add(f"{model} {share}", ours[model, share, "first-touch"], value)
    yield table


def vgg_with_fast_convolutions():
    """VGG19 again where kernels compute at 4 TFLOP/s: its large convolutions come near a processor's peak."""
    with tempfile.TemporaryDirectory() as folder:
        machine = json.loads((CHECKOUT / "machines/optane.json").read_text())
        machine["name"] = "optane-4tflops"
        machine["compute"]["flops_per_second"] = 4e12
        file = pathlib.Path(folder) / "machine.json"
        file.write_text(json.dumps(machine))
        ours = compare(("vgg19",), SHARES, ("autotm-sync", "first-touch"), machine=str(file))
    table = Table("VGG19 on optane with 4 TFLOP/s")
    for policy, values in (("autotm-sync", AUTOTM["vgg19"]), ("first-touch", FIRST_TOUCH["vgg19"])):
        for share, value in zip(SHARES, values, strict=True):
            table.add(f"{policy} {share}", ours["vgg19", share, policy], value)
    yield table


def slowdown():
    ours = compare(("inception_v4",), [share for share in SLOWDOWN if share != "0%"], ("autotm-sync", "all-slow"))
    table = Table("AutoTM, slowdown of Inception v4 by share of the peak (0%: all-slow)")
    for share, value in SLOWDOWN.items():
        at = ("5%", "all-slow") if share == "0%" else (share, "autotm-sync")
        performance = ours["inception_v4", *at]
        table.add(share, performance and 1 / performance, value)
    yield table


def memory_mode():
    table = Table("AutoTM synchronous, times faster than a direct-mapped DRAM cache, 185 GB of DRAM")
    for model, (batch, value) in FASTER_THAN_2LM.items():
        ours = compare((model,), ("185000000000",), ("2lm", "belady", "autotm-sync+rounded"), batch=batch)
        cache = ours[model, "185000000000", "2lm"]
        performance = ours[model, "185000000000", "autotm-sync+rounded"]
        table.add(f"{model} batch {batch}", performance and performance / cache, value)
    yield table


def sentinel():
    ours = compare(("resnet152", "mobilenet"), SENTINEL, ("sentinel",), mode="async")
    table = Table("Sentinel, asynchronous, mean of ResNet152 and MobileNet (published: of five models)")
    for share, value in SENTINEL.items():
        table.add(share, (ours["resnet152", share, "sentinel"] + ours["mobilenet", share, "sentinel"]) / 2, value)
    yield table


def deeptm():
    for mode, machine in (("sync", "optane-4dimm"), ("async", "gpu-host")):
        published = DEEPTM[mode]
        ours = compare(MODELS, ("20%",), published, machine=machine, mode=mode)
        table = Table(f"Comparators as the DeepTM paper measured them, a fifth of the peak, {mode} ({machine})")
        for policy, values in published.items():
            for model, value in zip(MODELS, values, strict=True):
                table.add(f"{policy} {model}", ours[model, "20%", policy], value)
        yield table


def literature():
    """Rows for results/bench/literature.json."""
    for part in (autotm, vgg_with_fast_convolutions, slowdown, memory_mode, sentinel, deeptm):
        for table in part():
            table.print()
            for row in table.rows:
                yield {"table": table.title} | row
