"""Random exact systems through two engines and the closed forms: the same components, exactly."""

from __future__ import annotations

import random
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from types import FrameType

import pytest

import equilibria as eq
from equilibria.elimination.agreement import compare
from equilibria.elimination.decomposition import covers
from equilibria.elimination.ideal import Deadline, Ideal
from equilibria.elimination.reality import Real, try_real_part
from equilibria.engines import ENGINES, Answer, Engine, Limits, choose
from equilibria.errors import ConsistencyError, EngineMissing, LimitReached
from equilibria.grammar import parse
from equilibria.model import Model
from equilibria.moments import Moments
from equilibria.polynomial import Polynomial, Ring
from equilibria.procedures import procedure

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
    return [
        x - last * generator.randint(-3, 3) - rational(generator, -4, 4, 2) for x in others
    ]


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
        found.append({name: v if isinstance(v, float) else Fraction(v) for name, v in values.items()})
    return found


def mirrored(point: Point) -> Point:
    """Return the same point after the rotation by -1."""
    return {name: value if name[0] == "P" else -value for name, value in point.items()}


def check_strata(model: Model, ideals: Sequence[Ideal]) -> None:
    """Every stratum on exactly one component, every real component with a stratum."""
    strata = representatives(model)
    for point in strata:
        holding = [ideal for ideal in ideals if on(ideal.basis, point)]
        assert len(holding) == 1, f"{point} lies on {len(holding)} components"
    known = [*strata, *map(mirrored, strata)]
    for ideal in ideals:
        real = try_real_part(ideal.within(Deadline(10)))
        assert real.real is not Real.UNKNOWN, real.how
        if real.real is Real.YES:
            assert any(on(ideal.basis, point) for point in known), ideal.basis
        for found in real.points if ideal.dimension == 0 else ():
            near = found.floats()
            assert any(
                all(abs(float(p[name]) - v) <= 1e-9 * (1 + abs(v)) for name, v in near.items())
                for p in known
            ), near


class Here:
    """sympy's algorithm without a program of its own: forty starts would take a minute."""

    name = "sympy"

    def version(self) -> str | None:
        return ENGINES["sympy"].version()

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
        from sympy import QQ
        from sympy.polys.orderings import grevlex
        from sympy.polys.rings import PolyElement, PolyRing

        from equilibria.engines.sympy_primes import minimal_primes

        names = polynomials[0].ring.names
        ring = PolyRing(names, QQ, grevlex)
        ours = polynomials[0].ring
        primes: list[tuple[Polynomial, ...]] = []

        def emit(basis: list[PolyElement]) -> None:
            primes.append(tuple(parse(str(f.as_expr()), ours) for f in basis))

        def stop(_number: int, _frame: FrameType | None) -> None:
            raise TimeoutError

        given = [parse_into(ring, f) for f in polynomials]
        before = signal.signal(signal.SIGALRM, stop)
        signal.setitimer(signal.ITIMER_REAL, limits.seconds)
        try:
            minimal_primes(given, emit)
        except TimeoutError:
            return Answer(self.name, self.version() or "?", tuple(primes), False, "time")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        return Answer(self.name, self.version() or "?", tuple(primes), True)
