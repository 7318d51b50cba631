"""The fluctuation that mini-batches cause: measured against the discrete Lyapunov equation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from empirical.linear.settings import Settings  # noqa: E402
from empirical.linear.simulate import simulate  # noqa: E402
from empirical.overlay import overlay  # noqa: E402
from empirical.overlay.noise import _residual_covariance, stationary  # noqa: E402
from empirical.overlay.predicted import predict  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.errors import ScopeError  # noqa: E402
from equilibria.systems.model import Model, default_signal  # noqa: E402

F3 = Moments.commuting(signal=default_signal(8), noise="1/4")


def top(model: Model):
    return max(predict(model, []).stable, key=lambda t: t.component.rank)


@pytest.mark.parametrize(
    "extra",
    [
        {"lr": "1/20"},
        {"lr": "1/200", "momentum": "9/10"},
        {"lr": "1/20", "procedure": "ema", "ema": "9/10"},
        {"lr": "1/20", "procedure": "ema", "ema": "9/10", "momentum": "1/2"},
    ],
    ids=["plain", "momentum", "ema", "both"],
)
def test_measured_within_ten_per_cent_of_predicted(extra: dict, tmp_path: Path) -> None:
    model = Model(**extra)
    goal = top(model)
    start = tmp_path / "start.npz"
    np.savez(start, W=goal.W, P=goal.P)
    simulate(model, runs=12, steps=4000, batch_size=128, log_every=20, init=str(start),
             out=tmp_path / "run", seed=3)  # fmt: skip
    result = overlay([tmp_path / "run"], write=False)
    noises = [run.noise for run in result.folders[0].runs if run.predicted]
    assert len(noises) == 12
    expected = noises[0].expected
    measured = float(np.mean([noise.measured for noise in noises]))
    assert measured == pytest.approx(expected.distance, rel=0.1)
    assert float(np.mean([n.gram for n in noises])) == pytest.approx(expected.gram, rel=0.1)
    assert expected.low < expected.distance < expected.high
    assert any("noise at rank2:1+,2+" in line for line in result.lines)


def test_a_data_set_has_the_covariance_of_its_own_pairs(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    shared = rng.uniform(-1, 1, size=(400, 2)) * np.sqrt(3)  # not Gaussian
    x, y = (shared + 0.5 * rng.standard_normal((400, 2)) for _ in range(2))
    data = tmp_path / "pairs.npz"
    np.savez(data, x=x, y=y)
    result = simulate(Model(lr="1/20"), runs=12, steps=4000, batch_size=128, data=data,
                      log_every=20, out=tmp_path / "run", seed=1)  # fmt: skip
    model = result.model
    found = overlay([tmp_path / "run"], write=False).folders[0].runs
    for rank in (2,):
        like = [r for r in found if r.predicted and r.stratum_reached.startswith(f"rank{rank}")]
        assert len(like) >= 3
        measured = float(np.mean([r.noise.measured for r in like]))
        assert measured == pytest.approx(like[0].noise.expected.distance, rel=0.15)
    goal = top(model)
    settings = Settings(batch_size=128, data=str(data))
    ours = _residual_covariance(model, goal.W, goal.P, settings)
    gaussian = _residual_covariance(model, goal.W, goal.P, Settings(batch_size=128))
    assert np.abs(ours - gaussian).max() > 0.05 * np.abs(gaussian).max()


def test_the_gaussian_covariance_is_that_of_samples() -> None:
    model = Model()
    goal = top(model)
    sigma, m = model.moments.matrices()
    rng = np.random.default_rng(0)
    joint = np.linalg.cholesky(np.block([[sigma, m], [m, sigma]]))
    x, y = np.split(rng.standard_normal((200_000, 4)) @ joint.T, 2, axis=1)
    u = y @ goal.W.T - x @ (goal.P @ goal.W).T
    outer = (u[:, :, None] * x[:, None, :]).reshape(len(x), -1)
    sampled = np.cov(outer.T)
    exact = _residual_covariance(model, goal.W, goal.P, Settings(batch_size=1)).reshape(4, 4)
    np.testing.assert_allclose(sampled, exact, atol=0.03 * np.abs(exact).max())


@pytest.mark.parametrize(
    ("extra", "batch", "effective", "constant"),
    [
        ({}, 128, 0.1, 2.45),
        ({}, 512, 0.1, 2.45),
        ({"lr": "1/50"}, 128, 0.02, 2.46),
        ({"lr": "1/100", "momentum": "9/10"}, 128, 0.1, 2.46),
        ({"procedure": "ema", "ema": "99/100"}, 128, 0.1, 1.81),
    ],
)
def test_the_constants_measured_for_eight_modes_are_predicted(
    extra: dict, batch: int, effective: float, constant: float
) -> None:
    model = Model(moments=F3, embed_dim=8, **extra)
    goal = top(model)
    noise = stationary(model, goal.W, goal.P, Settings(batch_size=batch))
    assert noise.gram / np.sqrt(effective / batch) == pytest.approx(constant, rel=0.015)


@pytest.mark.parametrize(
    ("runs", "every", "off"), [(8, 60, 0.05), pytest.param(32, 20, 0.03, marks=pytest.mark.slow)]
)
def test_simulate_shows_the_same_constant(
    runs: int, every: int, off: float, tmp_path: Path
) -> None:
    model = Model(moments=F3, embed_dim=8)
    simulate(model, runs=runs, steps=6000, batch_size=128, init="normal", scale=0.5, log_every=every,
             out=tmp_path / "run")  # fmt: skip
    found = overlay([tmp_path / "run"], write=False).folders[0].runs
    like = [r for r in found if r.stratum_reached == "rank4:1+,2+,3+,4+" and r.noise]
    assert len(like) >= runs / 2
    constant = float(np.median([r.noise.gram for r in like])) / np.sqrt(0.1 / 128)
    assert constant == pytest.approx(2.45, rel=off)


def test_what_is_not_predicted_says_why() -> None:
    with pytest.raises(ScopeError, match="the noise is predicted for"):
        stationary(Model(procedure="joint"), np.eye(2), np.eye(2), Settings(batch_size=8))
    saddle = next(t for t in predict(Model(), []).targets if t.id == "rank1:2+")
    with pytest.raises(ScopeError, match="does not contract"):
        stationary(Model(), saddle.W, saddle.P, Settings(batch_size=8))
    collapsed = next(t for t in predict(Model(), []).targets if t.id == "rank0")
    assert stationary(Model(), collapsed.W, collapsed.P, Settings(batch_size=8)).distance == 0
