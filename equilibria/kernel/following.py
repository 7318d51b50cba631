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

from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from math import factorial

from . import crossings
from .crossings import Enclosed
from .points import Linearisation
from .refusal import Refusal
from .spectra import (
    Coefficients,
    Known,
    Matrix,
    blocks,
    characteristic,
    right_of_axis,
    without_zeros,
)
from .steps import cell_ends, times
from .systems import Model
from .towers import Element, Tower, plus


class Block:
    """A strongly connected block of A + phi B; its dependence on phi comes from phi = 0, 1, 2, ..."""

    def __init__(
        self, model: Model, tower: Tower, own: Matrix, target: Matrix, places: list[int]
    ) -> None:
        self.model, self.tower, self.places = model, tower, places
        self._own, self._target = own, target
        self._enclosed: dict[int, list[Enclosed]] = {}

    def _at(self, phi: int) -> Coefficients:
        own, target = self._own.entries, self._target.entries
        entries = {
            (i, j): plus(own.get((i, j), {}), target.get((i, j), {}), phi)
            for i in self.places
            for j in self.places
        }
        matrix = Matrix(self._own.size, entries, self._own.denominator)
        return characteristic(self.tower, matrix, self.places)

    @cached_property
    def flow(self) -> Coefficients:
        """Return the polynomial at phi = 1, without its zeros: the multipliers close to 1 as h falls."""
        return without_zeros(self._at(1))[0]

    @cached_property
    def _whole(self) -> list[Coefficients]:
        columns = {j for i in self.places for j in self.places if (i, j) in self._target.entries}
        values = [self._at(phi) for phi in range(len(columns) + 1)]
        return _plane(self.model, _differences(values))

    @cached_property
    def neutral(self) -> int:
        """Return how many roots are w = 0 whatever h is."""
        return next(k for k, row in enumerate(self._whole) if any(row))

    @property
    def table(self) -> list[Coefficients]:
        """Return f_0, ..., f_N by powers of h, the neutral roots taken out."""
        return self._whole[self.neutral :]

    @property
    def slow(self) -> int:
        """Return how many roots tend to 0 with h."""
        return len(self.places) - self.neutral

    @cached_property
    def size(self) -> int:
        """Return the number of bits of the largest coefficient."""
        values = [x for row in self.table for c in row for x in c.values()]
        return max(abs(x).bit_length() for x in values)

    def critical(self, bits: int) -> list[Enclosed]:
        """Return the polynomials whose zeros are crossings."""
        if bits not in self._enclosed:
            self._enclosed[bits] = crossings.critical(self.tower, self.table, self.slow, bits)
        return self._enclosed[bits]


def check_following(
    value: object,
    model: Model,
    tower: Tower,
    spectral: tuple[Linearisation, int],
    known: Known,
) -> bool:
    """Check the largest h at an aligned point; `spectral` is the flow there and the dimension.

    Returns whether there is a cell; `none` is right where small steps are not seen to be stable.
    """
    jacobian, dimension = spectral
    found = _blocks(model, tower, jacobian, known)
    small = all(_small_steps(tower, block) for block in found)
    moving = [block for block in found if small and block.slow]
    if not moving or sum(block.neutral for block in found) != dimension:
        if value != "none":
            raise Refusal("there is none: small steps are not seen to be stable")
        return False
    low, high = cell_ends(value)
    if any(sum(_outside(tower, block, low)) for block in moving):
        raise Refusal("the map is not stable up to the enclosure")
    for block in moving:
        if not crossings.excluded(block.critical, block.size, low):
            raise Refusal("a smaller step at which a multiplier meets the circle is not excluded")
    if not any(sum(_outside(tower, block, high)) for block in moving):
        raise Refusal("the map is stable beyond the enclosure")
    return True


def _small_steps(tower: Tower, block: Block) -> bool:
    """As h falls the slow multipliers are 1 + h x with x an eigenvalue at phi = 1, the others inside."""
    try:
        if any(right_of_axis(tower, block.flow)):
            return False
    except Refusal:
        return False
    return len(block.flow) - 1 == block.slow


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


def _blocks(model: Model, tower: Tower, jacobian: Linearisation, known: Known) -> list[Block]:
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
            known[key] = Block(model, tower, *matrices, block)
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


def _differences(values: list[Coefficients]) -> list[Coefficients]:
    """Return Newton's forward differences in phi, times t!/l! for the l-th of t."""
    top = factorial(len(values) - 1)
    found: list[Coefficients] = []
    while values:
        scale = top // factorial(len(found))
        found.append([{key: scale * x for key, x in c.items()} for c in values[0]])
        values = [[plus(b, a, -1) for a, b in zip(*pair, strict=True)] for pair in pairwise(values)]
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
