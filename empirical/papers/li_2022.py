"""Li, Efros, Pathak 2022: partial collapse of SimSiam, on digits.

The metric is CEV-AUC of the backbone's features of the training images (centred, rows as they are),
put on a scale from 0, a flat spectrum, to 1, rank one, so that widths compare. A part of the data is
repeated until an epoch has its usual steps, and all features are measured on all training images.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from empirical.experiments import ExperimentResult
from empirical.networks.settings import Settings
from empirical.papers.answer import Answer
from empirical.papers.orders import Order
from empirical.papers.trials import (
    CHANCE,
    Difference,
    Trial,
    agreed,
    base,
    difference,
    means,
    numbers_of,
    trials,
    word,
)

SOURCE = "Li, Efros, Pathak 2022"
DRAWS = 4000
ORDERS = ("multi-epoch", "single-pass", "cumulative", "hybrid")


@dataclass(frozen=True)
class Plan:
    """Sizes of the experiments; the first and last of a tuple are compared."""

    widths: tuple[float, ...] = (0.25, 0.7, 2.0)
    shares: tuple[float, ...] = (0.05, 0.2, 1.0)
    narrow: float = 0.25
    """Width of the network whose data order is varied: small for its data."""
    chunks: int = 10
    seeds: tuple[int, ...] = (0, 1, 2)
    settings: Settings | None = None

    def trained(self, width: float, order: Order) -> list[Trial]:
        """Train a width in a data order."""
        assert self.settings is not None
        return trials(replace(self.settings, width=width), self.seeds, order)

    @property
    def epochs(self) -> int:
        """Passes of the training."""
        return 0 if self.settings is None else self.settings.epochs


def plan(seed: int, full: bool, data_root: str = "", **small: Any) -> Plan:
    """Return the sizes: an MLP on digits, or the paper's ResNet-18 in several widths."""
    if full:
        settings = base(True, data_root, backbone="resnet18", batch_size=256, lr=0.05)
        return Plan(
            (0.25, 0.5, 1.0), (0.01, 0.1, 1.0), 1.0, chunks=100, seeds=(seed,), settings=settings
        )
    given: dict[str, Any] = {"batch_size": 128, "lr": 0.025, "epochs": 20, **small}
    return Plan(seeds=tuple(range(seed, seed + 3)), settings=base(**given))


def grid(sizes: Plan) -> dict[tuple[float, float], list[Trial]]:
    """Train every width on every share of the data."""
    return {
        (width, share): sizes.trained(width, Order("last", sizes.epochs, share=share))
        for width in sizes.widths
        for share in sizes.shares
    }


def _seen(gap: Difference, sign: int) -> bool | None:
    return None if gap.sign == 0 else gap.sign == sign


def _cells(found: dict[tuple[float, float], list[Trial]]) -> list[dict[str, Any]]:
    return [{"width": w, "share": s, **means(runs)} for (w, s), runs in found.items()]


def width(
    *, seed: int = 0, full: bool = False, data_root: str = "", sizes: Plan | None = None
) -> Answer:
    """Smaller networks and larger data sets collapse more."""
    sizes = sizes or plan(seed, full, data_root)
    found = grid(sizes)
    narrow, wide = sizes.widths[0], sizes.widths[-1]
    little, much = sizes.shares[0], sizes.shares[-1]
    by_width = difference(found[narrow, much], found[wide, much], "excess")
    by_data = difference(found[narrow, much], found[narrow, little], "excess")
    parts = (_seen(by_width, 1), _seen(by_data, 1))
    result = ExperimentResult(
        name="li2022-width",
        statement="features collapse more in smaller networks and on larger data sets",
        source=SOURCE,
        predicted="nothing about data-set size at given moments; on width the opposite: rank is "
        "min(width, modes that decay leaves), so a narrow network fills all its dimensions",
        measured=f"metric, width {narrow:g} minus {wide:g}, all data: {by_width.words(1, '')}, "
        f"{word(parts[0])}; all data minus {100 * little:g} %, width {narrow:g}: "
        f"{by_data.words(1, '')}, {word(parts[1])}",
        holds=agreed(parts),
        runs=len(found) * len(sizes.seeds),
    )
    return Answer(result, {"cells": _cells(found)})


@dataclass(frozen=True)
class Correlation:
    """A correlation with its bootstrap interval."""

    name: str
    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.name} {self.value:+.2f} ({self.low:+.2f} to {self.high:+.2f})"


def correlations(x: Sequence[float], y: Sequence[float], seed: int = 0) -> tuple[Correlation, ...]:
    """Return Pearson's and Spearman's correlation, each with a percentile bootstrap over runs."""
    from scipy.stats import rankdata

    a, b = np.asarray(x), np.asarray(y)
    rows = np.random.default_rng(seed).integers(0, len(a), (DRAWS, len(a)))
    made = []
    for name, rank in (("Pearson", np.asarray), ("Spearman", rankdata)):
        drawn = np.array([_pearson(rank(a[row]), rank(b[row])) for row in rows])
        low, high = np.nanquantile(drawn, [(1 - CHANCE) / 2, (1 + CHANCE) / 2])
        made.append(Correlation(name, _pearson(rank(a), rank(b)), float(low), float(high)))
    return tuple(made)


def _pearson(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> float:
    x, y = x - x.mean(), y - y.mean()
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else float("nan")


def probe(
    *, seed: int = 0, full: bool = False, data_root: str = "", sizes: Plan | None = None
) -> Answer:
    """The metric forecasts the accuracy of a linear probe."""
    sizes = sizes or plan(seed, full, data_root)
    found = grid(sizes)
    runs = [run for cell in found.values() for run in cell]
    at_full = [run for (_, s), cell in found.items() for run in cell if s == sizes.shares[-1]]
    told = {"all runs": runs, "all data only": at_full}
    measured = {
        name: correlations([r.excess for r in some], [r.probe for r in some], seed)
        for name, some in told.items()
    }
    spearman = measured["all runs"][1]
    result = ExperimentResult(
        name="li2022-probe",
        statement="runs with more collapse have a lower linear probe (negative correlation)",
        source=SOURCE,
        predicted="nothing: the linear model knows no labels",
        measured="; ".join(
            f"{name} ({len(told[name])}): {', '.join(map(str, each))}"
            for name, each in measured.items()
        ),
        holds=True if spearman.high < 0 else False if spearman.low > 0 else None,
        runs=len(runs),
    )
    numbers = {name: [vars(one) for one in each] for name, each in measured.items()}
    return Answer(result, {"cells": _cells(found), "correlations": numbers})


def continual(
    *, seed: int = 0, full: bool = False, data_root: str = "", sizes: Plan | None = None
) -> Answer:
    """Single-pass training prevents collapse, and hybrid training gains accuracy."""
    sizes = sizes or plan(seed, full, data_root)
    found = {
        kind: sizes.trained(sizes.narrow, Order(kind, sizes.epochs, sizes.chunks))
        for kind in ORDERS
    }
    fewer = difference(found["single-pass"], found["multi-epoch"], "excess")
    gain = difference(found["hybrid"], found["multi-epoch"], "probe")
    parts = (_seen(fewer, -1), _seen(gain, 1))
    rows = {kind: means(runs) for kind, runs in found.items()}
    result = ExperimentResult(
        name="li2022-continual",
        statement="single-pass training collapses less than multi-epoch training; hybrid training has "
        "the better linear probe",
        source=SOURCE,
        predicted="no difference: every chunk has the moments of the whole, up to its sampling error",
        measured=f"metric, single-pass minus multi-epoch: {fewer.words(1, '')}, {word(parts[0])}; "
        f"probe, hybrid minus multi-epoch: {gain.words()}, {word(parts[1])}. "
        + "; ".join(f"{k}: metric {r['excess']:.3f}, {numbers_of(r)}" for k, r in rows.items()),
        holds=agreed(parts),
        runs=len(found) * len(sizes.seeds),
    )
    return Answer(result, {"rows": rows})


def width_result(*, out: Path | None = None, **options: Any) -> ExperimentResult:
    """Return the result of `width`."""
    return width(**options).finished(out)


def probe_result(*, out: Path | None = None, **options: Any) -> ExperimentResult:
    """Return the result of `probe`."""
    return probe(**options).finished(out)


def continual_result(*, out: Path | None = None, **options: Any) -> ExperimentResult:
    """Return the result of `continual`."""
    return continual(**options).finished(out)
