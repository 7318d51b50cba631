"""Direct sums of mixed pairs and aligned modes, against a search of the full equations."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import equilibria as eq
from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties import noncommuting as nc
from equilibria.varieties.commuting.mixed_pairs import mixed_pairs
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Component
from tests import dense

F = Fraction
# (s, m) of two modes that mix at weight decay 1/11, and of one that stays aligned.
FIRST = [(F(1, 4), F(-1, 3)), (F(47, 24), F(-37, 24))]
THIRD = (F(1, 3), F(19, 24))


def exact_pair(a: int, b: int, c: int, d: int, eta: Fraction) -> list[tuple[Fraction, Fraction]]:
    """Return (s, m) of two modes whose mixed equilibrium is the integer matrix A (T6.5)."""
    g = a * b + c * d
    left, right = F(a * g, c) - a * a - c * c, F(d * g, b) - b * b - d * d
    assert left > 0
    assert right > 0
    return [(eta / left, eta / left * g / c), (eta / right, eta / right * g / b)]


def model_of(modes, n: int, **options) -> Model:
    moments = Moments.commuting(signal=[m for _, m in modes], total=[s for s, _ in modes])
    return Model(moments=moments, embed_dim=n, weight_decay=F(1, 11), **options)


def mixed_of(model: Model) -> list[Component]:
    report = eq.analyze(model, max_components=2000)
    assert len(report.components) == report.variety.total
    return [c for c in report.components if c.modes is None]


def orbit(component: Component) -> np.ndarray:
    """Return what O(n) leaves alone: W^T W and W^T P W."""
    point = {
        name: np.array([[entry_float(x) for x in row] for row in rows])
        for name, rows in component.representative.items()
    }
    W, P = point["W"], point["P"]
    return np.concatenate([W.T @ W, W.T @ P @ W])


def residual(component: Component, model: Model) -> float:
    W, P = (
        np.array([[entry_float(x) for x in row] for row in component.representative[name]])
        for name in "WP"
    )
    sigma, m = model.moments.matrices()
    R, eta = W @ m - P @ W @ sigma, float(model.eta)
    return float(max(np.abs(R @ W.T - eta * P).max(), np.abs(P.T @ R - eta * W).max()))


def brute_count(model: Model) -> int:
    """Count the ways to choose disjoint pairs and aligned states of rank at most n."""
    modes = modes_of(model.moments)
    pairs = mixed_pairs(model)
    choices = [1 + len(states_of(mode, model.eta)) for mode in modes]
    count = 0
    for picked in product((False, True), repeat=len(pairs)):
        chosen = [pair for pair, taken in zip(pairs, picked, strict=True) if taken]
        used = [m.number for pair in chosen for m in (pair.left, pair.right)]
        if not chosen or len(used) != len(set(used)):
            continue
        free = [choices[mode.number - 1] for mode in modes if mode.number not in used]
        for roots in product(*(range(size) for size in free)):
            count += len(used) + sum(root > 0 for root in roots) <= model.n
    return count


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_a_third_mode_joins_a_pair_that_mixes(n):
    model = model_of([THIRD, *FIRST], n)
    mixed = mixed_of(model)
    names = {1: [], 2: ["rank2:a", "rank2:b"]}.get(n)
    if names is None:
        names = ["rank2:a", "rank2:b", "rank3:a", "rank3:b", "rank3:c", "rank3:d"]
    assert sorted(c.id for c in mixed) == names
    assert len(mixed) == brute_count(model)
    assert all(dense.residual(c, model) < 1e-12 for c in mixed)


@pytest.mark.parametrize(
    "options",
    [{"procedure": "ema"}, {"predictor_weight_decay": F(1, 30)}],
)
def test_spectra_are_those_of_the_dense_jacobian(options):
    model = model_of([THIRD, *FIRST], 3, **options)
    for component in [c for c in mixed_of(model) if c.id in ("rank2:b", "rank3:c")]:
        for kind, stability in (("flow", component.flow), ("map", component.map)):
            values = dense.spectrum(component, model, kind)
            assert dense.distance(values, dense.listed(stability.spectrum)) < 1e-5
            neutral = np.abs(values - (kind == "map")) < 1e-6
            assert neutral.sum() == component.dimension == stability.neutral


def test_two_pairs_and_a_mode():
    quiet = (F(1), F(1, 10))  # below its threshold: never active
    model = model_of([*FIRST, *exact_pair(-4, 1, 2, -4, F(1, 11)), quiet], 5)
    mixed = mixed_of(model)
    assert brute_count(model) == len(mixed)
    both = [c for c in mixed if c.note.count("mix") == 2]
    assert {c.rank for c in both} == {4}
    assert len(both) == 4
    assert all(residual(c, model) < 1e-11 for c in mixed)


def test_equal_modes_make_families():
    model = model_of([*FIRST, FIRST[1]], 2)
    report = eq.analyze(model)
    mixed = [c for c in report.components if c.modes is None]
    assert report.variety.total is None
    assert not report.variety.complete
    assert "one of each family" in report.variety.why
    for component in mixed:
        values = dense.spectrum(component, model)
        assert component.dimension == (np.abs(values) < 1e-9).sum()


@pytest.mark.parametrize(
    "modes",
    [[THIRD, *FIRST], pytest.param([*FIRST, (F(5, 6), F(9, 8))], marks=pytest.mark.slow)],
)
def test_a_search_of_the_full_equations_finds_nothing_else(modes):
    model = model_of(modes, 3)
    listed = [(c, orbit(c)) for c in eq.analyze(model, max_components=2000).components]
    sigma, m = model.moments.matrices()
    search = nc.multistart(sigma, m, 3, float(model.eta), 0, starts=120)
    met = set()
    for rank in search.ranks:
        for core in rank.equilibria:
            mark = np.concatenate([core.gram, core.W.T @ core.P @ core.W])
            gaps = [np.linalg.norm(mark - other) / np.linalg.norm(mark) for _, other in listed]
            assert min(gaps) < 1e-6
            met.add(listed[int(np.argmin(gaps))][0].id)
    assert len(met) > 8
