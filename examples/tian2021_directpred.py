"""DirectPred against a trained linear predictor: rho, eps, freq (Tian, Chen, Ganguli 2021, 5).

    python examples/tian2021_directpred.py [--seed N] [--full] [--plot F.png] [--out F.json]

A small network on digits (two minutes); --full: ResNet-18 on CIFAR-10, 100 epochs, five seeds.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from empirical.experiments.papers import tian_directpred
from empirical.experiments.papers.script import COLOURS, run_script


def draw(figure, answers):
    """Accuracies and rank, a dot a seed."""
    (answer,) = answers
    names = list(answer.numbers)
    titles = {"probe": "linear probe", "knn": "nearest neighbours", "rank": "effective rank"}
    for axes, (what, title) in zip(figure.subplots(1, 3, sharey=True), titles.items(), strict=True):
        for place, name in enumerate(names):
            values = answer.numbers[name][what]
            colour = COLOURS[1] if name == "trained linear" else COLOURS[0]
            axes.scatter(values, [place] * len(values), color=colour, s=26, alpha=0.8)
            axes.plot([np.mean(values)] * 2, [place - 0.3, place + 0.3], color=colour, lw=2)
        axes.set(title=title, yticks=range(len(names)), yticklabels=names)
        axes.grid(axis="y", color="#dddddd", lw=0.6)
    figure.axes[0].invert_yaxis()


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (tian_directpred.measured,), draw, size=(8.6, 3.4)))
