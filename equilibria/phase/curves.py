"""Boundaries with a closed form: folds and exchanges of stability, as exact rationals.

Both are relations eta = f(v) between the weight decay and the noise, or eta = constant:

    fold            m^2 = 4 eta s                       a mode's two roots meet (T6.3)
    transcritical   s_i p^2 - m_i p + eta = 0 = s_j p^2 - m_j p + eta, p = p+(i) = p+-(j)     (T8.1)

The second pair of equations has the single solution p = (m_j - m_i)/(s_j - s_i), and therefore
eta = p (m_i - s_i p). With Sigma = M + vI it asks for p = 1 and eta = -v, so it never happens.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction

from equilibria.phase.axes import Axis
from equilibria.phase.boundary import Boundary, BoundaryPoint, Coordinate
from equilibria.phase.cells import evaluate
from equilibria.phase.setting import Setting
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import Mode

ASIDE = Fraction(1, 10**9)


@dataclass(frozen=True)
class Relation:
    """A boundary as eta = decay(v), with its inverse where it depends on the noise v at all."""

    kind: str
    between: tuple[str, ...]
    block: str
    formula: str
    decay: Callable[[Fraction], Fraction]
    noise: Callable[[Fraction], Fraction] | None = None


def relations(setting: Setting) -> list[Relation]:
    """Return the closed-form boundaries of the procedure's equilibria."""
    noisy = "noise" in (setting.x, setting.y)
    if setting.family is Family.CONTRASTIVE:
        return list(_contrastive(setting, noisy=noisy))
    if setting.family is Family.JOINT:
        return []
    found = [_fold(mode, noisy=noisy) for mode in _distinct(setting) if mode.m]
    if setting.family is Family.DIRECT:
        found = [_fold(mode, noisy=noisy) for mode in _distinct(setting) if mode.m > 0]
    return found + ([] if noisy else list(_exchanges(setting)))


def _distinct(setting: Setting) -> list[Mode]:
    """Return the first of every set of equal modes."""
    seen: dict[tuple[Fraction, Fraction], Mode] = {}
    noisy = "noise" in (setting.x, setting.y)
    for mode in setting.modes:
        seen.setdefault((Fraction(0) if noisy else mode.s, mode.m), mode)
    return list(seen.values())


def _fold(mode: Mode, *, noisy: bool) -> Relation:
    m, name = mode.m, str(mode.number)
    if noisy:
        return Relation(
            "fold",
            (f"{name}+", f"{name}-"),
            f"existence {name}",
            f"weight_decay = ({m})^2/(4*({m} + noise))",
            lambda v: m * m / (4 * (m + v)),
            lambda eta: m * m / (4 * eta) - m,
        )
    value = m * m / (4 * mode.s)
    formula = f"weight_decay = m^2/(4*s) = {value}"
    return Relation("fold", (f"{name}+", f"{name}-"), f"existence {name}", formula, lambda _: value)


def _exchanges(setting: Setting) -> Iterator[Relation]:
    modes = _distinct(setting)
    for i in modes:
        for j in modes:
            found = exchange(i, j)
            if found is None or (setting.family is Family.DIRECT and min(i.m, j.m) <= 0):
                continue
            eta, root = found
            if root == "+" and i.number > j.number:
                continue  # p+(i) = p+(j) is one boundary, not two
            yield Relation(
                "transcritical",
                (f"{i.number}+", f"{j.number}{root}"),
                f"inactive {i.number}+,{j.number}",
                f"p = (m_j - m_i)/(s_j - s_i), weight_decay = p*(m_i - s_i*p) = {eta}",
                lambda _, eta=eta: eta,  # type: ignore[misc]
            )


def exchange(i: Mode, j: Mode) -> tuple[Fraction, str] | None:
    """Return the weight decay at which p+(i) is a root of mode j, and which root; None if never."""
    if i.s == j.s or i.m == j.m or i.m * j.m <= 0:
        return None
    p = (j.m - i.m) / (j.s - i.s)
    eta = p * (i.m - i.s * p)
    if eta <= 0 or 2 * i.s * abs(p) <= abs(i.m):
        return None
    return eta, "+" if 2 * j.s * abs(p) > abs(j.m) else "-"


def _contrastive(setting: Setting, *, noisy: bool) -> Iterator[Relation]:
    modes = _distinct(setting)
    for mode in modes:
        if mode.m > 0:
            yield Relation(
                "transcritical",
                ("collapse", f"{mode.number}+"),
                f"needed {mode.number}",
                f"weight_decay = {mode.m}",
                lambda _, m=mode.m: m,  # type: ignore[misc]
            )
    for place, i in enumerate(modes):
        for j in modes[place + 1 :]:
            if noisy or i.s == j.s:
                continue  # with Sigma = M + vI equal k means eta = -v
            eta = (i.m * j.s - j.m * i.s) / (j.s - i.s)
            if 0 < eta < min(i.m, j.m):
                yield Relation(
                    "transcritical",
                    (f"{i.number}+", f"{j.number}+"),
                    f"inactive {i.number}+,{j.number}",
                    f"(m_i - eta)/s_i = (m_j - eta)/s_j, weight_decay = {eta}",
                    lambda _, eta=eta: eta,  # type: ignore[misc]
                )


def exact_boundaries(
    setting: Setting, x: Axis, y: Axis, lines: tuple[Sequence[Fraction], Sequence[Fraction]]
) -> list[Boundary]:
    """Return the closed-form boundaries inside the window, with points on the given lines."""
    found = []
    for relation in relations(setting):
        points = tuple(
            BoundaryPoint(Coordinate.exact(a), Coordinate.exact(b))
            for a, b in _points(relation, setting, x, y, lines)
        )
        if len(points) > 1:
            found.append(
                Boundary(
                    relation.kind,
                    relation.between,
                    relation.block,
                    (),
                    points,
                    relation.formula,
                    _changes(setting, points),
                )
            )
    return found


def _changes(setting: Setting, points: Sequence[BoundaryPoint]) -> bool:
    """Return whether the flow's stable strata differ on the two sides, at some of the points."""
    axis = 0 if "weight-decay" in (setting.x, setting.y) else 1
    names = (setting.x, setting.y)
    moving = names.index(("weight-decay", "noise")[axis])
    for point in points[:: max(1, len(points) // 3)]:
        seen = set()
        for shift in (1 - ASIDE, 1 + ASIDE):
            at = [point.x.low, point.y.low]
            at[moving] *= shift
            cells = evaluate(setting, at[:1], at[1:], 0, 1, with_steps=False)
            seen.add(cells.answers[0][0])
        if len(seen) > 1:
            return True
    return False


def _points(
    relation: Relation,
    setting: Setting,
    x: Axis,
    y: Axis,
    lines: tuple[Sequence[Fraction], Sequence[Fraction]],
) -> list[tuple[Fraction, Fraction]]:
    names = (x.name, y.name)
    if "weight-decay" in names:
        if "noise" in names:
            return _curve(relation, x, y, lines)
        return _line(x, y, names.index("weight-decay"), relation.decay(Fraction(0)))
    if "noise" in names and relation.noise is not None:
        return _line(x, y, names.index("noise"), relation.noise(setting.model.eta))
    return []


def _line(x: Axis, y: Axis, axis: int, value: Fraction) -> list[tuple[Fraction, Fraction]]:
    along, across = (x, y) if axis == 0 else (y, x)
    if not along.low <= value <= along.high:
        return []
    ends = [(value, across.low), (value, across.high)]
    return ends if axis == 0 else [(b, a) for a, b in ends]


def _curve(
    relation: Relation, x: Axis, y: Axis, lines: tuple[Sequence[Fraction], Sequence[Fraction]]
) -> list[tuple[Fraction, Fraction]]:
    """Return points on all lines of both directions, in the order of x."""
    maps = (relation.decay, relation.noise)
    forward, backward = maps if x.name == "noise" else maps[::-1]
    points = set()
    if forward is not None:
        points |= {(a, b) for a in lines[0] if y.low <= (b := forward(a)) <= y.high}
    if backward is not None:
        points |= {(a, b) for b in lines[1] if x.low <= (a := backward(b)) <= x.high}
    return sorted(points)


def breakpoints(setting: Setting, axis: Axis, other: Axis) -> list[Fraction]:
    """Return values of the axis just inside which equilibria end, so that curves reach that far."""
    if axis.name not in ("weight-decay", "noise") or other.name in ("weight-decay", "noise"):
        return []
    values = []
    for relation in relations(setting):
        if axis.name == "weight-decay":
            value = relation.decay(Fraction(0))
        elif relation.noise is not None:
            value = relation.noise(setting.model.eta)
        else:
            continue
        values += [value * (1 - Fraction(1, 10**5)), value * (1 + Fraction(1, 10**5))]
    return [value for value in values if axis.low < value < axis.high]
