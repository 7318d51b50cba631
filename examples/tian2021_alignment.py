"""Do predictor and correlation come to share eigenvectors? (Tian, Chen, Ganguli 2021, figure 2)

    python examples/tian2021_alignment.py [--seed N] [--full] [--plot F.png] [--out F.json]

Linear models (seconds) and a small network on digits (a minute); --full: ResNet-18 on CIFAR-10.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from empirical.experiments.papers import tian_alignment
from empirical.experiments.papers.script import COLOURS, run_script

LINES = {"alignment": ("-", 0), "asymmetry": ("--", 1), "commutator": (":", 2)}


def draw(figure, answers):
    """Three measures over steps: linear runs (all of them, thin), then the networks."""
    linear, network = (answer.numbers for answer in answers)
    panels = [(f"linear model, {name}", linear["steps"], c) for name, c in linear["curves"].items()]
    panels += [(f"network, {n.replace('decay', 'weight decay')}", c["step"], c)
               for n, c in network.items()]  # fmt: skip
    for axes, (title, step, curves) in zip(figure.subplots(2, 2).flat, panels, strict=True):
        for name, (dash, colour) in LINES.items():
            values = curves[name]
            many = values.ndim > 1
            if many:
                axes.plot(step, values[:, :10], color=COLOURS[colour], lw=0.4, alpha=0.3)
                values = np.nanmedian(values, axis=1)
            axes.plot(step, values, dash, color=COLOURS[colour], lw=1.8, label=name)
        axes.set(title=title, ylim=(-0.55, 1.55))
        if many:
            axes.set_xscale("symlog", linthresh=1)
            axes.set_xlim(0, None)
        axes.axhline(1, color="#999999", lw=0.6, zorder=0)
        axes.axhline(0, color="#999999", lw=0.6, zorder=0)
        axes.set_xlabel("step")
    figure.axes[3].legend(loc="center right", bbox_to_anchor=(1, 0.47))


if __name__ == "__main__":
    parts = (tian_alignment.linear, tian_alignment.network)
    sys.exit(run_script(__doc__, parts, draw, size=(8.6, 6.0)))
