"""Every experiment holds at a small size, leaves its hash, and can fail."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch")

from empirical.experiments.linear_runs import EXPERIMENTS, cifar_moments_end_stable, experiment
from empirical.runs.folder import RunFolder
from equilibria.errors import AnalysisError

QUICK = {
    "joint-collapses": 100,
    "stop-gradient-ends-stable": 100,
    "ema-ends-stable": 60,
    "direct-pred-ends-stable": 100,
    "direct-copy-ends-stable": 100,
    "collapse-agrees-with-basin": 200,
    "ema-collapses-less": 300,
}
LONG = {"one-mode-spheres": 400, "limit-cycle-in-training": 2, "ema-window-in-training": 3}


def test_every_experiment_is_tried_here() -> None:
    assert set(EXPERIMENTS) == {*QUICK, *LONG, "cifar-moments-end-stable"}


@pytest.mark.parametrize("name", QUICK)
def test_the_claim_holds(name: str, tmp_path: Path) -> None:
    result = experiment(name, runs=QUICK[name], out=tmp_path)
    assert result.holds, result.measured
    assert result.name == name
    assert result.sha256 == RunFolder.open(tmp_path / name).digest()


@pytest.mark.slow
@pytest.mark.parametrize("name", LONG)
def test_the_longer_claims_hold(name: str) -> None:
    result = experiment(name, runs=LONG[name])
    assert result.holds, result.measured


def test_the_hash_is_the_same_with_and_without_a_folder(tmp_path: Path) -> None:
    kept = experiment("joint-collapses", runs=10, out=tmp_path)
    assert experiment("joint-collapses", runs=10).sha256 == kept.sha256


def test_a_claim_about_collapse_fails_when_something_is_learned(monkeypatch) -> None:
    from dataclasses import replace

    from empirical.experiments import linear_runs

    real = linear_runs.simulated

    def other(model, *args, **options):
        return real(replace(model, procedure="stop-gradient"), *args, **options)

    monkeypatch.setattr(linear_runs, "simulated", other)
    result = linear_runs.joint_collapses(runs=40)
    assert result.holds is False
    assert "rank2:1+,2+" in result.measured


@pytest.mark.slow
@pytest.mark.data
def test_cifar_moments_end_where_predicted(cifar_small: Path) -> None:
    result = cifar_moments_end_stable(runs=300, images=cifar_small)
    assert result.holds, result.measured


def test_without_images_the_claim_is_not_tried(tmp_path: Path) -> None:
    result = cifar_moments_end_stable(images=tmp_path / "none.npz")
    assert result.holds is None
    assert "not tried" in result.measured


def test_a_name_that_is_none_is_answered_with_the_list() -> None:
    with pytest.raises(AnalysisError, match="joint-collapses"):
        experiment("perpetual-motion")


def test_the_example_prints_what_was_predicted_and_measured() -> None:
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "examples/linear_claims.py", "--runs", "20"]
    done = subprocess.run(
        [*command, "joint-collapses"], cwd=root, capture_output=True, text=True, check=True
    )
    assert "holds     joint-collapses" in done.stdout
    assert "20 on rank0" in done.stdout
