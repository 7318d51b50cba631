"""Boundaries: exact curves, certified intervals, labels, and the figure that shows them."""

from __future__ import annotations

import io
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equilibria.data.moments import Moments
from equilibria.phase import parse_axis, phase_diagram
from equilibria.phase.curves import exchange
from equilibria.phase.figure import draw
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Mode, states_of
from tests.equilibria.test_phase_simulation import Case, multipliers

SMALL = st.fractions(min_value=Fraction(1, 10), max_value=2, max_denominator=20)
TWO = Moments.commuting(signal=[1, Fraction(3, 4)])
ISOTROPIC = Moments.isotropic(signal=[1, Fraction(1, 2)], variance=1)


def diagram(model, x, y, **rest):
    return phase_diagram(model, parse_axis(x, "--x"), parse_axis(y, "--y"), **rest)


def boundaries(found, kind):
    return [b for b in found.boundaries if b.kind == kind]


def test_folds_are_exact_lines_or_exact_curves():
    found = diagram(Model(moments=TWO), "lr=0.1:2:20", "weight-decay=0.02:0.3:20")
    heights = {b.between: {p.y.low for p in b.points} for b in boundaries(found, "fold")}
    assert heights == {("1+", "1-"): {Fraction(1, 5)}, ("2+", "2-"): {Fraction(9, 64)}}
    found = diagram(Model(moments=TWO), "noise=0:2:20", "weight-decay=0.02:0.3:20")
    for boundary, m in zip(boundaries(found, "fold"), (Fraction(1), Fraction(3, 4)), strict=True):
        assert boundary.how == "exact"
        assert len(boundary.points) > 20
        assert all(m * m == 4 * p.y.low * (m + p.x.low) for p in boundary.points)
    assert not boundaries(found, "transcritical")  # Sigma = M + vI: never (see curves)


@settings(max_examples=120, deadline=None)
@given(SMALL, SMALL, SMALL, SMALL)
def test_an_exchange_is_where_the_roots_of_two_modes_meet(s, m, r, k):
    i, j = Mode(1, s, m), Mode(2, r, k)
    found = exchange(i, j)
    if found is None:
        return
    eta, root = found
    p = (k - m) / (r - s)
    own = states_of(i, eta)
    assert (own[0].p - p).sign() == 0
    other = next(state for state in states_of(j, eta) if state.root == root or state.fold)
    assert (other.p - p).sign() == 0


def test_exchanges_of_the_example_without_a_chain():
    moments = Moments.commuting(
        signal=[Fraction(1, 20), Fraction(13, 200), Fraction(3, 10)],
        total=[Fraction(1, 18), Fraction(1, 10), 2],
    )
    model = Model(moments=moments, embed_dim=3, lr=Fraction(1, 100))
    found = diagram(model, "weight-decay=0.001:0.012:30", "predictor-lr=0.5:2:3")
    lines = {b.between: b.points[0].x.low for b in boundaries(found, "transcritical")}
    assert lines == {
        ("2+", "1-"): Fraction(27, 2560),
        ("3+", "1-"): Fraction(27, 4900),
        ("3+", "2-"): Fraction(47, 7220),
    }
    # The stable sets change across those that say so, and nowhere else.
    marks = {b.points[0].x.low for b in found.boundaries if b.points[0].x.is_exact and b.changes}
    quiet = [b.between for b in found.boundaries if not b.changes]
    assert quiet == [("3+", "1-")]  # mode 3 needs mode 2, and that needs mode 1
    changes = [k for k in range(29) if found.cells[0, k] != found.cells[0, k + 1]]
    crossed = [
        k for k in range(29) if any(found.x.values[k] < v <= found.x.values[k + 1] for v in marks)
    ]
    assert changes == crossed


def leading(model, name):
    """Return the largest normal multiplier of a stratum, from the map itself."""
    numbers = [int(word[:-1]) for word in name.partition(":")[2].split(",") if word]
    values = multipliers(Case("", model, tuple(k - 1 for k in numbers)))
    return values[np.abs(values).argmax()]


CASES = [
    (Model(procedure="ema", moments=TWO), "lr=0.1:9:24", "weight-decay=0.02:0.3:24", "equal"),
    (
        Model(
            procedure="ema",
            ema=Fraction(1, 2),
            moments=TWO,
            momentum=Fraction(1, 2),
            lr=Fraction(5, 2),
        ),
        "ema=0:0.9:24",
        "weight-decay=0.02:0.19:24",
        "equal",
    ),
    (
        Model(moments=ISOTROPIC, lr=Fraction(1, 2)),
        "predictor-lr=0.05:1:16:log",
        "weight-decay=0.005:0.06:16",
        "coupled",
    ),
    (
        Model(moments=ISOTROPIC, momentum=Fraction(1, 2), weight_decay=Fraction(1, 100)),
        "lr=0.2:5:16:log",
        "predictor-lr=0.2:0.5:16",
        "coupled",
    ),
]


@pytest.mark.parametrize(("model", "x", "y", "decay"), CASES)
def test_traced_boundaries_are_certified_and_dense_multipliers_agree(model, x, y, decay):
    found = diagram(model, x, y, decay=decay)
    traced = [b for b in found.boundaries if b.kind in ("flip", "neimark-sacker") and b.strata]
    assert traced
    for boundary in traced:
        certified = [p for p in boundary.points if p.certified]
        assert certified
        point = certified[len(certified) // 2]
        name = boundary.strata[0]
        sides = []
        for a, b in ((point.x.low, point.y.low), (point.x.high, point.y.high)):
            sides.append(leading(found.setting.model_at(a, b), name))
        for multiplier in sides:
            assert abs(multiplier) == pytest.approx(1, abs=2e-6)
        if boundary.kind == "flip":
            assert sides[0].real == pytest.approx(-1, abs=2e-6)
        else:
            assert abs(sides[0].imag) > 1e-3
        # A little further out on both sides the verdicts differ.
        pairs = []
        for t in (Fraction(-1, 200), Fraction(1, 200)):
            a, b = (c.low * (1 if c.is_exact else 1 + t) for c in (point.x, point.y))
            pairs.append(abs(leading(found.setting.model_at(a, b), name)) < 1)
        assert sorted(pairs) == [False, True], boundary


def test_the_hopf_curve_is_where_c2_c1_equals_c0():
    found = diagram(
        Model(moments=ISOTROPIC),
        "predictor-lr=0.02:1:24:log",
        "weight-decay=0.005:0.06:16",
        decay="coupled",
    )
    curves = boundaries(found, "hopf")
    assert len(curves) == 1
    assert curves[0].between == ("1+", "2+")
    assert curves[0].how == "certified"
    for point in curves[0].points:
        kappa, eta = point.x.value, point.y.value
        p = [(m + np.sqrt(m * m - 4 * eta)) / 2 for m in (1.0, 0.5)]
        J = pair_matrix(p, (1.0, 0.5), eta, kappa)
        values = np.linalg.eigvals(J)
        leading = values[np.abs(values).argsort()][1:]
        assert np.abs(leading.real).min() < 1e-8  # on the axis
        assert kappa < 0.25  # T8.6


def pair_matrix(p, m, eta, kappa):
    """Return the pair block of T7.3 for Sigma = I, written out from the note."""
    J = np.zeros((4, 4))
    for row, (i, j) in enumerate(((0, 1), (1, 0))):
        J[row, row] = -kappa * (p[j] ** 2 + eta)
        J[row, 2 + row] = kappa * p[j] * (m[j] - p[i])
        J[row, 3 - row] = kappa * eta
        J[2 + row, 1 - row] = eta
        J[2 + row, row] = -p[i] * p[j]
        J[2 + row, 2 + row] = p[i] * (m[j] - p[i]) - eta
    return J


def test_the_flip_curve_passes_between_the_cells_that_it_parts():
    found = diagram(Model(moments=TWO), "lr=0.5:12:40", "weight-decay=0.02:0.14:40")
    curves = [b for b in boundaries(found, "flip") if "rank2:1+,2+" in b.strata]
    heights = np.array([float(v) for v in found.y.values])
    checked = 0
    for point in (p for b in curves for p in b.points if p.y.is_exact):
        row = int(np.searchsorted(heights, point.y.value))
        if 0 < row < heights.size:
            ends = found.top_step[row - 1 : row + 1, 0]
            assert ends.min() * (1 - 1e-6) <= point.x.value <= ends.max() * (1 + 1e-6)
            checked += 1
    assert checked > 20


@pytest.mark.parametrize("form", ["png", "svg"])
def test_equal_diagrams_give_equal_figures(form):
    images = []
    for _ in range(2):
        found = diagram(Model(procedure="ema", moments=TWO), *CASES[0][1:3])
        stream = io.BytesIO()
        draw(found, stream, form)
        images.append(stream.getvalue())
    assert images[0] == images[1]
    if form == "svg":
        text = images[0].decode()
        assert "<svg" in text
        assert "dc:date" not in text


def test_contrastive_modes_are_born_and_exchanged_at_rational_decays():
    moments = Moments.commuting(signal=[1, Fraction(4, 5)], total=[2, 1])
    model = Model(procedure="contrastive", moments=moments, embed_dim=1)
    found = diagram(model, "weight-decay=0.1:1.2:23", "lr=0.01:3:10")
    lines = {b.between: b.points[0].x.low for b in boundaries(found, "transcritical")}
    assert lines == {
        ("collapse", "1+"): Fraction(1),
        ("collapse", "2+"): Fraction(4, 5),
        ("1+", "2+"): Fraction(3, 5),
    }
