"""Every number of an answer at extreme rates, against the dense Jacobian in sixty digits.

Decays from 1e-9 of the fold to 1e-9 below it, step sizes and predictor rates from 1e-6 to 1e6,
moving averages and momentum close to 1, modes of size 1e-3 to 1e3, repeated, of both signs.
"""

from __future__ import annotations

from fractions import Fraction

import mpmath as mp
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.commuting.variety import aligned_variety
from equilibria.varieties.component import Verdict
from tests import precise

TINY = Fraction(1, 10**9)
SHARES = [TINY, Fraction(1, 1000), Fraction(1, 3), Fraction(9, 10), 1 - TINY]
RATES = [Fraction(1, 10**6), Fraction(1, 10), Fraction(1), Fraction(10**3), Fraction(10**6)]
AVERAGES = [Fraction(0), Fraction(1, 2), Fraction(99, 100), 1 - Fraction(1, 10**6)]
MOMENTA = [Fraction(0), Fraction(0), Fraction(9, 10), 1 - Fraction(1, 10**4)]
DECAYS = [Fraction(1), Fraction(1), Fraction(1, 1000), Fraction(1, 5), Fraction(1000)]
# A failing case is as clear as a smaller one, and shrinking it would take minutes.
PHASES = [Phase.explicit, Phase.generate]
SIZES = [Fraction(1, 1000), Fraction(1, 3), Fraction(1), Fraction(7, 5), Fraction(1000)]


@st.composite
def extreme(draw):
    """Draw a model, its eigenvalues m and s: n, d up to 2, and three outputs for one mode."""
    d = draw(st.sampled_from([1, 2, 2]))
    n = draw(st.integers(1, 3 if d == 1 else 2))
    signal = [draw(st.sampled_from(SIZES)) * draw(st.sampled_from([1, 1, -1])) for _ in range(d)]
    total = [draw(st.sampled_from(SIZES)) for _ in range(d)]
    if d == 2 and draw(st.integers(0, 3)) == 0:
        signal[1], total[1] = signal[0], total[0]
    folds = [m * m / (4 * s) for m, s in zip(signal, total, strict=True)]
    eta = draw(st.sampled_from(folds)) * draw(st.sampled_from(SHARES))
    name = draw(st.sampled_from(["stop-gradient", "ema"]))
    model = Model(
        procedure=name,
        moments=Moments.commuting(signal=signal, total=total),
        embed_dim=n,
        lr=draw(st.sampled_from(RATES)) / max(total),
        weight_decay=eta,
        predictor_lr=draw(st.sampled_from(RATES)),
        predictor_weight_decay=eta * draw(st.sampled_from(DECAYS)),
        ema=draw(st.sampled_from(AVERAGES)) if name == "ema" else None,
        momentum=draw(st.sampled_from(MOMENTA)),
    )
    return model, signal, total


def measured(values, kind: str) -> tuple[int, list]:
    """Return how many eigenvalues are zero, and the others' distance beyond the boundary."""
    largest = max(abs(v) for v in values)
    neutral = [v for v in values if abs(v) <= precise.ZERO * largest]
    others = [v for v in values if abs(v) > precise.ZERO * largest]
    if kind == "flow":
        return len(neutral), [v.real for v in others]
    # |1 + x| - 1 without cancellation.
    squares = [2 * x.real + abs(x) ** 2 for x in others]
    return len(neutral), [square / (mp.sqrt(1 + square) + 1) for square in squares]


def check(case) -> None:
    model, signal, total = case
    with mp.workdps(precise.DIGITS):
        for component in aligned_variety(model).components:
            if component.modes is None:
                continue
            point = precise.aligned_point(model, component, signal, total)
            assert precise.displacement(model, point, "flow") < 1e-40
            for kind, stability in (("flow", component.flow), ("map", component.map)):
                compare(component, stability, precise.eigenvalues(model, point, kind), kind)


def compare(component, stability, values, kind: str) -> None:
    neutral, beyond = measured(values, kind)
    worst = max(beyond, default=mp.mpf(-1))
    where = (component.id, kind, stability.verdict, mp.nstr(worst, 8))
    assert neutral == stability.neutral, where
    if stability.extent is not None and beyond:
        expected = worst + (1 if kind == "map" else 0)
        scale = max(abs(v) for v in values)
        assert stability.extent == pytest.approx(
            float(expected), rel=1e-9, abs=2e-15 * float(scale)
        )
    if stability.verdict is Verdict.STABLE:
        assert worst < 0, where
        assert neutral == component.dimension, where
    elif stability.verdict is Verdict.UNSTABLE:
        assert worst > 0, where
    else:
        assert worst == 0 or abs(worst) < 1e-20 or neutral != component.dimension, where


@settings(max_examples=25, phases=PHASES)
@given(extreme())
def test_answers_at_extreme_rates_equal_the_dense_jacobian_in_sixty_digits(case):
    check(case)


@pytest.mark.slow
@settings(max_examples=600, phases=PHASES)
@given(extreme())
def test_many_answers_at_extreme_rates_equal_the_dense_jacobian_in_sixty_digits(case):
    check(case)
