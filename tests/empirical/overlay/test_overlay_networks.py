"""A network's head against the equilibria of its frozen features."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from empirical.overlay import overlay
from empirical.overlay.frozen import nearby
from empirical.overlay.moment import Decay
from empirical.overlay.work import Work
from empirical.runs.folder import RunFolder
from equilibria.errors import FormatError, ScopeError

SIGMA = np.array([[1.4, 0.2, 0.0], [0.2, 1.1, 0.1], [0.0, 0.1, 0.9]])
M = np.array([[1.0, 0.0, 0.1], [0.0, 0.7, 0.0], [0.1, 0.0, 0.2]])
DECAY = Decay(0.05, 0.05, 1.0)
CONFIG = {
    "method": "simsiam", "predictor": "linear", "predictor-bn": False, "loss": "squared",
    "head-bn": "none", "stop-gradient": True, "symmetric-loss": True, "optimizer": "sgd",
    "weight-decay": 0.05, "predictor-lr": 1.0, "backbone": "linear", "predictor-update": "gradient",
}  # fmt: skip


def trained(place: Path, *, steps: int = 4000, moving: float = 0.0, **config: object) -> Path:
    """Write the folder of a head trained by the map on moments that may grow over time."""
    rng = np.random.default_rng(0)
    W, P = 0.6 * rng.normal(size=(2, 3)), np.eye(2) * 0.5
    path: dict[str, list] = {name: [] for name in ("step", "W", "P", "Sigma", "M")}
    for step in range(steps + 1):
        grow = 1 + moving * step / steps
        if step % (steps // 20) == 0:
            for name, value in zip(path, (step, W, P, grow * SIGMA, grow * M), strict=True):
                path[name].append(value)
        R = grow * (W @ M - P @ W @ SIGMA)
        W, P = W + 0.1 * (P.T @ R - 0.05 * W), P + 0.1 * (R @ W.T - 0.05 * P)
    run = RunFolder.create(place, {**CONFIG, **config})
    run.save_trajectory(**{name: np.array(value) for name, value in path.items()})
    return place


def test_a_linear_head_on_frozen_features_ends_on_the_predicted_equilibrium(tmp_path: Path) -> None:
    result = overlay([trained(tmp_path / "net")])
    run = result.folders[0]
    assert run.reasons == ()
    assert run.agrees
    assert result.decided
    last = run.last
    assert last.distance < 1e-6 < run.moments[0].distance
    assert last.rank == last.reached == 2
    np.testing.assert_allclose(last.p, last.p_rest, atol=1e-6)
    data = json.loads((tmp_path / "net" / "overlay.json").read_text())
    assert data["schema"] == "noncollapse/overlay/1"
    assert data["agreement"] == 1.0
    assert data["runs"][0]["stratum_reached"] == "rank2"
    assert len((tmp_path / "net" / "overlay.png").read_bytes()) < 200_000
    page = (tmp_path / "net" / "overlay.html").read_text()
    assert "squared" in page
    assert "<script" not in page


def test_the_verdict_on_the_outputs_is_told_beside_the_comparison(tmp_path: Path) -> None:
    folder = trained(tmp_path / "net")
    run = overlay([folder], html=False).folders[0]
    assert "verdict of `train`: none, the run has no summary of its end" in run.lines
    assert run.data["runs"][0]["outputs"] is None
    text = "dimensions lost: the outputs vary in 1.2 dimensions (9.0 at the start)"
    RunFolder.open(folder).write_summary({"verdict": "dimensions lost", "text": text})
    run = overlay([folder], html=False).folders[0]
    assert f"verdict of `train`: {text}" in run.lines
    assert run.data["runs"][0]["outputs"] == text
    RunFolder.open(folder).write_summary({"text": ["not", "text"]})
    assert overlay([folder], html=False).folders[0].outputs == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"moving": 3.0}, "the moments still move"),
        ({"loss": "cosine"}, "the loss is cosine"),
        ({"predictor": "mlp"}, "not linear"),
        ({"head-bn": "output"}, "batch norm in the head"),
        ({"steps": 100}, "still move"),
    ],
)
def test_it_is_not_called_a_prediction_when(changes: dict, words: str, tmp_path: Path) -> None:
    result = overlay([trained(tmp_path / "net", **changes)], write=False)
    run = result.folders[0]
    assert run.agrees is None
    assert not result.decided
    assert words in "; ".join(run.reasons)
    assert any(line.startswith("not a prediction: ") for line in result.lines)


def test_methods_without_a_theory_and_broken_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ScopeError, match="simclr"):
        overlay([trained(tmp_path / "simclr", steps=20, method="simclr")])
    bare = RunFolder.create(tmp_path / "bare", CONFIG)
    with pytest.raises(FormatError, match="has not written its trajectory"):
        overlay([bare.path])
    place = trained(tmp_path / "none", steps=20)
    text = (place / "config.toml").read_text().replace("weight-decay = 0.05\n", "")
    (place / "config.toml").write_text(text)
    with pytest.raises(FormatError, match="not a configuration"):
        overlay([place])
    assert not (tmp_path / "none" / "overlay.json").exists()


def test_a_search_from_afar_ends_on_an_equilibrium() -> None:
    rng = np.random.default_rng(2)
    W, P = rng.normal(size=(2, 3)), rng.normal(size=(2, 2))
    found = nearby(W, P, SIGMA, M, DECAY, Work(1e12))
    assert found.status == "found"
    W, P = found.core
    R = W @ M - P @ W @ SIGMA
    assert np.abs(P.T @ R - 0.05 * W).max() < 1e-8
    assert np.abs(R @ W.T - 0.05 * P).max() < 1e-8


def test_a_search_that_was_not_made_is_called_that(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("empirical.overlay.networks.WORK", 10.0)
    run = overlay([trained(tmp_path / "net")], write=False).folders[0]
    text = "\n".join(run.lines)
    assert "not searched" in text
    assert "agree" not in text
    assert run.agrees is None
    assert not run.decided
    assert run.data["runs"][0]["search"] == "not searched"


def test_the_default_of_another_predictor_does_not_make_a_linear_one_nonlinear(
    tmp_path: Path,
) -> None:
    run = overlay([trained(tmp_path / "net", **{"predictor-bn": True})], write=False).folders[0]
    assert run.reasons == ()
    assert run.agrees


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"predictor": "mlp"}, "its best linear fit"),
        ({"predictor": "symmetric"}, "kept symmetric"),
        ({"predictor-bias": True}, "has a bias"),
    ],
)
def test_what_is_not_a_plain_linear_predictor_says_which(
    changes: dict, words: str, tmp_path: Path
) -> None:
    run = overlay([trained(tmp_path / "net", **changes)], write=False).folders[0]
    assert words in "; ".join(run.reasons)


def test_one_point_is_not_judged(tmp_path: Path) -> None:
    place = trained(tmp_path / "net", steps=20)
    run = RunFolder.open(place)
    arrays = run.trajectory()
    run.save_trajectory(**{name: value[:1] for name, value in arrays.items()})
    with pytest.raises(FormatError, match="holds step 0 alone"):
        overlay([place])


def test_a_trajectory_that_ends_before_the_run_is_not_judged_as_its_end(tmp_path: Path) -> None:
    place = trained(tmp_path / "net")
    RunFolder.open(place).log({"step": 9000, "loss": 0.1})
    run = overlay([place], write=False).folders[0]
    assert run.agrees is None
    assert "ends at step 4,000 of 9,000" in "; ".join(run.reasons)


def test_an_unstable_equilibrium_is_not_where_a_run_is_predicted_to_rest(tmp_path: Path) -> None:
    place = trained(tmp_path / "net")
    run = RunFolder.open(place)
    arrays = run.trajectory()
    values, V = np.linalg.eigh(SIGMA)
    sigma, m = np.diag(values), np.diag([0.9, 0.6, 0.3])
    p = (m[1, 1] - np.sqrt(m[1, 1] ** 2 - 0.2 * values[1])) / (2 * values[1])
    W, P = np.zeros((2, 3)), np.zeros((2, 2))
    W[0, 1], P[0, 0] = p, p
    state = {"W": W, "P": P, "Sigma": V @ sigma @ V.T, "M": V @ m @ V.T}
    state["W"] = W @ V.T
    count = len(arrays["step"])
    run.save_trajectory(
        step=arrays["step"], **{name: np.stack([value] * count) for name, value in state.items()}
    )
    result = overlay([place], write=False).folders[0]
    assert result.last.distance < 1e-9
    assert result.stability[0] == "unstable"
    assert result.agrees is False
    assert result.data["predicted"]["stable_components"] == []
    assert result.lines[-1].endswith("the equilibrium near it is unstable")


@pytest.mark.slow
def test_a_head_that_train_made_meets_the_prediction(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    from empirical.networks.session import train_as_typed

    train_as_typed(
        method="simsiam", backbone="linear", predictor="linear", dataset="latent", loss="squared",
        head="4", head_bn="none", predictor_bn="false", steps="3000", batch_size="256", lr="0.3",
        momentum="0", weight_decay="0.02", schedule="constant", curl="false", log_every="100",
        out=str(tmp_path / "net"),
    )  # fmt: skip
    run = overlay([tmp_path / "net"]).folders[0]
    assert run.last.rank == run.last.reached == 3
    assert run.last.gap < 0.1
    assert run.last.distance < 0.25 * run.last.size
