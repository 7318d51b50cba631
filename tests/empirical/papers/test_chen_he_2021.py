"""The experiments on Chen and He 2021: what is exchanged is exchanged, and verdicts can fail."""

from __future__ import annotations

from dataclasses import replace

import pytest

pytest.importorskip("torch")

import torch

from empirical.experiments.papers import chen_he_2021, chen_he_figure
from empirical.experiments.papers.alternation import (
    AffineNorm,
    Both,
    Every,
    Memory,
    OneStep,
    PredictionNorm,
    TwoPairs,
    one_mode,
)
from empirical.experiments.papers.chen_he_table import ABLATIONS, BASE
from empirical.experiments.papers.trials import Change, Trial, base, difference, trial
from empirical.networks.loop import Run
from empirical.networks.setup import Setup, machine_of
from empirical.networks.workers import Workers

DEAD = Trial(0.02, 1.5, 0.2, 0.2, -1.0, 0.001, 0.9, 0.9, "complete collapse")
ALIVE = Trial(0.98, 14.0, 0.97, 0.98, -0.8, 0.01, 0.6, 0.3, "no collapse")


def assembled(change: Change | None = None, **given: object) -> Setup:
    setup = machine_of(base(epochs=1, **given)).build(Workers())
    if change is not None:
        change(setup)
    return setup


def weights_after(setup: Setup, steps: int) -> list[torch.Tensor]:
    run = Run(setup, None)
    for _ in range(steps):
        run.one_step()
    return [w.detach().clone() for w in run.learner.online.parameters()]


@pytest.mark.parametrize(
    ("change", "given"), [(Every(1), {}), (Memory(0.0), {"predictor": "none"})]
)
def test_the_simplest_alternation_is_plain_simsiam(change: Change, given: dict) -> None:
    plain, changed = (weights_after(assembled(c, **given), 3) for c in (None, change))
    for one, two in zip(plain, changed, strict=True):
        torch.testing.assert_close(one, two, rtol=1e-5, atol=1e-7)


def test_held_targets_and_a_memory_train_otherwise() -> None:
    plain = weights_after(assembled(), 3)
    held = weights_after(assembled(Every(10)), 3)
    assert any(float((a - b).abs().max()) > 1e-5 for a, b in zip(plain, held, strict=True))
    bare = weights_after(assembled(predictor="none"), 8)  # an epoch has five steps
    kept = weights_after(assembled(Memory(0.8), predictor="none"), 8)
    assert any(float((a - b).abs().max()) > 1e-5 for a, b in zip(bare, kept, strict=True))


def test_without_predictor_the_stop_gradient_halves_the_gradient() -> None:
    grads = []
    for stop in (True, False):
        setup = assembled(predictor="none", stop_gradient=stop)
        loss = setup.learner.run(*setup.views(0)).loss
        loss.backward()
        grads.append([w.grad for w in setup.learner.online.parameters()])
    for held, free in zip(*grads, strict=True):
        torch.testing.assert_close(2 * held, free, rtol=1e-4, atol=1e-7)


def test_the_affine_norm_starts_as_the_plain_one_and_is_trained() -> None:
    plain, setup = assembled(), assembled(AffineNorm())
    first, _ = setup.views(0)
    torch.testing.assert_close(plain.learner.online(first), setup.learner.online(first))
    norm = setup.learner.online.head.norm
    before = norm.weight.detach().clone()
    Run(setup, None).one_step()
    assert not torch.equal(before, norm.weight.detach())


def test_changes_compose_and_leave_the_weights() -> None:
    plain, setup = assembled(), assembled(Both(Memory(0.8), AffineNorm()), predictor="none")
    assert type(setup.learner).__name__ == "Remembering"
    assert setup.learner.online.head.norm.affine
    one, two = (s.learner.online.head.last.weight for s in (plain, setup))
    torch.testing.assert_close(one, two)
    assert isinstance(assembled(PredictionNorm()).learner.predictor[-1], torch.nn.BatchNorm1d)
    assert assembled(OneStep()).steps == 1


def test_two_pairs_are_twice_the_views_of_the_same_images() -> None:
    setup = assembled(TwoPairs(), batch_size=32)
    first, second = setup.views(0)
    assert len(first) == len(second) == 64
    assert not torch.equal(first[:32], first[32:])


@pytest.mark.parametrize("k", [1, 10])
def test_held_targets_reach_the_same_equilibrium(k: int) -> None:
    p, w = one_mode(k)
    assert p == pytest.approx(chen_he_2021.root(), abs=1e-9)
    assert w == pytest.approx(p, abs=1e-9)
    assert chen_he_2021.root() == pytest.approx(0.7464101615)


def test_collapse_is_seen_only_where_it_is() -> None:
    names = [v.name for v in ABLATIONS["stop-gradient"].variants]
    as_paper = {n: [DEAD if n.startswith("no stop") else ALIVE] * 3 for n in names}
    told = chen_he_2021.own("stop-gradient", as_paper)
    # equal runs leave an interval of no width around the difference
    assert [d.seen for d in told] == [True, True, True, True]
    all_alive = {n: [ALIVE] * 3 for n in names}
    assert [d.seen for d in chen_he_2021.own("stop-gradient", all_alive)] == [
        False, True, None, True,
    ]  # fmt: skip


def test_collapse_needs_the_loss_too() -> None:
    found = {"a": [replace(DEAD, loss=-0.9)], "b": [DEAD]}
    assert chen_he_2021._collapses("a", found).seen is False
    assert chen_he_2021._collapses("b", found).seen is True


def test_an_accuracy_that_was_there_at_the_start_is_not_learned() -> None:
    level = [replace(ALIVE, probe=0.94 + 0.001 * k) for k in range(4)]
    better = [replace(ALIVE, probe=0.97 + 0.002 * k) for k in range(4)]
    found = {"after one step": level, "same": level[::-1], "better": better}
    assert chen_he_2021._learns("same", found).seen is None
    assert chen_he_2021._learns("better", found).seen is True


def test_an_epoch_is_as_many_steps_as_it_has() -> None:
    assert assembled(Every(0)).learner.every == 1437 // 256


def test_a_direction_of_accuracy_needs_its_whole_interval() -> None:
    better = [replace(ALIVE, probe=0.98 + 0.001 * k) for k in range(3)]
    worse = [replace(ALIVE, probe=0.90 + 0.002 * k) for k in range(3)]
    apart = {"no batch norm in heads": worse, "in hidden layers only": better, BASE: better}
    asked = ABLATIONS["batch-norm"]
    assert all(d.seen for d in chen_he_2021.directions(asked, apart))
    turned = {"no batch norm in heads": better, "in hidden layers only": worse, BASE: worse}
    assert [d.seen for d in chen_he_2021.directions(asked, turned)] == [False, False]
    mixed = [replace(ALIVE, probe=p) for p in (0.9, 0.99, 0.95)]
    assert difference(mixed, better, "probe").sign == 0
    assert difference(mixed[:1], better[:1], "probe").sign == 0


@pytest.mark.parametrize("name", sorted(ABLATIONS))
def test_every_ablation_runs_and_is_drawn(name: str) -> None:
    from matplotlib.figure import Figure

    answer = chen_he_2021.ablation(name, runs=2, epochs=1)
    asked = ABLATIONS[name]
    assert set(answer.numbers["rows"]) == {v.name for v in asked.variants}
    assert answer.result.runs == 2 * len(asked.variants)
    assert answer.numbers["directions"]
    lines = chen_he_figure.table([answer])
    assert all(any(v.name in line for line in lines) for v in asked.variants)
    chen_he_figure.draw(Figure(), [answer])


def test_trials_are_trained_once() -> None:
    settings = base(epochs=1)
    assert trial(settings) is trial(settings)


@pytest.mark.slow
def test_without_stop_gradient_a_trained_scale_collapses() -> None:
    answer = chen_he_2021.ablation("stop-gradient", runs=2)
    rows = answer.numbers["rows"]
    assert rows["no stop-gradient, affine"]["std"] < 0.1
    assert rows["no stop-gradient, affine"]["loss"] < -0.99
    assert rows[BASE]["std"] > 0.9
