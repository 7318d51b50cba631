"""The figure of the covariance operator: the step as predicted, the residue, the minibatch."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.dual.contrast import WORDS, Name
from empirical.experiments.dual.covariance import Study
from empirical.experiments.dual.result import BLUE, GREEN, ORANGE, STYLE, VERMILION
from equilibria.files.drawing import style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MARKS: dict[Name, str] = {"triplet": "o", "infonce": "s"}
COLOURS = (BLUE, GREEN, ORANGE, VERMILION)


def draw(found: Study, path: str | Path) -> None:
    """Write the figure as a PNG."""
    from matplotlib.figure import Figure

    with style(STYLE):
        figure = Figure(figsize=(11, 3.7), layout="constrained")
        step, residue, batch = figure.subplots(1, 3)
        _step(step, found)
        _residue(residue, found)
        _batch(batch, found)
        figure.savefig(path, dpi=100)


def _step(axis: Axes, found: Study) -> None:
    for number, layer in enumerate(found.digits["simp"], 1):
        axis.plot(layer.said.numpy(), layer.step.numpy(), ".", ms=4, color=COLOURS[number - 1],
                  label=f"layer {number}, {len(layer.step)} weights")  # fmt: skip
    low, high = axis.get_xlim()
    axis.plot([low, high], [low, high], color="0.15", lw=0.8, ls="--", label="equal")
    axis.set(
        title="One step on L_simp, digits",
        xlabel="predicted: OP vec(W)",
        ylabel="measured: step / (2 lr)",
    )
    axis.legend(loc="upper left")


def _residue(axis: Axes, found: Study) -> None:
    variances = np.square(found.size.scales)
    for name, mark in MARKS.items():
        for number, values in enumerate(zip(*found.residues[name], strict=True)):
            axis.loglog(variances, values, mark, ls="-", lw=0.7, ms=4, mfc="none",
                        color=COLOURS[number], label=f"{WORDS[name]}, layer {number + 1}")  # fmt: skip
    start = min(min(rows[0]) for rows in found.residues.values()) / 3
    axis.loglog(variances, start * variances / variances[0], "k--", lw=0.8, label="slope 1")
    axis.set(
        title="What the operator leaves out",
        xlabel="augmentation variance / data variance",
        ylabel="|step/(2 lr) − OP vec(W)| / |OP vec(W)|",
    )
    axis.legend(loc="upper left", fontsize=6.5)


def _batch(axis: Axes, found: Study) -> None:
    sizes = np.array(found.size.batches, dtype=float)
    axis.loglog(sizes, found.minibatch, "o", color=BLUE, ms=5, label="L_simp, all layers")
    line = found.minibatch[-1] * np.sqrt(sizes[-1] / sizes)
    axis.loglog(sizes, line, "k--", lw=0.8, label="slope −1/2")
    axis.set(
        title="Steps on minibatches",
        xlabel="batch size B",
        ylabel="distance to OP vec(W), relative",
    )
    axis.legend(loc="upper right")
