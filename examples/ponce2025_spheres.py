"""One mode, 10,000 trials: the two spheres (Ponce, Terver, Hebert, Arbel 2025, section 4).

    python examples/ponce2025_spheres.py [--seed N] [--full] [--plot F.png] [--out F.json]

Half a minute; --full: 100,000 trials.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import numpy as np

from empirical.experiments.papers import ponce_spheres
from empirical.experiments.papers.script import COLOURS, run_script

ENDS = (
    ("zero", "v", 1),
    ("inner sphere", "s", 3),
    ("outer sphere", "o", 0),
    ("not settled", "x", 4),
)


def draw(figure, answers):
    """Final |a| against the radii; shares beside the published ones."""
    numbers = answers[0].numbers
    left, right = figure.subplots(1, 2, width_ratios=(1.6, 1))
    x = np.geomspace(1.0001, 1e3, 400)
    left.plot(x, np.ones_like(x), "k-", lw=1, label="predicted outer sphere (stable)")
    left.plot(x, ponce_spheres.inner_over_outer(x), "k--", lw=1, label="inner sphere (saddle)")
    left.plot(x, np.zeros_like(x), "k-.", lw=1, label="zero (stable)")
    for code, (name, mark, colour) in enumerate(ENDS):
        rows = numbers["code"] == code
        if rows.any():
            left.scatter(numbers["x"][rows], numbers["|a| / outer"][rows], s=7, marker=mark,
                         color=COLOURS[colour], alpha=0.5, lw=0.8, label=f"run: {name}")  # fmt: skip
    left.set(xscale="log", xlim=(1, 1e3), xlabel="τ² / (4ρλ)", ylabel="|a| / outer radius")
    left.set(title="where 4,000 stop-gradient trials end", ylim=(-0.06, 1.5))
    left.legend(ncols=2, loc="upper right")
    for place, (name, published) in enumerate(ponce_spheres.PUBLISHED.items()):
        for shift, shares, text in (
            (-0.2, published, "paper"),
            (0.2, numbers["shares"][name], "here"),
        ):
            bottom = 0.0
            for code in (2, 0, 1, 3):
                colour = COLOURS[ENDS[code][2]]
                right.bar(place + shift, shares[code], 0.34, bottom, color=colour)
                bottom += shares[code]
            right.text(place + shift, 1.02, text, ha="center", fontsize=8)
            right.text(
                place + shift, 0.4, f"{shares[2]:.3f}", ha="center", color="white", fontsize=8
            )
    right.set(title="share on the outer sphere (blue)\n", xticks=(0, 1), ylim=(0, 1.0))
    right.set_xticklabels(list(ponce_spheres.PUBLISHED))


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (ponce_spheres.measured,), draw, size=(9.4, 3.9)))
