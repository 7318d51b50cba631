"""Runs and networks on the phase diagram: the counting, and small sizes of the experiments."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

pytest.importorskip("torch")

from empirical.experiments import phase_networks
from empirical.experiments.measured_phase import MeasuredPhase, measure_phase, region_patches
from empirical.experiments.phase_networks import (
    NetworkPhase,
    NetworkRun,
    network_model,
    network_settings,
)
from empirical.experiments.phase_questions import QUESTIONS, Question
from equilibria.phase import phase_diagram
from equilibria.systems.model import Model


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
        (None, "rank 2", 2, None),
        (None, "diverged", None, None),
        (0, "diverged", None, True),
        (0, "no rest", None, True),
        (0, "rank 1", 1, False),
        (0, "collapsed", 0, True),
    ],
)
def test_what_counts_as_agreement(
    predicted: int | None, outcome: str, rank: int | None, agrees: bool | None
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


def test_a_mark_for_every_network_and_a_ring_where_one_disagrees(example) -> None:
    from matplotlib.figure import Figure

    question = QUESTIONS["decay-lr"]
    x, y = question.grid(2, 2)
    diagram = phase_diagram(network_model(**question.fixed), x, y)
    runs = (NetworkRun(0, 0, "rank 2", 2, True), NetworkRun(1, 0, "rank 1", 1, False))
    axes = Figure().subplots()
    example("phase_networks").panel(axes, question, NetworkPhase("linear", diagram, runs))
    assert "1 of 2 agree" in axes.get_title(loc="left") + axes.get_title()
    places = [mark.get_offsets()[0] for mark in axes.collections if len(mark.get_offsets()) == 1]
    assert [float(place[0]) for place in places][-3:] == [float(x.values[k]) for k in (0, 1, 1)]


def test_on_a_fold_nothing_is_predicted_and_nothing_agrees(monkeypatch) -> None:
    """At decay m^2/(4 s) = 1/5 the mode is neither stable nor gone."""
    monkeypatch.setattr(phase_networks, "outcome_of", lambda _: ("collapsed", 0))
    question = Question(
        "fold", {"ema": "9/10"}, "weight-decay=0.1:0.2:{}", "lr=0.1:0.2:{}", ("", "")
    )
    found = phase_networks.measure_networks("linear", question, points=2)
    assert [run.agrees for run in found.runs] == [False, None, False, None]
    assert phase_networks.predicted_rank(found.diagram, 1, 0) is None


def test_more_strata_than_are_listed_are_not_taken_for_collapse() -> None:
    diagram = phase_diagram(network_model(ema="9/10"), *QUESTIONS["decay-lr"].grid(2, 2))
    (first, *others) = diagram.regions
    for top, rank, label in ((0b111, 3, "rank 3 stable"), (None, None, "not known")):
        counted = replace(first.map, masks=None, count=None, top=top)
        unlisted = replace(diagram, regions=(replace(first, map=counted), *others))
        row, column = np.argwhere(diagram.cells == 0)[0]
        assert phase_networks.predicted_rank(unlisted, column, row) == rank
        assert f"predicted: {label}" in [p.get_label() for p in region_patches(unlisted)]


@pytest.mark.parametrize(
    ("agreeing", "disagreeing", "holds"),
    [(5, 0, True), (4, 0, None), (4, 1, False), (0, 0, None)],
)
def test_runs_where_nothing_is_decided_do_not_agree(
    agreeing: int, disagreeing: int, holds: bool | None
) -> None:
    question = QUESTIONS["decay-lr"]
    x, y = question.grid(2, 2)
    diagram = phase_diagram(network_model(**question.fixed), x, y)
    settled = 5 if agreeing else 0
    found = MeasuredPhase(
        diagram, x, y, np.zeros((2, 2, 2), np.int64), settled, agreeing, disagreeing, None
    )
    assert found.holds is holds
    assert found.agreement == (agreeing / 5 if settled else None)


def test_a_network_that_still_drifts_is_not_at_rest() -> None:
    """Just past the fold collapse takes its time: after 400 steps at lr 1/10 it is on its way."""
    model = network_model(ema="9/10", weight_decay="21/100", lr="1/10")
    settings = replace(network_settings("linear", model, seed=0), steps=400)
    assert phase_networks.outcome_of(settings) == ("no rest", None)
