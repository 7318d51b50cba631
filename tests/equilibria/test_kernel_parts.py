"""Parts of the kernel one by one: largest steps, invariants, and the points that verdicts are at."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest

from equilibria.kernel.boxes import Core
from equilibria.kernel.dense import BITS
from equilibria.kernel.intervals import Interval
from equilibria.kernel.metrics import check_constant_metric
from equilibria.kernel.orbits import (
    Mark,
    check_different,
    class_key,
    classes,
    has_aligned_point,
    invariants,
    mark_core,
    mark_exact,
)
from equilibria.kernel.points import Evaluator, Point
from equilibria.kernel.polynomials import Polynomial
from equilibria.kernel.refusal import Refusal
from equilibria.kernel.standing import AT_POINT, WHOLE, check_listed, scope
from equilibria.kernel.steps import STEP_BITS, check_largest, multipliers
from equilibria.kernel.systems import Model, build
from equilibria.kernel.towers import Tower
from tests import dense

F = Fraction


def model_of(sigma, m, procedure="stop-gradient", **rates) -> Model:
    d = len(sigma)

    def matrix(rows):
        if isinstance(rows[0], list):
            return [[F(x) for x in row] for row in rows]
        return [[F(rows[i]) if i == j else F(0) for j in range(d)] for i in range(d)]

    plain = {"h": "1/10", "eta": 0, "nu": 0, "alpha": 1, "eta_p": 0, "mu": 0}
    exact = {name: F(value) for name, value in {**plain, **rates}.items() if name != "n"}
    return Model(procedure, rates.get("n", d), d, matrix(sigma), matrix(m), **exact)


# Largest steps. Polynomials have the constant first.


def values(coefficients):
    return [{(): x} if x else {} for x in coefficients]


@pytest.mark.parametrize("nu", ["0", "1/2", "9/10"])
@pytest.mark.parametrize("coefficients", [[3, 1], [2, 7, 3], [5, 2, 1], [1, 0, 4, 2]])
def test_multipliers_are_the_roots_of_their_quadratics(coefficients, nu):
    h = F(3, 7)
    model = model_of([1], [1], nu=nu)
    found = [value.get((), 0) for value in multipliers(model, values(coefficients), h)]
    expected = []
    for x in np.roots(coefficients[::-1]):
        quadratic = [1, -1 - float(F(nu)) - float(h) * x, float(F(nu))]
        expected += np.roots(quadratic if F(nu) else quadratic[:2]).tolist()
    assert dense.distance(np.roots(found[::-1]), np.array(expected)) < 1e-9


def largest(coefficients, nu: float) -> float:
    """Bisect the step at which a multiplier leaves the circle."""

    def radius(h: float) -> float:
        roots = [np.roots([1, -1 - nu - h * x, nu]) for x in np.roots(coefficients[::-1])]
        return float(np.abs(np.concatenate(roots)).max())

    low, high = 1e-6, 100.0
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if radius(middle) < 1 else (low, middle)
    return low


def cell_of(h: float) -> dict[str, str]:
    exponent = math.floor(math.log2(h))
    unit = F(2) ** (exponent - STEP_BITS)
    return {"exponent": str(exponent), "cell": str(math.floor(F(h) / unit + F(1, 7)))}


@pytest.mark.parametrize("nu", ["0", "1/2", "9/10"])
@pytest.mark.parametrize("coefficients", [[5, 1], [5, 16, 3], [5, 2, 1], [7, 20, 4, 2]])
def test_the_cell_of_the_largest_step_and_no_other_is_accepted(coefficients, nu):
    model, tower = model_of([1], [1], nu=nu), Tower()
    polys = [values([1]), values([1, 5]), values(coefficients)]
    cell = cell_of(largest(coefficients, float(F(nu))))
    assert check_largest(cell, model, tower, polys, stable=True)
    place = int(cell["cell"])
    for other, words in ((place - 1, "stable beyond"), (place + 1, "not stable up to")):
        with pytest.raises(Refusal, match=words):
            check_largest({**cell, "cell": str(other)}, model, tower, polys, stable=True)
    with pytest.raises(Refusal):
        check_largest("none", model, tower, polys, stable=True)
    with pytest.raises(Refusal, match="there is none"):
        check_largest(cell, model, tower, polys, stable=False)
    with pytest.raises(Refusal, match="there is none"):
        check_largest(cell, model, tower, polys[:1], stable=True)
    assert not check_largest("none", model, tower, polys, stable=False)


def test_a_step_on_the_end_of_two_cells_belongs_to_one():
    place = 9_000_000
    h = F(7 * place - 1, 7) / 2**STEP_BITS  # where the multiplier 1 + h x is -1
    polys = [values([2 * h.denominator, h.numerator])]
    model, tower = model_of([1], [1]), Tower()
    assert check_largest(
        {"exponent": "0", "cell": str(place - 1)}, model, tower, polys, stable=True
    )
    with pytest.raises(Refusal, match="not stable up to"):
        check_largest({"exponent": "0", "cell": str(place)}, model, tower, polys, stable=True)


# Invariants: constant under every symmetry, and different where nothing turns.


def evaluated(entry: Polynomial, at: dict[str, float]) -> float:
    return sum(float(c) * math.prod(at[x] for x in key) for key, c in entry.items())


def named(**matrices: np.ndarray) -> dict[str, float]:
    return {
        f"{letter}_{i + 1}_{j + 1}": float(value)
        for letter, matrix in matrices.items()
        for (i, j), value in np.ndenumerate(matrix)
    }


def turn(rng: np.random.Generator, size: int) -> np.ndarray:
    return np.linalg.qr(rng.normal(size=(size, size)))[0]


REPEATED = model_of([2, 1, 2], [1, 3, 1], n=2)
GROWTH = model_of([2, 3, 1], [1, 1, "1/2"], "contrastive", n=2)  # m/s: 1/2, 1/3, 1/2
AROUND = model_of([[3, 1, 1], [1, 3, 1], [1, 1, 3]], [[1, 2, 2], [2, 1, 2], [2, 2, 1]], n=2)


def turned(model: Model, rng: np.random.Generator, W: np.ndarray) -> np.ndarray:
    """Turn the inputs of a model by one of its symmetries."""
    sigma = np.array(model.sigma, float)
    Q = np.eye(3)
    if model is AROUND:  # about (1, 1, 1)
        basis = np.linalg.qr(np.column_stack([np.ones(3), np.eye(3)[:, :2]]))[0]
        inner = np.eye(3)
        inner[1:, 1:] = turn(rng, 2)
        return W @ basis @ inner @ basis.T
    Q[np.ix_([0, 2], [0, 2])] = turn(rng, 2)
    if model is GROWTH:
        return W @ np.sqrt(sigma) @ Q @ np.diag(1 / np.sqrt(np.diag(sigma)))
    return W @ Q


@pytest.mark.parametrize("model", [REPEATED, GROWTH, AROUND], ids=["equal", "growth", "dense"])
def test_invariants_are_constant_under_symmetries_and_differ_elsewhere(model):
    rng = np.random.default_rng(0)
    constant = invariants(model)
    assert len(constant) >= 3
    W, P = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    before = [evaluated(entry, named(W=W, P=P)) for entry in constant]
    U = turn(rng, 2)
    after = named(W=U @ turned(model, rng, W), P=U @ P @ U.T)
    assert [evaluated(entry, after) for entry in constant] == pytest.approx(before, rel=1e-9)
    away = named(W=W * [1, 1.1, 1], P=P)
    assert [evaluated(entry, away) for entry in constant] != pytest.approx(before, rel=1e-3)
    mixed = named(W=W @ np.linalg.qr(rng.normal(size=(3, 3)))[0], P=P)
    assert [evaluated(entry, mixed) for entry in constant] != pytest.approx(before, rel=1e-3)


def test_classes_hold_what_symmetries_turn():
    assert classes(REPEATED) == [[0, 2], [1]]
    assert classes(GROWTH) == [[0, 2], [1]]
    assert classes(model_of([2, 1, 3], [1, 1, 1])) == [[0], [1], [2]]
    assert classes(model_of([2, 1, 4], [1, "1/2", 2])) == [[0], [1], [2]]  # growth does not matter
    assert classes(AROUND) == [[0], [1], [2]]
    assert class_key(GROWTH, 0) == class_key(GROWTH, 2) == F(1, 2)


def point_of(**entries) -> Point:
    return {name: {(): F(value)} for name, value in entries.items() if F(value)}


def marked(name: str, model: Model, **entries) -> Mark:
    return mark_exact(name, model, Evaluator(point_of(**entries), Tower()), invariants(model))


def test_points_of_one_orbit_are_refused_and_others_are_not():
    model = model_of([2, 1], [1, 3], eta="1/100", eta_p="1/100")
    one = marked("a", model, W_1_1="1/3", P_1_1="1/3")
    row = marked("b", model, W_2_1="1/3", P_2_2="1/3")
    sign = marked("c", model, W_1_1="-1/3", P_1_1="1/3")
    other = marked("d", model, W_1_2="1/3", P_1_1="1/3")
    close = marked("e", model, W_1_1=F(1, 3) + F(1, 10**80), P_1_1="1/3")
    for same in (row, sign, one):
        with pytest.raises(Refusal, match="are not seen to differ"):
            check_different([one, same], Tower())
    check_different([one, other, close], Tower())


def test_signs_between_single_inputs_and_the_predictor_between_them_tell_points_apart():
    model = model_of([2, 1], [1, 3], eta="1/100", eta_p="1/100")
    plus = marked("a", model, W_1_1=1, W_1_2=1)
    minus = marked("b", model, W_1_1=1, W_1_2=-1)
    check_different([plus, minus], Tower())
    identity = {"W_1_1": 1, "W_2_2": 1, "P_1_1": "1/2", "P_2_2": "1/3"}
    fifth, seventh = (marked(str(k), model, **identity, P_1_2=F(1, k)) for k in (5, 7))
    check_different([fifth, seventh], Tower())


def test_a_point_in_cells_and_the_exact_one_that_it_encloses_are_one():
    rates = {"eta": "1/100", "eta_p": "1/100", "alpha": 4, "n": 2}  # cells hold 2 W
    model = model_of([2, 1, 2], [1, 3, 1], **rates)
    entries = {"W_1_1": "1/3", "W_1_2": "1/5", "W_2_3": "1/7", "P_1_1": "1/2", "P_1_2": "1/9"}
    exact = marked("a", model, **entries)

    def in_cells(**entries) -> Mark:
        sizes = {name: F(x) * (2 if name[0] == "W" else 1) for name, x in entries.items()}
        box = {name: Interval.of(x, BITS) for name, x in sizes.items()}
        return mark_core("b", model, Core(2, box), invariants(model))

    with pytest.raises(Refusal, match="are not seen to differ"):
        check_different([exact, in_cells(**entries)], Tower())
    apart = F(1, 5) + F(1, 10**100)  # seen at the second look alone
    check_different([exact, in_cells(**{**entries, "W_1_2": apart})], Tower())


def test_families_without_decay_are_told_apart_by_ranks_alone():
    model = model_of([2, 1], [1, 3], n=2)
    one = marked("a", model, W_1_1=1, P_1_1="1/2")
    longer = marked("b", model, W_1_1=2, P_1_1="1/2")
    other = marked("c", model, W_1_2=1, P_1_1=3)
    with pytest.raises(Refusal, match="are not seen to differ"):
        check_different([one, longer], Tower())
    check_different([one, other], Tower())


def test_an_aligned_point_may_be_there_only_where_gram_entries_between_classes_vanish():
    model = model_of([2, 1, 2], [1, 3, 1], n=2, eta="1/100", eta_p="1/100")

    def found(**entries) -> bool:
        return has_aligned_point(model, Evaluator(point_of(**entries), Tower()))

    assert found(W_1_1=1, W_2_2=1)
    assert found(W_1_1=1, W_1_3=1)  # one class
    assert not found(W_1_1=1, W_1_2=1)


# The point of a family at which its verdict is taken.


def test_verdicts_are_of_the_whole_component_where_symmetries_span_it():
    point = point_of(W_1_1=1, P_1_1=1)
    free = model_of([1], [1])  # P = 1 and any W
    assert scope(free, build(free), point, Tower(), 1) == AT_POINT
    assert scope(free, build(free), point, Tower(), 0) == WHOLE
    decaying = model_of([1], [1], eta="1/10", eta_p="1/10")
    assert scope(decaying, build(decaying), point, Tower(), 1) == WHOLE
    direct = model_of([1], [1], "direct-pred", eta="1/10")
    assert scope(direct, build(direct), point_of(W_1_1=1), Tower(), 1) == WHOLE


def test_without_encoder_the_predictor_is_diagonal():
    model = model_of([2, 1], [1, "3/4"], n=2)
    good = {"P_1_1": "3/2", "P_2_2": "3/2"}
    check_listed(model, point_of(**good), Tower())
    with pytest.raises(Refusal, match="diagonal P only"):
        check_listed(model, point_of(**good, P_1_2=1), Tower())


def test_families_without_decay_are_listed_at_balanced_aligned_points_with_large_idle_rows():
    model = model_of([2, 1], [1, "3/4"], n=3)  # c = 1/2, 3/4
    good = {"W_1_1": "1/2", "P_1_1": "1/2", "P_2_2": "3/2", "P_3_3": "3/2"}
    check_listed(model, point_of(**good), Tower())
    for changed in (
        {"P_2_2": "3/4"}, {"P_3_3": "0"}, {"W_1_1": "1"}, {"P_1_1": "3/2"}, {"P_1_2": "1"},
        {"P_2_3": "1"}, {"W_1_1": "-1/2"}, {"W_1_2": "3/4"}, {"P_2_2": "1"},
    ):  # fmt: skip
        with pytest.raises(Refusal, match="verdicts change along this family"):
            check_listed(model, point_of(**{**good, **changed}), Tower())
    negative = model_of([2, 1], [-1, "-3/4"], n=2)
    check_listed(
        negative, point_of(W_1_1="1/2", P_1_1="-1/2", P_2_2=1), Tower()
    )  # 2 max(c, 0) is 0: then 1


@pytest.mark.parametrize(
    ("alpha", "balanced"),
    [("4", F(1, 2)), ("4/9", F(3, 2)), ("2", F(707107, 10**6)), ("1/3", F(1732051, 10**6))],
)
def test_active_rows_are_balanced_with_irrational_ratios_rounded_up(alpha, balanced):
    model = model_of([2, 1], [1, "3/4"], "ema", n=1, alpha=alpha, mu="1/2")
    good = {"W_1_1": balanced / 2, "T_1_1": balanced / 2, "P_1_1": "1/2"}
    check_listed(model, point_of(**good), Tower())
    for changed in (
        {"W_1_1": balanced / 2 - F(1, 10**6)}, {"T_1_1": balanced}, {"W_1_1": balanced},
    ):  # fmt: skip
        with pytest.raises(Refusal, match="verdicts change along this family"):
            check_listed(model, point_of(**{**good, **changed}), Tower())


def test_free_rows_are_zero_where_something_decays():
    model = model_of([2, 1], [1, "3/4"], n=2, eta_p=0, eta="1/10")
    check_listed(model, {}, Tower())
    with pytest.raises(Refusal, match="P_2_2 is 0"):
        check_listed(model, point_of(P_2_2="3/2"), Tower())


def test_contrastive_families_are_listed_on_their_first_modes():
    model = GROWTH
    check_listed(model, point_of(W_1_1=1), Tower())
    check_listed(model, point_of(W_1_1=1, W_2_3=1), Tower())
    check_listed(model, point_of(W_1_2=1), Tower())
    with pytest.raises(Refusal, match="first modes"):
        check_listed(model, point_of(W_1_3=1), Tower())


@pytest.mark.parametrize(
    ("flow", "shows"),
    [
        ({"x": "y", "y": "-x"}, "y"),  # G = diag(a, -a): the second has the other sign
        ({"x": "y", "y": ""}, "x"),  # G_xx = 0
        ({"x": "y", "z": "w", "y": "", "w": ""}, "x"),  # and G_zz = 0: the first of them
        ({"x": "-x"}, None),  # a gradient field
        ({"x": "-x", "y": "-y"}, None),
    ],
)
def test_one_variable_shows_that_no_constant_metric_exists(flow, shows):
    def linear(text: str):
        sign = Fraction(-1 if text.startswith("-") else 1)
        return {(text.lstrip("-"),): sign} if text else {}

    equations = {x: linear(text) for x, text in flow.items()}
    for direction in flow:
        claim = {"variables": list(flow), "direction": direction}
        if direction == shows:
            check_constant_metric(claim, equations)
        else:
            with pytest.raises(Refusal):
                check_constant_metric(claim, equations)
