"""Decomposition, real points, exact verdicts: planted answers, two routes, and controls."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equilibria.data.moments import Moments
from equilibria.errors import (
    ConsistencyError,
    EngineMissing,
    FormatError,
    LimitReached,
    NotFinished,
    ScopeError,
)
from equilibria.exact.characteristic import characteristic_polynomial
from equilibria.exact.field_polynomials import FieldPoly, square_free_parts
from equilibria.exact.grammar import parse
from equilibria.exact.half_plane import place
from equilibria.exact.number_field import RealField, rationals_field
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.exact.univariate import isolate, product, simplest_between, value_at
from equilibria.systems.model import Model
from equilibria.systems.procedures import procedure
from equilibria.systems.system_file import UserSystem, load, read
from equilibria.varieties.component import Component, How, Variety, Verdict
from equilibria.varieties.elimination import Real, analyze_system, decompose, from_model_system
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.conditions import simplified
from equilibria.varieties.elimination.cores import covers
from equilibria.varieties.elimination.engines import ENGINES, Answer, Limits, choose
from equilibria.varieties.elimination.engines.base import read_answer, run_program
from equilibria.varieties.elimination.engines.singular import find_program
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.names import letters
from equilibria.varieties.elimination.points import Point, real_points
from equilibria.varieties.elimination.reality import points_over, real_part
from equilibria.varieties.elimination.regions import describe, irredundant
from equilibria.varieties.elimination.stability import stability_at

SYSTEMS = Path(__file__).parents[2] / "examples" / "systems"
PLANE = Ring(("x", "y"))
SPACE = Ring(("x", "y", "z"))

needs_singular = pytest.mark.skipif(find_program() is None, reason="Singular is not installed")
engines = pytest.mark.parametrize(
    "engine", ["sympy", pytest.param("singular", marks=needs_singular)]
)


def polynomials(ring: Ring, *texts: str) -> list[Polynomial]:
    return [parse(text, ring) for text in texts]


def ideal(ring: Ring, *texts: str) -> Ideal:
    return Ideal(ring, polynomials(ring, *texts), Budget(30))


def same(one: Ideal, other: Ideal) -> bool:
    """Compare by mutual membership, never by comparing text."""
    return all(one.contains(f) for f in other.basis) and all(other.contains(f) for f in one.basis)


def built_in(name: str, **changes: object) -> UserSystem:
    signal = changes.pop("signal", [1])
    moments = Moments.commuting(signal=signal, noise="1/4")
    model = Model(procedure=name, moments=moments, **{"embed_dim": 1, **changes})
    return from_model_system(procedure(name).build(model))


def by_id(variety: Variety) -> dict[str, Component]:
    return {component.id: component for component in variety.components}


# Components planted and found again.


@engines
def test_a_circle_and_a_point_come_back(engine: str) -> None:
    circle, point = ideal(PLANE, "x**2 + y**2 - 1"), ideal(PLANE, "x - 2", "y")
    given = polynomials(PLANE, "(x**2 + y**2 - 1)*(x - 2)", "(x**2 + y**2 - 1)*y")
    found = decompose(given, engine=engine)
    assert found.complete
    assert [c.dimension for c in found.components] == [0, 1]
    assert same(found.components[0].ideal, point)
    assert same(found.components[1].ideal, circle)
    assert found.components[1].degree == 2


@engines
def test_random_points_and_lines_come_back(engine: str) -> None:
    generator = np.random.default_rng(7)
    for _ in range(3):
        planted = []
        for _ in range(2):
            a, b, c, d = (int(v) for v in generator.integers(-4, 5, size=4))
            planted.append(ideal(SPACE, f"x - {a}*z + {b}", f"y + {c}*z - {d}"))
        a, b, c = (int(v) for v in generator.integers(-9, 10, size=3))
        planted.append(ideal(SPACE, f"3*x - {a}", f"y - {b}", f"z - {c}"))
        products = [SPACE.constant(1)]
        for piece in planted:
            products = [f * g for f in products for g in piece.basis]
        visible = [
            p
            for p in planted
            if not any(q is not p and all(p.contains(g) for g in q.basis) for q in planted)
        ]
        found = decompose(products, engine=engine)
        assert found.complete
        assert len(found.components) == len(visible)
        assert all(any(same(p, c.ideal) for c in found.components) for p in visible)


@engines
def test_a_twisted_cubic_and_embedded_parts_are_told_apart(engine: str) -> None:
    found = decompose(polynomials(SPACE, "x*z - y**2", "y - x**2*z"), engine=engine)
    assert [c.dimension for c in found.components] == [1, 1, 1]
    assert any(same(c.ideal, ideal(SPACE, "x*y - 1", "y**2 - x*z")) for c in found.components)
    embedded = decompose(polynomials(PLANE, "x**2*y", "x*y**3*(y - x)"), engine=engine)
    assert [c.generators for c in embedded.components] == [
        PLANE.variables()[:1],
        PLANE.variables()[1:],
    ]


@engines
def test_no_zeros_and_all_zeros_are_answers(engine: str) -> None:
    nothing = decompose(polynomials(PLANE, "x*y - 1", "x"), engine=engine)
    assert (nothing.components, nothing.complete) == ((), True)
    everything = decompose(polynomials(PLANE, "0", "x - x"), engine=engine)
    assert [c.dimension for c in everything.components] == [2]


@engines
def test_real_and_complex_components_are_told_apart(engine: str) -> None:
    factors = {
        "x**2 + x*y + y**2 + 1": Real.NO,
        "x**2 + x*y + y**2": Real.THIN,
        "x**4 + y**4 + x*y + 3": Real.NO,
        "x**3 - y**2": Real.YES,
        "x**2 - 2*y**2": Real.YES,
    }
    found = decompose(polynomials(PLANE, "*".join(f"({text})" for text in factors)), engine=engine)
    assert found.complete
    for text, expected in factors.items():
        component = next(c for c in found.components if same(c.ideal, ideal(PLANE, text)))
        assert component.real.real is expected


def test_the_real_points_of_a_thin_component_are_listed_where_nothing_else_has_them() -> None:
    user = read('variables = ["x", "y"]\n[flow]\nx = "-x**2 - y**2"\ny = "0"\n', "f.toml")
    variety = analyze_system(user)
    (origin,) = variety.components
    assert origin.equations == ("x = 0", "y = 0")
    assert origin.flow.verdict is Verdict.UNDECIDED
    assert variety.complete
    assert "x**2 + y**2 is a sum of squares" in variety.description


def test_four_real_and_many_complex_solutions() -> None:
    points = real_points(ideal(PLANE, "x**3 - y - 1", "y**2 - x - 2"))
    assert len(points) == 2
    for point in points:
        assert not point.value(parse("x**3 - y - 1", PLANE))
        values = point.floats()
        assert abs(values["y"] ** 2 - values["x"] - 2) < 1e-13


# The kernel does not believe an engine.


class Liar:
    """An engine that answers what it is told to."""

    name = "liar"

    def __init__(self, ring: Ring, *primes: Sequence[str]) -> None:
        self.primes = tuple(tuple(polynomials(ring, *prime)) for prime in primes)

    def version(self) -> str | None:
        return "0"

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
        return Answer(self.name, "0", self.primes, True)


# Nothing in it is a product, no variable occurs linearly: an engine has to be asked.
CROSS = polynomials(PLANE, "x**2 - 2", "y**2 - 2")
EVEN, ODD = ["x**2 - 2", "x - y"], ["x**2 - 2", "x + y"]


def test_a_component_on_which_the_system_does_not_vanish_is_a_bug_of_the_engine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(ENGINES, "liar", Liar(PLANE, EVEN, ["x**2 - 2", "y - 1"]))
    with pytest.raises(ConsistencyError, match=r"where .* does not vanish|zeros .* are missing"):
        decompose(CROSS, engine="liar")
    monkeypatch.setitem(ENGINES, "liar", Liar(PLANE, EVEN, ODD, ["x**2 - 2", "y - 1"]))
    with pytest.raises(ConsistencyError, match=r"where .* does not vanish"):
        decompose(CROSS, engine="liar")


def test_a_forgotten_component_is_a_bug_of_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "liar", Liar(PLANE, EVEN))
    with pytest.raises(ConsistencyError, match="zeros of the system are missing"):
        decompose(CROSS, engine="liar")


def test_a_redundant_component_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(ENGINES, "liar", Liar(PLANE, EVEN, ["x**2 - 2", "y**2 - 2", "x - y"], ODD))
    found = decompose(CROSS, engine="liar")
    assert len(found.components) == 2
    assert all(any(same(c.ideal, ideal(PLANE, *p)) for c in found.components) for p in (EVEN, ODD))


def test_residues_that_lose_zeros_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shortcut(Liar):
        def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
            one = (PLANE.constant(1),)
            return Answer(self.name, "0", self.primes, True, "", (one,))

    monkeypatch.setitem(ENGINES, "liar", Shortcut(PLANE, EVEN))
    with pytest.raises(ConsistencyError, match="zeros of the system are missing"):
        decompose(CROSS, engine="liar")


def test_coverage_sees_a_missing_complex_point() -> None:
    whole = ideal(PLANE, "x*(x**2 + 1)", "y")
    assert covers([ideal(PLANE, "x", "y"), ideal(PLANE, "x**2 + 1", "y")], whole) is True
    assert covers([ideal(PLANE, "x", "y")], whole) is False


@pytest.mark.parametrize(
    "output",
    ["hello\n", "prime\n__import__('os')\nall\n", "prime\nv1 + v9\nall\n", "// ** error\n? bad\n"],
)
def test_a_strange_answer_of_an_engine_is_a_bug(output: str) -> None:
    with pytest.raises(ConsistencyError, match="the answer of test"):
        read_answer(output, PLANE, "test")


def test_an_answer_that_was_cut_short_keeps_what_was_whole() -> None:
    primes, residues, finished = read_answer("prime\nv1\nprime\nv1 - v2\nv2*", PLANE, "test")
    assert (len(primes), residues, finished) == (1, (), False)


def test_an_answer_that_is_too_large_to_read_is_a_limit() -> None:
    with pytest.raises(LimitReached, match="too large"):
        read_answer("prime\nv1**61\nall\n", PLANE, "test")


def test_a_program_that_uses_up_its_processor_time_gives_no_answer() -> None:
    code = "print('prime', flush=True)\nwhile True: pass"
    with pytest.raises(NotFinished, match="used its 1 s of processor time"):
        run_program([sys.executable, "-c", code], "", Limits(seconds=1), {})


def test_a_program_that_waits_is_not_stopped_by_a_limit_on_its_work() -> None:
    code = "import time; time.sleep(1.5); print('done')"
    outcome = run_program([sys.executable, "-c", code], "", Limits(seconds=1), {})
    assert (outcome.output, outcome.code) == ("done\n", 0)


@pytest.mark.skipif(sys.platform != "linux", reason="memory limits are set with prlimit")
def test_a_program_is_stopped_at_its_memory_limit() -> None:
    code = "import time; time.sleep(0.3); x = bytearray(800_000_000); print('survived')"
    limits = Limits(seconds=20, memory=400_000_000)
    assert "survived" not in run_program([sys.executable, "-c", code], "", limits, {}).output


HARD = """
variables = ["x", "y", "z"]
[flow]
x = "x**2*y - y**3 + x*z**2 - 2*x"
y = "x*y**2 + x**3 - 3*y*z**2 + y"
z = "z**3 - x**2*z**2 + x*y*z + y**2 - z"
"""


def test_a_limit_turns_into_a_search_that_claims_nothing() -> None:
    variety = analyze_system(read(HARD, "hard.toml"), engine="sympy", time_limit=0.001, starts=64)
    assert not variety.complete
    assert variety.total is None
    assert "bound on the work" in variety.why
    assert {c.flow.how for c in variety.components} == {How.NUMERIC}


def test_unknown_and_missing_engines_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(FormatError, match="expected auto, singular or sympy"):
        choose("maple")
    monkeypatch.setattr(
        "equilibria.varieties.elimination.engines.singular.find_program", lambda: None
    )
    assert choose("auto").name == "sympy"
    with pytest.raises(EngineMissing) as caught:
        choose("singular")
    assert "passagemath-singular" in (caught.value.hint or "")


# Exact arithmetic against numbers.


@settings(deadline=None)
@given(st.lists(st.integers(-6, 6), min_size=2, max_size=7).filter(lambda a: a[-1] != 0))
def test_isolating_intervals_hold_exactly_the_real_roots(coefficients: list[int]) -> None:
    line = [Fraction(c) for c in coefficients]
    intervals = isolate(line)
    for low, high in intervals:
        assert low <= high
        if low == high:
            assert not value_at(line, low)
    assert all(a[1] <= b[0] for a, b in pairwise(intervals))
    import sympy

    x = sympy.Symbol("x")
    assert len(intervals) == len(set(sympy.Poly(coefficients[::-1], x).real_roots()))


roots = st.tuples(st.fractions(-2, 2, max_denominator=3), st.sampled_from([0, 0, 1, 2]))


@settings(deadline=None)
@given(st.lists(roots, min_size=1, max_size=4), st.sampled_from(["flow", "map"]))
def test_roots_are_placed_where_they_are(planted: list[tuple[Fraction, int]], kind: str) -> None:
    line, values = [Fraction(1)], []
    for real, imaginary in planted:
        if imaginary:
            line = product(line, [real**2 + imaginary**2, -2 * real, Fraction(1)])
            values += [complex(real, imaginary), complex(real, -imaginary)]
        else:
            line = product(line, [-real, Fraction(1)])
            values.append(complex(real))
    sizes = [v.real if kind == "flow" else abs(v) - 1 for v in values]
    field = rationals_field()
    placement = place([field.constant(c) for c in line], kind)
    outside = sum(size > 1e-12 for size in sizes)
    assert (placement.outside > 0) == (outside > 0)
    assert placement.outside <= outside
    if not outside:
        assert placement.boundary == sum(abs(size) <= 1e-12 for size in sizes)


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=3, max_size=3), st.integers(-20, 20))
def test_signs_in_a_cubic_field_are_those_of_the_numbers(c: list[int], shift: int) -> None:
    field = RealField(
        [Fraction(-2), Fraction(0), Fraction(0), Fraction(1)], (Fraction(1), Fraction(2))
    )
    number = field.element([Fraction(v) for v in c]) - Fraction(shift, 7)
    value = sum(v * 2 ** (i / 3) for i, v in enumerate(c)) - shift / 7
    assert number.sign() == (0 if abs(value) < 1e-12 else np.sign(value))
    if number:
        assert (number * number.inverse()).rational == 1
        assert abs(float(number) - value) < 1e-12 * (1 + abs(value))


def test_a_difference_below_double_precision_has_a_sign() -> None:
    field = RealField([Fraction(-2), Fraction(0), Fraction(1)], (Fraction(1), Fraction(2)))
    root = field.element([Fraction(0), Fraction(1)])
    near = Fraction(9369319**2 * 2 - 1 + 1, 1)  # 2 y**2
    assert (root * 9369319 - Fraction(13250218)).sign() == (1 if near > 13250218**2 else -1)
    assert (root * root - 2).sign() == 0


@settings(deadline=None)
@given(
    st.fractions(-9, 9, max_denominator=50), st.fractions(Fraction(1, 200), 9, max_denominator=200)
)
def test_the_simplest_rational_between_two_is_between_and_simplest(
    low: Fraction, width: Fraction
) -> None:
    high = low + width
    found = simplest_between(low, high)
    assert low < found < high
    for denominator in range(1, found.denominator):
        first = (low * denominator).__floor__() + 1
        assert Fraction(first, denominator) >= high


@settings(deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=16, max_size=16))
def test_characteristic_polynomials_agree_with_numpy(entries: list[int]) -> None:
    field = rationals_field()
    matrix = [[field.constant(entries[4 * i + j]) for j in range(4)] for i in range(4)]
    exact = [float(c) for c in characteristic_polynomial(matrix, field.constant(1))][::-1]
    assert np.allclose(exact, np.poly(np.array(entries, dtype=float).reshape(4, 4)), atol=1e-6)


def test_square_free_parts_multiply_back_with_their_multiplicities() -> None:
    field = rationals_field()
    line = product(
        product([Fraction(1), Fraction(1)], [Fraction(1), Fraction(1)]), [Fraction(-2), Fraction(1)]
    )
    parts = square_free_parts([field.constant(c) for c in line])
    assert [(_texts(part), m) for part, m in parts] == [(["-2", "1"], 1), (["1", "1"], 2)]


def _texts(part: FieldPoly) -> list[str]:
    return [c.text() for c in part]


@given(
    st.lists(
        st.sampled_from(["x*y - 1", "x**2 - y", "y**3 + x", "x*y**2 - 2*x", "y**2 - x - 1"]),
        min_size=2,
        max_size=3,
        unique=True,
    ),
    st.data(),
)
@settings(deadline=None, max_examples=25)
def test_combinations_of_generators_lie_in_the_ideal_and_others_do_not(
    texts: list[str], data: st.DataObject
) -> None:
    whole = ideal(PLANE, *texts)
    factors = [data.draw(st.sampled_from(["x", "y - 3", "1", "x*y + 2"])) for _ in texts]
    combination = parse(
        " + ".join(f"({a})*({f})" for a, f in zip(factors, texts, strict=True)), PLANE
    )
    assert whole.contains(combination)
    assert whole.contains(combination + 1) == whole.is_everything
    assert whole.normal_form(whole.normal_form(combination * 2 + 1)) == whole.normal_form(
        combination * 2 + 1
    )


def test_groebner_bases_agree_with_sympy() -> None:
    from sympy import QQ
    from sympy.polys.groebnertools import groebner
    from sympy.polys.orderings import grevlex
    from sympy.polys.rings import PolyRing

    texts = ["x**2*y - 2*z + 1", "x*y**2 + z**2 - x", "x*z - y**2 + 3*y"]
    ring = PolyRing(SPACE.names, QQ, grevlex)
    generators = [
        ring.from_dict(
            {
                tuple(dict(key).get(i, 0) for i in range(3)): QQ(c.numerator, c.denominator)
                for key, c in f.terms.items()
            }
        )
        for f in polynomials(SPACE, *texts)
    ]
    expected = groebner(generators, ring)
    mine = ideal(SPACE, *texts)
    assert len(expected) == len(mine.basis)
    for f in expected:
        assert mine.contains(parse(str(f.as_expr()), SPACE))


# One mode of EMA without weight decay: style.md, section 10.


@engines
def test_one_mode_without_decay_has_two_lines_with_their_conditions(engine: str) -> None:
    variety = analyze_system(load(SYSTEMS / "one_mode_ema.toml"), engine=engine)
    alive, collapsed = variety.components
    assert variety.complete
    assert alive.equations == ("p = 4/5", "t = w")
    assert collapsed.equations == ("w = 0", "t = 0")
    assert alive.stable_where is not None
    assert collapsed.stable_where is not None
    assert alive.stable_where.flow == ("w**2 > 0",)
    assert set(alive.stable_where.map) == {"w**2 > 0", "-4975*w**2 + 76432 > 0"}
    assert set(collapsed.stable_where.map) == {
        "5*p**2 - 4*p > 0",
        "-995*p**2 + 4*p + 15920 > 0",
    }
    assert "map: stable where 0 < w**2 < 76432/4975" in alive.note
    assert "map: stable where 995*p**2 - 4*p < 15920, and p < 0 or p > 4/5" in collapsed.note
    assert f"meets {collapsed.id} at (4/5, 0, 0)" in alive.note
    multipliers = sorted(abs(e.value) for e in alive.map.spectrum)
    assert multipliers == pytest.approx([0.79180, 0.99400, 1], abs=5e-6)  # at w = 1


@pytest.mark.parametrize(
    ("s", "m", "mu", "lr"), [("5/4", "1", "0.99", "0.1"), ("2", "3/2", "1/2", "1/3")]
)
def test_the_bound_on_w_is_the_jury_condition_derived_by_hand(
    s: str, m: str, mu: str, lr: str
) -> None:
    overrides = {"s": s, "m": m, "mu": mu, "lr": lr}
    variety = analyze_system(load(SYSTEMS / "one_mode_ema.toml", overrides))
    s_, m_, mu_, h = (Fraction(v) for v in (s, m, mu, lr))
    # chi(-1) > 0 with p = m/s: 2 s (1 + mu) - 2 h m**2 mu - h s**2 (1 + mu) w**2 > 0
    bound = (2 * s_ * (1 + mu_) - 2 * h * m_**2 * mu_) / (h * s_**2 * (1 + mu_))
    alive = variety.components[0]
    assert alive.equations[0] == f"p = {m_ / s_}"
    assert f"map: stable where 0 < w**2 < {bound}" in alive.note


@given(st.fractions(-6, 6, max_denominator=20))
@settings(deadline=None, max_examples=40)
def test_conditions_and_eigenvalues_agree_at_every_point_of_both_lines(value: Fraction) -> None:
    system = load(SYSTEMS / "one_mode_ema.toml").system()
    field = rationals_field()
    lines = {
        "alive": (
            {"p": Fraction(4, 5), "w": value, "t": value},
            0 < value**2 < Fraction(76432, 4975),
        ),
        "collapsed": (
            {"p": value, "w": Fraction(0), "t": Fraction(0)},
            (value < 0 or value > Fraction(4, 5)) and 995 * value**2 - 4 * value < 15920,
        ),
    }
    for coordinates, stable in lines.values():
        point = Point({name: field.constant(v) for name, v in coordinates.items()}, field)
        verdict = stability_at(system.map, point, 1, "map")
        assert (verdict.verdict is Verdict.STABLE) == stable
        matrix = [
            [float(system.map[a].diff(b).evaluate(coordinates)) for b in system.variables]
            for a in system.variables
        ]
        moduli = sorted(abs(np.linalg.eigvals(np.array(matrix))))
        listed = sorted(abs(e.value) for e in verdict.spectrum for _ in range(e.multiplicity))
        assert np.allclose(moduli, listed, atol=1e-6)


def test_the_control_with_a_flipped_sign_is_unstable_everywhere_on_the_alive_line() -> None:
    text = (SYSTEMS / "one_mode_ema.toml").read_text()
    flipped = text.replace('p = "alpha*w*e"', 'p = "-alpha*w*e"').replace(
        'p = "p + lr*alpha*w*e"', 'p = "p - lr*alpha*w*e"'
    )
    alive = analyze_system(read(flipped, "flipped.toml")).components[0]
    assert alive.flow.verdict is Verdict.UNSTABLE
    assert "flow: stable nowhere" in alive.note


# The closed forms of the theory, found without them.


@engines
def test_one_by_one_stop_gradient_has_the_eigenvalues_of_T7_2(engine: str) -> None:
    variety = analyze_system(built_in("stop-gradient"), engine=engine)
    assert (variety.total, variety.stable_total) == (5, 3)
    rows = {c.representative["P_1_1"][0][0]: c for c in variety.components}
    values = {getattr(p, "exact", str(p)): c for p, c in rows.items()}
    assert set(values) == {"0", "(2 - sqrt(3))/5", "(2 + sqrt(3))/5"}
    for exact, component in values.items():
        spectrum = {e.exact for e in component.flow.spectrum}
        # -2 eta and eta - p**2 s with eta = 1/20, s = 5/4, p**2 = (7 +- 4 sqrt 3)/25
        expected = {
            "0": {"-1/20"},
            "(2 + sqrt(3))/5": {"-1/10", "(-3 - 2*sqrt(3))/10"},
            "(2 - sqrt(3))/5": {"-1/10", "(-3 + 2*sqrt(3))/10"},
        }[exact]
        assert spectrum == expected
        assert component.flow.how is (How.PROVED if exact == "0" else How.CERTIFIED)


@engines
@pytest.mark.parametrize("procedure_name", ["stop-gradient", "ema"])
def test_one_row_and_two_modes_have_one_and_four_orbits(engine: str, procedure_name: str) -> None:
    variety = analyze_system(built_in(procedure_name, signal=[1, "3/4"]), engine=engine)
    assert variety.complete
    assert variety.total == 1 + 2 * 4  # each orbit w -> -w is two points
    for component in variety.components:
        w = [component.representative[f"W_1_{j}"][0][0] for j in (1, 2)]
        assert sum(not isinstance(value, Fraction) or value != 0 for value in w) <= 1
    stable = [c for c in variety.components if c.flow.verdict is Verdict.STABLE]
    assert len(stable) == 3  # collapse and the upper root of the first mode, twice
    assert all(c.representative["W_1_2"][0][0] == 0 for c in stable)


def test_unequal_decays_give_the_complex_pair_of_E2() -> None:
    moments = Moments.commuting(signal=["2/3"], noise="1/3")
    model = Model(
        moments=moments,
        embed_dim=1,
        weight_decay="1/12",
        predictor_weight_decay="1/24",
        predictor_lr="1/2",
    )
    variety = analyze_system(from_model_system(procedure("stop-gradient").build(model)))
    spectra = [{e.exact for e in c.flow.spectrum} for c in variety.components]
    assert {"(-1 + I)/12", "(-1 - I)/12"} in spectra


def test_without_decay_the_complex_cone_of_T4_4_is_no_equilibrium() -> None:
    variety = analyze_system(built_in("stop-gradient", signal=[1, "3/4"], weight_decay=0))
    assert [c.dimension for c in variety.components] == [1, 1, 1]
    assert "4*W_1_1**2 + 3*W_1_2**2 = 0" in variety.description
    assert variety.complete
    stable = {c.equations for c in variety.components if c.flow.verdict is Verdict.STABLE}
    assert stable == {("W_1_1 = 0", "W_1_2 = 0"), ("W_1_2 = 0", "P_1_1 = 4/5")}


@needs_singular
@pytest.mark.slow
def test_two_rows_without_decay_are_the_four_components_of_T4_1() -> None:
    user = built_in("stop-gradient", signal=[1, "3/4"], weight_decay=0, embed_dim=2)
    assert user.flow is not None
    found = decompose(list(user.flow.values()), engine="singular", time_limit=120)
    assert found.complete
    assert [c.dimension for c in found.real] == [4, 4, 4, 4]
    thin = [c for c in found.components if c.real.real is Real.THIN]
    assert [c.dimension for c in thin] == [3, 3]


def test_a_numerical_search_meets_the_nine_strata_of_two_by_two() -> None:
    user = built_in("stop-gradient", signal=[1, "3/4"], embed_dim=2)
    variety = analyze_system(user, engine="search", starts=400)
    assert not variety.complete
    assert "nothing excludes others" in variety.why
    assert [c.dimension for c in variety.components] == [0] + [1] * 8
    assert sum(c.flow.verdict is Verdict.STABLE for c in variety.components) == 3


def test_an_orbit_under_rotations_is_one_component() -> None:
    variety = analyze_system(built_in("stop-gradient", embed_dim=2))
    assert [c.dimension for c in variety.components] == [0, 1]
    assert variety.components[1].flow.verdict is Verdict.STABLE
    assert variety.components[1].flow.neutral == 1


# User systems.


@pytest.mark.parametrize("path", sorted(SYSTEMS.glob("*.toml")), ids=lambda path: path.stem)
def test_every_example_rests_where_it_says_and_verdicts_agree_with_numpy(path: Path) -> None:
    user = load(path)
    lr = None if user.map else "1/10"
    system = user.system(lr)
    variety = analyze_system(user, lr=lr)
    assert variety.complete
    assert variety.components
    for component in variety.components:
        point = {
            name: float(getattr(v[0][0], "value", v[0][0]))
            for name, v in component.representative.items()
        }
        assert max(abs(f.evaluate(point, float)) for f in user.flow.values()) < 1e-12
        for kind, stability, rest in (("flow", component.flow, 0), ("map", component.map, 1)):
            equations = getattr(system, kind)
            matrix = np.array(
                [
                    [f.diff(b).evaluate(point, float) for b in system.variables]
                    for f in equations.values()
                ]
            )
            values = np.linalg.eigvals(matrix)
            others = sorted(values, key=lambda v: abs(v - rest))[component.dimension :]
            size = max((v.real if kind == "flow" else abs(v)) for v in others)
            assert size == pytest.approx(stability.extent, abs=1e-7)
            assert (size < rest) == (stability.verdict is Verdict.STABLE)


def test_the_circle_attracts_and_its_centre_does_not() -> None:
    variety = by_id(analyze_system(load(SYSTEMS / "conic.toml"), lr="1/10"))
    assert variety["dim0:a"].flow.verdict is Verdict.UNSTABLE
    assert variety["dim1:a"].flow.verdict is Verdict.STABLE
    assert variety["dim1:a"].map.largest_step == 1
    assert "flow: stable everywhere" in variety["dim1:a"].note


def test_the_largest_step_is_where_the_euler_map_turns_unstable() -> None:
    user = load(SYSTEMS / "two_speed_target.toml")
    variety = analyze_system(user, lr="1/10")
    stable = [c for c in variety.components if c.flow.verdict is Verdict.STABLE]
    steps = sorted({round(c.map.largest_step or 0, 9) for c in stable})
    for factor, expected in ((Fraction(99, 100), True), (Fraction(101, 100), False)):
        lr = Fraction(steps[0]).limit_denominator(10**6) * factor
        verdicts = [c.map.verdict for c in analyze_system(user, lr=lr).components]
        assert (verdicts.count(Verdict.STABLE) == 3) == expected


def test_a_map_alone_is_analysed_and_its_flow_is_not_given() -> None:
    variety = analyze_system(read('variables = ["x"]\n[map]\nx = "3/2*x - x**3/2"\n', "m.toml"))
    assert [c.equations for c in variety.components] == [("x = -1",), ("x = 0",), ("x = 1",)]
    assert [c.map.verdict.value for c in variety.components] == ["stable", "unstable", "stable"]
    assert {c.flow.note for c in variety.components} == {"not given in the file"}


@pytest.mark.parametrize("flow", ["-x**3", "x**2", "x**3"])
def test_what_the_linearisation_cannot_decide_is_undecided(flow: str) -> None:
    (origin,) = analyze_system(
        read(f'variables = ["x"]\n[flow]\nx = "{flow}"\n', "d.toml")
    ).components
    assert origin.flow.verdict is Verdict.UNDECIDED
    assert "degenerate" in origin.flow.note


def test_a_centre_is_undecided_for_the_flow_and_unstable_for_its_euler_map() -> None:
    text = 'variables = ["x", "y"]\n[flow]\nx = "y"\ny = "-x"\n'
    (origin,) = analyze_system(read(text, "centre.toml"), lr="1/10").components
    assert origin.flow.verdict is Verdict.UNDECIDED
    assert origin.map.verdict is Verdict.UNSTABLE
    assert {e.exact for e in origin.flow.spectrum} == {"I", "-I"}


def test_a_line_that_is_degenerate_everywhere_says_so() -> None:
    text = 'variables = ["x", "y"]\n[flow]\nx = "-x**3"\ny = "0"\n'
    (line,) = analyze_system(read(text, "line.toml")).components
    assert line.flow.verdict is Verdict.UNDECIDED
    assert "flow: degenerate at every point" in line.note


@pytest.mark.parametrize("step", ["x - x", "x - (x - 1)*(x - 2)", "x - (x**2 - 1)*x"])
def test_a_map_that_rests_elsewhere_than_its_flow_is_refused(step: str) -> None:
    text = f'variables = ["x"]\n[flow]\nx = "1 - x**2"\n[map]\nx = "{step}"\n'
    with pytest.raises(ScopeError):
        analyze_system(read(text, "f.toml"))


def test_heavy_ball_and_tied_predictors_are_out_of_scope() -> None:
    with pytest.raises(ScopeError):
        built_in("stop-gradient", momentum="1/2")
    with pytest.raises(ScopeError):
        built_in("direct-pred")


def test_renaming_and_moving_the_coordinates_changes_no_verdict() -> None:
    text = 'variables = ["x", "y"]\n[flow]\nx = "x - x**3 + y"\ny = "x*y - 2*y - x**2"\n'
    moved = (
        text.replace('["x", "y"]', '["b", "a"]').replace("\nx =", "\na =").replace("\ny =", "\nb =")
    )
    moved = moved.replace('"x - x**3 + y"', '"((2*a + 1) - (2*a + 1)**3 + (b - 3))/2"')
    moved = moved.replace('"x*y - 2*y - x**2"', '"(2*a + 1)*(b - 3) - 2*(b - 3) - (2*a + 1)**2"')

    def signature(variety: Variety) -> list[tuple[str, float]]:
        return sorted(
            (c.flow.verdict.value, round(c.flow.extent or 0, 8)) for c in variety.components
        )

    one, other = (analyze_system(read(t, "f.toml")) for t in (text, moved))
    assert signature(one) == signature(other)
    assert one.total == other.total


def test_points_of_the_circle_are_smooth_and_real_only_above_its_shadow() -> None:
    circle = ideal(PLANE, "x**2 + y**2 - 1")
    assert len(list(points_over(circle, {"y": Fraction(3, 5)}))) == 2
    assert list(points_over(circle, {"y": Fraction(2)})) == []
    assert real_part(circle).real is Real.YES


def test_a_budget_names_the_stage() -> None:
    with pytest.raises(LimitReached, match=r"bound on the work .* reached in stage"):
        Ideal(PLANE, polynomials(PLANE, "x**2*y - 1", "y**2 - x"), Budget(-1))


def test_conditions_in_words() -> None:
    x = Ring(("x",))
    conditions = polynomials(x, "x**2", "4 - x**2", "9 - x**2", "x**2 + 1")
    assert describe(irredundant(conditions)) == "0 < x**2 < 4"
    assert describe(polynomials(x, "(x - 1)*(2 - x)")) == "1 < x < 2"
    assert describe(polynomials(x, "x**2 - x - 1")) == "x**2 - x > 1"
    assert describe(()) == "everywhere"


def test_letters_go_on_after_z() -> None:
    assert [letters(n) for n in (0, 25, 26, 51, 52, 701, 702)] == [
        "a",
        "z",
        "aa",
        "az",
        "ba",
        "zz",
        "aaa",
    ]


factors = st.sampled_from(["x", "y", "x - 1", "x + y", "x**2 + 1", "x**2 + y**2", "y**2 - 2", "-3"])


@settings(deadline=None)
@given(st.lists(st.lists(factors, min_size=1, max_size=3), min_size=1, max_size=3), st.data())
def test_simplified_conditions_mean_the_same(
    products: list[list[str]], data: st.DataObject
) -> None:
    conditions = polynomials(PLANE, *("*".join(f"({f})" for f in fs) for fs in products))
    simpler = simplified(conditions)
    numbers = st.fractions(-3, 3, max_denominator=4)
    for _ in range(5):
        point = {"x": data.draw(numbers), "y": data.draw(numbers)}
        before = all(f.evaluate(point) > 0 for f in conditions)
        assert all(f.evaluate(point) > 0 for f in simpler) == before


def test_the_stable_focus_of_E3_has_its_exact_characteristic_polynomial() -> None:
    moments = Moments.dense([[8, 2], [2, 1]], [[11, 4], [4, 3]])
    model = Model(moments=moments, embed_dim=2, weight_decay=1)
    system = procedure("stop-gradient").build(model)
    a = [[1, -1], [0, 3]]
    field = rationals_field()
    entries = {f"W_{i + 1}_{j + 1}": a[i][j] for i in (0, 1) for j in (0, 1)}
    entries |= {f"P_{i + 1}_{j + 1}": a[j][i] for i in (0, 1) for j in (0, 1)}
    point = Point({name: field.constant(entries[name]) for name in system.variables}, field)
    assert not any(point.value(f) for f in system.flow.values())
    verdict = stability_at(system.flow, point, 1, "flow")
    assert (verdict.verdict, verdict.how, verdict.neutral) == (Verdict.STABLE, How.PROVED, 1)
    quartic = "x**4 + 73*x**3 + 1000*x**2 + 5344*x + 9888"
    texts = [e.exact or "" for e in verdict.spectrum]
    assert sum(quartic in text for text in texts) == 4
    assert next(e.multiplicity for e in verdict.spectrum if e.exact == "-2") == 3
