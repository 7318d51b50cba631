"""The linear model inside a network, measured: what `overlay` compares with the theory.

The inputs of the head's last linear map are the data: their moments Sigma and M over two views are
measured on fixed images, at that moment of training. W is the last map, P the predictor, T the
target's last map. Batch norm at the output removes the mean and divides by the deviation: the data
are then centred and W is scaled. A predictor that is not linear is replaced by its best linear fit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from empirical.networks.learner import Learner
from empirical.networks.models import Encoder, Head, matrix_of


@dataclass(frozen=True)
class Effective:
    """(W, P[, T]) and the moments Sigma, M of its data, in double precision."""

    W: Tensor
    P: Tensor
    T: Tensor | None
    Sigma: Tensor
    M: Tensor
    linear: bool
    """True when the head's last map and the predictor are linear as they stand."""

    def arrays(self) -> dict[str, Tensor]:
        """Return what there is, by name."""
        named = {"W": self.W, "P": self.P, "T": self.T, "Sigma": self.Sigma, "M": self.M}
        return {name: value for name, value in named.items() if value is not None}


@torch.no_grad()
def effective(learner: Learner, first: Tensor, second: Tensor) -> Effective:
    """Measure the linear model on two views of fixed images; the network must be evaluating."""
    encoder = learner.online
    x, y = (_data(encoder, view) for view in (first, second))
    centred = not isinstance(encoder.head.norm, nn.Identity)
    if centred:
        mean = (x.mean(0) + y.mean(0)) / 2
        x, y = x - mean, y - mean
    count = len(x)
    cross = y.T @ x / count
    z = torch.cat([x, y]) @ _map(encoder.head).T
    return Effective(
        W=_map(encoder.head),
        P=_matrix(learner, z),
        T=_map(learner.target.head) if isinstance(learner.target, Encoder) else None,
        Sigma=(x.T @ x + y.T @ y) / (2 * count),
        M=(cross + cross.T) / 2,  # the views are exchangeable
        linear=not centred and matrix_of(learner.predictor) is not None,
    )


def _data(encoder: Encoder, view: Tensor) -> Tensor:
    out: Tensor = encoder.head.hidden(encoder.backbone(view))
    return out.double()


def _map(head: Head) -> Tensor:
    weight = head.last.weight.detach().double()
    if isinstance(head.norm, nn.Identity):
        return weight.clone()
    variance, eps = head.norm.running_var, head.norm.eps
    assert isinstance(variance, Tensor)
    scale: Tensor = 1 / (variance.double() + float(eps)).sqrt()  # type: ignore[arg-type]
    return scale[:, None] * weight


def _matrix(learner: Learner, z: Tensor) -> Tensor:
    matrix = matrix_of(learner.predictor)
    if matrix is None:
        predicted = learner.predictor(z.to(next(learner.parameters()).dtype)).double()
        solution: Tensor = torch.linalg.lstsq(z, predicted, driver=_driver(z)).solution
        return solution.T
    if matrix.numel() == 0:
        return torch.eye(z.shape[1], dtype=z.dtype, device=z.device)
    return matrix.double().clone()


def _driver(z: Tensor) -> str:
    return "gelsd" if z.device.type == "cpu" else "gels"  # collapsed outputs have no full rank
