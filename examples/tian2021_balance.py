"""Balance W W^T - P^T P / alpha under weight decay (Tian, Chen, Ganguli 2021, theorem 1).

    python examples/tian2021_balance.py [--seed N] [--full] [--plot F.png] [--out F.json]

The linear flow keeps it exactly, a step of size h up to a known term, and so do the last layers of a
network (a minute on digits; --full: ResNet-18 on CIFAR-10), unless batch norm stands between them.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.papers import tian_balance
from empirical.experiments.papers.script import COLOURS, run_script


def draw(figure, answers):
    """Linear models: the distance from exp(-2 eta t) B(0). Networks: |B| beside exp(-2 eta t)."""
    linear, network = (answer.numbers for answer in answers)
    left, right = figure.subplots(1, 2)
    curves = {
        f"flow, {name.replace('ema', 'EMA')}": value for name, value in linear["flow"].items()
    }
    curves |= {f"map, EMA, {name}": value for name, value in linear["map"].items()}
    for colour, (name, value) in zip(COLOURS, curves.items(), strict=False):
        dash = "-" if "flow" in name else "--"
        left.plot(linear["time"][1:], value[1:], dash, color=colour, lw=1.2, label=name)
    left.set(title="linear models: deviation from the prediction", xlabel="time t", yscale="log")
    left.set_ylim(1e-15, 10)
    left.set_ylabel("|B(t) - exp(-2ηt) B(0)| / |B(0)|")
    first = next(iter(network.values()))
    right.plot(first["time"], first["predicted"], "k:", lw=2.4, label="exp(-2ηt)")
    for colour, (name, one) in zip(COLOURS, network.items(), strict=False):
        right.plot(one["time"], one["ratio"], color=colour, lw=1.2, label=name)
    right.set(title="last layers of a network", xlabel="time (steps × h/(1 - ν))")
    right.set(yscale="log", ylabel="|B(t)| / |B(0)|,   B = WWᵀ - PᵀP/α")
    for axes in (left, right):
        axes.legend()


if __name__ == "__main__":
    parts = (tian_balance.linear, tian_balance.network)
    sys.exit(run_script(__doc__, parts, draw, size=(9.2, 3.9)))
