"""The figure of the latent tree: correlations by level, and node by node against the ceiling."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from empirical.experiments.dual.hltm import CONTROL, Learned
from empirical.experiments.dual.result import BLUE, GREEN, ORANGE, STYLE, VERMILION
from equilibria.files.drawing import style

LOOKS = {
    "nce": (BLUE, "o", "-", "after training, nce"),
    "simp": (GREEN, "s", "--", "after training, simp"),
    CONTROL: (VERMILION, "x", ":", "control: pairs share nothing"),
}


def draw(found: Learned, path: str | Path) -> None:
    """Write the figure as a PNG."""
    from matplotlib.figure import Figure

    with style(STYLE):
        figure = Figure(figsize=(9.5, 3.9), layout="constrained")
        left, right = figure.subplots(1, 2)
        levels = np.arange(len(found.before))
        left.plot(levels, found.by_level(found.ceiling), color="0.15", lw=1,
                  label="most that the leaves below can tell")  # fmt: skip
        for name, values in found.after.items():
            colour, mark, dash, word = LOOKS[name]
            left.plot(levels, found.by_level(values), mark, ls=dash, ms=5, color=colour, label=word)
        left.plot(levels, found.by_level(found.before), "D", ls="-.", ms=4, mfc="none",
                  color=ORANGE, label="before training")  # fmt: skip
        left.set(
            title=f"Mean over nodes, {found.plan.trees} trees",
            xlabel="level (0: root)",
            ylabel="best |correlation| of a unit with the latent",
            xticks=levels,
        )
        left.legend(loc="lower right")
        most, before, after = (
            np.concatenate([level.ravel() for level in values])
            for values in (found.ceiling, found.before, found.after["nce"])
        )
        right.plot(most, before, "D", ms=4, mfc="none", color=ORANGE, label="before training")
        right.plot(most, after, "o", ms=3.5, color=BLUE, label="after training, nce")
        low = float(most.min())
        right.plot([low, 1], [low, 1], color="0.15", lw=1, label="equal")
        right.set(
            title="Node by node",
            xlabel="most that the leaves below can tell",
            ylabel="best |correlation| of a unit with the latent",
        )
        right.legend(loc="lower right")
        figure.savefig(path, dpi=100)
