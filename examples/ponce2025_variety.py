"""Do runs end on the predicted variety? (Ponce, Terver, Hebert, Arbel 2025, proposition 4.5)

    python examples/ponce2025_variety.py [--seed N] [--full] [--plot F.png] [--out F.json]

S = W^T W of linear runs on random moments that do not commute, against the quadratic equations and
the orbits that `equilibria` lists (a minute).
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from empirical.experiments.papers import ponce_variety
from empirical.experiments.papers.script import COLOURS, run_script


def draw(figure, answers):
    """Left: residual of every run, and with the transposes exchanged. Right: the S reached."""
    numbers = answers[0].numbers
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    g = np.random.default_rng(0)
    for place, found in enumerate(numbers.values()):
        for what, colour in (("residual", 0), ("distance", 2), ("transposes exchanged", 1)):
            values = np.maximum(found[what], 1e-17)
            left.scatter(values, place + g.uniform(-0.3, 0.3, len(values)), s=5, alpha=0.4,
                         color=COLOURS[colour], label=what if place == 0 else None)  # fmt: skip
    left.set(xscale="log", yticks=range(len(numbers)), yticklabels=list(numbers))
    left.set(title="relative residual of the equation, distance to the orbit")
    left.invert_yaxis()
    left.legend(loc="lower left", bbox_to_anchor=(0.3, -0.27), ncols=3)
    for colour, mark, (name, found) in zip(COLOURS, "osv^Dxp", numbers.items(), strict=False):
        if name.endswith("stop-gradient"):
            right.scatter(*found["diagonal"].T, s=40, marker=mark, facecolors="none",
                          edgecolors=colour,
                          label=name.removesuffix(", stop-gradient"))  # fmt: skip
    right.set(title="S reached by 100 runs each", xlabel="S₁₁", ylabel="S₂₂")
    right.legend(loc="lower center", bbox_to_anchor=(0.4, -0.36), ncols=2)


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (ponce_variety.measured,), draw, size=(9.6, 4.4)))
