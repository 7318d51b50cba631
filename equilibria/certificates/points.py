"""Representatives as points of the tower, turned so that every row of W begins with a positive entry."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from equilibria.certificates.exact import Field, Terms, add
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.component import Entry

Rows = tuple[tuple[Entry, ...], ...]


def oriented(field: Field, representative: Mapping[str, Rows]) -> dict[str, Terms]:
    """Return the entries that are not 0; rows are reflected where W begins with a negative one."""
    raw = {
        (letter, i, j): field.terms(entry)
        for letter, rows in representative.items()
        for i, row in enumerate(rows, 1)
        for j, entry in enumerate(row, 1)
    }
    kept = {key: value for key, value in raw.items() if value}
    flipped = _flipped(field, kept)
    found = {}
    for (letter, i, j), value in kept.items():
        odd = (i in flipped) != (letter == "P" and j in flipped)
        found[f"{letter}_{i}_{j}"] = {k: -v if odd else v for k, v in value.items()}
    return found


def _flipped(field: Field, entries: Mapping[tuple[str, int, int], Terms]) -> set[int]:
    first: dict[int, tuple[int, Terms]] = {}
    for (letter, i, j), value in entries.items():
        if letter == "W" and (i not in first or j < first[i][0]):
            first[i] = j, value
    return {i for i, (_, value) in first.items() if field.value(value) < 0}


def tied_predictor(
    field: Field, model: Model, point: Mapping[str, Terms]
) -> tuple[dict[str, dict[str, Terms]], dict[str, Terms]]:
    """Return dP/dW of the direct procedures by variable, and the inverses that DirectPred needs."""
    if model.traits.family is not Family.DIRECT:
        return {}, {}
    sigma, _ = model.moments.rational_matrices()
    slopes, inverses = {}, {}
    for i in range(1, model.n + 1):
        for j in range(1, model.n + 1):
            slope = _correlation_slope(field, model, sigma, point, i, j)
            if model.traits.takes_root:
                a, b = min(i, j), max(i, j)
                key = f"P_{a}_{a} + P_{b}_{b}"
                total = add(point.get(f"P_{a}_{a}", {}), point.get(f"P_{b}_{b}", {}))
                if total:
                    inverses[key] = field.inverse(total)
                inverse = inverses.get(key, {})
                slope = {w: field.times(value, inverse) for w, value in slope.items()}
            slopes[f"P_{i}_{j}"] = slope
    return slopes, inverses


def _correlation_slope(
    field: Field,
    model: Model,
    sigma: tuple[tuple[Fraction, ...], ...],
    point: Mapping[str, Terms],
    i: int,
    j: int,
) -> dict[str, Terms]:
    """Return d(W Sigma W^T)_ij = (dW Sigma W^T)_ij + (W Sigma dW^T)_ij by entry of W."""
    found: dict[str, Terms] = {}
    for row, other in ((i, j), (j, i)):
        for a in range(model.d):
            total: Terms = {}
            for b in range(model.d):
                total = add(total, point.get(f"W_{other}_{b + 1}", {}), sigma[a][b])
            name = f"W_{row}_{a + 1}"
            found[name] = add(found.get(name, {}), total)
    return found
