"""The largest stable learning rate as a surface over EMA momentum, heavy ball and predictor rate.

The predictor's decay is coupled to its rate, eta_P = alpha eta, so that kappa = alpha (T0.3): the
L2 term in the loss, or a parameter group of its own. At alpha = 1 the step is the closed form
T10.1. Below alpha = 1/4 two active modes can lose stability by oscillation (T8.6); then the flow
of stop-gradient is unstable, and a slow target may still be stable in an interval of step sizes
that does not begin at zero.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import Number, rational, to_float, to_text
from equilibria.phase.setting import Points, Setting
from equilibria.phase.steps import exact_step, largest_steps, top_stratum
from equilibria.phase.strata import mask_of, stratum_name
from equilibria.phase.verdicts import decide
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

QUARTER = Fraction(1, 4)


@dataclass(frozen=True)
class StepSurface:
    """Ends of the last interval of stable steps, shape (len(mus), len(nus), len(alphas)).

    `smallest` is 0 where every smaller step is stable as well; both are nan where no step is.
    `oscillating` lists the alphas at which the stop-gradient flow of the stratum is unstable by a
    complex pair.
    """

    model: Model
    stratum: str
    mus: tuple[Fraction, ...]
    nus: tuple[Fraction, ...]
    alphas: tuple[Fraction, ...]
    smallest: Array
    largest: Array
    oscillating: tuple[Fraction, ...]

    def statement(self) -> str:
        """Return where a slow predictor makes the stratum oscillate."""
        if not self.oscillating:
            reason = (
                "no alpha is below 1/4, from which on none is known to"
                if min(self.alphas) >= QUARTER
                else "at none of these rates"
            )
            return f"{self.stratum} oscillates for stop-gradient: {reason} (T8.6) [numeric]"
        return (
            f"{self.stratum} oscillates for stop-gradient at alpha = "
            f"{', '.join(map(str, self.oscillating[:6]))}"
            f"{', ...' if len(self.oscillating) > 6 else ''}: all below 1/4 (T8.6) [numeric]"
        )

    def to_json(self) -> dict[str, object]:
        """Return the surface as JSON data."""
        return {
            "schema": "noncollapse/steps/1",
            "procedure": self.model.procedure,
            "weight_decay": to_text(self.model.eta),
            "stratum": self.stratum,
            "ema": [to_text(v) for v in self.mus],
            "momentum": [to_text(v) for v in self.nus],
            "predictor_lr": [to_text(v) for v in self.alphas],
            "predictor_decay": "coupled",
            "smallest_lr": _listed(self.smallest),
            "max_lr": _listed(self.largest),
            "oscillating": [to_text(v) for v in self.oscillating],
        }


def step_surface(
    model: Model, mus: Sequence[Number], nus: Sequence[Number], alphas: Sequence[Number]
) -> StepSurface:
    """Return the largest stable learning rate of the stratum of largest rank (T10.1, T7.3).

    For stop-gradient `mus` must be (0,). Raises `ScopeError` where nothing can be learned.
    """
    exact = (
        tuple(rational(v, "--ema") for v in mus),
        tuple(rational(v, "--momentum") for v in nus),
        tuple(rational(v, "--predictor-lr") for v in alphas),
    )
    _check(model, *exact)
    setting = Setting(model, "ema" if model.traits.has_target else "lr", "predictor-lr", "coupled")
    combos = list(product(*exact))
    points = _points(setting, combos)
    chosen = top_stratum(*_order(points), points.n)
    if not chosen.any():
        raise ScopeError(f"--weight-decay {model.eta}: above every threshold, nothing is learned")
    shape = (len(exact[0]), len(exact[1]), len(exact[2]))
    low, high = _ranges(model, combos, points, chosen)
    return StepSurface(
        model=model,
        stratum=stratum_name(mask_of(chosen[0])),
        mus=exact[0],
        nus=exact[1],
        alphas=exact[2],
        smallest=low.reshape(shape),
        largest=high.reshape(shape),
        oscillating=_oscillating(setting, exact[2], chosen[0]),
    )


def _ranges(
    model: Model,
    combos: Sequence[tuple[Fraction, Fraction, Fraction]],
    points: Points,
    chosen: NDArray[np.bool_],
) -> tuple[Array, Array]:
    """Return where the stable steps begin and end, nan where there are none, at each combination."""
    low, high = np.full(len(combos), np.nan), np.full(len(combos), np.nan)
    for nu in dict.fromkeys(
        nu for _, nu, _ in combos
    ):  # momentum changes the degree of the polynomials
        own = np.array([k for k, combo in enumerate(combos) if combo[1] == nu])
        part = replace(points.take(own), nu=to_float(nu))
        equal = part.kappa == 1
        for group in (own[equal], own[~equal]):
            if group.size:
                some = replace(points.take(group), nu=to_float(nu))
                low[group], high[group] = largest_steps(some, chosen[group])
        for k in own[~equal].tolist():
            step = exact_step(_model_at(model, combos[k]), np.flatnonzero(chosen[k]).tolist())
            if not np.isnan(step):  # else an interval that does not begin at 0, or none
                low[k], high[k] = 0.0, step
    return low, high


def _check(
    model: Model, mus: Sequence[Fraction], nus: Sequence[Fraction], alphas: Sequence[Fraction]
) -> None:
    if not model.traits.bootstraps:
        raise ScopeError(
            f"--procedure {model.procedure}: step surfaces are for stop-gradient and ema"
        )
    if not (mus and nus and alphas):
        raise FormatError("step surface: give at least one value of each parameter")
    if min(alphas) <= 0:
        raise FormatError(f"--predictor-lr {min(alphas)}: must be above 0")
    for name, values in (("--ema", mus), ("--momentum", nus)):
        wrong = [v for v in values if not 0 <= v < 1]
        if wrong:
            raise FormatError(f"{name} {wrong[0]}: the momentum must satisfy 0 <= value < 1")
    if model.traits.own_target and any(mus):
        raise FormatError("--ema: stop-gradient has no moving-average target; use --procedure ema")


def _points(setting: Setting, combos: Sequence[tuple[Fraction, Fraction, Fraction]]) -> Points:
    alpha = np.array([to_float(a) for _, _, a in combos])
    mu = np.array([to_float(m) for m, _, _ in combos])
    first = mu if setting.x == "ema" else np.full(alpha.size, to_float(setting.model.h))
    return setting.points(first, alpha)


def _model_at(model: Model, combo: tuple[Fraction, Fraction, Fraction]) -> Model:
    mu, nu, alpha = combo
    return replace(
        model,
        ema=mu if model.traits.has_target else None,
        momentum=nu,
        predictor_lr=alpha,
        predictor_weight_decay=alpha * model.eta,
    )


def _order(points: Points) -> tuple[Array, NDArray[np.bool_]]:
    blocks = decide(points.take(slice(0, 1))).blocks
    count = points.count
    p = np.repeat(blocks.p, count, axis=0)
    return p, np.repeat(blocks.exists.value > 0, count, axis=0)


def _oscillating(
    setting: Setting, alphas: Sequence[Fraction], chosen: NDArray[np.bool_]
) -> tuple[Fraction, ...]:
    """Return the alphas at which the stop-gradient flow of a pair in the stratum is unstable."""
    plain = replace(
        setting, model=replace(setting.model, procedure="stop-gradient", ema=None), x="lr"
    )
    values = np.array([to_float(a) for a in alphas])
    decided = decide(plain.points(np.full(values.size, 1.0), values))
    if decided.flow.conflict is None:
        return ()
    both = decided.flow.conflict & chosen[:, None] & chosen[None, :]
    bad = np.asarray(both).any(axis=(1, 2))
    return tuple(alphas[int(k)] for k in np.flatnonzero(bad))


def _listed(array: Array) -> list[object]:
    return [
        [[float(f"{v:.9g}") if np.isfinite(v) else None for v in row] for row in plane]
        for plane in array.tolist()
    ]
