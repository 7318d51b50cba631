"""Systems taken apart by factors and linear variables: against brute force, and without a clock."""

from __future__ import annotations

import random
from collections.abc import Sequence
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from empirical.commands import program
from equilibria.errors import LimitReached, NotFinished
from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.systems.system_file import UserSystem, read
from equilibria.varieties.component import How, Variety, Verdict
from equilibria.varieties.elimination import analyze_system, decompose
from equilibria.varieties.elimination import budget as budgets
from equilibria.varieties.elimination.branches import (
    Branch,
    Solved,
    branches,
    exact_quotient,
    irreducible_factors,
    row_reduced,
    substituted,
)
from equilibria.varieties.elimination.budget import Budget, Net
from equilibria.varieties.elimination.decomposition import within
from equilibria.varieties.elimination.engines import ENGINES, Answer, Limits
from equilibria.varieties.elimination.equations import resting
from equilibria.varieties.elimination.ideal import Ideal

SPACE = Ring(("x", "y", "z"))

Affine = tuple[tuple[Fraction, ...], Fraction]


def system(variables: Sequence[str], **equations: str) -> UserSystem:
    names = ", ".join(f'"{name}"' for name in variables)
    lines = [f'{name} = "{text}"' for name, text in equations.items()]
    return read("\n".join([f"variables = [{names}]", "[flow]", *lines]), "s.toml")


class Never:
    """An engine that must not be asked."""

    name = "never"

    def version(self) -> str | None:
        return "0"

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
        raise AssertionError(f"asked for {[f.text() for f in polynomials]}")


@pytest.fixture
def alone(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setitem(ENGINES, "never", Never())
    return "never"


# Products of linear forms: every choice of one factor an equation is a linear system.


def flat(rows: Sequence[Affine]) -> tuple[Affine, ...] | None:
    """Return the reduced rows of an affine system a x = b; None where it has no solution."""
    table = [[*a, b] for a, b in rows]
    size, done = len(table[0]) - 1, 0
    for column in range(size):
        pivot = next((i for i in range(done, len(table)) if table[i][column]), None)
        if pivot is None:
            continue
        table[done], table[pivot] = table[pivot], table[done]
        unit = table[done][column]
        table[done] = [v / unit for v in table[done]]
        for i, row in enumerate(table):
            if i != done and row[column]:
                scale = row[column]
                table[i] = [v - scale * w for v, w in zip(row, table[done], strict=True)]
        done += 1
    if any(row[-1] for row in table[done:]):
        return None
    return tuple((tuple(row[:-1]), row[-1]) for row in table[:done])


def holds_on(outer: tuple[Affine, ...], inner: tuple[Affine, ...]) -> bool:
    """Say whether one flat contains another."""
    return flat([*inner, *outer]) == inner


def form(ring: Ring, row: Affine) -> Polynomial:
    total = ring.constant(-row[1])
    for c, x in zip(row[0], ring.variables(), strict=True):
        total = total + x * c
    return total


def random_row(generator: random.Random, size: int) -> Affine:
    """Return a linear form with many zeros, so that flats of all dimensions come out."""
    while True:
        a = tuple(Fraction(generator.choice([0, 0, 1, -1, 2, 3])) for _ in range(size))
        if any(a):
            return a, Fraction(generator.randint(-2, 2), generator.choice([1, 1, 3]))


@pytest.mark.parametrize("seed", range(12))
def test_products_of_linear_forms_are_the_flats_that_brute_force_finds(
    seed: int, alone: str
) -> None:
    generator = random.Random(seed)
    size = generator.choice([2, 3, 4])
    ring = Ring(("x", "y", "z", "w")[:size])
    factors = [
        [random_row(generator, size) for _ in range(generator.choice([1, 2, 2, 3]))]
        for _ in range(generator.randint(1, size))
    ]
    equations = []
    for rows in factors:
        equations.append(ring.constant(1))
        for row in rows:
            equations[-1] = equations[-1] * form(ring, row) * generator.choice([1, 2, -3])
    flats = {found for choice in product(*factors) if (found := flat(choice)) is not None}
    expected = [f for f in flats if not any(g != f and holds_on(g, f) for g in flats)]
    found = decompose(equations, engine=alone)
    assert found.complete
    ideals = {tuple(sorted(g.text() for g in c.generators)) for c in found.components}
    wanted = {
        tuple(
            sorted(g.text() for g in Ideal(ring, [form(ring, row) for row in f], Budget(9)).basis)
        )
        for f in expected
    }
    assert ideals == wanted


RATES = [
    [10, 7, 8, 3, 6, 2],
    [1, 10, 3, 8, 4, 5],
    [7, 5, 10, 7, 9, 7],
    [6, 9, 7, 10, 4, 6],
    [1, 5, 3, 6, 10, 9],
    [2, 4, 5, 5, 2, 10],
]


def lotka_volterra(rates: Sequence[Sequence[int]]) -> UserSystem:
    names = [f"x{i}" for i in range(len(rates))]
    return system(
        names,
        **{
            name: f"{name}*(10 - ({'+'.join(f'{c}*{x}' for c, x in zip(row, names, strict=True))}))"
            for name, row in zip(names, rates, strict=True)
        },
    )


def test_six_competing_species_have_62_equilibria_two_of_them_singular(alone: str) -> None:
    variety = analyze_system(lotka_volterra(RATES), engine=alone)
    points = {
        tuple(rows[0][0] for rows in component.representative.values())
        for component in variety.components
    }
    unit = [[Fraction(i == j) for j in range(6)] for i in range(6)]
    expected = set()
    for alive in product([False, True], repeat=6):
        rows = [
            (tuple(map(Fraction, RATES[i])), Fraction(10))
            if alive[i]
            else (tuple(unit[i]), Fraction(0))
            for i in range(6)
        ]
        found = flat(rows)
        assert found is not None
        expected.add(tuple(b for _, b in found))
    assert len(expected) == 62  # of 64: two pairs of the linear systems have a common solution
    assert points == expected
    assert variety.complete
    assert variety.total == 62
    assert {c.dimension for c in variety.components} == {0}
    singular = [c for c in variety.components if "degenerate" in c.flow.note]
    assert all(c.flow.verdict is not Verdict.STABLE for c in singular)


# Variables that occur linearly.

TEN = {
    "e1": "-H0*e0 - 5*H0/2 - H1*e1/3 - H1/2 + 3/2",
    "H0": "3*H0*e0 + 4*H0 - H2*e2 - 3/2",
    "d4": "-3*H0*e0 - 3*H0/2 - 3*H3*e3 + 3*H3/2 + 1",
    "H1": "H0*e0 - H4*d4 + 5*H4/2 - 19/6",
    "e2": "2*H1*e1 + H1/2 + 2*H2*e2 - H2/2",
    "H3": "-8*H1*e1/3 + 8*H3*e3 - 4*H3 - 5/4",
    "e0": "H1*e1 + 3*H4*d4 - 6*H4 + 8",
    "e3": "-2*H2*e2 + H2/2 - 6*H3*e3 + 5*H3/2 + 5/6",
    "H4": "H2*e2 - 3*H4*d4 + 7*H4/2 - 65/12",
    "H2": "H3*e3 + H4*d4",
}


def test_ten_unknowns_are_one_surface_and_newton_ends_on_it(alone: str) -> None:
    user = system(list(TEN), **TEN)
    equations = list(resting(user.system()).values())
    found = decompose(equations, engine=alone)
    assert found.complete
    (surface,) = found.components
    assert surface.dimension == 2
    generator = np.random.default_rng(3)
    names, met = user.variables, 0
    slopes = [[f.diff(name) for name in names] for f in equations]
    for _ in range(12):
        x = generator.normal(size=10) * 2
        for _ in range(60):
            point = dict(zip(names, map(float, x), strict=True))
            values = np.array([f.evaluate(point, float) for f in equations])
            jacobian = np.array([[g.evaluate(point, float) for g in row] for row in slopes])
            x = x - np.linalg.pinv(jacobian, rcond=1e-9) @ values
        if np.abs(values).max() < 1e-11:
            met += 1
            sizes = {name: abs(value) for name, value in point.items()}
            for f in surface.generators:
                scale = f.evaluate(sizes, lambda c: abs(float(c)))
                assert abs(f.evaluate(point, float)) < 1e-8 * scale
    assert met >= 3


def test_where_a_divisor_vanishes_is_a_branch_of_its_own(alone: str) -> None:
    # x = z/y off y = 0; at y = 0 a line is left, which the closure of the rest does not hold
    found = decompose([parse("x*y - z", SPACE), parse("z*(z - 1)", SPACE)], engine=alone)
    assert found.complete
    assert {c.generators for c in found.components} == {
        (parse("z", SPACE), parse("x", SPACE)),
        (parse("z", SPACE), parse("y", SPACE)),
        (parse("z - 1", SPACE), parse("x*y - 1", SPACE)),
    }
    cone = decompose([parse("x*y - z**2", SPACE), parse("x*z - y**2", SPACE)], engine=alone)
    assert cone.complete
    assert {c.generators for c in cone.components} >= {
        (parse("z", SPACE), parse("y", SPACE)),  # where the divisor y and the rest z**2 vanish
        (parse("y - z", SPACE), parse("x - z", SPACE)),
    }
    assert len(cone.components) == 3
    nothing = decompose([parse("x*y - 1", SPACE), parse("y*z", SPACE), parse("z - x", SPACE)])
    assert (nothing.components, nothing.complete) == ((), True)


def holds(branch: Branch, point: dict[str, Fraction]) -> bool:
    return (
        not any(f.evaluate(point) for f in branch.equations)
        and all(g.evaluate(point) for g in branch.nonzero)
        and not any(s.equation.evaluate(point) for s in branch.solved)
        and all(s.divisor.evaluate(point) for s in branch.solved)
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_point_is_on_a_system_exactly_where_it_is_on_a_branch(seed: int) -> None:
    generator = random.Random(seed)
    texts = ["x", "y - 1", "y + z", "x*y - z**2", "x*z - y**2", "y**2 - x", "2*x - y*z", "z**2"]
    texts += ["x*y + z*y**2 - z*x", "x*(y - 1) + z**2*(y - 1) + y - z"]
    equations = [
        parse("*".join(f"({generator.choice(texts)})" for _ in range(2)), SPACE) for _ in range(2)
    ]
    parts = branches(equations, Budget(10))
    values = [Fraction(-1), Fraction(0), Fraction(1), Fraction(2), Fraction(1, 2)]
    seen = 0
    for x, y, z in product(values, repeat=3):
        point = {"x": x, "y": y, "z": z}
        on = not any(f.evaluate(point) for f in equations)
        assert any(holds(part, point) for part in parts) == on
        seen += on
    assert seen


def test_a_substitution_is_the_equation_times_a_power_of_the_divisor() -> None:
    f = parse("x**2*y + 3*x*z - 1", SPACE)
    solved = Solved("x", parse("y + 1", SPACE), parse("z - 2", SPACE))
    assert substituted(f, solved) == parse("(2 - z)**2*y + 3*(2 - z)*z*(y + 1) - (y + 1)**2", SPACE)
    assert substituted(parse("y - z", SPACE), solved) == parse("y - z", SPACE)


def test_rows_factors_and_quotients_are_exact() -> None:
    rows = row_reduced([parse(t, SPACE) for t in ("x*y + z", "2*x*y + y", "y - 2*z")], Budget(1))
    assert set(rows) == {parse("x*y + z", SPACE), parse("y - 2*z", SPACE)}
    assert irreducible_factors(parse("-2*x**2*(y - z/3)**3", SPACE)) == [
        parse("3*y - z", SPACE),
        parse("x", SPACE),
    ]
    f, g = parse("x*y - z + 1", SPACE), parse("x**2 - y*z", SPACE)
    assert exact_quotient(f * g, g) == f
    assert exact_quotient(f * g + 1, g) is None


# Limits count work.

HARD = {
    "x": "x**2*y - y**3 + x*z**2 - 2*x",
    "y": "x*y**2 + x**3 - 3*y*z**2 + y",
    "z": "z**3 - x**2*z**2 + x*y*z + y**2 - z",
}


def answer(variety: Variety) -> list[object]:
    return [
        variety.complete,
        variety.why,
        variety.description,
        [(c.id, c.equations, c.note, c.flow.verdict, c.map.verdict) for c in variety.components],
    ]


class Clock:
    """A clock on which every look takes so many seconds."""

    def __init__(self, step: float) -> None:
        self.now, self.step = 0.0, step

    def __call__(self) -> float:
        self.now += self.step
        return self.now


CLOCKED = [
    (lotka_volterra([row[:3] for row in RATES[:3]]), 60.0),
    (system(["x", "y"], x="x**2 + y**2 - 5", y="x*y**2 + x**3 - 3*y + 1"), 60.0),
    (system(list(HARD), **HARD), 0.02),
]


@pytest.mark.parametrize("place", range(len(CLOCKED)))
def test_the_answer_is_the_same_on_any_clock_or_there_is_none(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    user, limit = CLOCKED[place]
    first = answer(analyze_system(user, time_limit=limit, engine="sympy", starts=32))
    ended = []
    for step in (0.0, 1e6):
        clock = Clock(step)
        for name in ("time", "monotonic", "perf_counter", "process_time"):
            monkeypatch.setattr(budgets.time, name, clock)
        try:
            found = analyze_system(user, time_limit=limit, engine="sympy", starts=32)
        except NotFinished:
            ended.append(step)
        else:
            assert answer(found) == first
        finally:
            monkeypatch.undo()
    assert 0.0 not in ended


def test_a_budget_is_spent_by_its_shares_and_its_net_ends_without_an_answer() -> None:
    whole = Budget(1)
    part = whole.share(0.5)
    assert part.left == 0.5
    part.spend(400_000, "here")
    assert (whole.left, part.left) == (0.6, 0.1)
    with pytest.raises(LimitReached, match="stage `there`"):
        part.spend(200_000, "there")
    other = Budget(1)
    with pytest.raises(LimitReached):
        other.share(5).spend(1_100_000, "whole")  # a share cannot have more than there is
    over = Budget(1, net=Net(-1))
    over.spend(10, "soon")
    with pytest.raises(NotFinished, match="stage `late`"):
        over.share(0.9).spend(100_000, "late")
    assert within(60).net is not None


def test_an_engine_counts_its_work_and_stops_at_the_same_place() -> None:
    equations = list(system(list(HARD), **HARD).flow.values())
    answers = [ENGINES["sympy"].minimal_primes(equations, Limits(work=0.05)) for _ in range(2)]
    assert answers[0] == answers[1]
    assert not answers[0].complete
    assert answers[0].note == "its bound on the work (0.05 s)"
    assert 50_000 < answers[0].steps < 80_000


def test_every_product_and_every_leading_monomial_is_counted() -> None:
    pytest.importorskip("sympy")
    from sympy import QQ
    from sympy.polys.orderings import grevlex
    from sympy.polys.rings import PolyRing

    from equilibria.varieties.elimination.engines.sympy_primes import COMPARISONS, GCD, TERM, Work

    for weight in (1, 8):
        work = Work(10**6)
        ring = work.counted(PolyRing(["x", "y"], QQ, grevlex), weight)
        x, y = ring.gens
        f, g = x + y + 1, x - y  # sums multiply nothing
        assert 10**6 - work.left == 0
        product = f * g
        assert 10**6 - work.left == weight * TERM * 6
        work.left = 100
        assert product.LM == (2, 0)
        assert 100 - work.left == weight * (1 + len(product) // COMPARISONS)
        long = f * 2 ** (64 * 10)  # ten words: a step for every GCD products of words
        work.left = 100
        assert long.LM == (1, 0)
        assert 100 - work.left == weight * (1 + 3 * (100 // GCD))


def test_a_system_of_which_nothing_is_found_in_time_is_a_limit_and_not_an_empty_list() -> None:
    equations = list(system(list(HARD), **HARD).flow.values())
    with pytest.raises(LimitReached, match=r"sympy \S+ was stopped by its bound"):
        decompose(equations, engine="sympy", time_limit=0.02)


def test_no_answer_in_time_is_exit_code_3(
    monkeypatch: pytest.MonkeyPatch, tmp_path: object, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Net, "left", -1.0)
    path = f"{tmp_path}/lv.toml"
    names = [f"x{i}" for i in range(6)]
    user = lotka_volterra(RATES)
    lines = [f"variables = {names}".replace("'", '"'), "[flow]"]
    lines += [f'{name} = "{f.text()}"' for name, f in (user.flow or {}).items()]
    with open(path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines))
    assert program.main(["equilibria", "--procedure", path]) == 3
    output = capsys.readouterr()
    assert output.err.startswith("error: not finished, and no list is complete")
    assert output.out == ""


def test_what_is_exact_is_kept_where_another_branch_reaches_a_limit() -> None:
    hard = {name: f"w*({text})" for name, text in HARD.items()}
    user = system(["x", "y", "z", "w"], **hard, w="w*(w - 1)")
    variety = analyze_system(user, engine="sympy", time_limit=0.02, starts=64)
    assert not variety.complete
    assert variety.total is None
    assert "1 of 2 branches of the system could not be decomposed" in variety.why
    space, *others = variety.components
    assert (space.id, space.dimension, space.equations) == ("dim3:a", 3, ("w = 0",))
    assert space.flow.how is not How.NUMERIC
    assert others
    for component in others:
        assert component.flow.how is How.NUMERIC
        assert component.representative["w"][0][0] == pytest.approx(1)
    assert len({c.id for c in variety.components}) == len(variety.components)


# The same components, ids and order by any route.

ROUTES = [
    system(["x", "y"], x="x*(3 - x - 2*y)", y="y*(2 - x - y)"),
    system(["x", "y", "z"], x="1 - x*y", y="-y*z", z="-y*z"),
    system(["x", "y", "z"], x="x*(x**2 + y**2 - 1)", y="y*(x**2 + y**2 - 1)", z="z*(z**2 - x)"),
    system(["x", "y"], x="x**2 + y**2 - 5", y="x*y**2 + x**3 - 3*y + 1"),
]


@pytest.mark.parametrize("place", range(len(ROUTES)))
def test_ids_and_order_do_not_depend_on_the_route(
    place: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(engine: str) -> list[object]:
        found = analyze_system(ROUTES[place], engine=engine)
        assert found.complete
        return [(c.id, c.equations, c.flow.verdict) for c in found.components]

    routes = [listed(name) for name in ("sympy", "flint") if ENGINES[name].version()]
    monkeypatch.setattr(
        "equilibria.varieties.elimination.decomposition._branches",
        lambda given, budget: [Branch(tuple(given))],
    )
    routes += [listed(name) for name in ("sympy", "flint") if ENGINES[name].version()]
    assert all(route == routes[0] for route in routes)
