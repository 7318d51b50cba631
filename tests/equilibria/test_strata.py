"""Counting and listing of stable strata against brute force over all subsets."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equilibria as eq
from equilibria.varieties.commuting.modes import groups_of, modes_of
from equilibria.varieties.commuting.strata import all_strata, total_strata
from equilibria.varieties.commuting.transfer import _root_bound, rightmost_real_root
from equilibria.varieties.commuting.variety import (
    _stable_count,
    _stable_of_each_sign,
    _stable_strata,
)
from equilibria.varieties.commuting.worst_block import Members
from equilibria.varieties.component import Verdict

VALUES = st.fractions(min_value=Fraction(1, 10), max_value=2, max_denominator=10)


@st.composite
def models(draw, repeated=False):
    d = draw(st.integers(1, 5))
    signal = [draw(VALUES) * draw(st.sampled_from([1, 1, -1])) for _ in range(d)]
    total = [draw(VALUES) for _ in range(d)]
    if repeated:
        copies = draw(st.integers(1, 2))
        signal += [signal[0]] * copies
        total += [total[0]] * copies
    bound = max(m * m / (4 * s) for m, s in zip(signal, total, strict=True))
    eta = bound * draw(st.sampled_from([Fraction(1, 30), Fraction(1, 4), Fraction(3, 5)]))
    n = draw(st.integers(1, 4))
    return eq.Model(
        moments=eq.Moments.commuting(signal=signal, total=total), embed_dim=n, weight_decay=eta
    )


def names(strata) -> set[tuple]:
    return {tuple(state.label for state in stratum) for stratum in strata}


@settings(max_examples=60)
@given(st.booleans().flatmap(lambda repeated: models(repeated)))
def test_paths_list_and_count_exactly_the_stable_strata(model):
    report = eq.analyze(model, max_components=10**6)
    stable = {
        tuple(f"{m}{r}" for m, r in zip(c.modes, c.roots, strict=True))
        for c in report.components
        if c.modes is not None and c.flow.verdict is Verdict.STABLE
    }
    groups = groups_of(modes_of(model.moments), model.eta)
    positive, negative = _stable_of_each_sign(model, groups)
    assert names(_stable_strata(positive, negative, model.n)) == stable
    assert _stable_count(positive, negative, model.n) == len(stable)


@settings(max_examples=60)
@given(st.booleans().flatmap(lambda repeated: models(repeated)))
def test_the_total_is_the_number_of_strata(model):
    groups = groups_of(modes_of(model.moments), model.eta)
    listed = list(all_strata(groups, model.n))
    assert total_strata(groups, model.n) == len(listed) == len(names(listed))


def test_exponentially_many_stable_strata_are_counted_exactly():
    """Disjoint intervals [p-, p+] make every subset stable (T8.3): 2^40 of them."""
    d = 40
    signal = [Fraction(3) * 5**j for j in range(d)]
    total = [Fraction(2) * 4**j for j in range(d)]
    # s p^2 - m p + 1 = 0 with p = scale and 2 scale: m = 3/(2 scale), s = 1/(2 scale^2), eta = 1.
    scales = [Fraction(5) ** j for j in range(d)]
    signal = [Fraction(3, 2) / x for x in scales]
    total = [Fraction(1, 2) / x**2 for x in scales]
    model = eq.Model(
        moments=eq.Moments.commuting(signal=signal, total=total), embed_dim=d, weight_decay=1
    )
    report = eq.analyze(model)
    assert report.variety.total == 3**d
    assert report.variety.stable_total == 2**d
    assert "closed under" in report.variety.description
    assert len(report.components) == 64
    assert all(c.flow.verdict is Verdict.STABLE for c in report.components)


def test_the_number_of_strata_of_the_issue():
    signal = [Fraction(k, 9) for k in range(9, 1, -1)]
    moments = eq.Moments.isotropic(signal=signal, variance=1)
    model = eq.Model(moments=moments, embed_dim=8, weight_decay="1/1000")
    report = eq.analyze(model, max_components=7000)
    assert report.variety.total == len(report.components) == 6561
    stable = [c for c in report.components if c.flow.verdict is Verdict.STABLE]
    assert [c.rank for c in stable] == list(range(8, -1, -1))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_repeated_modes_are_one_component(n):
    moments = eq.Moments.isotropic(signal=[1, 1], variance=2)
    report = eq.analyze(eq.Model(moments=moments, embed_dim=n, weight_decay="1/20"))
    ranks = [c.rank for c in report.components if "-" not in c.id]
    assert sorted(ranks) == list(range(min(n, 2) + 1))
    # One active of two equal modes: a circle of directions in the data beside the rows.
    one = report.component("rank1:1+")
    assert one.dimension == (n - 1) + 1
    assert one.flow.neutral == one.dimension


def test_chain_rows_agree_with_single_rows():
    """The running maxima over nested strata against each stratum on its own."""
    signal = [1 - Fraction(k, 40) for k in range(12)]
    moments = eq.Moments.isotropic(signal=signal, variance=2)
    for name, ema in (("stop-gradient", None), ("ema", "99/100")):
        model = eq.Model(
            procedure=name, ema=ema, moments=moments, embed_dim=12, weight_decay="1/100"
        )
        from equilibria.varieties.commuting.components import evaluate

        modes = modes_of(moments)
        strata = [
            s
            for s in all_strata(groups_of(modes, model.eta), 12)
            if all(state.root == "+" for state in s)
            and [state.mode.number for state in s] == list(range(1, len(s) + 1))
        ]
        together = evaluate(model, modes, strata)
        for stratum, component in zip(strata, together, strict=True):
            alone = evaluate(model, modes, [stratum])[0]
            assert alone.flow.extent == pytest.approx(component.flow.extent, rel=1e-9)
            assert alone.map.extent == pytest.approx(component.map.extent, rel=1e-9)
            assert alone.map.largest_step == pytest.approx(component.map.largest_step, rel=1e-9)
            assert alone.flow.verdict is component.flow.verdict


def test_all_signs_of_roots_are_listed_once():
    model = eq.Model(
        moments=eq.Moments.commuting(signal=[1, -1], total=[2, 3]), weight_decay="1/50"
    )
    ids = {c.id for c in eq.analyze(model).components}
    roots = {f"rank2:1{a},2{b}" for a, b in product("+-", "+-")}
    assert roots <= ids
    assert len(ids) == 9


def test_zeros_of_a_stratum_are_those_of_its_blocks_pairs_counted_once():
    rng = np.random.default_rng(3)
    d = 4
    diagonal, inactive = (rng.integers(0, 3, size).astype(np.int8) for size in (d, (d, d)))
    pair = rng.integers(0, 3, (d, d)).astype(np.int8)
    pair = np.triu(pair, 1) + np.triu(pair, 1).T
    sets = [tuple(c) for k in range(d + 1) for c in combinations(range(d), k)]
    members = Members([np.array(c, dtype=np.intp) for c in sets], np.arange(d), d)
    found = members.zeros(diagonal=diagonal, pair=pair, inactive=inactive)
    for chosen, count in zip(sets, found, strict=True):
        outside = set(range(d)) - set(chosen)
        expected = sum(int(diagonal[i]) for i in chosen)
        expected += sum(int(pair[i, j]) for i, j in combinations(chosen, 2))
        expected += sum(int(inactive[i, j]) for i in chosen for j in outside)
        assert count == expected, chosen


@settings(max_examples=60)
@given(st.lists(st.integers(-50, 50), min_size=2, max_size=5))
def test_the_largest_of_real_roots_is_found_from_the_right(roots):
    coefficients = np.polynomial.polynomial.polyfromroots(roots)[None, :]
    found = rightmost_real_root(coefficients)[0]
    # A root of multiplicity r moves by eps^(1/r).
    error = {1: 1e-8, 2: 1e-3}.get(roots.count(max(roots)), 0.5)
    assert found == pytest.approx(max(roots), abs=error)


@given(st.lists(st.floats(-50, 50), min_size=2, max_size=5))
def test_no_root_lies_beyond_the_bound(roots):
    coefficients = np.polynomial.polynomial.polyfromroots(np.array(roots))[None, :]
    bound = _root_bound(coefficients)[0]
    assert bound >= np.abs(roots).max() * (1 - 1e-9)
    assert bound <= np.linalg.norm(roots) * (1 + 1e-6) + 1e-3
