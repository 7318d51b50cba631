"""The phase diagram with small networks on it: each mark is a network trained at its place.

    python examples/phase_networks.py [--seed N] [--full] [--plot F.png] [--out F.json]

Linear networks and networks with two hidden layers and batch norm, over (weight decay, learning rate)
and over (EMA, predictor rate); three minutes on one core. `phase_measured.py` has the batched linear
runs, from random starts. --full: 18 points an axis in place of 6.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.papers.script import run_script
from empirical.experiments.phase_networks import linear, mlp, network_model
from empirical.experiments.phase_questions import QUESTIONS

STYLES = {
    "collapsed": ("X", "#000000"), "rank 1": ("o", "#E69F00"), "rank 2": ("s", "#009E73"),
    "diverged": ("P", "#D55E00"), "no rest": ("D", "#CC79A7"),
}  # fmt: skip
FIXED = {"ema": "μ", "weight_decay": "η", "lr": "h"}
TITLES = {"linear": "linear networks", "mlp": "hidden layers, batch norm"}


def draw(figure, answers):
    """A panel for each kind of network and question; a ring is a network that disagrees."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    from equilibria.phase import phase_diagram
    from equilibria.phase.figure import draw_on

    grid = figure.subplots(2, 2)
    for row, question in zip(grid, QUESTIONS.values(), strict=True):
        under = phase_diagram(network_model(**question.fixed), *question.drawn)
        for axes, answer in zip(row, answers, strict=True):
            draw_on(axes, under)
            panel(axes, question, answer.drawn[question.name])
    marks = [
        Line2D([], [], ls="", marker=mark, color=colour, label=word)
        for word, (mark, colour) in STYLES.items()
    ]
    ring = Line2D([], [], ls="", marker="o", mfc="none", mec="#c1121f", ms=11, label="disagrees")
    regions = [
        Patch(color=colour, label=f"predicted: {word}")
        for colour, word in (
            ("#8db9da", "rank 2"),
            ("#b7d3e8", "rank 1"),
            ("#ececec", "only collapse"),
        )
    ]
    figure.legend(handles=[*marks, ring, *regions], loc="outside lower center", ncols=5)


def panel(axes, question, found):
    """Draw the networks."""
    at = [[float(v) for v in axis.values] for axis in (found.diagram.x, found.diagram.y)]
    for run in found.runs:
        mark, colour = STYLES[run.outcome]
        place = ([at[0][run.column]], [at[1][run.row]])
        axes.scatter(*place, marker=mark, c=colour, s=30, zorder=6, edgecolors="white", lw=0.4)
        if run.agrees is False:
            axes.scatter(*place, s=120, facecolors="none", edgecolors="#c1121f", lw=1.2, zorder=7)
    share = f"{found.agreeing} of {found.decided} agree"
    fixed = ", ".join(f"{FIXED[name]} = {value}" for name, value in question.fixed.items())
    axes.set_title(f"{TITLES[found.backbone]}, {fixed}: {share}")


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (linear, mlp), draw, size=(10.5, 8.6)))
