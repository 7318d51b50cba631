"""M that is not symmetric and turns no planes: numeric equilibria against the dense Jacobian; series."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

import equilibria as eq
from equilibria.data.sequence import estimate_sequence, load_series, save_sequence
from equilibria.errors import FormatError, ScopeError
from equilibria.varieties.asymmetric.branches import same_orbit
from equilibria.varieties.asymmetric.equilibria import Data, full_rank, rank_one
from equilibria.varieties.asymmetric.variety import asymmetric_variety
from tests import chain_dense
from tests.chain_dense import same_polynomial
from tests.dense import listed

Verdict = eq.Verdict
B7 = {"Sigma": [[1, 0], [0, 1]], "M": [["9/4", 1], ["-5/4", "1/4"]]}


def random_model(seed):
    rng = np.random.default_rng(seed)
    d, n = int(rng.integers(2, 5)), int(rng.integers(1, 5))
    root = rng.normal(size=(d, d))
    sigma = np.eye(d) if rng.random() < 0.3 else root @ root.T / d + 0.2 * np.eye(d)
    contraction = rng.normal(size=(d, d))
    contraction /= np.linalg.norm(contraction, 2) * 1.1
    factor = np.linalg.cholesky(sigma)
    m = factor @ contraction @ factor.T
    eta = 10 ** rng.uniform(-4, -1) * np.abs(m).max()
    more = {}
    if rng.random() < 0.5:
        more |= {"procedure": "ema", "ema": str(rng.choice([0.1, 0.5, 0.9, 0.99]))}
    if rng.random() < 0.3:
        more["momentum"] = "1/2"
    if rng.random() < 0.4:
        more["predictor_lr"] = Fraction(int(rng.integers(1, 40)), 10)
    if rng.random() < 0.4:
        more["predictor_weight_decay"] = Fraction(eta * rng.uniform(0.1, 3))
    return eq.Model(
        moments=eq.Moments.dense(sigma, m),
        embed_dim=n,
        weight_decay=Fraction(eta),
        lr=str(rng.choice(["1/100", "1/10", "1", "3"])),
        **more,
    )


@pytest.mark.parametrize("seed", range(40))
def test_equilibria_and_verdicts_are_those_of_the_dense_jacobian(seed):
    model = random_model(seed)
    for component in asymmetric_variety(model).components:
        state = chain_dense.state_of(model, component)
        scale = np.abs(chain_dense.flow(model, 1.5 * state)).max() if state.any() else 1.0
        assert np.abs(chain_dense.flow(model, state)).max() <= 1e-8 * scale
        for kind, found in (("flow", component.flow), ("map", component.map)):
            values = chain_dense.spectrum(model, component, kind)
            centre = 0.0 if kind == "flow" else 1.0
            rest = values[np.argsort(np.abs(values - centre))[component.dimension :]]
            worst = rest.real.max() if kind == "flow" else np.abs(rest).max()
            if found.verdict is not Verdict.UNDECIDED:
                assert (found.verdict is Verdict.STABLE) == (worst < centre)
            if found.extent is not None:
                assert found.extent == pytest.approx(worst, abs=1e-6)
        largest = component.map.largest_step
        if largest is not None and component.rank:
            for factor, inside in ((0.999, True), (1.001, False)):
                moved = replace(model, lr=Fraction(largest * factor))
                values = chain_dense.spectrum(moved, component, "map")
                rest = values[np.argsort(np.abs(values - 1))[component.dimension :]]
                assert (np.abs(rest).max() < 1) == inside


def test_b7_full_rank_of_a_matrix_that_is_not_normal():
    moments = eq.Moments.dense(B7["Sigma"], B7["M"])
    report = eq.analyze(eq.Model(moments=moments, embed_dim=2, weight_decay="1/4"))
    component = next(c for c in report.components if c.rank == 2)
    W = np.array(component.representative["W"], dtype=float)
    assert pytest.approx(np.array([[2.0, 1.0], [1.0, 1.0]]), abs=1e-9) == W.T @ W
    expected = np.concatenate([[0.0], [-0.5] * 3, np.roots([128, 960, 2664, 2980, 703])])
    assert same_polynomial(listed(component.flow.spectrum), expected) < 1e-8
    assert component.flow.verdict is Verdict.STABLE


@pytest.mark.parametrize("seed", range(20))
def test_the_largest_full_rank_is_the_branch_of_all_eigenvalues(seed):
    """Two routes: monotone iteration (T6.7), and continuation from weight decay 0 (T6.8)."""
    model = replace(random_model(seed), embed_dim=4, predictor_weight_decay=None)
    data = Data.of(replace(model, predictor_weight_decay=model.eta))
    largest = full_rank(data)
    from equilibria.varieties.asymmetric.branches import branches

    found, _ = branches(data)
    same = [b for b in found if largest is not None and same_orbit(b.point, largest)]
    full = [b for b in found if b.point.rank == model.d]
    assert len(same) == len(full) == (largest is not None)


def test_rank_one_is_complete_against_the_symmetric_route():
    """Where M is symmetric the pencil finds the roots of every mode."""
    sigma, m = np.diag([1.25, 1.0]), np.diag([1.0, 0.75])
    data = Data(sigma, m, 2, 1.0, 0.05, 0.05)
    roots = sorted(point.p for point in rank_one(data))
    expected = sorted(
        root for s, k in ((1.25, 1.0), (1.0, 0.75)) for root in np.roots([s, -k, 0.05])
    )
    assert roots == pytest.approx(expected)


def test_what_was_not_searched_is_not_none_found():
    report = eq.analyze(replace(random_model(3), embed_dim=3))
    assert report.summary.text.startswith("Of the equilibria that were found:")
    assert not report.variety.complete
    assert "waves were not searched" in report.variety.why


def test_rounding_is_taken_off_and_asymmetry_is_not():
    m = np.array([[0.5, 0.1], [0.1 + 1e-12, 0.4]])
    assert eq.Moments.dense(np.eye(2), m).symmetric
    m[0, 1] += 1e-7
    moments = eq.Moments.dense(np.eye(2), m)
    assert moments.lopsided
    assert moments.asymmetry == pytest.approx(1e-7 * np.sqrt(2) / np.linalg.norm(m), rel=1e-3)
    data = eq.analyze(eq.Model(moments=moments)).to_json()["moments"]
    assert (data["symmetric"], data["normal"]) == (False, False)


def test_planes_are_seen_in_matrices_that_show_them():
    moments = eq.Moments.dense([[1, 0], [0, 1]], [["3/5", "-2/5"], ["2/5", "3/5"]])
    assert [unit.name for unit in moments.units] == ["1&2"]
    skewed = eq.Moments.dense([[1, 0], [0, 2]], [["3/5", "-2/5"], ["2/5", "3/5"]])
    assert skewed.units is None
    assert skewed.lopsided


@pytest.mark.parametrize("ask", [eq.basin_report, eq.connection_graph])
def test_questions_without_an_answer_say_so(ask):
    with pytest.raises(ScopeError, match="not answered where M is not symmetric"):
        ask(random_model(0))


def test_decay_and_layers_are_needed_or_refused():
    model = random_model(0)
    with pytest.raises(ScopeError, match="weight decay must be above 0"):
        eq.analyze(replace(model, weight_decay=0, predictor_weight_decay=0))
    with pytest.raises(ScopeError, match="hidden layers: M must be symmetric"):
        eq.analyze(replace(model, encoder_layers=2))


# Time series.


def rotating_series(steps, seed=0, angle=0.4, size=0.95):
    rng = np.random.default_rng(seed)
    turn = size * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    state, states = np.zeros(2), []
    for _ in range(steps):
        state = turn @ state + rng.normal(size=2)
        states.append(state)
    return np.array(states)


def test_moments_of_a_series_are_those_of_its_process():
    estimate = estimate_sequence(rotating_series(40_000)[None])
    value = estimate.values[0]
    truth = 0.95 * np.exp(0.4j)
    assert abs(value - truth) < 5 * estimate.values_se[0]
    assert 1e-4 < estimate.values_se[0] < 1e-2
    assert estimate.asymmetry == pytest.approx(
        2 * np.sin(0.4) / np.sqrt(2) * np.sqrt(2) / 1, rel=0.02
    )
    two = estimate_sequence(rotating_series(40_000)[None], lag=2)
    assert abs(two.values[0] - truth**2) < 5 * two.values_se[0]


def test_errors_respect_the_correlation_in_time():
    """The spread over independent series is what one series says of itself, within a factor 1.6."""
    estimates = [estimate_sequence(rotating_series(4000, seed)[None]) for seed in range(40)]
    spread = np.std([abs(e.values[0]) for e in estimates], ddof=1)
    said = np.mean([e.values_se[0] for e in estimates])
    assert 1 / 1.6 < said / spread < 1.6
    spread = np.std([e.Sigma[0, 0] * e.scale for e in estimates], ddof=1)
    said = np.mean([e.Sigma_se[0, 0] * e.scale for e in estimates])
    assert 1 / 1.6 < said / spread < 1.6


def test_many_series_are_batches_of_their_own():
    series = np.array([rotating_series(500, seed) for seed in range(40)])
    estimate = estimate_sequence(series)
    assert (estimate.series, estimate.batches) == (40, 32)
    assert abs(estimate.values[0] - 0.95 * np.exp(0.4j)) < 5 * estimate.values_se[0]


def test_reversible_takes_the_symmetric_part():
    series = rotating_series(2000)[None]
    one, other = estimate_sequence(series), estimate_sequence(series, reversible=True)
    assert pytest.approx((one.M + one.M.T) / 2) == other.M
    assert other.asymmetry == pytest.approx(0, abs=1e-12)


def test_a_series_goes_from_file_to_equilibria(tmp_path):
    np.save(tmp_path / "states.npy", rotating_series(20_000))
    estimate = estimate_sequence(load_series(str(tmp_path / "states.npy")))
    save_sequence(tmp_path / "m.npz", estimate)
    moments = eq.Moments.load(tmp_path / "m.npz")
    report = eq.analyze(eq.Model(moments=moments, embed_dim=2, weight_decay="1/50"))
    best = report.components[0]
    assert best.rank == 2
    assert best.map.verdict is Verdict.STABLE
    assert best.note.startswith("continued from the eigenvalues 0.87")


@pytest.mark.parametrize(
    ("array", "more", "words"),
    [
        (np.ones((5, 2)), {}, "too short for standard errors"),
        (np.ones((500, 2)), {}, "do not vary"),
        (np.full((500, 2), np.nan), {}, "not finite"),
        (np.eye(300)[:, :2], {"lag": 400}, "take a smaller lag"),
        (np.repeat(np.random.default_rng(0).normal(size=(500, 1)), 2, axis=1), {}, "singular"),
        (np.random.default_rng(0).normal(size=(500, 2)), {"components": 3}, "--components 3"),
    ],
)
def test_series_that_cannot_be_measured(array, more, words):
    with pytest.raises(FormatError, match=words):
        estimate_sequence(array[None], **more)


def test_files_that_are_no_series(tmp_path):
    np.save(tmp_path / "line.npy", np.ones(5))
    np.savez(tmp_path / "two.npz", a=np.ones((9, 2)), b=np.ones((9, 2)))
    (tmp_path / "text.npy").write_text("no array")
    with pytest.raises(FormatError, match=r"shape \(5,\)"):
        load_series(str(tmp_path / "line.npy"))
    with pytest.raises(FormatError, match="holds a, b; say which"):
        load_series(str(tmp_path / "two.npz"))
    assert load_series(f"{tmp_path / 'two.npz'}:b").shape == (1, 9, 2)
    with pytest.raises(FormatError, match=r"not a NumPy \.npy file"):
        load_series(str(tmp_path / "text.npy"))
    with pytest.raises(FormatError, match="no such file"):
        load_series(str(tmp_path / "absent.npy"))
