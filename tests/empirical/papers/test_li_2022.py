"""The experiments on Li, Efros, Pathak 2022: orders, statistics, and small sizes that can fail."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

import torch

from empirical.experiments.papers import li_2022, li_2022_rank
from empirical.experiments.papers.li_2022 import Plan, correlations, slope
from empirical.experiments.papers.orders import Order
from empirical.experiments.papers.trials import Trial, base, excess
from empirical.images.dice import order

COUNT = 103


def test_a_single_pass_visits_every_image_in_one_chunk() -> None:
    plan = Order("single-pass", epochs=10, chunks=5)
    epochs = [set(plan.indices(7, epoch, COUNT).tolist()) for epoch in range(10)]
    assert all(len(plan.indices(7, epoch, COUNT)) == COUNT for epoch in range(10))
    assert all(epochs[k] == epochs[k + 1] for k in range(0, 10, 2))
    chunks = epochs[::2]
    assert sum(map(len, chunks)) == COUNT
    assert set().union(*chunks) == set(range(COUNT))


def test_the_other_orders() -> None:
    one = Order("multi-epoch", epochs=4)
    assert torch.equal(one.indices(3, 2, COUNT), order(3, 2, COUNT))
    whole = [set(Order("cumulative", 4, 4).indices(3, e, COUNT).tolist()) for e in range(4)]
    assert all(a < b for a, b in pairwise(whole))
    assert len(whole[-1]) == COUNT
    last = Order("last", 4, share=0.1)
    assert set(last.indices(3, 0, COUNT).tolist()) == set(last.indices(3, 3, COUNT).tolist())
    assert len(set(last.indices(3, 0, COUNT).tolist())) == round(0.1 * COUNT)
    hybrid = Order("hybrid", epochs=10, chunks=10, share=0.4)
    assert [len(set(hybrid.indices(3, e, COUNT).tolist())) == COUNT for e in range(10)] == [
        *[False] * 4, *[True] * 6,
    ]  # fmt: skip
    assert torch.equal(hybrid.indices(3, 7, COUNT), order(3, 7, COUNT))
    with pytest.raises(ValueError, match="order backwards: expected one of multi-epoch"):
        Order("backwards", 4)


def test_the_metric_does_not_depend_on_the_dimension() -> None:
    for d in (4, 64):
        flat, one = 0.5 + 1 / (2 * d), 1.0
        assert excess(flat, d) == pytest.approx(0.0)
        assert excess(one, d) == pytest.approx(1.0)


def test_correlations_and_slopes_of_known_lines() -> None:
    x = np.linspace(0, 1, 12)
    pearson, spearman = correlations(x, -(x**3)).values()
    assert spearman.value == pytest.approx(-1)
    assert spearman.high == pytest.approx(-1)
    assert -1 < pearson.value < -0.85
    noise = np.random.default_rng(0).standard_normal(40)
    nothing = correlations(noise, np.random.default_rng(1).standard_normal(40))["Spearman"]
    assert nothing.low < 0 < nothing.high
    line = slope(x, 3 * x + 0.01 * np.cos(40 * x))
    assert line.sign == 1
    assert line.value == pytest.approx(3, abs=0.05)
    assert slope([0, 1], [0, 1]).sign == 0


def made(excess: float, probe: float) -> Trial:
    return Trial(0.9, 9.0, 0.5, probe, -0.8, 0.01, 0.7, excess, "no collapse")


def test_the_verdict_follows_the_runs(monkeypatch) -> None:
    monkeypatch.setattr(li_2022, "DRAWS", 200)
    sizes = Plan(base(), seeds=(0, 1, 2))

    def as_paper(self: Plan, width: float, how: Order) -> list[Trial]:
        level = 0.5 - 0.1 * np.log2(width) + 0.1 * np.log10(how.share)
        return [made(level + 0.001 * k, 0.5 - 0.3 * level) for k in range(3)]

    def turned(self: Plan, width: float, how: Order) -> list[Trial]:
        return [made(1 - one.excess, one.probe) for one in as_paper(self, width, how)]

    monkeypatch.setattr(Plan, "untrained", lambda self, width: [made(0.3, 0.2)] * 3)
    for trained, verdict in ((as_paper, True), (turned, False)):
        monkeypatch.setattr(Plan, "trained", trained)
        assert li_2022.width(sizes=sizes).result.holds is verdict
        assert li_2022.probe(sizes=sizes).result.holds is verdict


def test_what_was_there_before_training_is_not_put_down_to_it(monkeypatch) -> None:
    """A metric that depends on the width alone, not on training, shows nothing."""

    def level(width: float) -> list[Trial]:
        return [made(0.5 - 0.1 * np.log2(width) + 0.001 * k, 0.4) for k in range(3)]

    monkeypatch.setattr(Plan, "trained", lambda self, width, how: level(width))
    monkeypatch.setattr(Plan, "untrained", lambda self, width: level(width)[::-1])
    answer = li_2022.width(sizes=Plan(base(), seeds=(0, 1, 2)))
    assert answer.numbers["slopes"]["a doubling of width"]["low"] < 0
    assert answer.numbers["slopes"]["a doubling of width"]["high"] > 0
    assert answer.result.holds is None


def test_the_data_order_is_judged_by_metric_and_probe(monkeypatch) -> None:
    sizes = Plan(base(), seeds=(0, 1, 2))
    gains = {"single-pass": -0.1, "hybrid": 0.0}

    def trained(self: Plan, width: float, how: Order) -> list[Trial]:
        probe = 0.6 if how.kind == "hybrid" else 0.5
        return [made(0.5 + gains.get(how.kind, 0) + 0.01 * k, probe + 0.01 * k) for k in range(3)]

    monkeypatch.setattr(Plan, "trained", trained)
    answer = li_2022.continual(sizes=sizes)
    assert answer.result.holds is True
    assert set(answer.numbers["rows"]) == set(li_2022.ORDERS)
    gains["single-pass"] = 0.1
    assert li_2022.continual(sizes=sizes).result.holds is False


def test_networks_on_digits_are_trained_and_measured() -> None:
    settings = base(epochs=2, batch_size=128)
    sizes = Plan(settings, (0.5, 1.0), (0.1, 1.0), 0.5, chunks=2, seeds=(0, 1))
    answer = li_2022.width(sizes=sizes)
    assert answer.result.runs == 2 * len(answer.numbers["cells"]) == 6
    assert all(0 <= cell["excess"] <= 1 for cell in answer.numbers["cells"])
    assert li_2022.continual(sizes=sizes).result.runs == 8


def test_without_photographs_nothing_is_claimed(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr(li_2022, "IMAGES", tmp_path / "none.npz")
    for measure in (li_2022.width, li_2022.probe, li_2022.continual):
        result = measure().result
        assert result.holds is None
        assert result.runs == 0
        assert "not tried: no cifar10_small.npz" in result.measured


@pytest.mark.data
def test_photographs_are_the_default(cifar_small: Path) -> None:
    sizes = li_2022.plan(5, full=False)
    assert sizes is not None
    assert sizes.settings.backbone == "resnet8"
    assert sizes.seeds == (5, 6, 7, 8)


def test_the_predicted_rank_is_a_count_of_modes() -> None:
    modes = [(0.75**k, 0.75**k + 0.25) for k in range(8)]
    for width, decay in ((2, 0.01), (4, 0.08), (8, 0.025)):
        living = sum(m * m > 4 * decay * s for m, s in modes)
        assert li_2022_rank.predicted_rank(width, str(decay)) == min(width, living)


def test_linear_networks_end_at_the_predicted_rank() -> None:
    answer = li_2022_rank.rank(widths=(2, 4), decays=("2/25", "4/25"), steps=800)
    assert answer.result.holds, answer.result.measured
    assert [cell["predicted"] for cell in answer.numbers["cells"]] == [2, 1, 3, 1]


def test_a_network_that_keeps_more_modes_is_reported(monkeypatch) -> None:
    monkeypatch.setattr(li_2022_rank, "measured_rank", lambda *_: 3)
    answer = li_2022_rank.rank(widths=(4,), decays=("4/25",))
    assert answer.result.holds is False
    assert "1 above" in answer.result.measured


@pytest.mark.parametrize("tried", [True, False])
def test_the_figures_are_drawn_with_images_and_without(
    example, monkeypatch, tmp_path, tried: bool
) -> None:
    from matplotlib.figure import Figure

    monkeypatch.setattr(li_2022, "DRAWS", 50)
    monkeypatch.setattr(li_2022_rank, "measured_rank", lambda *_: 2)
    monkeypatch.setattr(li_2022, "IMAGES", tmp_path / "none.npz")
    monkeypatch.setattr(
        Plan, "trained", lambda self, width, how: [made(0.5 + 0.1 * width, 0.4), made(0.6, 0.3)]
    )
    monkeypatch.setattr(Plan, "untrained", lambda self, width: [made(0.3, 0.2)] * 2)
    sizes = Plan(base(), seeds=(0, 1)) if tried else None
    answers = [li_2022.width(sizes=sizes), li_2022.probe(sizes=sizes)]
    answers.append(li_2022_rank.rank(widths=(2,), decays=("2/25",)))
    figure = Figure()
    example("li2022_width").draw(figure, answers)
    assert len(figure.axes) == 4
    assert len(figure.axes[0].lines) == (5 if tried else 2)
    figure = Figure()
    example("li2022_continual").draw(figure, [li_2022.continual(sizes=sizes)])
    assert len(figure.axes[0].lines) == (10 if tried else 0)
