"""Runs and networks on the phase diagram: the counting, and small sizes of the experiments."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

from empirical import phase_networks
from empirical.measured_phase import measure_phase, region_patches
from empirical.phase_networks import NetworkPhase, NetworkRun, network_model, network_settings
from empirical.phase_questions import QUESTIONS
from equilibria.model import Model
from equilibria.phase import phase_diagram


def test_batched_runs_rest_where_predicted() -> None:
    question = QUESTIONS["decay-lr"]
    x, y = question.grid(3, 2)
    model = Model(procedure="ema", **question.fixed)
    found = measure_phase(model, x, y, runs=4, steps=20_000)
    assert found.settled > 0
    assert found.agreement == 1.0
    assert found.ranks.shape == (2, 3, 4)
    assert sum(found.counts.values()) == 24
    assert [patch.get_label() for patch in region_patches(found.diagram)]


def test_the_diagram_with_two_modes_of_noise_is_that_of_two_modes() -> None:
    x, y = QUESTIONS["decay-lr"].grid(12, 9)
    wide = phase_diagram(network_model(ema="9/10"), x, y)
    plain = phase_diagram(Model(procedure="ema", ema="9/10"), x, y)
    for row in range(9):
        for column in range(12):
            one, two = (d.region_at(column, row).map.masks for d in (wide, plain))
            assert one == two


@pytest.mark.parametrize(
    ("predicted", "outcome", "rank", "agrees"),
    [
        (2, "rank 2", 2, True),
        (2, "rank 1", 1, False),
        (2, "diverged", None, None),
        (2, "no rest", None, False),
        (0, "diverged", None, True),
        (0, "no rest", None, True),
        (0, "rank 1", 1, False),
        (0, "collapsed", 0, True),
    ],
)
def test_what_counts_as_agreement(
    predicted: int, outcome: str, rank: int | None, agrees: bool | None
) -> None:
    assert phase_networks._agrees(predicted, outcome, rank) is agrees


def test_networks_outside_every_basin_are_counted_apart() -> None:
    x, y = QUESTIONS["decay-lr"].grid(2, 2)
    diagram = phase_diagram(network_model(ema="9/10"), x, y)
    right = NetworkRun(0, 0, "rank 2", 2, True)
    runs = (right, replace(right, agrees=False), replace(right, agrees=None))
    found = NetworkPhase("linear", diagram, runs)
    assert (found.agreeing, found.decided, found.agreement) == (1, 2, 0.5)
    assert NetworkPhase("linear", diagram, runs[2:]).agreement is None


@pytest.mark.parametrize(
    ("decay", "lr", "outcome"),
    [
        ("1/50", "2/5", "rank 2"),
        ("4/25", "2/5", "rank 1"),
        ("1/4", "2/5", "collapsed"),
        ("1/50", "8", "diverged"),
    ],
)
def test_a_linear_network_keeps_the_predicted_modes(decay: str, lr: str, outcome: str) -> None:
    model = network_model(ema="9/10", weight_decay=decay, lr=lr)
    assert phase_networks.outcome_of(network_settings("linear", model, seed=1))[0] == outcome


@pytest.mark.slow
def test_linear_networks_follow_the_diagram_and_others_do_not() -> None:
    assert phase_networks.linear(points=4).result.holds
    told = phase_networks.mlp(points=4).result
    assert told.holds is False
    assert "agreement" in told.measured


def test_a_mark_for_every_network_and_a_ring_where_one_disagrees() -> None:
    from importlib.util import module_from_spec, spec_from_file_location
    from pathlib import Path

    from matplotlib.figure import Figure

    path = Path(__file__).resolve().parents[2] / "examples" / "phase_networks.py"
    found = spec_from_file_location("phase_networks_example", path)
    assert found is not None
    assert found.loader is not None
    module = module_from_spec(found)
    found.loader.exec_module(module)
    question = QUESTIONS["decay-lr"]
    x, y = question.grid(2, 2)
    diagram = phase_diagram(network_model(**question.fixed), x, y)
    runs = (NetworkRun(0, 0, "rank 2", 2, True), NetworkRun(1, 0, "rank 1", 1, False))
    axes = Figure().subplots()
    module.panel(axes, question, NetworkPhase("linear", diagram, runs))
    assert "1 of 2 agree" in axes.get_title(loc="left") + axes.get_title()
    places = [mark.get_offsets()[0] for mark in axes.collections if len(mark.get_offsets()) == 1]
    assert [float(place[0]) for place in places][-3:] == [float(x.values[k]) for k in (0, 1, 1)]
