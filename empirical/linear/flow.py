"""The flow instead of the map: Dormand-Prince 5(4) for many starts, each with a step size of its own.

A shared step pays for the stiffest start at every moment, and its error control averages over the
batch. Here each trajectory accepts, rejects and sizes its own steps, finishes at its own time and
leaves the pool. Error norm: root mean square over the variables, as in `scipy.integrate.solve_ivp`,
so equal tolerances mean the same. Runs on the CPU and on CUDA.

The coefficients are those of `equilibria.systems.integrate`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.linear.products import product
from equilibria.errors import LimitReached, ScopeError
from equilibria.systems.integrate import ERROR, STAGES
from equilibria.systems.model import Model

CACHED_NUMBERS = 1 << 16
"""Numbers of a state in flight on the CPU: with seven stages they still fit the cache."""
SAFETY, LEAST, MOST = 0.9, 0.2, 5.0

Field = Callable[[Tensor, Tensor], None]
"""Writes dy/dt of the rows of its first argument into its second, both of shape (R, variables)."""


@dataclass(frozen=True)
class FlowResult:
    """States (R, variables) at the end time, and how many steps each trajectory accepted."""

    y: Tensor
    steps: Tensor


@torch.no_grad()
def integrate_flow(
    field: Field,
    starts: Tensor,
    t_end: float,
    *,
    rtol: float = 1e-6,
    atol: float = 1e-9,
    most_steps: int = 1_000_000,
) -> FlowResult:
    """Integrate dy/dt = field(y) from each row of `starts` over the time `t_end`.

    Raises `LimitReached` when a trajectory needs more than `most_steps` steps.
    """
    width = len(starts)
    if starts.device.type == "cpu":
        width = max(8, CACHED_NUMBERS // starts.shape[1])
    parts = [
        _integrate(field, part.clone(), t_end, rtol, atol, most_steps)
        for part in torch.split(starts, width)
    ]
    return FlowResult(torch.cat([p.y for p in parts]), torch.cat([p.steps for p in parts]))


def _integrate(
    field: Field, starts: Tensor, t_end: float, rtol: float, atol: float, most_steps: int
) -> FlowResult:
    final, taken = starts.clone(), torch.zeros(len(starts), dtype=torch.int64, device=starts.device)
    owner = torch.arange(len(starts), device=starts.device)
    y, t = starts.clone(), starts.new_zeros(len(starts))
    k = [torch.empty_like(y) for _ in range(7)]
    field(y, k[0])
    scale = atol + rtol * y.abs()
    size, slope = ((v / scale).square().mean(dim=1).sqrt() for v in (y, k[0]))
    h = (0.01 * (size + 1) / (slope + 1e-300)).clamp(max=t_end)
    new, error = torch.empty_like(y), torch.empty_like(y)
    for _ in range(most_steps):
        h = torch.minimum(h, t_end - t)
        column = h[:, None]
        for stage, weights in enumerate(STAGES, 1):
            _combine(weights, k, new)
            new.mul_(column).add_(y)
            field(new, k[stage])
        _combine(ERROR, k, error)
        torch.maximum(y.abs(), new.abs(), out=k[1])
        error.mul_(column).div_(k[1].mul_(rtol).add_(atol))
        norm = error.square_().mean(dim=1).sqrt_().nan_to_num_(nan=1e30, posinf=1e30)
        accepted = norm <= 1
        t = torch.where(accepted, t + h, t)
        torch.where(accepted[:, None], new, y, out=y)
        torch.where(accepted[:, None], k[6], k[0], out=k[0])
        taken[owner] += accepted
        factor = (SAFETY * norm.clamp(min=1e-10) ** -0.2).clamp(LEAST, MOST)
        h = h * torch.where(accepted, factor, factor.clamp(max=1.0))
        done = t >= t_end * (1 - 1e-14)
        if not bool(done.any()):
            continue
        final[owner[done]] = y[done]
        keep = (~done).nonzero()[:, 0]
        if not len(keep):
            return FlowResult(final, taken)
        owner, y, t, h = owner[keep], y[keep], t[keep], h[keep]
        k = [stage[keep] for stage in k]
        new, error = torch.empty_like(y), torch.empty_like(y)
    raise LimitReached(f"{len(owner)} trajectories did not reach t = {t_end} in {most_steps} steps")


def _combine(weights: tuple[float, ...], k: list[Tensor], out: Tensor) -> None:
    torch.mul(k[0], weights[0], out=out)
    for weight, stage in zip(weights[1:], k[1:], strict=False):
        if weight:
            out.add_(stage, alpha=weight)


class BootstrapFlow:
    """The stop-gradient or EMA flow; a row of y is (W, P[, T]) flattened.

    dP = alpha R W^T - eta_P P, dW = P^T R - eta W, dT = beta (W - T) with R = T M - P W Sigma.
    With `turn` the states hold W and T in the eigenbasis of Sigma, which saves a matrix product;
    `pack` turns into it and `weights` back.
    """

    def __init__(self, model: Model, like: Tensor, *, turn: bool = True) -> None:
        if not model.traits.bootstraps:
            raise ScopeError(f"--procedure {model.procedure}: its flow is not integrated here")
        self.n, self.d, self.ema = model.n, model.d, model.traits.has_target
        self.sigma, self.m = (like.new_tensor(part) for part in model.moments.matrices())
        self.basis = torch.eye(self.d, dtype=like.dtype, device=like.device)
        if turn and not model.moments.is_diagonal:
            self.sigma, self.basis = torch.linalg.eigh(self.sigma)
            self.m = self.basis.T @ self.m @ self.basis
        elif turn:
            self.sigma = self.sigma.diagonal().contiguous()
        self.alpha, self.beta = float(model.alpha), float(model.flow_rate)
        self.eta, self.eta_p = float(model.eta), float(model.eta_p)
        self._scratch: tuple[Tensor, ...] = ()

    def pack(self, W: Tensor, P: Tensor, T: Tensor | None = None) -> Tensor:
        """Return states (R, variables); the target starts as the encoder unless T is given."""
        W, T = W @ self.basis, (W if T is None else T) @ self.basis
        parts = [W, P, T] if self.ema else [W, P]
        return torch.cat([part.flatten(1) for part in parts], dim=1)

    def weights(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return W, P, T of states; T is W for stop-gradient."""
        W, P, T = self.unpack(y)
        return W @ self.basis.T, P, T @ self.basis.T

    def unpack(self, y: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return views of W, P, T as the states hold them."""
        n, d = self.n, self.d
        W = y[:, : n * d].view(-1, n, d)
        P = y[:, n * d : n * d + n * n].view(-1, n, n)
        return W, P, y[:, n * d + n * n :].view(-1, n, d) if self.ema else W

    def __call__(self, y: Tensor, out: Tensor) -> None:
        W, P, T = self.unpack(y)
        dW, dP, dT = self.unpack(out)
        R, u, v, q = self._buffers(W)
        product(P, W, u)
        product(T, self.m.expand(len(T), *self.m.shape), R)
        if self.sigma.ndim == 1:
            R.addcmul_(u, self.sigma, value=-1.0)
        else:
            R.sub_(product(u, self.sigma.expand(len(u), *self.sigma.shape), v))
        torch.add(product(P.mT, R, u), W, alpha=-self.eta, out=dW)
        product(R, W.mT, q)
        torch.add(q if self.alpha == 1.0 else q.mul_(self.alpha), P, alpha=-self.eta_p, out=dP)
        if self.ema:
            torch.sub(W, T, out=dT).mul_(self.beta)

    def _buffers(self, W: Tensor) -> tuple[Tensor, ...]:
        if not self._scratch or len(self._scratch[0]) != len(W):
            shape = (len(W), self.n, self.d)
            blocks = [W.new_empty(shape) for _ in range(3)]
            self._scratch = (*blocks, W.new_empty(len(W), self.n, self.n))
        return self._scratch
