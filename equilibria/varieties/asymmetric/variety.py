"""The components that are known where M is not symmetric: collapse, rank one, the largest full rank."""

from __future__ import annotations

from fractions import Fraction
from string import ascii_lowercase

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.asymmetric.branches import Branch, branches, same_orbit
from equilibria.varieties.asymmetric.equilibria import (
    Data,
    collapse_bound,
    full_rank,
    rank_one,
)
from equilibria.varieties.asymmetric.stability import core_of, verdicts
from equilibria.varieties.component import (
    Component,
    Detail,
    Eigenvalue,
    How,
    Stability,
    Variety,
    Verdict,
    collapse_grade,
)
from equilibria.varieties.listing import fitting


def asymmetric_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return full collapse, every equilibrium of rank one and the largest of full rank, with verdicts.

    Raises `ScopeError` without decay on encoder and predictor, and with hidden layers.
    """
    if model.is_deep:
        raise ScopeError(
            "hidden layers: M must be symmetric, or turn planes of equal variance (--signal a+bi)"
        )
    if not model.eta or not model.eta_p:
        raise ScopeError(
            "M is not symmetric: every weight decay must be above 0; the families without decay are "
            "not listed",
            hint="take a small weight decay, such as 1e-6",
        )
    data = Data.of(model)
    points: list[Branch] = []
    tried = True
    if to_float(model.eta) <= collapse_bound(data):
        points, tried = _points(data)
    found = [
        _component(model, data, branch, name)
        for branch, name in zip(points, _names(points), strict=True)
    ]
    components = [*found, _collapse(model)]
    stable = [c for c in components if c.flow.verdict is Verdict.STABLE]
    stable.sort(key=lambda c: -(c.rank or 0))
    rest = [c for c in components if c.flow.verdict is not Verdict.STABLE]
    complete = min(model.n, model.d) == 1 and len(components) <= max_components
    return Variety(
        components=(*stable, *fitting(rest, max(0, max_components - len(stable)))),
        complete=complete,
        why=_why(model, data, tried=tried),
        total=len(components) if complete else None,
        stable_total=len(stable) if complete else None,
    )


def _points(data: Data) -> tuple[list[Branch], bool]:
    """Return every equilibrium of rank one, then those of higher ranks; and whether all were tried."""
    ones = [Branch(point, ()) for point in rank_one(data)]
    higher, tried = branches(data)
    largest = full_rank(data)
    if largest is not None and not any(same_orbit(largest, other.point) for other in higher):
        higher.append(Branch(largest, ()))
    higher.sort(key=lambda branch: -branch.point.rank)
    return [*ones, *higher], tried


def _why(model: Model, data: Data, *, tried: bool) -> str:
    bound = f"beyond weight decay {collapse_bound(data):.6g} there is no other equilibrium (T2.4)"
    if min(model.n, model.d) == 1:
        ones = "rank one is a quadratic eigenproblem (T30.4) [numeric]"
        return f"{ones}; waves were not searched; {bound}"
    some = "" if tried else "some of "
    return (
        f"every rank one (T30.4), of higher ranks {some}the branches that begin in invariant subspaces "
        f"(T6.8) and the largest of full rank (T6.7); waves were not searched; {bound}"
    )


def _names(points: list[Branch]) -> list[str]:
    """Return rank2:a, rank2:b, ...: letters in the order in which a rank's points were found."""
    counts: dict[int, int] = {}
    names = []
    for branch in points:
        rank = branch.point.rank
        names.append(f"rank{rank}:{_letters(counts.get(rank, 0))}")
        counts[rank] = counts.get(rank, 0) + 1
    return names


def _letters(place: int) -> str:
    """Return a, b, ..., z, aa, ab, ...."""
    name = ""
    while place >= 0:
        name = ascii_lowercase[place % 26] + name
        place = place // 26 - 1
    return name


def _component(model: Model, data: Data, branch: Branch, name: str) -> Component:
    point = branch.point
    n, k = model.n, point.rank
    dimension = k * (n - k) + k * (k - 1) // 2
    flow, step = verdicts(model, core_of(data, point), dimension)
    rows = {"W": tuple(map(tuple, point.W.tolist())), "P": tuple(map(tuple, point.P.tolist()))}
    if model.traits.has_target:
        rows["T"] = rows["W"]
    return Component(
        id=name,
        rank=k,
        dimension=dimension,
        collapse=collapse_grade(k, n, model.d),
        flow=flow,
        map=step,
        note=_note(branch),
        build_detail=lambda: Detail((), rows),
    )


def _note(branch: Branch) -> str:
    if branch.point.p is not None:
        return f"p = {branch.point.p:.6g}"
    if not branch.eigenvalues:
        return "the largest equilibrium of full rank (T6.7)"
    shown = [
        f"{value.real:.4g}" + (f" ± {value.imag:.4g}i" if value.imag > 0 else "")
        for value in branch.eigenvalues
        if value.imag >= 0
    ]
    return f"continued from the eigenvalues {', '.join(shown)} of M/Sigma"


def _collapse(model: Model) -> Component:
    """Return full collapse, at which the Jacobian is the decays alone."""
    rates = {model.eta: model.n * model.d}
    rates[model.eta_p] = rates.get(model.eta_p, 0) + model.n**2
    slack = 2 * (1 + model.nu) - max(rates) * model.h
    verdict = Verdict.STABLE if slack > 0 else (Verdict.UNSTABLE if slack else Verdict.UNDECIDED)
    values = tuple(
        Eigenvalue(complex(-to_float(rate)), count, str(-rate))
        for rate, count in sorted(rates.items())
    )
    step = max(abs(1 - to_float(model.h * rate)) for rate in rates)
    zero = tuple((Fraction(0),) * model.d for _ in range(model.n))
    rows = {"W": zero, "P": tuple((Fraction(0),) * model.n for _ in range(model.n))}
    if model.traits.has_target:
        rows["T"] = zero
    return Component(
        id="rank0",
        rank=0,
        dimension=0,
        collapse="full",
        flow=Stability(
            Verdict.STABLE, How.PROVED, 0, -to_float(min(rates)), build_spectrum=lambda: values
        ),
        map=Stability(
            verdict,
            How.PROVED,
            0,
            None if model.nu or model.traits.has_target else step,
            to_float(2 * (1 + model.nu) / max(rates)),
        ),
        build_detail=lambda: Detail((), rows),
    )
