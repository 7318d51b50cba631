"""Hidden layers: the block table against the dense Jacobian, worked examples, what is refused."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import equilibria as eq
from equilibria.errors import FormatError, LimitReached, ScopeError
from equilibria.exact.intervals import Uncertain
from equilibria.varieties.chains.closed_sets import closed_sets
from equilibria.varieties.chains.components import chain_id
from equilibria.varieties.chains.couplings import Rest, own_blocks, pair_blocks
from equilibria.varieties.chains.mode_equation import ModeEquation, RootPlace
from equilibria.varieties.chains.pair_matrix import pair_polynomial
from equilibria.varieties.chains.rest import units_of
from equilibria.varieties.chains.thresholds import effective_decay, thresholds
from equilibria.varieties.chains.variety import chain_variety
from equilibria.varieties.commuting.variety import aligned_variety
from tests import chain_dense
from tests.dense import listed

Verdict = eq.Verdict


def chain(L, K, signal, total, eta, **more):
    more.setdefault("embed_dim", len(signal))
    return eq.Model(
        moments=eq.Moments.commuting(signal=signal, total=total),
        encoder_layers=L,
        predictor_layers=K,
        weight_decay=eta,
        **more,
    )


def named(model):
    return {c.id: c for c in eq.analyze(model, max_components=1000).components}


# The independent route.


def check_against_dense(model, seed):
    count = 0
    for component in chain_variety(model).components:
        if component.rotates:
            continue
        state = chain_dense.state_of(model, component)
        scale = np.abs(chain_dense.flow(model, 1.5 * state)).max() if state.any() else 1.0
        assert np.abs(chain_dense.flow(model, state)).max() <= 1e-12 * scale
        for kind, stability in (("flow", component.flow), ("map", component.map)):
            dense = chain_dense.spectrum(model, component, kind)
            own = listed(stability.spectrum)
            assert own.size == dense.size
            assert chain_dense.same_polynomial(own, dense, seed) < 1e-9
            centre = 0.0 if kind == "flow" else 1.0
            rest = dense[np.argsort(np.abs(dense - centre))[stability.neutral :]]
            worst = rest.real.max() if kind == "flow" else np.abs(rest).max() - 1
            slack = 1e-7 * max(1e-3, np.abs(dense).max()) if kind == "flow" else 1e-7
            if stability.verdict is Verdict.STABLE:
                assert worst <= slack
                assert stability.neutral == component.dimension
            if stability.verdict is Verdict.UNSTABLE:
                assert worst >= -slack
        count += 1
    return count


@pytest.mark.parametrize("seed", range(12))
def test_blocks_and_verdicts_are_those_of_the_dense_jacobian(seed):
    check_against_dense(chain_dense.random_model(random.Random(seed)), seed)


@pytest.mark.slow
def test_two_thousand_components_against_the_dense_jacobian():
    count, seed = 0, 100
    while count < 2000:
        count += check_against_dense(chain_dense.random_model(random.Random(seed)), seed)
        seed += 1


@pytest.mark.parametrize("seed", range(8))
def test_the_largest_step_is_where_the_dense_map_loses_stability(seed):
    rng = random.Random(1000 + seed)
    model = chain_dense.random_model(rng)
    for component in chain_variety(model).components:
        largest = component.map.largest_step
        if largest is None or not 1e-6 < largest < 1e6:
            continue
        for factor, inside in ((0.999, True), (1.001, False)):
            moved = replace(model, lr=Fraction(largest * factor))
            values = chain_dense.spectrum(moved, component, "map")
            rest = values[np.argsort(np.abs(values - 1))[component.map.neutral :]]
            assert (np.abs(rest).max() <= 1 + 1e-9) == inside, (component.id, factor)


@pytest.mark.parametrize("seed", range(6))
def test_plain_is_what_it_was(seed):
    """Two routes: the chain's blocks and the closed forms of one layer, decays equal or not."""
    rng = random.Random(seed)
    model = chain_dense.random_model(rng)
    model = replace(
        model,
        encoder_layers=1,
        predictor_layers=1,
        hidden_dims=None,
        layer_weight_decays=None,
        predictor_weight_decay=model.eta * rng.choice([1, 3, Fraction(1, 7)]),
    )
    old = {c.id: c for c in aligned_variety(model, max_components=1000).components}
    new = {c.id: c for c in chain_variety(model, max_components=1000).components}
    assert new.keys() <= old.keys()
    for name, component in new.items():
        other = old[name]
        assert component.dimension == other.dimension
        for mine, its in ((component.flow, other.flow), (component.map, other.map)):
            assert (mine.verdict, mine.neutral) == (its.verdict, its.neutral)
            assert mine.extent == pytest.approx(its.extent, rel=1e-9, abs=1e-12)
        step = other.map.largest_step
        assert component.map.largest_step == (None if step is None else pytest.approx(step))


def test_the_pair_block_of_equal_decays_is_the_matrix_block():
    model = chain(2, 2, ["537/640", "-187/270"], [1, "9/10"], "1/50", embed_dim=2)
    left, right = (Rest.all_of(model.chain, mode)[0] for mode in units_of(model.moments))
    closed = pair_blocks(left, right)[0].coupling
    matrix = pair_polynomial(left, right)
    for phi in (Fraction(1), Fraction(-2, 3)):
        factor = np.poly1d([1, 2 * 0.02]) ** 3
        expected = factor * np.poly1d([float(c) for c in closed.at(phi)][::-1])
        found = [float(sum(c * phi**k for k, c in enumerate(row))) for row in matrix]
        assert found[::-1] == pytest.approx(expected.coeffs, rel=1e-12)


@pytest.mark.parametrize("seed", range(30))
def test_every_stable_set_is_a_closed_one(seed):
    """Where all strata can be evaluated, the short way to the stable ones misses none."""
    make = chain_dense.random_turning if seed % 2 else chain_dense.random_model
    model = make(random.Random(500 + seed))
    units = units_of(model.moments)
    rests = [Rest.all_of(model.chain, unit) for unit in units]
    found, whole = closed_sets(units, rests, model.chain.bottleneck, 10_000)
    assert whole
    names = [chain_id(stratum) for stratum in found]
    assert len(set(names)) == len(names)
    components = chain_variety(model, max_components=10_000).components
    stable = {c.id for c in components if c.flow.verdict is Verdict.STABLE and not c.rotates}
    assert stable <= set(names)


def test_many_modes_are_answered_by_their_stable_sets():
    signal = [Fraction(3, 4) ** k for k in range(11)]
    model = chain(2, 1, signal, [m + Fraction(1, 4) for m in signal], "1/1000000")
    variety = eq.analyze(model).variety
    assert variety.total > 20_000
    assert variety.stable_total == len(variety.components) == 12
    assert "the flow leaves no other stable" in variety.description


# Worked examples of section 38.


@pytest.mark.parametrize(
    ("L", "K", "m", "s", "fold"),
    [
        (3, 1, "1", "5/4", "16/729"),
        (3, 1, "3/4", "1", "3125/262144"),
        (2, 1, "4/5", "1", "27/625"),
        (2, 1, "1", "1", "27/256"),
        (1, 3, "3/4", "1", "9/64"),
        (2, 2, "3/4", "1", "1/16"),
    ],
)
def test_folds(L, K, m, s, fold):
    model = chain(L, K, [m], [s], "1/1000")
    assert [found.text for found in thresholds(model)] == [fold]
    assert len(named(chain(L, K, [m], [s], Fraction(fold) * Fraction(999, 1000)))) == 3
    assert len(named(chain(L, K, [m], [s], Fraction(fold) * Fraction(1001, 1000)))) == 1
    at_fold = named(chain(L, K, [m], [s], fold))["rank1:1+"]
    assert at_fold.flow.verdict is Verdict.UNDECIDED


@pytest.mark.parametrize(
    ("L", "K", "eta", "expected"),
    [
        (2, 1, "64/625", {"-128/625": 2, "-64/625": 1}),
        (1, 2, "144/625", {"-288/625": 2, "-224/625": 1}),
    ],
)
def test_a2_a3_spectra_are_exact(L, K, eta, expected):
    component = named(chain(L, K, [1], [1], eta))["rank1:1+"]
    assert {e.exact: e.multiplicity for e in component.flow.spectrum} == expected


A4 = (2, 1, ["537/640", "187/270", "1/2"], [1, 1, 1], "1/50")


def test_a4_spectrum_and_dimension():
    component = named(chain(*A4, hidden_dims=(3,)))["rank2:1+,2+"]
    assert component.dimension == component.flow.neutral == 6
    assert sum(e.multiplicity for e in component.flow.spectrum) == 27
    assert component.flow.verdict is Verdict.STABLE


@pytest.mark.parametrize(
    ("ema", "largest"), [(None, 4.655493), ("0.9", 1.718835), ("0.99", 1.660464)]
)
def test_a9_largest_steps(ema, largest):
    more = {} if ema is None else {"procedure": "ema", "ema": ema}
    component = named(chain(*A4, hidden_dims=(3,), **more))["rank2:1+,2+"]
    assert component.map.largest_step == pytest.approx(largest, rel=1e-6)


def test_a6_an_unstable_focus_on_the_upper_branch():
    model = chain(2, 1, ["5/8"], [1], "1/256", predictor_weight_decay="1/1024")
    component = named(model)["rank1:1+"]
    assert component.representative["P1"] == ((Fraction(1, 2),),)
    texts = {e.exact for e in component.flow.spectrum}
    assert texts == {"-1/128", "root of l**2 - 3/1024*l + 1/131072"}
    assert component.flow.verdict is Verdict.UNSTABLE


@pytest.mark.parametrize("seed", range(60))
def test_a7_the_rule_of_unequal_decays(seed):
    """T25.1: stable iff K sigma' > max(a eta_P, (2 L - 2) eta_W + (K - 2) eta_P)."""
    rng = random.Random(seed)
    L, K = rng.randint(1, 4), rng.randint(1, 4)
    w, u = Fraction(rng.randint(1, 9), 10), Fraction(rng.randint(1, 9), 10)
    eta_w, eta_p = Fraction(rng.randint(1, 40), 400), Fraction(rng.randint(1, 40), 400)
    s = Fraction(rng.randint(1, 60), 10)
    # Take layers w and u; balance eta_W w^2 = eta_P u^2 fixes eta_P, m follows from the equilibrium.
    eta_p = eta_w * w * w / (u * u)
    m = s * u**K + eta_w * w ** (2 - 2 * L) / u**K
    model = chain(L, K, [m], [s], eta_w, predictor_weight_decay=eta_p)
    sigma = s * u ** (2 * K - 2) * w ** (2 * L)
    a = 2 * L + K - 2
    wanted = K * sigma > max(a * eta_p, (2 * L - 2) * eta_w + (K - 2) * eta_p)
    roots = {"rank1:1+": K * sigma > a * eta_p, "rank1:1-": K * sigma < a * eta_p}
    components = {c.id: c for c in chain_variety(model).components}
    place = next((name for name, there in roots.items() if there), None)
    assert place is not None
    assert (components[place].flow.verdict is Verdict.STABLE) == wanted


def test_a10_effective_decay():
    model = chain(2, 1, ["4/5"], [1], "1/10", predictor_weight_decay="2/5")
    assert effective_decay(model) == (0.025, "1/40", True)
    place = Rest.all_of(model.chain, units_of(model.moments)[0])[0]
    assert float(place.p) == pytest.approx(0.737736, abs=5e-7)
    component = named(model)["rank1:1+"]
    assert np.abs(chain_dense.flow(model, chain_dense.state_of(model, component))).max() < 1e-15


def test_a12_global_collapse_is_the_largest_fold():
    model = chain(2, 1, ["9/10", "1/2"], [2, "1/2"], "527344/10000000")
    report = eq.analyze(model)
    assert [c.id for c in report.components] == ["rank0"]
    assert report.variety.complete
    assert max(found.weight_decay for found in thresholds(model)) == 0.052734375
    assert "0.0527344 is above 27/512" in report.summary.text


def test_less_decay_on_the_predictor_is_more_collapse():
    """T20.2: eta_eff = eta_W^L/eta_P^(L-1)."""
    model = chain(2, 1, [1], [1], "1/20")
    assert len(named(model)) == 3
    assert len(named(replace(model, predictor_weight_decay="1/200"))) == 1


def test_a_bottleneck_bounds_the_rank():
    model = chain(2, 1, [1, "3/4", "1/2"], [1, 1, 1], "1/100", hidden_dims=(1,))
    assert {c.rank for c in named(model).values()} == {0, 1}
    assert eq.analyze(model).variety.complete


# Roots.


def test_roots_are_between_zero_fold_and_ratio():
    for seed in range(40):
        rng = random.Random(seed)
        model = chain_dense.random_model(rng)
        for mode in units_of(model.moments):
            equation = ModeEquation.of(model.chain, mode)
            if equation.count < 2:
                continue
            outer, inner = RootPlace(equation, True), RootPlace(equation, False)
            assert inner.compare(equation.splits[0]) < 0 < outer.compare(equation.splits[0])
            low, high = outer.bounds(200)
            assert equation.side(low) * equation.side(high) <= 0
            assert high - low <= high / 2**198


def test_a_zero_is_not_taken_for_a_sign():
    model = chain(2, 1, ["4/5"], [1], "1/100")
    rest = Rest.all_of(model.chain, units_of(model.moments)[0])[0]
    gap = rest.p - rest.p
    with pytest.raises(Uncertain):
        gap.sign()
    assert own_blocks(rest)[0].coupling.degree == 1


# What is refused, and how.


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"hidden_dims": (3,)}, "no hidden layer"),
        ({"encoder_layers": 0}, "--encoder-layers 0: expected a whole number from 1 to 64"),
        ({"encoder_layers": 3, "hidden_dims": (2, 3, 4)}, "3 widths for 2 hidden layers"),
        ({"encoder_layers": 2, "hidden_dims": (0,)}, "--hidden-dim 0"),
        ({"encoder_layers": 2, "layer_weight_decays": ("1/10", "1/10")}, "2 decays for 3 layers"),
        ({"encoder_layers": 2, "procedure": "direct-pred"}, "direct-pred has no deep form"),
        (
            {
                "encoder_layers": 2,
                "layer_weight_decays": ("1/10", "1/10", "1/9"),
                "predictor_weight_decay": "1/5",
            },
            "--layer-weight-decay says it already",
        ),
    ],
)
def test_options_that_make_no_sense(more, words):
    with pytest.raises(FormatError, match=words):
        eq.Model(**more)


def test_questions_without_an_answer_say_so():
    deep = eq.Model(encoder_layers=2)
    with pytest.raises(ScopeError, match="basin: not answered with hidden layers"):
        eq.basin_report(deep)
    with pytest.raises(ScopeError, match="graph: not answered"):
        eq.connection_graph(deep)
    with pytest.raises(ScopeError, match="weight decay must be above 0"):
        eq.analyze(replace(deep, weight_decay=0, predictor_weight_decay=0))
    deep = eq.Model(encoder_layers=8, embed_dim=8)
    with pytest.raises(LimitReached, match="terms"):
        deep.traits.system(deep)


# The polynomials and the report.


@pytest.mark.parametrize("procedure", ["stop-gradient", "ema", "joint"])
def test_the_polynomials_are_the_matrix_flow_and_map(procedure):
    model = eq.Model(
        procedure=procedure,
        encoder_layers=2,
        predictor_layers=2,
        hidden_dims=(3, 1),
        predictor_lr="3/2",
        layer_weight_decays=("1/10", "1/20", "1/30", "1/40"),
        momentum="1/2",
    )
    system = model.traits.system(model)
    rng = np.random.default_rng(0)
    names = list(system.flow)
    state = rng.normal(size=len(names))
    if procedure != "joint":
        values = system.evaluate(dict(zip(names, state, strict=True)))
        expected = chain_dense.flow(model, state).real
        assert list(values.values()) == pytest.approx(expected, rel=1e-12, abs=1e-12)
        layers = sum(r * c for r, c in model.chain.shapes.values())
        velocity = rng.normal(size=layers)
        order = [*names, *(f"V{name}" for name in names[:layers])]
        full = np.concatenate([state, velocity])
        after = system.evaluate(dict(zip(order, full, strict=True)), "map")
        expected = chain_dense.step(model, full).real
        assert [after[name] for name in order] == pytest.approx(expected, rel=1e-12, abs=1e-12)
        return
    potential = joint_potential(model, system, names)
    for i, name in enumerate(names):
        moved = state.astype(complex)
        moved[i] += 1e-30j
        slope = potential(moved).imag / 1e-30
        rate = 1.5 if name.startswith("P") else 1.0
        value = system.evaluate(dict(zip(names, state, strict=True)))[name]
        assert value == pytest.approx(-rate * slope, rel=1e-10, abs=1e-12)


def joint_potential(model, system, names):
    """Return 1/2 E|P W x - W y|^2 with the decays, by matrices."""
    sigma, m = model.moments.matrices()

    def value(state):
        layers, _, _ = chain_dense.split(model, state)
        W = chain_dense.product(layers[:2], model.d)
        PW = chain_dense.product(layers, model.d)
        loss = (PW @ sigma @ PW.T).trace() / 2 - (PW @ m @ W.T).trace()
        loss += (W @ sigma @ W.T).trace() / 2
        for layer, decay, rate in zip(layers, model.chain.decays, model.chain.rates, strict=True):
            loss += float(decay / rate) * (layer * layer).sum() / 2
        return loss

    return value


def test_joint_collapses_at_every_depth():
    report = eq.analyze(eq.Model(procedure="joint", encoder_layers=2, predictor_lr=2))
    assert [c.id for c in report.components] == ["rank0"]
    assert report.variety.complete
    assert report.components[0].flow.how is eq.How.PROVED
    assert report.gradient.flow.is_gradient
    with pytest.raises(ScopeError, match=r"\|m\| <= s"):
        eq.analyze(chain(2, 1, [2], [1], "1/10", procedure="joint"))


def test_joint_collapse_has_the_largest_step_of_its_rates():
    one = eq.Model(procedure="joint", encoder_layers=1, predictor_layers=2, weight_decay="1/20")
    component = eq.analyze(one).components[0]
    assert component.map.largest_step == pytest.approx(2 / (1.25 + 0.05))
    assert eq.analyze(replace(one, lr=2)).components[0].map.verdict is Verdict.UNSTABLE


def test_json_has_the_keys_of_the_contract():
    model = chain(2, 2, [1, "3/4"], ["5/4", 1], "1/100", predictor_weight_decay="1/50")
    data = eq.analyze(model).to_json()
    assert data["parameters"]["encoder_layers"] == 2
    assert data["parameters"]["hidden_dims"] == [2, 2]
    assert data["parameters"]["layer_weight_decays"] == ["1/100", "1/100", "1/50", "1/50"]
    assert [row["mode"] for row in data["thresholds"]] == [1, 2]
    assert data["effective_weight_decay"]["value"] == pytest.approx(1e-4 / (1 / 50))
    point = data["components"][0]["representative"]
    assert [len(point[letter]) for letter in "WP"] == [2, 2]
    assert "W1_1_1" in data["system"]["flow"]
    assert data["system"]["symmetry"] == "O(2) x O(2) x O(2)"
    shallow = eq.analyze(eq.Model()).to_json()
    assert "thresholds" not in shallow
    assert "encoder_layers" not in shallow["parameters"]


def test_the_equations_hold_at_the_representative():
    model = chain(2, 1, [1, "-3/4"], ["5/4", 1], "1/100", predictor_weight_decay="1/50")
    component = named(model)["rank2:1+,2+"]
    point = {
        name: np.array([[float(getattr(x, "value", x)) for x in row] for row in rows])
        for name, rows in component.representative.items()
    }
    first, second, third, product = component.equations
    assert second == "W2^T*W2 = W1*W1^T"
    assert point["W2"].T @ point["W2"] == pytest.approx(point["W1"] @ point["W1"].T)
    assert third == "P1^T*P1 = 1/2*W2*W2^T"
    assert point["P1"].T @ point["P1"] == pytest.approx(point["W2"] @ point["W2"].T / 2)
    assert first.startswith("W1^T*W1 = (")
    assert product.startswith("P1*W2*W1 = W2*W1*((")


def test_the_list_is_not_complete_where_predictors_of_three_layers_mix():
    """T22.5, A8: an equilibrium that no mode describes exists for an indefinite M and K = 3."""
    model = chain(1, 3, [1, "-1/2"], [1, 1], "1/100")
    assert not eq.analyze(model).variety.complete
    assert eq.analyze(chain(1, 2, [1, "-1/2"], [1, 1], "1/100")).variety.complete
    assert eq.analyze(chain(1, 3, [1, "1/2"], [1, 1], "1/100")).variety.complete


def test_modes_that_share_a_root_are_said():
    # (1, 3/4) and (3/2, 17/16) both rest at p = 5/8 with L = K = ... any L: the same p^theta (m - s p).
    model = chain(2, 1, ["3/4", "17/16"], [1, "3/2"], Fraction(5, 8) ** 3 * Fraction(1, 8))
    report = eq.analyze(model)
    assert not report.variety.complete
    assert "share a root" in report.variety.why
    assert any(c.flow.note.startswith("degenerate") for c in report.components)


def test_repeated_modes_add_the_flag_of_their_eigenspace():
    model = chain(2, 1, [1, 1, "1/2"], [1, 1, 1], "1/100", embed_dim=3)
    found = named(model)
    assert "rank1:2+" not in found
    one = found["rank1:1+"]
    assert (
        one.dimension == 2 * (3 - 1) + 1
    )  # two hidden spaces, and the direction in the eigenspace
    assert found["rank2:1+,2-"].dimension == 2 * (2 * (3 - 2) + 1) + 1
