"""The largest step size with a moving target, momenta held: stable below it, not right above it.

A block of the linearised equations is det(Lambda - A - phi B), where B acts on what comes from the
target. A multiplier z of the map has

    Lambda = (z - 1)(z - nu)/(h z),   phi = (1 - mu) z/(z - mu),

so the multipliers are roots of one polynomial in z and h. The kernel counts roots at the two ends of
the cell that the certificate names, and shows that between 0 and its lower end none meets the circle
(module `crossings`): then the count there is the count at every smaller step. Without momentum the
numerator and the denominator of Lambda lose their factor z.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from math import factorial
from typing import Any

from .crossings import Enclosed, critical, excluded
from .points import Linearisation
from .refusal import Refusal
from .spectra import Coefficients, Matrix, blocks, characteristic, right_of_axis, without_zeros
from .steps import cell_ends, times
from .systems import Model
from .towers import Element, Tower, plus


@dataclass
class Block:
    """f_0, ..., f_N by powers of h, the neutral roots w = 0 taken out; `slow` ones tend to 0 with h."""

    table: list[Coefficients]
    slow: int
    flow: Coefficients
    enclosed: dict[int, list[Enclosed]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Return the number of bits of the largest coefficient."""
        values = [x for row in self.table for c in row for x in c.values()]
        return max(abs(x).bit_length() for x in values)


def check_following(
    value: Any, model: Model, tower: Tower, jacobian: Linearisation, known: dict[Any, Any]
) -> bool:
    """Check the largest h at an aligned point with as many neutral eigenvalues as directions.

    Returns whether there is a cell; `none` is right where small steps are not seen to be stable.
    """
    found = [block for block in _blocks(model, tower, jacobian, known) if block.slow]
    if not found or not all(_small_steps(tower, block) for block in found):
        if value != "none":
            raise Refusal("there is none: small steps are not seen to be stable")
        return False
    low, high = cell_ends(value)
    if any(sum(_outside(tower, block, low)) for block in found):
        raise Refusal("the map is not stable up to the enclosure")
    for block in found:
        if not _never_crosses(tower, block, low):
            raise Refusal("a smaller step at which a multiplier meets the circle is not excluded")
    if not any(sum(_outside(tower, block, high)) for block in found):
        raise Refusal("the map is stable beyond the enclosure")
    return True


def _small_steps(tower: Tower, block: Block) -> bool:
    """As h falls the slow multipliers are 1 + h x with x an eigenvalue at phi = 1, the others inside."""
    try:
        return not any(right_of_axis(tower, block.flow))
    except Refusal:
        return False


def _outside(tower: Tower, block: Block, h: Fraction) -> tuple[int, int]:
    """Return how many multipliers lie outside the circle at step h, and how many at 1 or -1."""
    u, v = h.numerator, h.denominator
    plane: Coefficients = []
    for row in block.table:
        total: Element = {}
        for power, coefficient in enumerate(row):
            total = plus(total, coefficient, u**power * v ** (len(row) - 1 - power))
        plane.append(total)
    return right_of_axis(tower, plane)


def _never_crosses(tower: Tower, block: Block, top: Fraction) -> bool:
    def enclosed(bits: int) -> list[Enclosed]:
        if bits not in block.enclosed:
            block.enclosed[bits] = critical(tower, block.table, block.slow, bits)
        return block.enclosed[bits]

    return excluded(enclosed, block.size, top)


def _blocks(
    model: Model, tower: Tower, jacobian: Linearisation, known: dict[Any, Any]
) -> list[Block]:
    own, target = _parts(jacobian)
    size, denominator = len(jacobian.variables), jacobian.matrix.denominator
    pattern: dict[tuple[int, int], Element] = {key: {(): 1} for key in own | target}
    moved = {k for k, x in enumerate(jacobian.variables) if x[0] != "T"}
    found = []
    for block in blocks(Matrix(size, pattern, 1)):
        if not moved.issuperset(block):
            continue
        places = [(i, j) for i in block for j in block]
        entries = tuple(
            tuple(tuple(sorted(part.get(key, {}).items())) for key in places)
            for part in (own, target)
        )
        key = "following", denominator, entries
        if key not in known:
            matrices = Matrix(size, own, denominator), Matrix(size, target, denominator)
            known[key] = _block(model, tower, *matrices, block)
        found.append(known[key])
    return found


def _parts(
    jacobian: Linearisation,
) -> tuple[dict[tuple[int, int], Element], dict[tuple[int, int], Element]]:
    """Return A and B; what T_i_j does is put in the column of W_i_j."""
    index = {x: k for k, x in enumerate(jacobian.variables)}
    own: dict[tuple[int, int], Element] = {}
    target: dict[tuple[int, int], Element] = {}
    for (i, j), value in jacobian.matrix.entries.items():
        row, column = jacobian.variables[i], jacobian.variables[j]
        if row[0] == "T":
            continue
        if column[0] == "T":
            target[i, index["W" + column[1:]]] = value
        else:
            own[i, j] = value
    return own, target


def _block(model: Model, tower: Tower, own: Matrix, target: Matrix, block: list[int]) -> Block:
    """Return the block; its dependence on phi comes from values at phi = 0, 1, 2, ..."""
    inside = {j for i in block for j in block if (i, j) in target.entries}
    values = []
    for phi in range(max(len(inside), 1) + 1):
        entries = {
            (i, j): plus(own.entries.get((i, j), {}), target.entries.get((i, j), {}), phi)
            for i in block
            for j in block
        }
        values.append(characteristic(tower, Matrix(own.size, entries, own.denominator), block))
    flow, _ = without_zeros(values[1])
    table = _plane(model, _differences(values[: len(inside) + 1]))
    neutral = 0
    while neutral < len(block) and not any(table[neutral]):
        neutral += 1
    return Block(table[neutral:], len(block) - neutral, flow)


def _differences(values: list[Coefficients]) -> list[Coefficients]:
    """Return Newton's forward differences in phi, times t!/l! for the l-th of t."""
    top, found = factorial(len(values) - 1), []
    while values:
        scale = top // factorial(len(found))
        found.append([{key: scale * x for key, x in c.items()} for c in values[0]])
        pairs = zip(values, values[1:], strict=False)
        values = [[plus(b, a, -1) for a, b in zip(*pair, strict=True)] for pair in pairs]
    return found


def _plane(model: Model, differences: list[Coefficients]) -> list[Coefficients]:
    """Return the coefficients of w^0, w^1, ... by powers of h, up to a positive factor."""
    a, b = model.nu.numerator, model.nu.denominator
    c, d = model.mu.numerator, model.mu.denominator
    force, unit = [0, 2], [1, -1]
    if a:
        force, unit = [0, 2 * (b - a), 2 * (b + a)], [b, 0, -b]
    new, old = [d - c, d - c], [d - c, d + c]
    size, targets = len(differences[0]) - 1, len(differences) - 1
    degree = size * (len(force) - 1) + targets
    table: list[Coefficients] = [[{} for _ in range(size + 1)] for _ in range(degree + 1)]
    for order, row in enumerate(differences):
        inner = [1]
        for i in range(order):
            inner = times(inner, [x - i * y for x, y in zip(new, old, strict=True)])
        inner = times(inner, _power(old, targets - order))
        for k, coefficient in enumerate(row):
            outer = times(times(_power(force, k), _power(unit, size - k)), inner)
            for place, factor in enumerate(outer):
                if factor and coefficient:
                    entry = table[place][size - k]
                    table[place][size - k] = plus(entry, coefficient, factor)
    return table


def _power(base: list[int], exponent: int) -> list[int]:
    found = [1]
    for _ in range(exponent):
        found = times(found, base)
    return found
