"""Numerical search for equilibria of systems too large to decompose: many Newton runs at once.

What comes out are equilibria to the stated residual, never a proof that there are no others. What
lies around each is looked at too (`nearby`): where the Jacobian is singular its nullity only bounds
the dimension. Points of families are shown once where a walk along the family connects them or the
spectrum is the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from equilibria.elimination.nearby import (
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
from equilibria.polynomial import Polynomial

RESIDUAL = 1e-10
SAME = 1e-5
SAME_SINGULAR = 1e-3
"""Newton's method ends so near to a singular zero, not nearer."""


@dataclass(frozen=True)
class Found:
    """One equilibrium, standing for `hits` of the runs.

    `nullity` of the Jacobian there bounds the local dimension from above; `dimension` is None where
    the search could not decide it.
    """

    point: Mapping[str, float]
    nullity: int
    dimension: int | None
    residual: float
    hits: int


@dataclass
class _Group:
    """Runs that ended on one point, or on one family."""

    point: Array
    nullity: int
    dimension: int | None
    members: list[int]


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
        for group in _clusters(x, singular[nullity[singular] == size], int(size), SAME_SINGULAR):
            group.dimension = dimension_at(functions, group.point, int(size), generator)
            groups.append(group)
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
    joined: list[_Group] = []
    while groups:
        first, *rest = groups
        arrived = walked(functions, np.array([g.point for g in rest]), first.point, nullity)
        for group, here in zip(rest, arrived, strict=True):
            if here:
                first.members.extend(group.members)
        joined.append(first)
        groups = [group for group, here in zip(rest, arrived, strict=True) if not here]
    return joined
