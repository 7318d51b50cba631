"""A linear encoder and predictor trained the usual way: autograd, torch.optim.SGD, an EMA target.

Nothing here knows the equations of `equilibria`: the loss comes from `objectives`, the derivative
from autograd, the step from SGD with weight decay, momentum and a parameter group of its own for
the predictor. On the moments a step of it is the polynomial map of the procedure (tests: 1e-12).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from empirical.linear.objectives import Pairs, correlation_power, spectral, squared, stop_gradient
from empirical.linear.target import follow, target_of
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


class Linear(nn.Module):
    """z = z(x) = x W^T for rows x; `weight` is W (n, d)."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight.clone())

    def forward(self, x: Tensor) -> Tensor:
        return x @ self.weight.T


class LinearTraining:
    """Encoder, predictor, target and optimiser of one run.

    W (n, d) and P (n, n) are the starting values; the target starts as a copy of the encoder, or at
    T. DirectPred and DirectCopy set the predictor from the batch before each forward pass, so P only
    fixes the size there.
    """

    def __init__(
        self,
        model: Model,
        W: Array,
        P: Array,
        *,
        T: Array | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self.model, self.traits = model, model.traits
        exponent = self.traits.exponent
        self.exponent = None if exponent is None else float(exponent)
        self.encoder = Linear(torch.tensor(W, dtype=dtype))
        self.predictor = Linear(torch.tensor(P, dtype=dtype))
        self.target = target_of(self.encoder)
        if T is not None:
            self.target.weight.copy_(torch.tensor(T, dtype=dtype))
        self.optimiser = self._optimiser()

    def _optimiser(self) -> torch.optim.SGD:
        model = self.model
        encoder = {
            "params": list(self.encoder.parameters()),
            "lr": float(model.h),
            "weight_decay": float(model.eta),
        }
        groups = [encoder]
        if self.traits.learns_predictor:
            # P+ = P + h (alpha R W^T - eta_P P): rate alpha h, and decay eta_P / alpha at that rate.
            groups.append(
                {
                    "params": list(self.predictor.parameters()),
                    "lr": float(model.alpha * model.h),
                    "weight_decay": float(model.eta_p / model.alpha),
                }
            )
        return torch.optim.SGD(groups, lr=float(model.h), momentum=float(model.nu))

    def loss(self, pairs: Pairs) -> Tensor:
        """Return the loss of a batch; it is where the stop-gradient stands."""
        z = self.encoder(pairs.x)
        if not self.traits.has_predictor:
            return spectral(z, self.encoder(pairs.y), pairs.weight)
        if self.exponent is not None:
            with torch.no_grad():
                self.predictor.weight.copy_(correlation_power(z, pairs.weight, self.exponent))
        if self.traits.family is Family.JOINT:
            return squared(self.predictor(z), self.encoder(pairs.y), pairs.weight)
        teacher = self.target if self.traits.has_target else self.encoder
        return squared(self.predictor(z), stop_gradient(teacher(pairs.y)), pairs.weight)

    def step(self, pairs: Pairs) -> float:
        """Make one step on a batch and return its loss: forward, backward, optimiser, then target."""
        self.optimiser.zero_grad(set_to_none=True)
        loss = self.loss(pairs)
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        if self.traits.has_target:
            follow(self.target, self.encoder, float(self.model.mu))
        return float(loss.detach())

    @property
    def state(self) -> dict[str, Array]:
        """Return W, P and, for ema, T as arrays; P of a direct procedure is that of the last batch."""
        found = {"W": self.encoder.weight, "P": self.predictor.weight}
        if self.traits.has_target:
            found["T"] = self.target.weight
        return {name: value.detach().numpy().copy() for name, value in found.items()}
