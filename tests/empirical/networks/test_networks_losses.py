"""The four choices of a method: losses, the stop, the target, the closed-form predictor."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from empirical.networks.choices import CHOICES
from empirical.networks.closed_form import averaged, closed_form
from empirical.networks.learner import Learner, ema_at
from empirical.networks.losses import cosine, cross_entropy, infonce, squared
from empirical.networks.optimiser import Group, Optimiser, optimiser_of, rates_at
from empirical.networks.settings import settings_from

torch.set_num_threads(1)
SMALL = {"backbone": "mlp", "head": "6", "head_bn": "none", "predictor_bn": "no", "batch_size": "8"}


def draws(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def learner(**given: object) -> tuple[Learner, Tensor, Tensor]:
    torch.manual_seed(0)
    made = Learner(settings_from({**SMALL, **given}), (1, 4, 4)).double()
    return made, draws(8, 1, 4, 4, seed=1), draws(8, 1, 4, 4, seed=2)


def gradients(made: Learner, first: Tensor, second: Tensor) -> list[Tensor]:
    loss, *_ = made(first, second)
    return list(torch.autograd.grad(loss, list(made.online.parameters())))


def test_infonce_is_the_double_loop() -> None:
    z1, z2, tau = draws(5, 3, seed=1), draws(5, 3, seed=2), 0.3

    def similar(a: Tensor, b: Tensor) -> float:
        return math.exp(float(a @ b / (a.norm() * b.norm())) / tau)

    terms = []
    for i in range(5):
        others = sum(similar(z1[i], z2[j]) for j in range(5))
        others += sum(similar(z1[i], z1[j]) for j in range(5) if j != i)
        terms.append(-math.log(similar(z1[i], z2[i]) / others))
    assert float(infonce(tau)(z1, z2, z1)) == pytest.approx(np.mean(terms), rel=1e-12)


def test_the_other_losses_are_their_formulas() -> None:
    p, z = draws(5, 3, seed=1), draws(5, 3, seed=2)
    cosines = [float(a @ b / (a.norm() * b.norm())) for a, b in zip(p, z, strict=True)]
    assert float(cosine(p, z, z)) == pytest.approx(-np.mean(cosines))
    assert float(squared(p, z, z)) == pytest.approx(float((p - z).square().sum(1).mean()) / 2)
    q, t = torch.softmax(p / 2, 1), torch.softmax(z / 2, 1)
    assert float(cross_entropy(2.0)(p, z, z)) == pytest.approx(-float((t * q.log()).sum(1).mean()))


LOSSES = CHOICES["loss"]


@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_is_in_single_precision_whatever_the_network_ran_in(loss: str) -> None:
    torch.manual_seed(0)
    given = {**SMALL, "loss": loss, "temperature": "0.07", "predictor": "linear"}
    made = Learner(settings_from(given), (1, 4, 4))
    views = [draws(32, 1, 4, 4, seed=seed).float() for seed in (1, 2)]

    def outcome(z: list[Tensor], *, low: bool) -> tuple[Tensor, ...]:
        leaves = [x.detach().clone().requires_grad_() for x in z]
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=low):
            value = made.objective(leaves[:2], leaves[2:])
        return value.detach(), *torch.autograd.grad(value, leaves)  # backward outside, as in a step

    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert made.online(views[0]).dtype == torch.bfloat16
        done = made.run(*views)
    z = [*done.p, *done.z]
    found = outcome(z, low=True)
    wanted = outcome([x.double() for x in z], low=False)
    for ours, exact in zip(found, wanted, strict=True):
        assert float((ours - exact).norm()) < 1e-5 * float(exact.norm())
    assert float(done.loss.detach()) == pytest.approx(float(wanted[0]), rel=1e-5)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("ema", ["0", "0.9"])
def test_no_gradient_flows_through_the_target(loss: str, ema: str) -> None:
    def through_the_second_view(**given: str) -> float:
        made, first, second = learner(loss=loss, symmetric_loss="no", **given)
        second.requires_grad_()
        value, *_ = made(first, second)
        if not value.requires_grad:
            return 0.0
        (slope,) = torch.autograd.grad(value, second, allow_unused=True, materialize_grads=True)
        return float(slope.abs().max())

    assert through_the_second_view(method="simsiam", ema=ema) == 0.0
    assert through_the_second_view(method="joint") > 0.0


def test_without_a_predictor_the_symmetric_loss_has_half_the_gradient_of_the_joint_one() -> None:
    stopped = gradients(*learner(method="simsiam", predictor="none"))
    joint = gradients(*learner(method="joint", predictor="none"))
    for half, whole in zip(stopped, joint, strict=True):
        torch.testing.assert_close(2 * half, whole)
    assert max(float(g.abs().max()) for g in joint) > 1e-3


def test_with_a_predictor_it_has_not() -> None:
    stopped = gradients(*learner(method="simsiam"))
    joint = gradients(*learner(method="joint"))
    assert any(
        float((2 * half - whole).norm() / whole.norm()) > 0.1
        for half, whole in zip(stopped, joint, strict=True)
    )


def test_an_asymmetric_loss_predicts_the_first_view_only() -> None:
    made, first, second = learner(method="byol", symmetric_loss="no")
    done = made.run(first, second)
    assert (len(done.z), len(done.p)) == (1, 1)
    both = learner(method="byol")[0].run(first, second)
    assert (len(both.z), len(both.p)) == (2, 2)


def test_the_target_starts_as_a_copy_or_on_its_own() -> None:
    copied, first, _ = learner(method="byol")
    apart, *_ = learner(method="byol", target_init="independent")
    assert copied.target is not None
    assert apart.target is not None
    torch.testing.assert_close(copied.target(first), copied.online(first), rtol=0, atol=0)
    assert float((apart.target(first) - apart.online(first)).detach().abs().max()) > 0.01


def test_the_cosine_schedule_ends_at_one() -> None:
    settings = settings_from({"method": "byol", "ema": "0.9", "ema_schedule": "cosine"})
    assert [ema_at(settings, k, 100) for k in (0, 50, 100)] == pytest.approx([0.9, 0.95, 1.0])


def test_closed_forms_share_the_eigenvectors_and_have_the_stated_eigenvalues() -> None:
    basis = torch.linalg.qr(draws(4, 4))[0]
    s = torch.tensor([0.0, 1.0, 4.0, 9.0], dtype=torch.float64)
    F = basis * s @ basis.T
    for power, eps, form, wanted in (
        (0.5, 0.1, "code", (s / 9).sqrt() + 0.1),
        (1.0, 0.3, "code", s / 9 + 0.3),
        (0.5, 0.0, "paper", s.sqrt()),
        (0.5, 0.1, "paper", s.sqrt() + 0.9),
    ):
        P = closed_form(F, power, eps, form)
        torch.testing.assert_close(basis.T @ P @ basis, torch.diag(wanted), atol=1e-6, rtol=0)
    floor = closed_form(F, 0.5, 0.0, "code")
    assert float(torch.linalg.eigvalsh(floor)[0]) == pytest.approx(1e-4, rel=1e-6)


def test_the_correlation_starts_with_the_first_batch() -> None:
    fresh = draws(3, 3)
    assert torch.equal(averaged(torch.zeros(3, 3).double(), fresh, 0.9, first=True), fresh)
    moved = averaged(torch.eye(3).double(), fresh, 0.9, first=False)
    torch.testing.assert_close(moved, 0.9 * torch.eye(3).double() + 0.1 * fresh)


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_sgd_is_torch_s(momentum: float) -> None:
    ours, theirs = (
        [draws(3, 4), draws(4)],
        [draws(3, 4).requires_grad_(), draws(4).requires_grad_()],
    )
    group = Group("online", ["a", "b"], ours, 1.0, 0.01)
    mine = Optimiser([group], momentum)
    reference = torch.optim.SGD(theirs, lr=0.1, momentum=momentum, weight_decay=0.01)
    for step in range(5):
        for a, b in zip(ours, theirs, strict=True):
            a.grad = b.grad = draws(*a.shape, seed=step)
        mine.step({"online": 0.1})
        reference.step()
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a, b.detach(), rtol=1e-14, atol=1e-14)


def test_lars_moves_a_matrix_by_a_fraction_of_its_length_and_a_vector_plainly() -> None:
    matrix, vector = draws(3, 4), draws(4)
    before = matrix.clone(), vector.clone()
    matrix.grad, vector.grad = 1e6 * draws(3, 4, seed=1), torch.ones(4).double()
    optimiser = Optimiser([Group("online", ["a", "b"], [matrix, vector], 1.0, 0.0)], 0.0, lars=True)
    optimiser.step({"online": 1.0})
    assert float((matrix - before[0]).norm() / before[0].norm()) == pytest.approx(1e-3)
    torch.testing.assert_close(vector, before[1] - 1)


def test_the_predictor_has_its_own_rate_and_decay() -> None:
    made, *_ = learner(predictor_lr="4", predictor_weight_decay="0.02", warmup="10", lr="0.1")
    optimiser = optimiser_of(made, made.settings)
    online, predictor = optimiser.groups
    # P moves by h (alpha (-grad) - eta_P P) = -h alpha (grad + eta_P / alpha P).
    assert predictor.decay * predictor.ratio == pytest.approx(0.02)
    assert online.decay == 5e-4
    assert rates_at(optimiser, made.settings, 4, 100) == pytest.approx(
        {"online": 0.05, "predictor": 0.2}
    )
    late = rates_at(optimiser, made.settings, 99, 100)
    assert late["predictor"] == pytest.approx(0.4)
    assert late["online"] < 1e-4
