"""Which modes are learned: predictor rate, EMA, weight decay (Tian, Chen, Ganguli 2021, table 4).

    python examples/tian2021_rates.py [--seed N] [--full] [--plot F.png] [--out F.json]

Batched linear runs on two grids, on the regions that `phase` predicts (two minutes).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from empirical.experiments.papers import tian_rates
from empirical.experiments.papers.script import run_script
from equilibria.phase.figure import draw_on


def draw(figure, answers):
    """The predicted diagrams; a disc grows with the mean number of modes that runs learned."""
    (answer,) = answers
    for axes, (name, grid) in zip(figure.subplots(1, 2), answer.numbers.items(), strict=True):
        draw_on(axes, answer.drawn[name])
        x, y = np.meshgrid(grid["x"], grid["y"])
        modes = grid["modes"]
        axes.scatter(x, y, s=4 + 46 * modes, c=modes, cmap="cividis", vmin=0, vmax=2,
                     edgecolors="black", linewidths=0.5, zorder=5, clip_on=False)  # fmt: skip
        for j, value in enumerate(grid["thresholds"], 1):
            axes.text(value, 1.02, f"mode {j}: m²/4s", fontsize=7.5, ha="center",
                      transform=axes.get_xaxis_transform())  # fmt: skip
        axes.set_title("")
    bar = figure.colorbar(figure.axes[-1].collections[-1], ax=figure.axes, shrink=0.8)
    bar.set_label("mean number of modes learned")


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (tian_rates.measured,), draw, size=(10.4, 4.2)))
