"""Li, Efros, Pathak 2022: partial collapse of SimSiam, on 5,000 photographs of CIFAR-10.

The metric is CEV-AUC of the backbone's features of the training images (centred, rows as they are),
put on a scale from 0, a flat spectrum, to 1, rank one, so that widths compare. A part of the data is
repeated until an epoch has its usual steps, and all features are measured on all training images.
Small networks on digits show none of this: their data are too few and too plain.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.experiments.answer import Answer, Numbers, untried
from empirical.experiments.papers.alternation import OneStep
from empirical.experiments.papers.networks_run import PHOTOGRAPHS
from empirical.experiments.papers.orders import Order
from empirical.experiments.papers.trials import (
    CHANCE,
    Interval,
    Trial,
    agreed,
    base,
    difference,
    mean,
    means,
    numbers_of,
    trials,
    word,
)
from empirical.experiments.result import ExperimentResult
from empirical.images.beside import IMAGES
from empirical.networks.settings import Settings

if TYPE_CHECKING:
    from numpy.typing import NDArray

SOURCE = "Li, Efros, Pathak 2022"
DRAWS = 4000
ORDERS = ("multi-epoch", "single-pass", "cumulative", "hybrid")


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiments: every width on all data, and one width on shares of the data."""

    settings: Settings
    widths: tuple[float, ...] = (0.25, 0.5, 1.0)
    shares: tuple[float, ...] = (0.02, 0.2, 1.0)
    middle: float = 0.5
    """The width whose data are varied; much narrower ones differ too much between seeds."""
    chunks: int = 5
    seeds: tuple[int, ...] = (0, 1, 2, 3)

    def untrained(self, width: float) -> list[Trial]:
        """Return a width after one step: what its metric is before training."""
        return trials(replace(self.settings, width=width), self.seeds, OneStep())

    def trained(self, width: float, order: Order) -> list[Trial]:
        """Train a width in a data order."""
        return trials(replace(self.settings, width=width), self.seeds, order)

    @property
    def cells(self) -> list[tuple[float, float]]:
        """Return (width, share): every width on all data, and the middle one on every share."""
        return [(width, 1.0) for width in self.widths] + [
            (self.middle, share) for share in self.shares if share < 1
        ]


def plan(seed: int, full: bool, data_root: str = "", *, seeds: int = 4) -> Plan | None:
    """Return the sizes: ResNet-8 on photographs, or the paper's ResNet-18; None without images."""
    if full:
        settings = base(True, data_root, backbone="resnet18", batch_size=256, lr=0.05)
        shares = (0.01, 0.05, 0.1, 0.2, 0.5, 1.0)
        return Plan(
            settings, (0.25, 0.5, 1.0), shares, 1.0, chunks=100, seeds=(seed, seed + 1, seed + 2)
        )
    if not IMAGES.is_file():
        return None
    return Plan(photographs(), seeds=tuple(range(seed, seed + seeds)))


def photographs(**given: Any) -> Settings:
    """Return the settings of a ResNet-8 on CIFAR-10's small part."""
    return base(**{**PHOTOGRAPHS, "lr": 0.05, "epochs": 10, **given})


def grid(sizes: Plan) -> dict[tuple[float, float], list[Trial]]:
    """Train every cell."""
    return {
        (width, share): sizes.trained(width, Order("last", sizes.settings.epochs, share=share))
        for width, share in sizes.cells
    }


def slope(x: Sequence[float], y: Sequence[float]) -> Interval:
    """Return the least-squares slope of y over x (Student's t), with fewer than three runs endless."""
    from scipy.stats import linregress, t

    if len(x) < 3:
        return Interval(float(np.polyfit(x, y, 1)[0]), -np.inf, np.inf)
    line = linregress(x, y)
    half = float(t.ppf((1 + CHANCE) / 2, len(x) - 2) * line.stderr)
    return Interval(float(line.slope), float(line.slope) - half, float(line.slope) + half)


def _cells(found: dict[tuple[float, float], list[Trial]]) -> list[Numbers]:
    return [{"width": w, "share": s, **means(runs)} for (w, s), runs in found.items()]


WIDTH = (
    "features collapse more in smaller networks and on larger data sets",
    "nothing about data-set size at given moments; on width the opposite: rank is min(width, modes that "
    "decay leaves), so a narrow network fills all its dimensions",
)


def width(
    *, seed: int = 0, full: bool = False, data_root: str = "", sizes: Plan | None = None
) -> Answer:
    """Smaller networks and larger data sets collapse more."""
    sizes = sizes or plan(seed, full, data_root)
    if sizes is None:
        return untried("li2022-width", SOURCE, *WIDTH)
    found = grid(sizes)
    first = {width: sizes.untrained(width) for width in sizes.widths}
    gains = {(w, s): _gains(runs, first[w]) for (w, s), runs in found.items()}
    by_width = _trend([(np.log2(w), each) for (w, share), each in gains.items() if share == 1])
    by_data = _trend([(np.log10(s), each) for (w, s), each in gains.items() if w == sizes.middle])
    parts = (by_width.seen(-1), by_data.seen(1))
    result = ExperimentResult(
        name="li2022-width",
        statement=WIDTH[0],
        source=SOURCE,
        predicted=WIDTH[1],
        measured="metric gained in training, "
        f"a doubling of width, all data: {by_width.words(1, '', 3)}, {word(parts[0])}; a tenfold of "
        f"data, width {sizes.middle:g}: {by_data.words(1, '', 3)}, {word(parts[1])}. "
        + "; ".join(
            f"width {w:g}, {100 * s:g} % of the data: {mean(first[w], 'excess'):.3f} to "
            f"{mean(runs, 'excess'):.3f}"
            for (w, s), runs in found.items()
        ),
        holds=agreed(parts),
        runs=len(found) * len(sizes.seeds),
    )
    before = {f"{width:g}": mean(runs, "excess") for width, runs in first.items()}
    slopes = {"a doubling of width": vars(by_width), "a tenfold of data": vars(by_data)}
    return Answer(result, {"cells": _cells(found), "slopes": slopes, "untrained": before})


def _gains(runs: Sequence[Trial], first: Sequence[Trial]) -> list[float]:
    """Return what training added to the metric: widths differ before it, for their dimensions do."""
    return [run.excess - start.excess for run, start in zip(runs, first, strict=True)]


def _trend(cells: Sequence[tuple[float, list[float]]]) -> Interval:
    pairs = [(float(x), gain) for x, gains in cells for gain in gains]
    return slope([x for x, _ in pairs], [y for _, y in pairs])


def correlations(x: Sequence[float], y: Sequence[float], seed: int = 0) -> dict[str, Interval]:
    """Return Pearson's and Spearman's correlation, each with a percentile bootstrap over runs."""
    from scipy.stats import rankdata

    a, b = np.asarray(x), np.asarray(y)
    rows = np.random.default_rng(seed).integers(0, len(a), (DRAWS, len(a)))
    made = {}
    for name, rank in (("Pearson", np.asarray), ("Spearman", rankdata)):
        drawn = np.array([_pearson(rank(a[row]), rank(b[row])) for row in rows])
        low, high = np.nanquantile(drawn, [(1 - CHANCE) / 2, (1 + CHANCE) / 2])
        made[name] = Interval(_pearson(rank(a), rank(b)), float(low), float(high))
    return made


def _pearson(x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else float("nan")


PROBE = (
    "runs with more collapse have a lower linear probe (negative correlation)",
    "nothing: the linear model knows no labels",
)


def probe(
    *, seed: int = 0, full: bool = False, data_root: str = "", sizes: Plan | None = None
) -> Answer:
    """The metric forecasts the accuracy of a linear probe."""
    sizes = sizes or plan(seed, full, data_root)
    if sizes is None:
        return untried("li2022-probe", SOURCE, *PROBE)
    found = grid(sizes)
    told = {
        "all runs": [run for cell in found.values() for run in cell],
        "all data, widths": [r for (_, s), cell in found.items() for r in cell if s == 1],
        "one width, shares": [
            r for (w, _), cell in found.items() for r in cell if w == sizes.middle
        ],
    }
    measured = {
        name: correlations([r.excess for r in some], [r.probe for r in some], seed)
        for name, some in told.items()
    }
    result = ExperimentResult(
        name="li2022-probe",
        statement=PROBE[0],
        source=SOURCE,
        predicted=PROBE[1],
        measured="; ".join(
            f"{name} ({len(told[name])}): "
            + ", ".join(f"{kind} {found.words(1, '', 2)}" for kind, found in each.items())
            for name, each in measured.items()
        ),
        holds=measured["all runs"]["Spearman"].seen(-1),
        runs=len(told["all runs"]),
    )
    numbers = {
        name: {kind: vars(found) for kind, found in each.items()} for name, each in measured.items()
    }
    return Answer(result, {"cells": _cells(found), "correlations": numbers})


CONTINUAL = (
    "single-pass training collapses less than multi-epoch training; hybrid training has the better "
    "linear probe",
    "no difference: every chunk has the moments of the whole, up to its sampling error",
)


def continual(
    *, seed: int = 0, full: bool = False, data_root: str = "", sizes: Plan | None = None
) -> Answer:
    """Single-pass training prevents collapse, and hybrid training gains accuracy."""
    sizes = sizes or plan(seed, full, data_root, seeds=6)
    if sizes is None:
        return untried("li2022-continual", SOURCE, *CONTINUAL)
    found = {
        kind: sizes.trained(sizes.middle, Order(kind, sizes.settings.epochs, sizes.chunks))
        for kind in ORDERS
    }
    fewer = difference(found["single-pass"], found["multi-epoch"], "excess")
    gain = difference(found["hybrid"], found["multi-epoch"], "probe")
    parts = (fewer.seen(-1), gain.seen(1))
    rows = {kind: means(runs) for kind, runs in found.items()}
    result = ExperimentResult(
        name="li2022-continual",
        statement=CONTINUAL[0],
        source=SOURCE,
        predicted=CONTINUAL[1],
        measured=f"metric, single-pass minus multi-epoch: {fewer.words(1, '', 3)}, {word(parts[0])}; "
        f"probe, hybrid minus multi-epoch: {gain.words()}, {word(parts[1])}. "
        + "; ".join(f"{k}: metric {r['excess']:.3f}, {numbers_of(r)}" for k, r in rows.items()),
        holds=agreed(parts),
        runs=len(found) * len(sizes.seeds),
    )
    return Answer(result, {"rows": rows})
