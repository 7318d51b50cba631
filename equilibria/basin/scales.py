"""How large must an initialisation be so that runs do not collapse?

The same runs are followed at many factors on their initial (W, P), all in one batch: first a grid
of octaves, then bisection (in log scale) of the first octave in which the collapsed fraction falls
below the share asked for. Each tried scale has its binomial interval, and the interval of the
answer lies between the nearest tried scales that are significantly above and below the share.

Larger is not always safer: a start with |P| much larger than |W| lies below c_- and collapses at
every large scale (T12.2), so the fraction can level off or rise again. `curve` shows it.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from equilibria.basin.probabilities import (
    WIDTH,
    Course,
    Progress,
    Sample,
    check_scope,
    clopper_pearson,
    follow,
    horizon,
)
from equilibria.basin.targets import targets_for
from equilibria.errors import ScopeError
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.model import Model
from equilibria.systems.numeric import MatrixDynamics

GRID = tuple(2.0**k for k in range(-8, 5))
ROUNDS = 6
SHARES = (0.5, 0.05)


@dataclass(frozen=True, slots=True)
class Tried:
    """The fraction of runs that collapse fully at one scale, with its confidence interval."""

    scale: float
    fraction: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ScaleAnswer:
    """The first scale from which at most the share `collapse` of runs collapses.

    `scale` is None where no tried scale is enough. [low, high] is the confidence interval; an end
    is None where the sample is too small to set it.
    """

    collapse: float
    scale: float | None
    low: float | None
    high: float | None

    def to_json(self) -> dict[str, object]:
        """Return the entry of `critical_scales`."""
        return {"collapse": self.collapse, "scale": self.scale, "low": self.low, "high": self.high}


@dataclass(frozen=True)
class Scales:
    """The collapsed fraction over the scale, ascending, and the scales asked for."""

    answers: tuple[ScaleAnswer, ...]
    curve: tuple[Tried, ...]
    runs: int
    init: str

    def to_json(self) -> dict[str, object]:
        """Return the object `critical_scales` of schema `noncollapse/basin/1`."""
        return {
            "init": self.init,
            "runs": self.runs,
            "answers": [answer.to_json() for answer in self.answers],
            "curve": [[t.scale, t.fraction, t.low, t.high] for t in self.curve],
        }


def critical_scales(
    model: Model,
    sample: Sample,
    *,
    is_map: bool = False,
    rtol: float = 1e-6,
    width: int = WIDTH,
    progress: Progress | None = None,
) -> Scales:
    """Return the scales at which 50 % and 5 % of the runs collapse; `sample.scale` is not used."""
    check_scope(model)
    if not model.eta or not model.eta_p:
        raise ScopeError("--init: without decay no scale is critical, collapse is not isolated")
    trial = _Trial(model, sample, is_map=is_map, rtol=rtol, width=width)
    trial.progress = progress
    trial.run(list(GRID))
    brackets = [_first_octave(trial.sorted(), share) for share in SHARES]
    for _ in range(ROUNDS):
        middles = {float(np.sqrt(a * b)) for a, b in (b for b in brackets if b is not None)}
        trial.run(sorted(middles))
        brackets = [
            None if bracket is None else trial.halved(bracket, share)
            for bracket, share in zip(brackets, SHARES, strict=True)
        ]
    curve = trial.sorted()
    answers = [
        _answer(curve, bracket, share) for bracket, share in zip(brackets, SHARES, strict=True)
    ]
    return Scales(tuple(answers), curve, sample.runs, sample.init)


class _Trial:
    """The runs of one sample, followed at any scales; what was tried is remembered."""

    def __init__(
        self, model: Model, sample: Sample, *, is_map: bool, rtol: float, width: int
    ) -> None:
        self.is_map, self.rtol, self.width, self.t_max = is_map, rtol, width, horizon(model)
        self.model, dynamics = model, MatrixDynamics(model, 1)
        self.targets = targets_for(model, dynamics, is_map=is_map)
        W, P = initial_matrices(
            sample.init, model.n, model.d, runs=range(sample.runs), seed=sample.seed, scale=1.0
        )
        self.starts = dynamics.pack(W, P)
        self.tried: dict[float, Tried] = {}
        self.progress: Progress | None = None

    def run(self, scales: list[float]) -> None:
        """Follow every run at each of the scales."""
        new = [scale for scale in scales if scale not in self.tried]
        if not new:
            return
        starts = np.concatenate([scale * self.starts for scale in new])
        course = Course(self.is_map, self.rtol, self.t_max, self.width)
        ends = follow(self.model, self.targets, starts, course, progress=self.progress)
        full = [code for code, rank in enumerate(self.targets.ranks) if rank == 0]
        counts = np.isin(ends.code, full).reshape(len(new), -1).sum(axis=1)
        total = len(self.starts)
        for scale, count in zip(new, counts.tolist(), strict=True):
            self.tried[scale] = Tried(scale, count / total, *clopper_pearson(count, total))

    def sorted(self) -> tuple[Tried, ...]:
        return tuple(self.tried[scale] for scale in sorted(self.tried))

    def halved(self, bracket: tuple[float, float], share: float) -> tuple[float, float]:
        middle = float(np.sqrt(bracket[0] * bracket[1]))
        above = self.tried[middle].fraction > share
        return (middle, bracket[1]) if above else (bracket[0], middle)


def _first_octave(curve: tuple[Tried, ...], share: float) -> tuple[float, float] | None:
    for before, after in pairwise(curve):
        if before.fraction > share >= after.fraction:
            return before.scale, after.scale
    return None


def _answer(
    curve: tuple[Tried, ...], bracket: tuple[float, float] | None, share: float
) -> ScaleAnswer:
    if bracket is None:
        enough = curve[0].fraction <= share
        return ScaleAnswer(share, curve[0].scale if enough else None, None, None)
    low = [t.scale for t in curve if t.scale <= bracket[0] and t.low > share]
    high = [t.scale for t in curve if t.scale >= bracket[1] and t.high <= share]
    return ScaleAnswer(share, bracket[1], max(low) if low else None, min(high) if high else None)
