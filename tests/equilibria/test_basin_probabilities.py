"""Where random starts end, against an independent classification of single long integrations."""

from __future__ import annotations

import io
import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp
from scipy.stats import binomtest

from equilibria import analyze
from equilibria.basin import (
    Sample,
    basin_lines,
    basin_probabilities,
    basin_report,
    critical_scales,
)
from equilibria.basin.figure import draw_basin
from equilibria.basin.probabilities import clopper_pearson
from equilibria.basin.targets import Aligned
from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.systems.initial_values import initial_matrices
from equilibria.systems.model import Model
from equilibria.systems.numeric import MatrixDynamics
from equilibria.varieties.commuting.representative import entry_float
from equilibria.varieties.component import Verdict

CASES = {
    "default": (Model(), 0.5),
    "ema": (Model(procedure="ema", ema="9/10", lr="1/2", weight_decay="1/10"), 0.7),
    "equal-modes": (
        Model(
            moments=Moments.isotropic(signal=[1, 1, "1/2"], variance=1),
            embed_dim=2,
            weight_decay="1/10",
        ),
        0.6,
    ),
    "negative": (
        Model(moments=Moments.commuting(signal=[1, -1], total=[1, 1]), weight_decay="1/10"),
        1.0,
    ),
    "unequal-decay": (Model(predictor_weight_decay="1/15", predictor_lr=2), 0.5),
    "noncommuting": (
        Model(
            moments=Moments.dense([[1, "1/4"], ["1/4", "1/2"]], [[1, 0], [0, "1/3"]]),
            weight_decay="1/20",
        ),
        0.5,
    ),
}


def resting_place(model: Model, W: np.ndarray, P: np.ndarray, until: float) -> np.ndarray:
    """Return W^T W after a long integration with nothing shared but the equations."""
    sigma, m = model.moments.matrices()
    n, d = W.shape
    eta, eta_p, alpha = float(model.eta), float(model.eta_p), float(model.alpha)
    beta = float(model.flow_rate) if model.procedure == "ema" else None

    def rhs(t, y):
        W, P = y[: n * d].reshape(n, d), y[n * d : n * d + n * n].reshape(n, n)
        T = W if beta is None else y[n * d + n * n :].reshape(n, d)
        R = T @ m - P @ W @ sigma
        parts = [P.T @ R - eta * W, alpha * R @ W.T - eta_p * P]
        if beta is not None:
            parts.append(beta * (W - T))
        return np.concatenate([part.ravel() for part in parts])

    start = [W.ravel(), P.ravel()] + ([] if beta is None else [W.ravel()])
    end = solve_ivp(
        rhs, (0, until), np.concatenate(start), method="LSODA", rtol=1e-8, atol=1e-12
    ).y[:, -1]
    assert np.abs(rhs(0, end)).max() < 1e-5
    W = end[: n * d].reshape(n, d)
    return W.T @ W


@pytest.mark.parametrize("name", CASES)
def test_fifty_runs_end_where_single_integrations_end(name):
    model, scale = CASES[name]
    endings = basin_probabilities(model, Sample("normal", scale, 50, seed=11), workers=1)
    assert endings.undecided == 0
    assert endings.diverged == 0
    assert len(endings.shares) >= 2
    stable = [c for c in analyze(model).components if c.flow.verdict is Verdict.STABLE]
    grams = {}
    for component in stable:
        W = np.array([[entry_float(v) for v in row] for row in component.representative["W"]])
        grams[component.id] = np.linalg.eigvalsh(W.T @ W)
    Ws, Ps = initial_matrices("normal", model.n, model.d, runs=range(50), seed=11, scale=scale)
    until = 400.0 if name == "equal-modes" else 4000.0
    for run in range(50):
        spectrum = np.linalg.eigvalsh(resting_place(model, Ws[run], Ps[run], until))
        distances = {key: np.abs(value - spectrum).max() for key, value in grams.items()}
        reached = endings.shares[endings.trajectories.code[run]].id
        assert distances[reached] < 1e-4
    assert sum(share.count for share in endings.shares) == 50


@pytest.mark.parametrize("is_map", [False, True])
def test_a_run_does_not_depend_on_the_batch_or_the_threads(is_map):
    model = Model(lr="1/2", momentum="1/2" if is_map else 0)
    reference = basin_probabilities(model, Sample(runs=140), is_map=is_map, workers=1)
    for width, workers in ((7, 1), (256, 2)):
        other = basin_probabilities(
            model, Sample(runs=140), is_map=is_map, width=width, workers=workers
        )
        assert other.shares == reference.shares
        assert np.array_equal(other.trajectories.y, reference.trajectories.y)
        assert np.array_equal(other.trajectories.code, reference.trajectories.code)
    fewer = basin_probabilities(model, Sample(runs=20), is_map=is_map)
    assert np.array_equal(fewer.trajectories.y, reference.trajectories.y[:20])


def test_map_and_flow_agree_for_small_steps_and_the_map_diverges_for_large_ones():
    flow = basin_probabilities(Model(weight_decay="1/10"), Sample(runs=60, scale=0.7))
    fine = basin_probabilities(
        Model(weight_decay="1/10", lr="1/50"), Sample(runs=60, scale=0.7), is_map=True
    )
    ids = [[e.shares[k].id for k in e.trajectories.code] for e in (flow, fine)]
    assert sum(a != b for a, b in zip(*ids, strict=True)) <= 2  # only starts next to a boundary
    wild = basin_probabilities(Model(lr=2), Sample(runs=60, scale=6.0), is_map=True)
    assert wild.diverged > 30
    assert wild.diverged + sum(share.count for share in wild.shares) + wild.undecided == 60


def test_near_a_saddle_is_not_arrived():
    """A state within rounding of an unstable stratum is not settled; at the stable one it is."""
    model = Model()
    dynamics = MatrixDynamics(model, 1)
    targets = Aligned(model, dynamics, is_map=False)
    for component in analyze(model).components:
        W, P = (
            np.array([[[entry_float(v) for v in row] for row in component.representative[x]]])
            for x in "WP"
        )
        y = dynamics.pack(W, P)
        code = targets.settle(y, np.zeros_like(y))[0]
        if component.flow.verdict is Verdict.STABLE:
            assert targets.names[code] == component.id
            assert targets.settle(y + 1e-1, np.zeros_like(y))[0] == -1
        else:
            assert code == -1


def test_rotated_starts_settle_in_the_same_stratum():
    """The O(n) symmetry is divided out (T0.4)."""
    model = Model(moments=Moments.commuting(signal=[1, "3/4", "1/2"]), embed_dim=3)
    dynamics = MatrixDynamics(model, 8)
    targets = Aligned(model, dynamics, is_map=False)
    stable = [c for c in analyze(model).components if c.flow.verdict is Verdict.STABLE]
    Q = initial_matrices("orthogonal", 3, 3, runs=range(8), seed=0, scale=1.0)[0]
    for component in stable:
        W, P = (
            np.array([[entry_float(v) for v in row] for row in component.representative[x]])
            for x in "WP"
        )
        y = dynamics.pack(Q @ W, Q @ P @ Q.transpose(0, 2, 1))
        codes = targets.settle(y, np.zeros_like(y))
        assert {targets.names[code] for code in codes} == {component.id}


def test_without_decay_runs_settle_on_families_by_rank():
    model = Model(weight_decay=0)
    endings = basin_probabilities(model, Sample("normal", 0.5, 40))
    assert endings.undecided == 0
    assert {share.id for share in endings.shares} <= {
        "rank0",
        "rank1:1+",
        "rank1:2+",
        "rank2:1+,2+",
    }
    with pytest.raises(ScopeError, match="no scale is critical"):
        critical_scales(model, Sample(runs=10))


@given(count=st.integers(0, 200), extra=st.integers(0, 200))
@settings(deadline=None)
def test_intervals_are_those_of_clopper_and_pearson(count, extra):
    total = count + extra
    if not total:
        return
    expected = binomtest(count, total).proportion_ci(0.95, method="exact")
    assert clopper_pearson(count, total) == pytest.approx((expected.low, expected.high), abs=1e-12)


def test_scales_fall_through_the_shares_asked_for():
    model = Model(weight_decay="1/10")
    scales = critical_scales(model, Sample("kaiming", runs=80, seed=2))
    half = scales.answers[0]
    tried = {t.scale: t for t in scales.curve}
    assert half.collapse == 0.5
    assert tried[half.scale].fraction <= 0.5
    assert half.low < half.scale <= half.high
    assert tried[half.low].low > 0.5
    assert tried[half.high].high <= 0.5
    below = max(scale for scale in tried if scale < half.scale)
    assert tried[below].fraction > 0.5
    again = basin_probabilities(model, Sample("kaiming", half.scale, 80, seed=2))
    assert again.collapse.fraction == tried[half.scale].fraction
    assert scales.curve[0].fraction == 1.0  # the ball of T2.5


def test_report_of_random_starts_is_complete():
    report = basin_report(Model(weight_decay="1/10"), sample=Sample(runs=30))
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["boundary"] is None
    assert sum(entry["count"] for entry in data["probabilities"]) + data["undecided"] == 30
    assert data["settled"] == 30
    assert data["init"]["init"] == "kaiming"
    lines = basin_lines(report)
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("kaiming init, scale 1: ")
    assert any(line.startswith("How large must kaiming be") for line in lines)
    stream = io.BytesIO()
    draw_basin(report, stream, "png")
    assert stream.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "name"),
    [({"runs": 0}, "--runs"), ({"scale": 0.0}, "--scale"), ({"seed": -1}, "--seed")],
)
def test_bad_samples_are_named(options, name):
    with pytest.raises(FormatError, match=name):
        Sample(**options)
