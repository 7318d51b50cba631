"""Against every Riemannian metric: an equilibrium whose linearization is not symmetrizable.

If f = -G(x)^-1 grad V, the linearization at an equilibrium is similar to a symmetric matrix (T3.4).
One non-real eigenvalue or one Jordan block at one equilibrium therefore excludes every metric that
is defined near it. Equilibria are searched where they are known exactly; what the caller has found
numerically may be passed in. Finding nothing proves nothing, and is reported as None.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from math import isqrt

from equilibria.gradient.obstructions import aligned_witnesses
from equilibria.gradient.report import AnyMetric, EquilibriumSpectrum, MetricWitness
from equilibria.gradient.spectrum import MAX_SIZE, exact_witness
from equilibria.gradient.submodel import entry, leading_entry, submodel
from equilibria.systems.model import Model
from equilibria.varieties.component import How

EXCLUDED = "No Riemannian metric on a neighbourhood of that equilibrium makes it a gradient field"
CLOSED = "No Riemannian metric on a neighbourhood of that periodic orbit makes it a gradient field"
NOTHING = (
    "Whether some Riemannian metric makes it a gradient field is open: no equilibrium with a "
    "non-real eigenvalue or a Jordan block was found"
)
RESIDUAL_TOLERANCE = 1e-9
IMAGINARY_TOLERANCE = 1e-4


def any_metric(model: Model, equilibria: Sequence[EquilibriumSpectrum] = ()) -> AnyMetric:
    """Return the first obstruction to every Riemannian metric, proved ones before numeric ones."""
    from equilibria.gradient.orbit import periodic_orbit

    orbit = periodic_orbit(model, equilibria)
    numeric = None
    for witness in _witnesses(model, equilibria):
        if witness.how is How.PROVED:
            return AnyMetric(False, How.PROVED, EXCLUDED, witness, orbit)
        numeric = numeric or witness
    if numeric is not None:
        return AnyMetric(False, How.NUMERIC, EXCLUDED, numeric, orbit)
    if orbit is not None:
        return AnyMetric(False, How.NUMERIC, CLOSED, orbit, orbit)
    return AnyMetric(None, None, NOTHING)


def metric_of(model: Model, equilibria: Sequence[EquilibriumSpectrum]) -> AnyMetric:
    """Return the first obstruction at given equilibria alone: hidden layers, turned views."""
    for witness in _given(model, equilibria):
        return AnyMetric(False, witness.how, EXCLUDED, witness)
    return AnyMetric(None, None, NOTHING)


def _witnesses(model: Model, equilibria: Sequence[EquilibriumSpectrum]) -> Iterator[MetricWitness]:
    if model.traits.bootstraps:
        if not model.eta_p:
            yield from _free_predictor(model)
        yield from _double_rate(model)
        yield from aligned_witnesses(model)
    yield from _given(model, equilibria)


def _free_predictor(model: Model) -> Iterator[MetricWitness]:
    """Without predictor decay W = T = 0 is an equilibrium for every P; choose P.

    n >= 2: with P = [[0, -1], [1, 0]] on two outputs the encoder obeys, as a complex row vector,
    z' = z (i M - Sigma - eta); the imaginary parts of these eigenvalues add up to tr M.
    EMA, one mode: l^2 + (p^2 s + eta + beta) l + beta (p^2 s + eta - p m) with p m < 0.
    """
    place = leading_entry(model.moments)
    if place is None:
        return
    columns = (place[0],) if model.moments.is_diagonal else tuple(range(model.d))
    if len(columns) <= 4:
        for rows, point in _free_points(model, place[0]):
            small = submodel(model, rows, columns)
            if _size(small.model) > MAX_SIZE:
                continue
            found = exact_witness(small.system, point, component="rank0")
            if found is not None:
                shown = {small.outer(name): value for name, value in found.equilibrium.items()}
                yield found._replace(equilibrium=shown)
                return
    trace = sum((entry(model.moments, "M", j, j) for j in range(model.d)), Fraction(0))
    if model.n >= 2 and trace:
        matrix = "i*M - Sigma - eta" if model.traits.own_target else "the EMA block"
        what = (
            "the imaginary parts of its eigenvalues"
            if model.traits.own_target
            else "the imaginary parts of its squared eigenvalues"
        )
        size = trace if model.traits.own_target else 2 * model.flow_rate * trace
        yield MetricWitness(
            "nonreal-eigenvalue",
            "rank0",
            {"P_1_2": Fraction(-1), "P_2_1": Fraction(1)},
            (),
            How.PROVED,
            exact=f"{matrix} acts on the first row of W + i*(second row); {what} sum to {size}",
        )


def _free_points(model: Model, j: int) -> Iterator[tuple[int, dict[str, Fraction]]]:
    """Yield candidate predictors on the input mode j, simple numbers first."""
    if model.traits.has_target:
        s, m = entry(model.moments, "Sigma", j, j), entry(model.moments, "M", j, j)
        level = max((model.flow_rate - model.eta) / s, Fraction(0))
        near = Fraction(isqrt(int(level * 2**40)), 2**20)
        sign = -1 if m > 0 else 1
        sizes = dict.fromkeys([*(near.limit_denominator(k) for k in (1, 4, 64)), Fraction(1, 8)])
        for size in sizes:
            if size:
                yield 1, {"P_1_1": sign * size}
    if model.n >= 2:
        yield 2, {"P_1_2": Fraction(-1), "P_2_1": Fraction(1)}


def _double_rate(model: Model) -> Iterator[MetricWitness]:
    """At full collapse the pair (W_ij, T_ij) has [[-eta, 0], [beta, -beta]]: a block if equal."""
    if model.traits.has_target and model.flow_rate == model.eta:
        eta = model.eta
        exact = f"(W_1_1, T_1_1): [[-{eta}, 0], [{eta}, -{eta}]], a Jordan block at -{eta}"
        yield MetricWitness("jordan-block", "rank0", {}, (complex(-eta),), How.PROVED, exact=exact)


def _given(model: Model, equilibria: Sequence[EquilibriumSpectrum]) -> Iterator[MetricWitness]:
    system = None
    for candidate in equilibria:
        values = candidate.point.values()
        exact = all(isinstance(value, int | Fraction) for value in values)
        if exact and _size(model) <= MAX_SIZE:
            system = system or model.traits.system(model)
            point = {name: Fraction(value) for name, value in candidate.point.items()}
            found = exact_witness(system, point, component=candidate.id)
            if found is not None:
                yield found
            continue
        witness = _numeric_witness(candidate)
        if witness is not None:
            yield witness


def _numeric_witness(candidate: EquilibriumSpectrum) -> MetricWitness | None:
    """Accept a pair that no perturbation of a triple real eigenvalue explains."""
    scale = max((abs(value) for value in candidate.eigenvalues), default=0.0)
    limit = scale * max(IMAGINARY_TOLERANCE, 1e3 * candidate.residual**0.5)
    pairs = tuple(value for value in candidate.eigenvalues if abs(value.imag) > limit)
    if not pairs or not candidate.residual <= RESIDUAL_TOLERANCE:
        return None
    return MetricWitness(
        "nonreal-eigenvalue",
        candidate.id,
        dict(candidate.point),
        pairs,
        How.NUMERIC,
        residual=candidate.residual,
    )


def _size(model: Model) -> int:
    """Return the number of variables."""
    copies = 2 if model.traits.has_target else 1
    return copies * model.n * model.d + model.n**2
