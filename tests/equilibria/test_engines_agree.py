"""Random exact systems through two engines and the closed forms: the same components, exactly."""

from __future__ import annotations

import importlib
import io
import random
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from fractions import Fraction
from importlib.metadata import PackageNotFoundError
from itertools import combinations, islice
from types import FrameType

import pytest

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.errors import ConsistencyError, EngineMissing, LimitReached, NotFinished
from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.systems.model import Model
from equilibria.systems.procedures import procedure
from equilibria.varieties.elimination.agreement import compare
from equilibria.varieties.elimination.budget import Budget
from equilibria.varieties.elimination.cores import covers
from equilibria.varieties.elimination.decomposition import decompose
from equilibria.varieties.elimination.engines import ENGINES, Answer, Limits, choose
from equilibria.varieties.elimination.engines.base import Outcome
from equilibria.varieties.elimination.ideal import Ideal
from equilibria.varieties.elimination.reality import Real, try_real_part

PLANE = Ring(("x", "y"))
SPACE = Ring(("x", "y", "z"))
NEAR, FAR = 1e-12, 1e-7
FREE_VALUE = Fraction(17, 13)

Point = dict[str, Fraction | float]

needs_flint = pytest.mark.skipif(
    ENGINES["flint"].version() is None, reason="python-flint is not installed"
)


@dataclass(frozen=True)
class Case:
    """A system with what is known about it: planted components, or the model that it comes from."""

    kind: str
    system: tuple[Polynomial, ...]
    planted: tuple[tuple[Polynomial, ...], ...] | None = None
    model: Model | None = None


# Random systems.


def cases(seed: int) -> Iterator[Case]:
    """Yield systems without end: of ten, five of this project, two planted and three random."""
    generator = random.Random(seed)
    while True:
        for make in (learning, planted, learning, scattered, learning) * 2:
            yield make(generator)


def rational(generator: random.Random, low: int, high: int, below: int = 4) -> Fraction:
    return Fraction(generator.randint(low, high), generator.randint(1, below))


def learning(generator: random.Random) -> Case:
    """Return one row and one or two modes, or two rows and one mode with W_2_1 turned to 0."""
    name = generator.choice(["stop-gradient", "stop-gradient", "ema", "ema", "joint"])
    n, d = generator.choice([(1, 1), (1, 2), (1, 2), (2, 1)])
    total = [rational(generator, 1, 6) for _ in range(d)]
    # Admissible moments have |m| <= s; the other procedures do not need that.
    widest = Fraction(9, 10) if name == "joint" else Fraction(2)
    signal_values = [
        s * widest * Fraction(generator.choice([-3, -1, 1, 2, 3, 4]), 4) for s in total
    ]
    eta = generator.choice([Fraction(0), Fraction(1, 20), rational(generator, 1, 3, 12)])
    model = Model(
        procedure=name,
        moments=moments(generator, n, total, signal_values, eta),
        embed_dim=n,
        weight_decay=eta,
        predictor_lr=generator.choice([Fraction(1), rational(generator, 1, 5)]),
        predictor_weight_decay=eta * generator.choice([1, 1, Fraction(1, 2), 2]),
        ema=generator.choice(["0.9", "0.99"]) if name == "ema" else None,
    )
    built = procedure(name).build(model)
    gauge = [Ring(built.variables).variable("W_2_1")] if n == 2 else []
    kind = f"{name} ({n},{d}){'' if eta else ', no decay'}"
    return Case(kind, (*built.flow.values(), *gauge), model=model)


def moments(
    generator: random.Random,
    n: int,
    total: list[Fraction],
    signal_values: list[Fraction],
    eta: Fraction,
) -> Moments:
    """Return commuting moments, or for one row with decay sometimes a pair that does not commute."""
    if n == 1 and len(total) == 2 and eta and generator.random() < 0.2:
        mixed = min(total) / 3
        sigma = [[total[0], mixed], [mixed, total[1]]]
        return Moments.dense(sigma, [[signal_values[0] / 2, 0], [0, signal_values[1] / 2]])
    return Moments.commuting(total=total, signal=signal_values)


def planted(generator: random.Random) -> Case:
    """Return the products of the equations of a few points, lines and conics."""
    ring = generator.choice([PLANE, SPACE])
    chosen = generator.sample([point, line, conic], 2) + generator.choices([point, line])
    pieces = [tuple(piece(generator, ring)) for piece in chosen[: generator.randint(2, 3)]]
    products = [ring.constant(1)]
    for piece in pieces:
        products = [f * g for f in products for g in piece]
    return Case("planted", tuple(products), planted=tuple(pieces))


def point(generator: random.Random, ring: Ring) -> list[Polynomial]:
    return [x - rational(generator, -4, 4, 2) for x in ring.variables()]


def line(generator: random.Random, ring: Ring) -> list[Polynomial]:
    *others, last = ring.variables()
    return [x - last * generator.randint(-3, 3) - rational(generator, -4, 4, 2) for x in others]


def conic(generator: random.Random, ring: Ring) -> list[Polynomial]:
    """Return a parabola, a hyperbola or an ellipse (with or without real points): irreducible."""
    x, y, *others = ring.variables()
    a = generator.choice([-3, -2, -1, 1, 2, 3])
    curve = generator.choice([y - x * x * a + 1, x * y - a, x * x + y * y * 2 + a])
    return [curve, *(z - x - generator.randint(-2, 2) for z in others)]


def scattered(generator: random.Random) -> Case:
    """Return two or three sparse equations with small coefficients."""
    ring = generator.choice([PLANE, PLANE, SPACE])
    size = len(ring.names)
    degree = 3 if size == 2 else 2
    system = []
    for _ in range(generator.randint(2, size)):
        f = ring.constant(generator.randint(-2, 2))
        for _ in range(generator.randint(2, 4)):
            term = ring.constant(generator.choice([-3, -2, -1, 1, 2, 3]))
            for _ in range(generator.randint(1, degree)):
                term = term * generator.choice(ring.variables())
            f = f + term
        system.append(f)
    return Case(f"random, {size} variables", tuple(f for f in system if f) or (ring.constant(1),))


# What is compared.


def on(prime: Sequence[Polynomial], point: Point) -> bool:
    """Say whether a point solves the equations: exactly, or to 1e-12 of the size of their terms."""
    if all(isinstance(value, Fraction) for value in point.values()):
        return not any(f.evaluate(point) for f in prime)
    floats = {name: float(value) for name, value in point.items()}
    sizes = {name: abs(value) for name, value in floats.items()}
    misses = []
    for f in prime:
        scale = f.evaluate(sizes, lambda c: abs(float(c))) or 1.0
        misses.append(abs(f.evaluate(floats, float)) / scale)
    assert max(misses) < NEAR or max(misses) > FAR, f"neither on nor off: {max(misses)}"
    return max(misses) < NEAR


def representatives(model: Model) -> list[Point]:
    """Return one point for each stratum of the closed forms; it lies on no other stratum."""
    found = []
    for component in eq.analyze(model).components:
        values: Point = {
            f"{letter}_{i}_{j}": getattr(entry, "value", entry)
            for letter, rows in component.representative.items()
            for i, row in enumerate(rows, start=1)
            for j, entry in enumerate(row, start=1)
        }
        if component.rank == 0 and component.dimension > 0:  # {W = 0, P free}: leave the others
            values |= {name: FREE_VALUE for name in values if name[0] == "P"}
        found.append(
            {name: v if isinstance(v, float) else Fraction(v) for name, v in values.items()}
        )
    return found


def mirrored(model: Model, point: Point) -> Iterator[Point]:
    """Yield the point and its mirror images: W -> -W, and each mode alone where they decouple."""
    modes = range(1, model.d + 1)
    groups = [(j,) for j in modes] if model.moments.is_diagonal else [tuple(modes)]
    for size in range(len(groups) + 1):
        for turned in combinations(groups, size):
            columns = [str(j) for group in turned for j in group]
            yield {
                name: -value if name[0] != "P" and name.rsplit("_", 1)[1] in columns else value
                for name, value in point.items()
            }


def check_strata(model: Model, ideals: Sequence[Ideal]) -> None:
    """Every stratum on exactly one component, every real component with a stratum."""
    strata = representatives(model)
    for point in strata:
        holding = [ideal for ideal in ideals if on(ideal.basis, point)]
        assert len(holding) == 1, f"{point} lies on {len(holding)} components"
    known = [image for point in strata for image in mirrored(model, point)]
    for ideal in ideals:
        real = try_real_part(ideal.within(Budget(10)))
        assert real.real is not Real.UNKNOWN, real.how
        if real.real is Real.YES:
            assert any(on(ideal.basis, point) for point in known), ideal.basis
        for found in real.points if ideal.dimension == 0 else ():
            near = found.floats()
            assert any(
                all(abs(float(p[name]) - v) <= 1e-9 * (1 + abs(v)) for name, v in near.items())
                for p in known
            ), near


def run_here(
    command: Sequence[str], text: str, limits: Limits, _environment: Mapping[str, str]
) -> Outcome:
    """Run an engine's worker in this process: starting a program for each system takes longer."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise TimeoutError

    output = io.StringIO()
    before = signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, limits.seconds)
    stdin, sys.stdin = sys.stdin, io.StringIO(text)
    try:
        with redirect_stdout(output):
            importlib.import_module(command[-1]).main()
    except TimeoutError as error:
        raise NotFinished("stopped") from error
    finally:
        sys.stdin = stdin
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)
    return Outcome(output.getvalue(), 0)


def installed() -> list[str]:
    """Return the engines that are here, the fastest first."""
    return [name for name in ("flint", "singular", "sympy") if ENGINES[name].version()]


def check(case: Case, names: Sequence[str], limits: Limits) -> str:
    """Compare the engines, the planted answer, our own arithmetic and the closed forms.

    Returns `decided`, or `undecided by limit`; disagreement raises.
    """
    try:
        return "decided" if agreed(case, names, limits) else "undecided by limit"
    except (LimitReached, NotFinished):
        return "undecided by limit"
    except (AssertionError, ConsistencyError) as error:
        error.add_note(f"{case.kind}: {', '.join(f.text() for f in case.system)}")
        raise


def agreed(case: Case, names: Sequence[str], limits: Limits) -> bool:
    found = [ENGINES[name].minimal_primes(case.system, limits) for name in names]
    complete = [answer for answer in found if answer.complete]
    if case.planted is not None:
        found.append(Answer("planted", "", case.planted, True))
    for one, other in combinations(found, 2):
        compare(one, other, case.system)
    if len(complete) < 2:
        return False
    ring, budget = case.system[0].ring, Budget(10)
    ideals = visible([Ideal(ring, prime, budget) for prime in complete[0].primes])
    assert covers(ideals, Ideal(ring, case.system, Budget(5))) is not False
    if case.model is not None:
        check_strata(case.model, ideals)
    return True


def visible(ideals: Sequence[Ideal]) -> list[Ideal]:
    """Leave out what lies inside another component."""
    return [
        p
        for p in ideals
        if not any(q is not p and all(p.contains(g) for g in q.basis) for q in ideals)
    ]


def run(number: int, seed: int, engines: Sequence[Sequence[str]], limits: Limits) -> Counter[str]:
    """Check so many systems, taking the lists of engines in turn, and print a summary line."""
    tally, kinds = Counter[str](), Counter[str]()
    for index, case in enumerate(islice(cases(seed), number)):
        result = check(case, engines[index % len(engines)], limits)
        tally[result] += 1
        kinds[f"{case.kind}: {result}"] += 1
    used = ", ".join(sorted({name for names in engines for name in names}))
    counts = ", ".join(f"{count} {result}" for result, count in sorted(tally.items()))
    print(f"\n{number} systems tried through {used}: {counts}")
    print("  " + "; ".join(f"{kind} {count}" for kind, count in sorted(kinds.items())))
    return tally


def test_forty_systems_agree(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [name for name in installed() if name != "sympy"]
    if not others:
        pytest.skip("needs python-flint or Singular beside sympy")
    for name in ("sympy", "flint"):
        monkeypatch.setattr(
            f"equilibria.varieties.elimination.engines.{name}_engine.run_program", run_here
        )
    tally = run(40, seed=1, engines=[[others[0], "sympy"]], limits=Limits(work=5, seconds=30))
    assert tally["decided"] >= 38


@pytest.mark.slow
def test_two_hundred_systems_agree_through_the_real_programs() -> None:
    names = installed()
    if len(names) < 2:
        pytest.skip("needs python-flint or Singular beside sympy")
    # sympy needs a second to start: where there are three engines it answers every fourth system.
    tally = run(
        240, seed=2026, engines=[names, *[names[:2]] * 3], limits=Limits(work=20, seconds=60)
    )
    assert tally["decided"] >= 200


# A comparison that can fail.

CIRCLE, POINT = ["x**2 + y**2 - 1"], ["x - 2", "y"]


def told(engine: str, *primes: Sequence[str], complete: bool = True) -> Answer:
    ideals = tuple(tuple(parse(text, PLANE) for text in prime) for prime in primes)
    return Answer(engine, "1", ideals, complete, "" if complete else "the time limit of 1 s")


CIRCLE_AND_POINT = tuple(parse(f"(x**2 + y**2 - 1)*{factor}", PLANE) for factor in ("(x - 2)", "y"))


def test_the_same_components_by_other_equations_and_redundant_ones_agree() -> None:
    right = told("first", CIRCLE, POINT)
    other = told("second", ["2*x - 4 + y", "3*y"], ["2 - 2*x**2 - 2*y**2"], ["x - 1", "y"])
    compare(right, other, CIRCLE_AND_POINT)
    compare(other, right, CIRCLE_AND_POINT)


@pytest.mark.parametrize(
    ("doctored", "complaint"),
    [
        ([CIRCLE], "lies in no component of"),
        ([POINT], "lies in no component of"),
        ([], "lies in no component of"),
        ([CIRCLE, POINT, ["x - 3", "y"]], "does not vanish on doctored 1's"),
        ([["x**2 + y**2 - 2"], POINT], "does not vanish on doctored 1's"),
        ([CIRCLE, ["x - 2", "2*y - 1"]], "does not vanish on doctored 1's"),
        ([["x**3 - 2*x**2 + x*y**2 - 2*y**2 - x + 2", "y*(x**2 + y**2 - 1)"]], "no component"),
        ([[f.text() for f in CIRCLE_AND_POINT]], "no component"),  # true, but not prime
    ],
)
def test_a_doctored_answer_is_refused_with_both_answers(
    doctored: list[list[str]], complaint: str
) -> None:
    right, wrong = told("honest", CIRCLE, POINT), told("doctored", *doctored)
    for pair in ((right, wrong), (wrong, right)):
        with pytest.raises(ConsistencyError, match=complaint) as caught:
            compare(*pair, CIRCLE_AND_POINT)
        message = str(caught.value)
        assert "honest 1 (complete):\n  x**2 + y**2 - 1\n  x - 2, y" in message
        shown = [", ".join(parse(text, PLANE).text() for text in prime) for prime in doctored]
        assert "\n  ".join(["doctored 1 (complete):", *(shown or ["no zeros"])]) in message


def test_an_incomplete_answer_may_miss_components_but_not_invent_them() -> None:
    part = told("stopped", POINT, complete=False)
    compare(part, told("honest", CIRCLE, POINT), CIRCLE_AND_POINT)
    with pytest.raises(ConsistencyError, match=r"stopped 1 \(incomplete: the time limit of 1 s\)"):
        compare(part, told("second", CIRCLE), CIRCLE_AND_POINT)


def test_a_comparison_without_time_decides_nothing() -> None:
    right = told("first", CIRCLE, POINT)
    with pytest.raises(LimitReached):
        compare(right, right, CIRCLE_AND_POINT, time_limit=-1)


# The flint engine itself.


@needs_flint
def test_flint_runs_as_a_program_and_its_answer_is_checked() -> None:
    found = decompose([parse(text, PLANE) for text in ("x**2 - 2", "y**2 - 2")], engine="flint")
    assert found.complete
    assert found.engine.startswith("flint 0.")
    assert [[g.text() for g in c.generators] for c in found.components] == [
        ["x + y", "y**2 - 2"],
        ["x - y", "y**2 - 2"],
    ]


@needs_flint
def test_flint_says_what_stopped_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hard = procedure("stop-gradient").build(Model()).flow.values()  # 2 x 2, the gauge not fixed
    with pytest.raises(NotFinished, match="used its 1 s of processor time"):
        ENGINES["flint"].minimal_primes(list(hard), Limits(seconds=1))
    monkeypatch.setattr(
        "equilibria.varieties.elimination.engines.flint_engine.run_program", run_here
    )
    monkeypatch.setattr("equilibria.varieties.elimination.engines.flint_primes.GROWTH", (1, 1, 8))
    answer = ENGINES["flint"].minimal_primes(CIRCLE_AND_POINT, Limits())
    assert not answer.complete
    assert "1 branch not decomposed" in answer.note


@needs_flint
def test_flint_never_calls_an_answer_complete_after_giving_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "equilibria.varieties.elimination.engines.flint_engine.run_program", run_here
    )
    standings = Counter[bool]()
    for case in islice((c for c in cases(5) if c.planted), 12):
        right = Answer("planted", "", case.planted or (), True)
        for size in range(4, 40, 3):
            monkeypatch.setattr(
                "equilibria.varieties.elimination.engines.flint_primes.GROWTH",
                (size, size, 12 * size),
            )
            answer = ENGINES["flint"].minimal_primes(case.system, Limits())
            compare(answer, right, case.system)
            standings[answer.complete] += 1
    assert min(standings[True], standings[False]) > 20


@needs_flint
def test_flint_tells_factors_apart_by_coefficients_beyond_64_bits() -> None:
    factors = [f"x*y - {10**30}", f"x*y - {10**30 + 7}"]
    system = [parse(f"({factors[0]})*({factors[1]})", PLANE)]
    answer = ENGINES["flint"].minimal_primes(system, Limits())
    compare(answer, told("planted", *([text] for text in factors)), system)
    assert answer.complete


def test_a_missing_flint_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> str:
        raise PackageNotFoundError(name)

    monkeypatch.setattr("equilibria.varieties.elimination.engines.flint_engine.version", absent)
    with pytest.raises(EngineMissing, match="flint") as caught:
        choose("flint")
    assert caught.value.hint == "pip install python-flint"
    with pytest.raises(EngineMissing):
        ENGINES["flint"].minimal_primes(CIRCLE_AND_POINT, Limits())
