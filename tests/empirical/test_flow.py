"""The batched flow against scipy, and against itself in other company."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from scipy.integrate import solve_ivp  # noqa: E402

from empirical.linear.flow import BootstrapFlow, integrate_flow  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.errors import LimitReached, ScopeError  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402
from equilibria.systems.procedures import procedure  # noqa: E402

DENSE = Moments.dense([["3/2", "1/4"], ["1/4", "1"]], [["1", "1/8"], ["1/8", "1/2"]])


def flow_of(model: Model, runs: int = 6) -> tuple[BootstrapFlow, torch.Tensor]:
    like = torch.zeros(1, dtype=torch.float64)
    g = np.random.default_rng(0)
    W, P = g.normal(size=(runs, model.n, model.d)), g.normal(size=(runs, model.n, model.n))
    field = BootstrapFlow(model, like)
    return field, field.pack(torch.tensor(W), torch.tensor(P))


@pytest.mark.parametrize("name", ["stop-gradient", "ema"])
@pytest.mark.parametrize("moments", [DENSE, Moments.commuting(signal=[1, "1/2"])])
def test_the_field_is_the_polynomial_flow(name: str, moments: Moments) -> None:
    model = Model(procedure=name, moments=moments, predictor_lr="3/2", predictor_weight_decay="1/9")
    turned, y = flow_of(model)
    out = torch.empty_like(y)
    turned(y, out)
    field = BootstrapFlow(model, y, turn=False)
    y, out = field.pack(*turned.weights(y)), field.pack(*turned.weights(out))
    plain = torch.empty_like(y)
    field(y, plain)
    torch.testing.assert_close(plain, out, rtol=0, atol=1e-13)
    system = procedure(name).build(model)
    expected = system.evaluate(dict(zip(system.variables, y.T.numpy(), strict=True)))
    for place, variable in enumerate(system.variables):
        np.testing.assert_allclose(out[:, place], expected[variable], atol=1e-13)


@pytest.mark.parametrize("rtol", [1e-4, 1e-8])
def test_errors_are_those_asked_for(rtol: float) -> None:
    field, y = flow_of(Model(procedure="ema", moments=DENSE))
    found = integrate_flow(field, y, 20.0, rtol=rtol, atol=1e-3 * rtol)

    def right(_, flat: np.ndarray) -> np.ndarray:
        state, out = torch.tensor(flat)[None], torch.empty(1, len(flat), dtype=torch.float64)
        field(state, out)
        return out[0].numpy()

    for start, end in zip(y, found.y, strict=True):
        exact = solve_ivp(right, (0, 20), start.numpy(), method="DOP853", rtol=1e-12, atol=1e-14)
        assert np.abs(end.numpy() - exact.y[:, -1]).max() < 100 * rtol
    assert int(found.steps.max()) > int(found.steps.min())  # each has a step of its own


def test_a_trajectory_does_not_depend_on_the_others() -> None:
    field, y = flow_of(Model(procedure="ema"), runs=30)
    whole = integrate_flow(field, y, 30.0)
    part = integrate_flow(field, y[7:12], 30.0)
    torch.testing.assert_close(part.y, whole.y[7:12], rtol=0, atol=1e-11)
    assert torch.equal(part.steps, whole.steps[7:12])


def test_limits_and_scope_are_said() -> None:
    field, y = flow_of(Model())
    with pytest.raises(LimitReached, match="did not reach t = 50"):
        integrate_flow(field, y, 50.0, most_steps=3)
    with pytest.raises(ScopeError, match="--procedure joint"):
        BootstrapFlow(Model(procedure="joint"), y)
