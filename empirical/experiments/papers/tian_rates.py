"""Which modes are learned? Predictor rate, EMA and weight decay, on the grids of `measure_phase`.

Effects of the paper's table 4 that a linear model can show, from the same random starts:

    1, 5   a larger predictor rate shrinks the collapsed basin, beyond eta = m^2 / (4 s) nothing helps
    4      a larger weight decay enlarges it
    10     a slower target: small tau first raises p-; and it moves no equilibrium (T7.5)

Thresholds are drawn where `phase` puts them; the marks are runs. Beside the grids stands the mean
number of modes learned along each rate, the others averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.answer import TIAN, Answer, Numbers
from empirical.experiments.measured_phase import MeasuredPhase, measure_phase
from empirical.experiments.result import ExperimentResult
from equilibria.phase.axes import parse_axis
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

ACROSS, AROUND = "weight-decay=0.01:0.23:{}", "weight-decay=0.004:0.24:{}"
GRIDS: dict[str, tuple[Model, str, str]] = {
    "decay and predictor rate": (
        Model(procedure="ema", ema="9/10", lr="1/10"),
        "predictor-lr=0.125:8:{}:log",
        "predictor-lr=0.1:10:{}:log",
    ),
    "decay and EMA": (
        Model(procedure="ema", lr="1/10"),
        "ema=0:0.95:{}",
        "ema=0:0.99:{}",
    ),
}
"""The model, the axis of the runs beside weight decay, and that of the predicted diagram."""


def measured(
    *, seed: int = 0, full: bool = False, cells: tuple[int, int] = (0, 0), runs: int = 0
) -> Answer:
    """Runs rest where `phase` predicts, and the effects of table 4 are those that they show."""
    nx, ny = cells if all(cells) else ((23, 13) if full else (12, 5))
    each = runs or (64 if full else 16)
    numbers: Numbers = {}
    diagrams: Numbers = {}
    for name, (model, up, around) in GRIDS.items():
        x, y = parse_axis(ACROSS.format(nx), "--axes"), parse_axis(up.format(ny), "--axes")
        fine = parse_axis(AROUND.format(100), "--axes"), parse_axis(around.format(40), "--axes")
        found = measure_phase(model, x, y, fine=fine, runs=each, seed=seed)
        numbers[name], diagrams[name] = _grid(found), found.diagram
        numbers[name]["thresholds"] = thresholds(model)
    return Answer(_result(numbers), numbers, diagrams)


def thresholds(model: Model) -> list[float]:
    """Return m^2 / (4 s) of each mode: the weight decay beyond which it cannot be learned (T6.3)."""
    s, m, _ = model.moments.eigenbasis
    return [float(value) for value in m**2 / (4 * s)]


def _grid(found: MeasuredPhase) -> Numbers:
    ranks = np.where(found.ranks >= 0, found.ranks, np.nan).astype(float)
    return {
        "x": [float(v) for v in found.x.values],
        "y": [float(v) for v in found.y.values],
        "names": (found.x.name, found.y.name),
        "modes": np.nanmean(ranks, axis=2),
        "collapsed": np.nanmean(ranks == 0, axis=2),
        "agreement": found.agreement,
        "settled": found.settled,
        "disagreeing": found.disagreeing,
        "runs": found.ranks.size,
        "counts": found.counts,
    }


def _result(numbers: Numbers) -> ExperimentResult:
    first, second = numbers.values()
    by_rate = first["modes"].mean(axis=1)
    by_decay = first["modes"].mean(axis=0)
    by_ema = second["modes"].mean(axis=1)
    top = max(first["thresholds"])
    past = [float(np.max(grid["modes"][:, np.array(grid["x"]) > top])) for grid in numbers.values()]
    agreement = min(grid["agreement"] for grid in numbers.values())
    runs = sum(grid["runs"] for grid in numbers.values())
    holds = bool(
        agreement == 1.0
        and max(past) == 0
        and by_rate[-1] > by_rate[0]
        and by_decay[-1] < by_decay[0]
    )
    ema = "; ".join(f"{mu:.2f}: {n:.3f}" for mu, n in zip(second["y"], by_ema, strict=True))
    rise = "; ".join(f"{a:.3g}: {n:.3f}" for a, n in zip(first["y"], by_rate, strict=True))
    return ExperimentResult(
        name="tian2021-rates",
        statement="a larger predictor rate learns more modes, a larger weight decay fewer and beyond "
        "a bound none; a slower target changes the path, not the bound",
        source=f"{TIAN}, section 3.3 and table 4, effects 1, 4, 5, 10",
        predicted="mode j only below eta = m^2/(4 s): "
        + ", ".join(f"{value:.4f}" for value in first["thresholds"])
        + ", for every predictor rate and EMA (T0.1, T6.3, T7.5); runs rest on stable sets (T8.1)",
        measured=f"{100 * agreement:.1f} % of the settled among {runs} runs rest where predicted; most "
        f"modes learned beyond the last threshold {max(past):g}; mean modes by predictor rate {rise}; "
        f"by EMA momentum {ema}; "
        f"from smallest to largest decay {by_decay[0]:.2f} to {by_decay[-1]:.2f}",
        holds=holds,
        runs=runs,
    )
