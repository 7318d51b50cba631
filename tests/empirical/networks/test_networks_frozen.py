"""A linear head on frozen features: the theory's assumptions hold exactly, and so must its numbers."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from empirical.linear.simulate import simulate  # noqa: E402
from empirical.networks.frozen import random_features, run_features  # noqa: E402
from empirical.networks.session import train_as_typed  # noqa: E402
from empirical.networks.settings import settings_from  # noqa: E402
from empirical.overlay import overlay  # noqa: E402
from equilibria.errors import FormatError  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402

PAIRS = {"embed_dim": 3, "weight_decay": "1/50"}


def saved(folder: Path, x: np.ndarray, y: np.ndarray) -> Path:
    path = folder / "pairs.npz"
    np.savez(path, x=x, y=y)
    return path


def test_runs_on_random_features_end_on_the_predicted_equilibria(tmp_path: Path) -> None:
    x, y = random_features(settings_from({"backbone": "mlp"}), components=5)
    data = saved(tmp_path, x, y)
    model = Model(procedure="ema", ema="9/10", lr="1/5", **PAIRS)
    result = simulate(
        model,
        runs=12,
        steps=4000,
        batch_size=len(x),
        data=data,
        out=tmp_path / "run",
        log_every=100,
    )
    assert not result.model.moments.commute
    found = overlay([tmp_path / "run"], html=False)
    rows = found.data["runs"]
    assert {row["stratum_reached"] for row in rows} <= set(
        found.data["predicted"]["stable_components"]
    )
    # Batches as large as the data set: what is left is their noise, far below the size of W.
    assert max(row["distance_final"] for row in rows) < 0.05
    assert found.agreement == 1.0


@pytest.mark.slow
def test_runs_on_trained_features_hover_as_predicted(tmp_path: Path) -> None:
    train_as_typed(backbone="mlp", epochs="20", out=str(tmp_path / "net"))
    x, y = run_features(tmp_path / "net", components=4)
    model = Model(lr="1/20", **PAIRS)
    data = saved(tmp_path, x, y)
    simulate(
        model, runs=8, steps=16_000, batch_size=256, data=data, out=tmp_path / "run", log_every=200
    )
    found = overlay([tmp_path / "run"], html=False)
    assert found.agreement == 1.0


def test_more_components_than_features_are_refused() -> None:
    with pytest.raises(FormatError, match="components 1000"):
        random_features(settings_from({"backbone": "mlp"}), components=1000)
