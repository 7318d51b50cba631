"""Figures of the SimSiam experiments: rows of an ablation as dots, one a seed, beside the paper's."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING

from empirical.collapse import NO
from empirical.experiments.answer import Answer, Numbers
from empirical.experiments.papers.script import COLOURS, columns

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
from empirical.experiments.papers.trials import word

Row = tuple[str, str, Numbers]
"""Ablation, variant, numbers."""


def table(answers: Sequence[Answer]) -> list[str]:
    """Return the one table: the paper's number beside ours, and how many seeds stayed healthy."""
    lines = [
        f"{'':<28}{'paper':>6} |{'std':>5}{'rank':>6}{'kNN':>6}{'probe':>7}{'loss':>8}  healthy"
    ]
    for group, name, row in rows_of(answers):
        if group:
            lines.append(group)
        paper = "-" if row["paper"] is None else f"{row['paper']:.1f}"
        healthy = sum(run["verdict"] == NO for run in row["runs"])
        lines.append(
            f"  {name:<26}{paper:>6} |{row['std']:>5.2f}{row['rank']:>6.1f}{100 * row['knn']:>6.1f}"
            f"{100 * row['probe']:>7.1f}{row['loss']:>8.3f}  {healthy} of {len(row['runs'])}"
        )
    for answer in answers:
        lines += [
            textwrap.fill(
                f"{answer.result.name}: {d['says']}: {word(d['seen'])} ({d['numbers']})",
                columns(),
                subsequent_indent="    ",
            )
            for d in answer.numbers["directions"]
        ]
    return lines


def rows_of(answers: Sequence[Answer]) -> list[Row]:
    """Return all rows; the ablation's name stands on its first."""
    rows = []
    for answer in answers:
        group = answer.result.name.removeprefix("simsiam-")
        for name, row in answer.numbers["rows"].items():
            rows.append((group, name, row))
            group = ""
    return rows


PANELS = (
    ("paper", "paper: probe, ImageNet (%)", 1.0, (-4.0, 75.0)),
    ("probe", "here: probe, digits (%)", 100.0, None),
    ("std", "here: std of z/|z|, 1 healthy", 1.0, (0.0, 1.1)),
    ("rank", "here: effective rank, of 32", 1.0, (0.0, 32.0)),
)


def draw(figure: Figure, answers: Sequence[Answer]) -> None:
    """Draw the paper's column and three of ours, a row a variant."""
    rows = rows_of(answers)
    places: list[float] = []
    y = 0.0
    for group, _, _ in rows:
        y += 0.9 if group and places else 0.0
        places.append(y)
        y += 1.0
    axes = figure.subplots(1, len(PANELS), sharey=True)
    for k, (axis, (key, label, scale, limits)) in enumerate(zip(axes, PANELS, strict=True)):
        for place, (_, _, row) in zip(places, rows, strict=True):
            _points(axis, key, scale, place, row, COLOURS[0 if k else 1])
        axis.set_xlabel(label)
        axis.grid(axis="x", color="0.9")
        axis.set_axisbelow(True)
        if limits:
            axis.set_xlim(*limits)
    axes[0].set_yticks(places, [name for _, name, _ in rows])
    axes[0].set_ylim(places[-1] + 0.8, -1.2)
    for place, (group, _, _) in zip(places, rows, strict=True):
        if group:
            axes[0].text(-2, place - 0.75, group, weight="bold", fontsize=8, va="center")


def _points(axis: Axes, key: str, scale: float, place: float, row: Numbers, colour: str) -> None:
    if key == "paper":
        if row["paper"] is None:
            axis.text(2, place, "no number", color="0.5", fontsize=7, va="center")
        else:
            axis.plot([row["paper"]], [place], "D", color=colour, markersize=5)
        return
    each = [scale * run[key] for run in row["runs"]]
    axis.plot(each, [place] * len(each), "o", color=colour, alpha=0.35, markersize=4, mew=0)
    axis.plot([scale * row[key]], [place], "|", color="black", markersize=10, mew=1.6)
