"""Equilibria of the spectral contrastive flow dW = W M - W Sigma W^T W Sigma - eta W.

With V = W Sigma^(1/2) and K = Sigma^(-1/2) (M - eta I) Sigma^(-1/2) the loss is 1/4 |V^T V - K|^2 up
to a constant, so the rows of V span eigenvectors of K with positive eigenvalue k_j = (m_j - eta)/s_j
and norm sqrt(k_j). Only the set of the largest min(n, #positive) ones is a minimum; all others are
saddles (low-rank approximation). For commuting moments all eigenvalues of the flow are rational:

    diagonal i              -2 (m_i - eta)
    pair i, j               0, -(k_i s_j + k_j s_i)
    active i, inactive j    s_j (k_j - k_i)
    inactive output, active j: 0;   inactive output, inactive j: m_j - eta
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from itertools import combinations
from math import comb

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd, radical
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Mode, modes_of
from equilibria.varieties.commuting.representative import ENTRYWISE_LIMIT, number
from equilibria.varieties.component import (
    Component,
    Detail,
    Entry,
    How,
    Variety,
    Verdict,
    collapse_grade,
)
from equilibria.varieties.listing import fitting
from equilibria.varieties.real_spectrum.verdict import (
    RealEigenvalue,
    both_stabilities,
    rational_eigenvalue,
)

LISTING_LIMIT = 20_000


@dataclass(frozen=True, slots=True)
class Active:
    """A mode with its growth rate k = (m - eta)/s and how many modes share that k."""

    mode: Mode
    k: Fraction


def contrastive_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return all components; raises `ScopeError` for moments that do not commute."""
    if not model.moments.commute:
        raise ScopeError(
            "--procedure contrastive: the closed form needs moments that commute",
            hint="give eigenvalues with --signal and --total, or analyse a system file",
        )
    rates = [Active(mode, (mode.m - model.eta) / mode.s) for mode in modes_of(model.moments)]
    growing = sorted((a for a in rates if a.k > 0), key=lambda a: (-a.k, a.mode.number))
    classes = _classes(growing)
    total = _total(classes, model.n)
    if total <= LISTING_LIMIT:
        choices = list(_choices(classes, model.n))
    else:
        choices = [growing[:rank] for rank in range(min(model.n, len(growing)), -1, -1)]
        choices = [choices[0], [], *choices[1:-1]][: max(2, max_components)]
    components = [_component(model, rates, classes, chosen) for chosen in choices]
    components.sort(key=_order)
    top = [c for c in components if c.rank == 0 or c.flow.verdict is Verdict.STABLE]
    rest = [c for c in components if c not in top]
    listed = sorted([*top, *fitting(rest, max_components - len(top))], key=_order)
    return Variety(
        components=tuple(listed),
        complete=len(listed) == total,
        why=(
            "low-rank approximation: the rows span eigenvectors of "
            "Sigma^(-1/2) (M - eta I) Sigma^(-1/2) with positive eigenvalue [proved]"
        ),
        total=total,
        stable_total=sum(1 for c in components if c.flow.verdict is Verdict.STABLE),
    )


def _order(component: Component) -> tuple[bool, int, float, tuple[int, ...]]:
    stable = component.flow.verdict is Verdict.STABLE
    return (not stable, -(component.rank or 0), component.flow.growth, component.modes or ())


def _classes(growing: Sequence[Active]) -> list[list[Active]]:
    classes: dict[Fraction, list[Active]] = {}
    for active in growing:
        classes.setdefault(active.k, []).append(active)
    return list(classes.values())


def _total(classes: Sequence[Sequence[Active]], n: int) -> int:
    """Return the number of rank vectors (r_k) with r_k <= multiplicity and sum <= n."""
    single = sum(1 for members in classes if len(members) == 1)
    counts = [comb(single, rank) for rank in range(min(single, n) + 1)]
    for members in classes:
        if len(members) > 1:
            grown = [0] * min(len(counts) + len(members), n + 1)
            for rank, value in enumerate(counts):
                for extra in range(len(members) + 1):
                    if rank + extra <= n:
                        grown[rank + extra] += value
            counts = grown
    return sum(counts)


def _choices(classes: Sequence[Sequence[Active]], n: int):  # type: ignore[no-untyped-def]
    """Yield one set of modes for every vector of ranks: the first members of each class."""
    flat = [
        (index, place) for index, members in enumerate(classes) for place in range(len(members))
    ]
    for rank in range(min(n, len(flat)) + 1):
        for chosen in combinations(flat, rank):
            taken = set(chosen)
            if all(place == 0 or (index, place - 1) in taken for index, place in chosen):
                yield [classes[index][place] for index, place in chosen]


def _component(
    model: Model,
    rates: Sequence[Active],
    classes: Sequence[Sequence[Active]],
    chosen: Sequence[Active],
) -> Component:
    active = sorted(chosen, key=lambda a: a.mode.number)
    numbers = tuple(a.mode.number for a in active)
    k = len(active)
    dimension = k * (model.n - k) + k * (k - 1) // 2
    for members in classes:
        rank = sum(1 for a in members if a.mode.number in numbers)
        dimension += rank * (len(members) - rank)
    how = How.CERTIFIED if model.exact else How.NUMERIC
    flow, step = both_stabilities(model, _eigenvalues(model, rates, active), dimension, how=how)
    name = "rank0" if not k else f"rank{k}:" + ",".join(f"{number}+" for number in numbers)
    return Component(
        id=name,
        rank=k,
        dimension=dimension,
        collapse=collapse_grade(k, model.n, model.d),
        flow=flow,
        map=step,
        modes=numbers,
        roots=("+",) * k,
        build_detail=partial(_detail, model, active),
    )


def _eigenvalues(
    model: Model, rates: Sequence[Active], active: Sequence[Active]
) -> list[RealEigenvalue]:
    n, k, eta = model.n, len(active), model.eta
    numbers = {a.mode.number for a in active}
    inactive = [a for a in rates if a.mode.number not in numbers]
    found = [rational_eigenvalue(-2 * (a.mode.m - eta), 1) for a in active]
    for i, left in enumerate(active):
        for right in active[i + 1 :]:
            found.append(rational_eigenvalue(-(left.k * right.mode.s + right.k * left.mode.s), 1))
    found.append(rational_eigenvalue(Fraction(0), k * (k - 1) // 2 + k * (n - k)))
    found += [rational_eigenvalue(b.mode.s * (b.k - a.k), 1) for a in active for b in inactive]
    found += [rational_eigenvalue(b.mode.m - eta, n - k) for b in inactive]
    return found


def _detail(model: Model, active: Sequence[Active]) -> Detail:
    n, d = model.n, model.d
    zero: Entry = Fraction(0)
    rows: list[tuple[Entry, ...]] = []
    for a in active:
        factor, radicand = radical(a.k / a.mode.s)
        weight = number(Surd(radicand, 1, (Fraction(0), factor, Fraction(0), Fraction(0))))
        if model.moments.is_diagonal:
            row = [zero] * d
            row[a.mode.number - 1] = weight
        else:
            basis = model.moments.eigenbasis[2][:, a.mode.number - 1]
            row = [to_float(a.k / a.mode.s) ** 0.5 * float(x) for x in basis]
        rows.append(tuple(row))
    rows += [(zero,) * d] * (n - len(active))
    return Detail(_equations(model, active), {"W": tuple(rows)})


def _equations(model: Model, active: Sequence[Active]) -> tuple[str, ...]:
    n, d = model.n, model.d
    if d * d > ENTRYWISE_LIMIT or not model.moments.is_diagonal:
        letter = "e" if model.moments.is_diagonal else "v"
        gram = " + ".join(
            f"({a.k / a.mode.s})*{letter}_{a.mode.number}*{letter}_{a.mode.number}^T"
            for a in active
        )
        return (f"W^T*W = {gram or '0'}",)
    weights = {a.mode.number: a.k / a.mode.s for a in active}
    equations = []
    for i in range(1, d + 1):
        for j in range(i, d + 1):
            terms = [f"W_{r}_{i}*W_{r}_{j}" if i != j else f"W_{r}_{i}**2" for r in range(1, n + 1)]
            tail = f" - {weights[i]}" if i == j and i in weights else ""
            equations.append(" + ".join(terms) + tail)
    return tuple(equations)
