"""An equilibrium whose linearisation is not similar to a symmetric matrix (T3.4).

`nonreal-eigenvalue`: Sturm's sequence of the characteristic polynomial of a block has fewer real
roots than its degree, with every leading sign decided, so the roots are simple. `jordan-block`: a
root of higher algebraic than geometric multiplicity, both exact.
"""

from __future__ import annotations

from fractions import Fraction
from itertools import pairwise

from .boxes import Core, jacobian, system_of
from .components import Setting
from .dense import divided
from .families import rank
from .intervals import Interval
from .isolated import core_polynomials
from .points import Evaluator, Linearisation, Point, check_equilibrium, linearise, read_point
from .reading import fields, mapping, rational
from .refusal import Refusal, at
from .spectra import Coefficients, blocks, characteristic, shifted, without_zeros
from .towers import Tower, Value, plus


def check_any_metric(
    value: object, setting: Setting, points: dict[str, Point], cores: dict[str, Core]
) -> None:
    """Check the witness at a component, or at a point of its own."""
    table = mapping(value)
    kind = table.get("kind")
    names = ("kind", "at", "eigenvalue") if kind == "jordan-block" else ("kind", "at")
    place = fields(value, names)[1]
    if kind == "nonreal-eigenvalue" and isinstance(place, str) and place in cores:
        _check_core(setting, cores[place])
        return
    with at("at"):
        point = _place(place, setting, points)
    jacobian = linearise(setting.system.flow, Evaluator(point, setting.tower), {})
    if kind == "jordan-block":
        with at("eigenvalue"):
            _check_jordan(rational(table["eigenvalue"]), jacobian, setting.tower)
    elif kind == "nonreal-eigenvalue":
        polys = [
            characteristic(setting.tower, jacobian.matrix, block)
            for block in blocks(jacobian.matrix)
        ]
        if not any(_turns(setting, entry) for entry in polys):
            raise Refusal("no block is seen to have a non-real eigenvalue")
    else:
        raise Refusal("expected nonreal-eigenvalue or jordan-block", "kind")


def _check_core(setting: Setting, core: Core) -> None:
    """The same at an isolated equilibrium, with the roots 0 and -2 eta divided out.

    0 is forced by the orbit; -2 eta by the balance law, whose derivative has as image all symmetric
    matrices H W^T + W H^T, of dimension k (k + 1)/2 + k (n - k).
    """
    model, k = setting.model, core.rank
    if model.eta != model.eta_p:
        raise Refusal("only for equal decays")
    polys = core_polynomials(jacobian(system_of(model).flow, core), setting.tower)
    orbit = k * (model.n - k) + k * (k - 1) // 2
    polys = divided(polys, -2 * model.eta, k * (k + 1) // 2 + k * (model.n - k))
    polys = divided(polys, Fraction((2 * model.eta).numerator), orbit)
    counts = [(_real_roots(entry[::-1]), len(entry) - 1) for entry in polys if len(entry) > 2]
    if not any(real is not None and real < degree for real, degree in counts):
        raise Refusal("no block is seen to have a non-real eigenvalue")


def _place(value: object, setting: Setting, points: dict[str, Point]) -> Point:
    if isinstance(value, str):
        if value not in points:
            raise Refusal("no component has this id")
        return points[value]
    point = read_point(value, setting.system, setting.tower)
    check_equilibrium(setting.system, Evaluator(point, setting.tower))
    return point


def _check_jordan(eigenvalue: Fraction, jacobian: Linearisation, tower: Tower) -> None:
    matrix = jacobian.matrix
    algebraic = 0
    for block in blocks(matrix):
        algebraic += without_zeros(shifted(characteristic(tower, matrix, block), eigenvalue))[1]
    rows: list[dict[str, Value]] = []
    for i in range(matrix.size):
        row: dict[str, Value] = {}
        for j in range(matrix.size):
            entry = matrix.entries.get((i, j), {})
            number: Value = {e: Fraction(x, matrix.denominator) for e, x in entry.items()}
            if i == j and eigenvalue:
                number = plus(number, {(): -eigenvalue})
            if number:
                row[str(j)] = number
        rows.append(row)
    if algebraic <= matrix.size - rank(rows, tower):
        raise Refusal("its multiplicities agree")


def _turns(setting: Setting, coefficients: Coefficients) -> bool:
    """Return whether a polynomial is seen to have roots that are not all real.

    The rates of decay, which come several times, are divided out first; the rest must be simple.
    """
    tower, model = setting.tower, setting.model
    rest, _ = without_zeros(coefficients)
    scale = 1
    for rate in sorted({2 * model.eta, model.eta, model.eta_p, model.eta + model.eta_p}):
        place = rate * scale
        near, count = without_zeros(shifted(rest, -place))
        if count:  # back, with all roots multiplied by the denominator
            rest = shifted(near, Fraction(place.numerator))
            scale *= place.denominator
    degree = len(rest) - 1
    size = max(abs(x).bit_length() for c in rest for x in c.values())
    for bits in (256, 1024):
        fine = 1 << (bits + size).bit_length()
        values = [tower.enclose(c, fine) for c in reversed(rest)]
        real = _real_roots(values)
        if real is not None:
            return real < degree
    return False


def _real_roots(values: list[Interval]) -> int | None:
    """Return the number of real roots by Sturm's sequence; None when a leading sign is not known."""
    degree = len(values) - 1
    if degree < 2:
        return degree
    first, second = values, [v.times(degree - k) for k, v in enumerate(values[:-1])]
    sequence = [first, second]
    while len(sequence[-1]) > 1:
        remainder = _minus_remainder(sequence[-2], sequence[-1])
        if remainder is None:
            return None
        sequence.append(remainder)
    signs = [terms[0].sign for terms in sequence]
    if any(not sign for sign in signs):
        return None
    at_plus = [int(sign or 0) for sign in signs]
    at_minus = [s * (-1) ** (len(terms) - 1) for s, terms in zip(at_plus, sequence, strict=True)]
    return _changes(at_minus) - _changes(at_plus)


def _minus_remainder(left: list[Interval], right: list[Interval]) -> list[Interval] | None:
    """Return minus the remainder, one degree below `right`; None when a leading term may be 0."""
    rest = list(left)
    while len(rest) >= len(right):
        ratio = rest[0].over(right[0])
        if ratio is None:
            return None
        rest = [
            a - ratio * b if k < len(right) - 1 else a
            for k, (a, b) in enumerate(zip(rest[1:], [*right[1:], *rest], strict=False))
        ]
    negative = [-v for v in rest]
    return negative if negative and negative[0].sign else None


def _changes(signs: list[int]) -> int:
    return sum(a != b for a, b in pairwise(signs))
