"""Why the list of components is complete: the theorem, and for T6.5 the cofactors."""

from __future__ import annotations

from fractions import Fraction

from equilibria.certificates import plain
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.report.report import Report
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import groups_of, modes_of
from equilibria.varieties.commuting.strata import total_strata


def completeness(report: Report) -> dict[str, object]:
    """Return the claim about the list; open where no theorem of the certificate covers it."""
    theorem = _theorem(report.model) if report.variety.complete else None
    if theorem is None:
        missing = str(_missing(report))
        return {"claim": "open", "theorem": "none", "evidence": {}, "missing": missing}
    evidence = mixing(report.model) if theorem == "T6.5" else {}
    return {"claim": "complete", "theorem": theorem, "evidence": evidence, "missing": "0"}


def _missing(report: Report) -> int:
    """Return how many components made of modes at their roots the report does not list."""
    model, components = report.model, report.components
    if not model.moments.is_diagonal:
        return 0
    named = [c for c in components if c.modes is not None]
    if model.traits.bootstraps and model.eta and model.eta_p:
        total: int | None = total_strata(groups_of(modes_of(model.moments), model.eta), model.n)
    else:
        total = report.variety.total
        total = None if total is None else total - (len(components) - len(named))
    return 0 if total is None else total - len(named)


def _theorem(model: Model) -> str | None:
    if model.traits.family is Family.JOINT:
        return "T1.1" if model.eta or model.eta_p or _admissible(model) else None
    if not model.moments.is_diagonal:
        return None
    modes = modes_of(model.moments)
    single = len({mode.s for mode in modes}) == 1 or min(model.n, model.d) == 1
    if model.traits.family is Family.CONTRASTIVE:
        return "low-rank"
    if model.traits.family is Family.DIRECT:
        return "T13.1" if single and not shared_root(model) else None
    if not (model.eta and model.eta_p):
        return _without_decay(model)
    if shared_root(model):
        return None
    if len({mode.s for mode in modes}) == 1:
        return "T6.4"
    if min(model.n, model.d) == 1:
        return "T6.6"
    if model.d == 2:
        return "T6.5" if all(mode.m for mode in modes) else "T6.1"
    return None


def _admissible(model: Model) -> bool:
    return model.moments.is_diagonal and all(abs(j.m) < j.s for j in modes_of(model.moments))


def _without_decay(model: Model) -> str | None:
    signals = [mode.m for mode in modes_of(model.moments)]
    if model.eta:
        return "T2.1"
    if model.eta_p:
        return "T2.1" if min(signals) > 0 or max(signals) < 0 else None
    return "T4.3" if min(signals) >= 0 or max(signals) <= 0 else None


def shared_root(model: Model) -> bool:
    """Return whether two different modes rest at one p, so that their rows mix in a family."""
    modes = modes_of(model.moments)
    for left in modes:
        for right in modes:
            if left.s == right.s:
                continue
            p = (left.m - right.m) / (left.s - right.s)
            if model.eta and left.s * p * p - left.m * p + model.eta == 0:
                return True
            if not model.eta and left.m > 0 and left.m * right.s == right.m * left.s:
                return True
    return False


def mixing(model: Model) -> dict[str, object]:
    """Return the memberships by which no, or exactly two, mixed equilibria exist (T6.5)."""
    (s, m), (r, k) = ((mode.s, mode.m) for mode in modes_of(model.moments))
    eta, c, b = model.eta, m / s, k / r
    q = c * b - eta * (1 / s + 1 / r)
    slope = (c - b) ** 2
    offset = eta**2 * (1 / s**2 - 1 / r**2) + q * (b * b - 2 * eta / r - q)
    ring = Ring(("x", "y", "z"))
    x, y, z = ring.variables()
    zero = ring.constant(0)
    first = [zero, ring.constant(Fraction(-1) / (s * r)), zero]
    bracket = z - x + (q - b * b + 2 * eta / r)
    second = [y * (1 / s**2), bracket * (1 / (s * r)), y * (-1 / r**2)]
    rows, square = [first, second], "none"
    if slope:
        place = offset / slope
        value = (c * c - 2 * eta / s) * place - eta**2 / s**2 - place**2
        square = str(value)
        factor = ((c * c - 2 * eta / s - place) - x) * (1 / slope)
        rows.append([factor * entry for entry in second])
        rows[2][0] = rows[2][0] - y * (1 / s**2)
    return {
        "trace": str(q),
        "slope": str(slope),
        "offset": str(offset),
        "y_squared": square,
        "cofactors": [[_plain(entry) for entry in row] for row in rows],
    }


def _plain(value: Polynomial) -> list[list[str]]:
    return plain.polynomial(value)
