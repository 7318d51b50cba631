"""The experiments on Tian, Chen, Ganguli 2021 at a small size: they hold, and they can fail."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from empirical.experiments.answer import Answer
from empirical.experiments.papers import (
    tian_alignment,
    tian_balance,
    tian_collapse,
    tian_directpred,
    tian_rates,
)
from empirical.experiments.papers.script import run_script

ROOT = Path(__file__).resolve().parents[3]


def test_importing_the_registry_imports_no_torch() -> None:
    code = (
        "import sys; from empirical.experiments.papers import PAPER_EXPERIMENTS as e;"
        "assert 'tian2021-rates' in e and 'ponce2025-variety' in e; print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "False", done.stderr


def test_every_name_is_a_function_and_the_name_of_its_result(tmp_path: Path) -> None:
    from importlib import import_module

    from empirical.experiments.papers import PLACES

    for place in PLACES.values():
        module, _, function = place.partition(".")
        assert callable(getattr(import_module(f"empirical.experiments.papers.{module}"), function))
    assert len(set(PLACES.values())) == len(PLACES)


def test_the_predictor_aligns_in_linear_training() -> None:
    answer = tian_alignment.linear(runs=4)
    assert answer.result.holds, answer.result.measured
    first = answer.numbers["curves"]["EMA"]["alignment"][0]
    assert (first < 0.9).all()  # it was not aligned to begin with


def test_alignment_of_a_predictor_that_does_not_commute_is_seen() -> None:
    W, sigma = np.eye(2)[None, None] * [[2.0], [1.0]], np.eye(2)
    turned = np.array([[[[0.0, -1.0], [1.0, 0.0]]]])
    curves = tian_alignment.eigen_curves(W, turned, sigma)
    assert curves["alignment"][0, 0] == pytest.approx(0.0, abs=1e-12)
    assert curves["asymmetry"][0, 0] == pytest.approx(2.0)
    assert curves["commutator"][0, 0] > 0.3
    assert tian_alignment.eigen_curves(W, W, sigma)["alignment"][0, 0] == pytest.approx(1.0)


def test_the_bound_of_theorem_3_is_tight_enough_to_fail() -> None:
    """Along runs the commutator comes within two orders of the bound: a faster bound would break."""
    found = tian_alignment.symmetrised(seed=0, runs=6, time=8.0)
    assert 0.01 < found["largest ratio to the bound"] <= 1 + tian_alignment.SLACK


def test_balance_of_linear_models_is_exact() -> None:
    answer = tian_balance.linear(runs=3)
    assert answer.result.holds, answer.result.measured
    assert answer.numbers["flow off"] < 1e-9
    assert answer.numbers["map off"]["0.1"] > 1e-3  # a step is not the flow


def test_balance_without_the_second_order_term_is_refuted(monkeypatch) -> None:
    def plain(W, P, T, model):
        return (1 - float(model.h) * tian_balance.ETA) ** 2 * tian_balance.unbalance(
            W, P, float(model.alpha)
        )

    monkeypatch.setattr(tian_balance, "_next_balance", plain)
    assert tian_balance.linear(runs=3).result.holds is False


def test_linear_models_collapse_without_either() -> None:
    answer = tian_collapse.linear(runs=20)
    assert answer.result.holds, answer.result.measured
    assert answer.numbers["collapsed"]["both"] < 0.5


def test_a_collapse_that_does_not_come_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(tian_collapse, "GONE", 1e-30)
    assert tian_collapse.linear(runs=5).result.holds is False


def test_thresholds_are_those_of_the_modes() -> None:
    model = next(iter(tian_rates.GRIDS.values()))[0]
    assert tian_rates.thresholds(model) == pytest.approx([0.2, 0.140625])


def test_rates_on_a_small_grid() -> None:
    answer = tian_rates.measured(cells=(4, 2), runs=8)
    assert answer.result.holds, answer.result.measured
    grid = answer.numbers["decay and predictor rate"]
    assert grid["modes"][:, -1].max() == 0  # eta = 0.23 is beyond both thresholds
    assert grid["modes"][:, 0].min() > 0
    assert "0.2000, 0.1406" in answer.result.predicted


def test_directpred_is_left_open_when_seeds_differ_more() -> None:
    rows = {"knn": [0.9, 0.9, 0.9], "rank": [9.0], "probe": [0.90, 0.92, 0.94]}
    numbers = {name: dict(rows) for name in tian_directpred.VARIANTS}
    numbers["eps 0.1"] = {**rows, "probe": [0.92, 0.90, 0.95]}
    assert tian_directpred._result(numbers).holds is None
    numbers["eps 0.1"] = {**rows, "probe": [0.95, 0.97, 0.99]}
    assert tian_directpred._result(numbers).holds is True
    numbers["eps 0.1"] = {**rows, "probe": [0.85, 0.87, 0.89]}
    assert tian_directpred._result(numbers).holds is False


def test_a_script_prints_draws_and_writes(tmp_path: Path, capsys) -> None:
    def measure(*, seed: int, full: bool) -> Answer:
        return replace(tian_collapse.linear(seed=seed, runs=3), drawn={})

    plot, out = tmp_path / "f.png", tmp_path / "f.json"

    def draw(figure, answers) -> None:
        figure.subplots().plot(answers[0].numbers["step"])

    arguments = ["--plot", str(plot), "--out", str(out), "--seed", "2"]
    assert run_script("words", [measure], draw, arguments=arguments) == 0
    told = capsys.readouterr().out
    assert "predicted" in told
    assert "theorem 2" in told
    assert plot.read_bytes().startswith(b"\x89PNG")
    (data,) = json.loads(out.read_text())
    assert data["experiment"] == "tian2021-collapse-linear"


@pytest.mark.parametrize(
    ("option", "name", "wish"),
    [
        ("--plot", "missing/a.png", "no directory"),
        ("--plot", "a.xyz", "expected a name that ends in .png, .svg, .pdf"),
        ("--plot", ".", "is a directory"),
        ("--out", "missing/a.json", "no directory"),
    ],
)
def test_a_place_that_cannot_be_written_stops_the_work_before_it_starts(
    option: str, name: str, wish: str, tmp_path: Path, capsys
) -> None:
    def measure(**_: object) -> Answer:
        raise AssertionError("measured")

    arguments = [option, str(tmp_path / name)]
    assert run_script("words", [measure], lambda *_: None, arguments=arguments) == 2
    error = capsys.readouterr().err
    assert error.startswith(f"error: {option}")
    assert wish in error
    assert not list(tmp_path.iterdir())


def test_the_same_seed_gives_the_same_hash(tmp_path: Path) -> None:
    first, again = (tian_collapse.linear(runs=4, seed=3).finished(None) for _ in range(2))
    kept = tian_collapse.linear(runs=4, seed=3).finished(tmp_path)
    assert first.sha256 == again.sha256 == kept.sha256
    assert first.sha256 != tian_collapse.linear(runs=4, seed=4).finished(None).sha256
    assert (tmp_path / "tian2021-collapse-linear.json").is_file()


@pytest.mark.slow
def test_a_network_keeps_balance_unless_norm_is_between() -> None:
    answer = tian_balance.network(epochs=20)
    assert answer.result.holds, answer.result.measured


@pytest.mark.slow
def test_a_network_aligns() -> None:
    answer = tian_alignment.network()
    assert answer.result.holds, answer.result.measured


@pytest.mark.slow
def test_networks_depart_from_the_linear_statement_about_collapse() -> None:
    answer = tian_collapse.network(epochs=40)
    assert answer.result.holds is False
    assert "depart" in answer.result.measured
    mlp = answer.numbers["output norm, MLP predictor: no stop-gradient"]
    assert mlp["std"][-1] < 0.5 < answer.numbers["output norm, MLP predictor: both"]["std"][-1]


@pytest.mark.slow
def test_directpred_trains_in_every_variant() -> None:
    answer = tian_directpred.measured(epochs=10, seeds=2)
    assert all(row["std"][0] > 0.8 for row in answer.numbers.values())


def test_the_full_size_is_a_valid_setting_and_asks_for_its_data(
    tmp_path: Path, monkeypatch
) -> None:
    from empirical.experiments.papers import networks_run
    from equilibria.errors import FormatError

    monkeypatch.setattr(networks_run, "DATA", tmp_path)
    with pytest.raises(FormatError, match="no cifar10 data there"):
        networks_run.trained(**networks_run.digits(full=True, epochs=1), predictor="linear")
