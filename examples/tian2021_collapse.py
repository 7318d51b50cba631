"""Take away the stop-gradient, or the predictor (Tian, Chen, Ganguli 2021, theorem 2).

    python examples/tian2021_collapse.py [--seed N] [--full] [--plot F.png] [--out F.json]

Linear models collapse as computed. Networks on digits (a minute; --full: ResNet-18 on CIFAR-10) do
not all: batch norm at the output holds the scale up, and then dimensions are lost instead.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.papers import tian_collapse
from empirical.experiments.papers.script import COLOURS, run_script


def draw(figure, answers):
    """|W| of linear models over steps; std against effective rank of the networks' outputs."""
    linear, network = (answer.numbers for answer in answers)
    left, right = figure.subplots(1, 2)
    for colour, (name, size) in zip(COLOURS, linear["|W| (median)"].items(), strict=False):
        left.plot(linear["step"], size, color=colour, label=name)
    start = linear["|W| (median)"]["no stop-gradient"][0]
    left.plot(
        linear["step"],
        start * linear["bound"],
        "k:",
        label="no stop-gradient: bound exp(-(η + r)t)",
    )
    left.set(title="linear models, median run", xlabel="step", yscale="log", ylim=(1e-8, 10))
    left.set_xscale("symlog", linthresh=10)
    left.set_xlim(0, None)
    left.set_ylabel("|W|")
    left.legend(loc="lower left")
    right.axvspan(0, 0.35, color="#eeeeee", zorder=0)
    right.text(0.01, 24.2, "counts as collapse", va="top", fontsize=8, color="#555555")
    for name, run in network.items():
        case, place = name.rpartition(": ")[2], name.rpartition(": ")[0]
        colour = COLOURS[("both", "no stop-gradient", "no predictor").index(case)]
        mark = {"": "o", "output norm": "s"}.get(place, "^")
        right.scatter(run["std"][-1], run["effective_rank"][-1], color=colour, marker=mark, s=44)
    for mark, text in (("o", "no norm at the output"), ("s", "batch norm at the output"),
                       ("^", "batch norm, MLP predictor")):  # fmt: skip
        right.scatter([], [], color="#777777", marker=mark, label=text)
    right.set(title="networks, at the end", xlabel="std · √d", xlim=(0, 1.08))
    right.set(ylabel="effective rank of 32", ylim=(0, 25))
    right.legend(loc="lower left", bbox_to_anchor=(0.33, 0.72))


if __name__ == "__main__":
    parts = (tian_collapse.linear, tian_collapse.network)
    sys.exit(run_script(__doc__, parts, draw, size=(9.2, 3.9)))
