"""Stable points of families that are unstable wherever they are aligned, against the dense Jacobian."""

from __future__ import annotations

import re
from fractions import Fraction

import numpy as np
import pytest

import equilibria as eq
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import Mode, modes_of
from equilibria.varieties.without_decay.twisted import _coupled, _proposals, stable_point
from tests.equilibria.test_in_part import rates

F = Fraction
THREE = eq.Moments.commuting(signal=["9/10", "3/5", "1/3"], noise="1/4")


def model_of(signal, total, **options) -> Model:
    moments = eq.Moments.commuting(signal=signal, total=total)
    return Model(moments=moments, weight_decay=0, **options)


def chosen(model: Model, *numbers: int) -> tuple[list[Mode], list[Mode]]:
    modes = list(modes_of(model.moments))
    return modes, [mode for mode in modes if mode.number in numbers]


def matrices(words: str) -> list[np.ndarray]:
    found = re.findall(r"\[(\[.*?\])\]", words)
    rows = [re.findall(r"\[(.*?)\]", text) for text in found]
    return [np.array([[float(F(x)) for x in row.split(",")] for row in part]) for part in rows]


@pytest.mark.parametrize(
    ("model", "active", "dimension", "kept"),
    [
        (Model(weight_decay=0, moments=THREE, lr="1/10"), (2, 3), 4, True),
        # Where W is 1 the map leaves; half of it is kept.
        (Model(weight_decay=0, moments=THREE, lr="1/2"), (2, 3), 4, True),
        (Model(weight_decay=0, moments=THREE, lr=2), (2, 3), 4, False),
        # 2 d (c - d) < x^2 needs a coupling above d, here 1/2, with c = 1.
        (model_of([1, "1/2"], [1, 1], embed_dim=2), (2,), None, True),
    ],
    ids=["small step", "small encoder", "flow alone", "large coupling"],
)
def test_a_stable_point_is_one(model, active, dimension, kept):
    modes, modes_in = chosen(model, *active)
    if dimension is None:
        name = f"rank{len(active)}:" + ",".join(f"{k}+" for k in active)
        dimension = eq.analyze(model).component(name).dimension
    words, map_too = stable_point(model, modes, modes_in, dimension)
    P, W = matrices(words)
    assert rates(model, W, P, dimension).max() < 0
    assert map_too is kept
    assert bool(rates(model, W, P, dimension, "map").max() < 1) is kept


@pytest.mark.parametrize(("n", "active"), [(2, (2, 3)), (3, (2, 3)), (2, (3,)), (3, (3,))])
def test_what_is_proposed_is_an_equilibrium_with_idle_rows_above_all_correlations(n, active):
    model = model_of([5, 2, 1], [2, 1, 1], embed_dim=n)
    sigma, m = (np.array(x, float) for x in model.moments.matrices())
    found = list(_proposals(model, *chosen(model, *active)))
    assert len({str(one) for one in found}) == len(found) > 3
    for rows in found:
        P, W = (np.array(part, float) for part in rows)
        np.testing.assert_allclose(W @ m, P @ W @ sigma, atol=1e-12)
        assert np.linalg.matrix_rank(W) == len(active)
        assert np.diag(P)[2:].tolist() == [5.0] * (n - 2)  # twice 5/2


def numbers(pairs) -> list[tuple[int, int | None]] | None:
    if pairs is None:
        return None
    return [(one.number, None if other is None else other.number) for one, other in pairs]


@pytest.mark.parametrize(
    ("signal", "total", "n", "active", "expected"),
    [
        ([3, 2, 1], [1, 1, 1], 2, (2, 3), [(2, 3)]),
        ([3, 2, 1], [1, 1, 1], 2, (2,), [(2, None)]),
        ([3, 2, 1], [1, 1, 1], 1, (2,), None),  # no row is free
        ([3, 2, 1], [1, 1, 1], 2, (1,), []),  # nothing grows
        ([3, 2, 1], [1, 2, 1], 2, (2, 3), None),  # one correlation twice
        ([1, "-1/2"], [1, 1], 2, (2,), []),  # d (c - d) < 0
        ([-1, "-1/2"], [1, 1], 2, (2,), [(2, None)]),
        ([4, 3, 2, 1], [1, 1, 1, 1], 4, (2, 4), [(2, None), (4, None)]),  # not the same inputs grow
        ([4, 3, 2, 1], [1, 1, 1, 1], 3, (2, 4), None),
        ([4, 3, 2, 1], [1, 1, 1, 1], 4, (2, 3, 4), [(2, 3), (4, None)]),
    ],
)
def test_growing_modes_are_coupled_with_each_other_or_a_free_row(
    signal, total, n, active, expected
):
    model = model_of(signal, total, embed_dim=n)
    assert numbers(_coupled(model, *chosen(model, *active))) == expected
