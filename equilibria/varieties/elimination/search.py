"""Numerical search for equilibria of systems too large to decompose: many Newton runs at once.

What comes out are equilibria to the stated residual, never a proof that there are no others. What
lies around each is looked at too (`nearby`): where the Jacobian is singular its nullity only bounds
the dimension. Points of families are shown once where a walk along the family connects them or the
spectrum is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

import numpy as np

from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.nearby import (
    Array,
    Batch,
    Functions,
    Places,
    dimension_at,
    newton,
    nullities,
    on_families,
    walked,
)

RESIDUAL = 1e-10
SAME = 1e-5
SAME_SINGULAR = 1e-3
"""Newton's method ends so near to a singular zero, not nearer."""
SAMPLED = 6
TARGETS = 12
"""Walks to one place miss some of a curved family, by rounding: others are tried after it."""


@dataclass(frozen=True)
class Found:
    """One equilibrium, standing for `hits` of the runs.

    `nullity` of the Jacobian there bounds the local dimension from above; `dimension` is None where
    the search could not decide it. Points of a family with one spectrum are one entry; walks along
    it, straight from one to the other, leave them in so many `pieces`.
    """

    point: Mapping[str, float]
    nullity: int
    dimension: int | None
    residual: float
    hits: int
    pieces: int = 1


@dataclass
class _Group:
    """Runs that ended on one point, or on one family."""

    point: Array
    nullity: int
    dimension: int | None
    members: list[int]
    pieces: int = 1


def search(equations: Mapping[str, Polynomial], *, starts: int = 512, seed: int = 0) -> list[Found]:
    """Return the equilibria that Newton's method reaches from random points of several sizes."""
    names = list(equations)
    functions = Functions(
        Batch(list(equations.values())),
        Batch([f.diff(name) for f in equations.values() for name in names]),
    )
    generator = np.random.default_rng(seed)
    scale = np.exp(generator.uniform(np.log(0.1), np.log(8.0), size=(starts, 1)))
    x = newton(functions, generator.normal(size=(starts, len(names))) * scale)
    residual = np.linalg.norm(functions.values(x), axis=1) / (1 + np.linalg.norm(x, axis=1))
    keep = np.isfinite(residual) & (residual < RESIDUAL)
    x, residual = x[keep], residual[keep]
    found = [
        Found(
            dict(zip(names, map(float, group.point), strict=True)),
            group.nullity,
            group.dimension,
            float(residual[group.members].max()),
            len(group.members),
            group.pieces,
        )
        for group in _groups(functions, x, generator)
    ]
    return sorted(found, key=_canonical)


def _canonical(entry: Found) -> tuple[bool, int, int, list[float]]:
    return (
        entry.dimension is None,
        entry.dimension or 0,
        entry.nullity,
        [round(value, 6) for value in entry.point.values()],
    )


def _groups(functions: Functions, x: Array, generator: np.random.Generator) -> list[_Group]:
    if not len(x):
        return []
    nullity = nullities(functions, x)
    family = on_families(functions, x, nullity, generator)
    groups = _clusters(x, np.flatnonzero(nullity == 0), 0, SAME)
    singular = np.flatnonzero((nullity > 0) & ~family)
    for size in sorted(set(nullity[singular].tolist())):
        groups.extend(_singular(functions, x, singular[nullity[singular] == size], size, generator))
    for size in sorted(set(nullity[family].tolist())):
        groups.extend(_families(functions, x, np.flatnonzero(family & (nullity == size))))
    return groups


def _clusters(x: Array, places: Places, nullity: int, near: float) -> list[_Group]:
    """Return one group for all points that lie next to each other; isolated ones."""
    groups: list[_Group] = []
    for k in map(int, places):
        for group in groups:
            size = 1 + np.abs(group.point).max()
            if np.abs(group.point - x[k]).max() < near * size:
                group.members.append(k)
                break
        else:
            groups.append(_Group(x[k], nullity, 0, [k]))
    return groups


def _singular(
    functions: Functions, x: Array, places: Places, nullity: int, generator: np.random.Generator
) -> list[_Group]:
    """Return groups of points where the nullity is not known to be the dimension."""
    pending = _clusters(x, places, nullity, SAME_SINGULAR)
    done: list[_Group] = []
    while pending:
        first, *pending = pending
        first.dimension = dimension_at(functions, first.point, nullity, generator)
        if first.dimension != 0:
            pending = _join(functions, first, pending)
        done.append(first)
    return done


def _join(functions: Functions, first: _Group, others: list[_Group]) -> list[_Group]:
    """Add to a group what walks over zeros connect with it; return the rest.

    What arrives is a place to walk to for the others.
    """
    targets = [first.point]
    for target in islice(targets, TARGETS):
        if not others:
            break
        points = np.array([group.point for group in others])
        arrived = walked(functions, points, target, first.nullity)
        rest = []
        for group, here in zip(others, arrived, strict=True):
            if here:
                first.members.extend(group.members)
                first.pieces = max(first.pieces, group.pieces)
                targets.append(group.point)
            else:
                rest.append(group)
        others = rest
    return others


def _families(functions: Functions, x: Array, places: Places) -> list[_Group]:
    """Return one group for points of one spectrum, or connected by walks along a family."""
    nullity = int(nullities(functions, x[places[:1]])[0])
    groups: list[_Group] = []
    spectra: list[Array] = []
    for k in map(int, places):
        spectrum = np.asarray(np.sort_complex(np.linalg.eigvals(functions.jacobians(x[[k]])[0])))
        size = SAME * (1 + np.abs(x[k]).max())
        for group, other in zip(groups, spectra, strict=True):
            if np.abs(other - spectrum).max(initial=0.0) < size:
                group.members.append(k)
                break
        else:
            groups.append(_Group(x[k], nullity, nullity, [k]))
            spectra.append(spectrum)
    for group in groups:
        some = [_Group(x[k], nullity, nullity, [k]) for k in group.members[:SAMPLED]]
        group.pieces = len(_joined(functions, some))
    return _joined(functions, groups)


def _joined(functions: Functions, groups: list[_Group]) -> list[_Group]:
    """Return the groups, joined where walks connect them."""
    done: list[_Group] = []
    while groups:
        first, *groups = groups
        groups = _join(functions, first, groups)
        done.append(first)
    return done
