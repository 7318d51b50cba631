"""The training step's Jacobian: a gradient step without the stop, none with it."""

from __future__ import annotations

import pytest
import torch

from empirical.networks.curl import StepField, products, step_curl
from empirical.networks.learner import Learner
from empirical.networks.settings import settings_from

torch.set_num_threads(1)


def case(**given: str) -> tuple[Learner, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    made = Learner(
        settings_from({"backbone": "mlp", "width": "0.2", "head": "6,4", **given}), (1, 4, 4)
    )
    draws = torch.Generator().manual_seed(1)
    first = torch.randn(16, 1, 4, 4, generator=draws)
    return made, first, first + 0.5 * torch.randn(16, 1, 4, 4, generator=draws)


@pytest.mark.parametrize("given", [{"method": "simsiam"}, {"method": "byol", "ema": "0.9"}])
def test_both_products_are_those_of_the_jacobian_by_finite_differences(
    given: dict[str, str],
) -> None:
    field = StepField(*case(**given))
    weights = field.weights()
    draws = torch.Generator().manual_seed(2)
    u, v = (
        {n: torch.randn(w.shape, generator=draws, dtype=torch.float64) for n, w in weights.items()}
        for _ in range(2)
    )
    moved, back = products(field, weights, v)

    def at(scale: float) -> dict[str, torch.Tensor]:
        point = {n: (w + scale * v[n]).requires_grad_() for n, w in weights.items()}
        return field.at(point, {n: w.detach() for n, w in point.items()})

    step = 1e-6
    plus, minus = at(step), at(-step)
    slope = torch.cat([((plus[n] - minus[n]) / (2 * step)).flatten() for n in weights]).detach()
    exact = torch.cat([moved[n].flatten() for n in weights])
    assert float((slope - exact).norm() / exact.norm()) < 1e-5
    # <u, J v> = <J' u, v> ties the two products together.
    _, of_u = products(field, weights, u)
    left = sum(float((u[n] * moved[n]).sum()) for n in weights)
    right = sum(float((of_u[n] * v[n]).sum()) for n in weights)
    assert left == pytest.approx(right, rel=1e-9)
    assert all(torch.isfinite(value).all() for value in back.values())


@pytest.mark.parametrize("given", [{"method": "joint"}, {"method": "simclr"}])
def test_without_the_stop_the_step_is_a_gradient_step(given: dict[str, str]) -> None:
    assert step_curl(*case(**given)) < 1e-12


@pytest.mark.parametrize(
    "given",
    [
        {"method": "simsiam"},
        {"method": "byol"},
        {"method": "direct-pred", "ema": "0"},
        {"method": "simsiam", "loss": "squared", "predictor": "linear", "head_bn": "none"},
    ],
)
def test_with_the_stop_it_is_not(given: dict[str, str]) -> None:
    assert step_curl(*case(**given)) > 0.01


def test_without_a_predictor_the_stop_only_halves_a_gradient() -> None:
    assert step_curl(*case(method="simsiam", predictor="none")) < 1e-12


def test_measuring_changes_nothing() -> None:
    made, first, second = case(method="simsiam")
    before = {name: value.clone() for name, value in made.state_dict().items()}
    step_curl(made, first, second)
    assert all(torch.equal(value, before[name]) for name, value in made.state_dict().items())
    assert all(p.grad is None for p in made.parameters())
