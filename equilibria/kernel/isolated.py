"""Components that are one orbit of an isolated equilibrium: counts from interval arithmetic.

The orbit of a rank k equilibrium under O(n) has dimension k (n - k) + k (k - 1)/2 (T0.4), as W has
rank k; its tangent vectors are neutral. All other eigenvalues are counted by Routh's array.
"""

from __future__ import annotations

from fractions import Fraction

from .boxes import Core, jacobian, read_core, system_of
from .components import Setting, Tally, check_collapse, check_letters
from .dense import BITS, Poly, beyond, characteristic, split
from .intervals import Interval
from .reading import Entry, fields, integer, word
from .refusal import Refusal, at
from .spectra import Matrix, blocks, grid
from .standing import WHOLE
from .towers import Element, Tower

WORDS = 1 + (BITS >> 8)
CLAIMS = ("verdict", "neutral", "unstable", "extent")


def check_isolated(value: Entry, setting: Setting, tally: Tally) -> tuple[str, Core]:
    """Check one component given by cells; return its id and the equilibrium."""
    model = setting.model
    names = ("id", "dimension", "collapse", "scope", "core", "flow", "map")
    key, dimension, collapse, scope, cells, _, _ = fields(value, names)
    if model.diagonal:
        raise Refusal("cells are for moments that are not diagonal: give the exact point", "core")
    with at("core"):
        core = read_core(cells, model)
        _check_rank(core, model.d)
    k = core.rank
    orbit = k * (model.n - k) + k * (k - 1) // 2
    with at("dimension"):
        if integer(dimension) != orbit:
            raise Refusal(f"the orbit has dimension {orbit}")
    with at("id"):
        check_letters(word(key), k)
    check_collapse(collapse, k, model)
    if scope != WHOLE:
        raise Refusal("the orbit is made by symmetries, so its verdicts hold all along it", "scope")
    system = system_of(model)
    for kind, equations in (("flow", system.flow), ("map", system.map)):
        with at(kind):
            polys = core_polynomials(jacobian(equations, core), setting.tower)
            _check_claims(value[kind], polys, orbit, kind, tally)
    tally.components += 1
    tally.without_steps += value["flow"]["verdict"] == "stable"
    tally.enclosures += len(core.values)
    return word(key), core


def _check_rank(core: Core, width: int) -> None:
    """W has rank k: det(W W^T) does not vanish."""
    rows = [[core.values[f"W_{i + 1}_{j + 1}"] for j in range(width)] for i in range(core.rank)]
    gram = [[_dot(a, b) for b in rows] for a in rows]
    if not characteristic(gram)[0].sign:
        raise Refusal(f"W is not seen to have rank {core.rank}")


def _dot(left: list[Interval], right: list[Interval]) -> Interval:
    total = Interval(0, 0, BITS)
    for a, b in zip(left, right, strict=True):
        total = total + a * b
    return total


def core_polynomials(rows: list[list[Interval]], tower: Tower) -> list[Poly]:
    """Return the characteristic polynomials of the blocks; the work is counted by the tower."""
    size = len(rows)
    pattern: dict[tuple[int, int], Element] = {
        (i, j): {(): 1} for i in range(size) for j in range(size) if rows[i][j].sign != 0
    }
    found = blocks(Matrix(size, pattern, 1))
    tower.spend(sum(len(block) ** 4 for block in found) * WORDS)
    return [characteristic([[rows[i][j] for j in block] for i in block]) for block in found]


def _check_claims(value: Entry, polys: list[Poly], orbit: int, kind: str, tally: Tally) -> None:
    verdict, neutral, unstable, extent = fields(value, CLAIMS)
    normal = split(polys, 0 if kind == "flow" else 1, orbit)
    normal = [entry for entry in normal if len(entry) > 1]
    with at("neutral"):
        if integer(neutral) != orbit:
            raise Refusal(f"{orbit} eigenvalues are neutral")
    count = _sum(normal, Fraction(0 if kind == "flow" else 1), kind)
    with at("unstable"):
        if integer(unstable) != count:
            raise Refusal(f"{count} eigenvalues are unstable")
    with at("verdict"):
        if verdict != ("unstable" if count else "stable"):
            raise Refusal(f"{count} eigenvalues are unstable")
    with at("extent"):
        cell = integer(extent, -(1 << 80), 1 << 80)
        if _sum(normal, grid(cell + 1), kind) or not _sum(normal, grid(cell), kind):
            raise Refusal("the largest eigenvalue is not in the enclosure")
    tally.verdicts += 1
    tally.enclosures += 1


def _sum(polys: list[Poly], level: Fraction, kind: str) -> int:
    if kind == "map" and level <= 0:
        raise Refusal("a modulus is not negative")
    counts = [beyond(entry, level, kind) for entry in polys]
    if any(count is None for count in counts):
        raise Refusal("an eigenvalue on the boundary cannot be excluded")
    return sum(count or 0 for count in counts)
