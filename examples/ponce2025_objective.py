"""Is the original objective minimised? (Ponce, Terver, Hebert, Arbel 2025, propositions 3.1, 3.2)

    python examples/ponce2025_objective.py [--seed N] [--full] [--plot F.png] [--out F.json]

E along training for joint minimisation, stop-gradient and EMA: synthetic moments, moments measured
from CIFAR-10 (where the images are), a network on digits with the squared and with the cosine loss,
and a ResNet-8 on CIFAR-10.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.papers import ponce_networks, ponce_objective
from empirical.experiments.papers.script import COLOURS, run_script

TITLES = ("linear, synthetic moments", "linear, moments of CIFAR-10",
          "digits, squared loss",
          "ResNet-8 on CIFAR-10, squared loss", "digits, cosine loss")  # fmt: skip
LABELS = {
    "joint": "joint minimisation",
    "stop-gradient": "stop-gradient",
    "ema": "EMA",
    "EMA": "EMA",
}


def draw(figure, answers):
    """E over steps, eight runs of each linear model."""
    for axes, title, answer in zip(figure.subplots(2, 3).flat, TITLES, answers, strict=False):
        numbers, linear = answer.numbers, title.startswith("linear")
        for colour, name in enumerate(n for n in LABELS if n in numbers):
            step = numbers["step"] if linear else numbers[name]["step"]
            lines = axes.plot(step, numbers[name]["E"], color=COLOURS[colour], lw=1)
            lines[0].set_label(LABELS[name])
        for level in numbers.get("predicted values of E", ()):
            axes.axhline(level, color="#888888", ls=":", lw=0.8, zorder=0)
        if linear:
            axes.set_xscale("symlog", linthresh=10)
            axes.set_xlim(0, None)
        if not numbers:
            axes.text(0.5, 0.5, "not tried", ha="center", transform=axes.transAxes)
        axes.set(title=title, xlabel="step", ylabel="E")
    last = figure.axes[5]
    last.axis("off")
    last.legend(*figure.axes[0].get_legend_handles_labels(), loc="center")
    figure.axes[0].set_title(TITLES[0] + " (dotted: predicted E)")


if __name__ == "__main__":
    parts = (ponce_objective.linear, ponce_objective.cifar, ponce_networks.measured,
             ponce_networks.resnet, ponce_networks.cosine)  # fmt: skip
    sys.exit(run_script(__doc__, parts, draw, size=(11.0, 6.0)))
