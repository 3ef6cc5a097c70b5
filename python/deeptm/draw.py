# SPDX-License-Identifier: Apache-2.0
"""Draws the figures that `deeptm reproduce` left as JSON, or the learning curve that `deeptm plan --curve` wrote: NAME.svg and NAME.png
beside NAME.json or NAME.csv.

    python draw.py FOLDER
    python draw.py CURVE.csv

Filled bars and lines are ours, hollow ones and crosses what was published. The same JSON gives the same bytes. Exits with 3 where
matplotlib is missing.
"""

import csv
import json
import os
import pathlib
import sys

try:
    import matplotlib
except ImportError:
    sys.exit(3)

matplotlib.use("Agg")
matplotlib.rcParams["svg.hashsalt"] = "deeptm"  # else names in the file are random
matplotlib.rcParams["font.size"] = 8
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = plt.get_cmap("tab10").colors


def distinct(values):
    return list(dict.fromkeys(values))


def bars(axes, rows, order):
    groups = distinct(row["what"] for row in rows)
    series = [name for name in order if any(row["series"] == name for row in rows)]
    width = 0.8 / len(series)
    labelled = set()
    for row in sorted(rows, key=lambda row: series.index(row["series"])):
        number = series.index(row["series"])
        x = groups.index(row["what"]) + (number - (len(series) - 1) / 2) * width
        colour = COLOURS[number % len(COLOURS)]
        if row["ours"] is not None:
            label = row["series"] if row["series"] not in labelled else None
            labelled.add(row["series"])
            axes.bar(x, row["ours"], width * 0.9, color=colour, label=label)
        if row["published"] is not None:
            axes.bar(x, row["published"], width * 0.9, fill=False, edgecolor="black", linewidth=0.7)
        if row["unfitted"] is not None:
            axes.plot(x, row["unfitted"], marker="_", color="black", markersize=5)
    if any(row["published"] is not None for row in rows):
        axes.bar(0, 0, fill=False, edgecolor="black", linewidth=0.7, label="published")
    if any(row["unfitted"] is not None for row in rows):
        axes.plot([], [], marker="_", color="black", linestyle="", label="machine not fitted")
    axes.set_xticks(range(len(groups)), groups)


def lines(axes, rows, order):
    for number, name in enumerate(order):
        colour = COLOURS[number % len(COLOURS)]
        for key, style in (("ours", "-"), ("published", "x")):
            points = [(float(row["what"]), row[key]) for row in rows if row["series"] == name and row[key] is not None]
            if points:
                label = name if key == "ours" else f"{name}, published"
                axes.plot(*zip(*points, strict=True), style, color=colour, label=label, marker="." if len(points) < 20 else "")


def save(fig, file):
    fig.savefig(file.with_suffix(".svg"), metadata={"Date": None})
    fig.savefig(file.with_suffix(".png"), dpi=150, metadata={"Software": None})
    plt.close(fig)


def draw_curve(file):
    with file.open(newline="") as text:
        rows = list(csv.DictReader(text))
    if not rows or "best_performance" not in rows[0]:
        sys.exit(f"{file}: not a learning curve of `deeptm plan --curve`")
    episodes = [int(row["episode"]) for row in rows]
    fig, (above, below) = plt.subplots(2, figsize=(8, 5), sharex=True, layout="constrained")
    for key, label in (("performance", "of the episode's plan"), ("best_performance", "of the best so far"), ("greedy", "greedy probability")):
        above.plot(episodes, [float(row[key]) for row in rows], ":" if key == "greedy" else "-", label=label)
    above.set_ylabel("performance (simulated)")
    below.plot(episodes, [float(row["reward"]) for row in rows], color=COLOURS[3], label="reward of the episode")
    below.set_ylabel("reward")
    below.set_xlabel("episode")
    loss = below.twinx()
    loss.plot(episodes, [float(row["loss"]) for row in rows], color=COLOURS[4], label="loss")
    loss.set_ylabel("loss")
    fig.legend(loc="outside right upper", frameon=False)
    save(fig, file)


def draw(figure, file):
    rows = [row for row in figure["rows"] if row["ours"] is not None or row["published"] is not None]
    if figure["chart"] == "none" or not rows:
        return
    fig, axes = plt.subplots(figsize=(8, 3.6), layout="constrained")
    order = distinct(row["series"] for row in figure["rows"])
    (bars if figure["chart"] == "bars" else lines)(axes, rows, order)
    values = [row[key] for row in rows for key in ("ours", "published") if row[key]]
    if values and max(values) > 100 * min(values):
        axes.set_yscale("log")
    axes.set_title(f"{figure['title']} ({figure['kind']})")
    axes.set_xlabel(figure["axis"])
    axes.set_ylabel(figure["unit"])
    fig.legend(loc="outside right upper", frameon=False)
    save(fig, file)


def main(path):
    os.umask(0o077)  # pictures are their owner's, like all other files
    path = pathlib.Path(path)
    if not path.exists():
        sys.exit(f"{path}: no such folder or file")
    if path.suffix == ".csv":
        draw_curve(path)
        return
    for file in sorted(path.glob("*.json")):
        figure = json.loads(file.read_text())
        if "chart" in figure:
            draw(figure, file)


if __name__ == "__main__":
    main(sys.argv[1])
