"""Verdicts for systems whose spectra are real numbers in closed form.

Contrastive, joint and direct procedures have no target with a memory of its own, so the map's
multipliers are those of heavy ball applied to the flow's eigenvalues: with Lambda = (z - 1)(z -
nu)/(h z) = lambda, all |z| < 1 exactly when -2 (1 + nu)/h < lambda < 0.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial

from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd
from equilibria.systems.model import Model
from equilibria.varieties.component import Eigenvalue, How, Stability, Verdict

CERTAIN = 1e-40  # floats of surds come from 200-bit enclosures


@dataclass(frozen=True)
class RealEigenvalue:
    """An exact eigenvalue of the flow with its float, sign and multiplicity."""

    exact: Surd
    value: float
    sign: int
    multiplicity: int = 1

    @classmethod
    def of(cls, exact: Surd, multiplicity: int = 1) -> RealEigenvalue:
        value = float(exact)
        certain = abs(value) > CERTAIN
        sign = ((value > 0) - (value < 0)) if certain else exact.sign()
        return cls(exact, value if sign else 0.0, sign, multiplicity)

    def times(self, multiplicity: int) -> RealEigenvalue:
        return RealEigenvalue(self.exact, self.value, self.sign, multiplicity)


DEGENERATE = "degenerate: more neutral eigenvalues than the component's dimension"


def both_stabilities(
    model: Model,
    eigenvalues: Sequence[RealEigenvalue],
    dimension: int,
    *,
    how: How = How.CERTIFIED,
) -> tuple[Stability, Stability]:
    """Return the stability of flow and map from the flow's exact real eigenvalues."""
    present = [e for e in eigenvalues if e.multiplicity]
    neutral = sum(e.multiplicity for e in present if e.sign == 0)
    others = [e for e in present if e.sign]
    degenerate = neutral != dimension
    positive = any(e.sign > 0 for e in others)
    flow_verdict = _verdict(1 if positive else (0 if degenerate else -1))
    flow = Stability(
        flow_verdict,
        how,
        neutral,
        max((e.value for e in others), default=None),
        note=DEGENERATE if flow_verdict is Verdict.UNDECIDED else "",
        build_spectrum=partial(_flow_spectrum, present),
    )
    step = _map_stability(model, flow, present, degenerate=degenerate)
    return flow, step


def _map_stability(
    model: Model, flow: Stability, present: list[RealEigenvalue], *, degenerate: bool
) -> Stability:
    """Return the stability of the map where that of the flow is known."""
    others = [e for e in present if e.sign]
    sign = 1 if any(e.sign > 0 for e in others) else _step_sign(model, others)
    map_verdict = _verdict(max(sign, 0 if degenerate else -1))
    boundary = "a multiplier lies on the unit circle: this is the boundary step size"
    largest = None
    if others and flow.verdict is Verdict.STABLE:
        largest = to_float(2 * (1 + model.nu)) / max(-e.value for e in others)
    radius = [abs(z) for e in others for z in multipliers(e.value, model)]
    if flow.neutral and model.nu:
        radius.append(to_float(model.nu))
    return Stability(
        map_verdict,
        flow.how,
        flow.neutral,
        max(radius, default=None),
        largest,
        note=(DEGENERATE if degenerate else boundary) if map_verdict is Verdict.UNDECIDED else "",
        build_spectrum=partial(_map_spectrum, present, model),
    )


def along_family(
    flow: Stability, step: Stability, *, flow_everywhere: bool
) -> tuple[Stability, Stability]:
    """Return verdicts at one point of a family on which P is free, marked as such.

    However small the step, the map throws off the points with a large P.
    """
    note = step.note
    if step.verdict is Verdict.UNSTABLE:
        note = "unstable at the representative at this step size; other points are not decided"
    return (
        replace(flow, part=not flow_everywhere, varies=True),
        replace(step, part=True, varies=True, largest_step=None, note=note),
    )


def _verdict(sign: int) -> Verdict:
    return {-1: Verdict.STABLE, 0: Verdict.UNDECIDED, 1: Verdict.UNSTABLE}[sign]


def _step_sign(model: Model, eigenvalues: Iterable[RealEigenvalue]) -> int:
    """Return the exact position of the most negative eigenvalue against -2 (1 + nu)/h."""
    bound = 2 * (1 + model.nu) / model.h
    worst = -1
    for e in eigenvalues:
        slack = to_float(bound) + e.value
        if abs(slack) > 1e-9 * to_float(bound):
            worst = max(worst, -1 if slack > 0 else 1)
        else:
            worst = max(worst, -(e.exact + bound).sign())
    return worst


def multipliers(value: float, model: Model) -> tuple[complex, ...]:
    """Return the multipliers of one eigenvalue: 1 + h lambda, or two with heavy ball."""
    h, nu = to_float(model.h), to_float(model.nu)
    if not nu:
        return (1 + h * value,)
    half = (1 + nu + h * value) / 2
    root = complex(half * half - nu) ** 0.5
    return half + root, half - root


def _flow_spectrum(eigenvalues: Sequence[RealEigenvalue]) -> tuple[Eigenvalue, ...]:
    return _merged(
        ((complex(e.value), e.multiplicity, e.exact.text()) for e in eigenvalues),
        lambda value: value.real,
    )


def _map_spectrum(eigenvalues: Sequence[RealEigenvalue], model: Model) -> tuple[Eigenvalue, ...]:
    rows: list[tuple[complex, int, str | None]] = []
    for e in eigenvalues:
        for z in multipliers(e.value, model):
            exact = None if model.nu else (1 + model.h * e.exact).text()
            rows.append((complex(z), e.multiplicity, exact))
    return _merged(rows, abs)


def _merged(
    rows: Iterable[tuple[complex, int, str | None]], size: Callable[[complex], float]
) -> tuple[Eigenvalue, ...]:
    counts: dict[tuple[complex, str | None], int] = {}
    for value, count, exact in rows:
        counts[value, exact] = counts.get((value, exact), 0) + count
    items = [Eigenvalue(value, count, exact) for (value, exact), count in counts.items()]
    return tuple(sorted(items, key=lambda e: (-size(e.value), -e.value.real, -e.value.imag)))


def rational_eigenvalue(value: Fraction, multiplicity: int) -> RealEigenvalue:
    """Return a rational eigenvalue."""
    zero = Fraction(0)
    return RealEigenvalue.of(Surd(1, 1, (value, zero, zero, zero)), multiplicity)
