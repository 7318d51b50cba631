"""One step of many linear runs at once: batched matrix products, the gradient by hand, in place.

State tensors have the run as first axis: W (R, n, d), P (R, n, n), T (R, n, d) for ema, and the
velocities VW, VP with momentum. Every operation acts within one run (`products`), so on one CPU with
one set of libraries a run's numbers do not depend on the company it is in (tests compare bits).
Rates and moments may differ from run to run.

With R = T M - P W Sigma, the residual of a bootstrap step,

    W+ = W + h (P^T R - eta W),    P+ = P + h (alpha R W^T - eta_P P),    T+ = mu T + (1 - mu) W+.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from empirical.linear.objectives import matrix_power
from empirical.linear.products import product
from equilibria.systems.procedures import Family, procedure

SMALL = 64
"""Up to so many entries a matrix, rates are spread over all of them: one long vectorised loop."""


@dataclass(frozen=True)
class Rates:
    """Rates of R runs as tensors of shape (R,): h, eta, alpha, eta_p, mu, nu of the theory."""

    h: Tensor
    eta: Tensor
    alpha: Tensor
    eta_p: Tensor
    mu: Tensor
    nu: Tensor

    def rows(self, index: Tensor | slice) -> Rates:
        """Return the rates of some runs."""
        return Rates(*(getattr(self, name)[index] for name in self.__dataclass_fields__))


@dataclass(frozen=True)
class Second:
    """Second moments of the inputs of a step.

    `sigma` = E x x^T, `m` = E y x^T, `sigma_y` = E y y^T (used by joint alone). Full matrices have
    shape (d, d) when all runs share them (they are symmetric then) and (R, d, d) when each run has
    its own, as with mini-batches; `diagonal` ones have shape (d,) or (R, 1, d).
    """

    sigma: Tensor
    m: Tensor
    sigma_y: Tensor
    diagonal: bool = False
    sigma_diagonal: bool = False

    def rows(self, index: Tensor | slice) -> Second:
        """Return the moments of some runs."""
        return self.each(lambda part: part[index] if part.ndim == 3 else part)

    def each(self, change: Callable[[Tensor], Tensor]) -> Second:
        """Return the same change made to all three."""
        parts = change(self.sigma), change(self.m), change(self.sigma_y)
        return Second(*parts, self.diagonal, self.sigma_diagonal)

    def spread(self, runs: int, n: int) -> Second:
        """Return small diagonals repeated for every row of W, for the same reason as the rates."""
        d = self.sigma.shape[-1]
        if n * d > SMALL:
            return self
        return self.each(
            lambda part: part.expand(runs, n, d).contiguous() if self._flat(part) else part
        )

    def _flat(self, part: Tensor) -> bool:
        return self.diagonal or (self.sigma_diagonal and part is not self.m)

    def times(self, X: Tensor, A: Tensor, out: Tensor | None = None) -> Tensor:
        """Return X A for X of shape (R, n, d) and one of the three matrices."""
        if self._flat(A):
            return torch.mul(X, A, out=out)
        return product(X, A.expand(len(X), *A.shape[-2:]), out)

    @property
    def symmetric(self) -> bool:
        """Return whether E y x^T is symmetric by construction; a mini-batch's is not."""
        return self.diagonal or self.m.ndim == 2


class BatchedMap:
    """The update map of one procedure for the runs of `rates`; `advance` changes the state in place.

    With `momentum` every run carries velocities, also one whose rate nu is 0, so that the arithmetic
    is the same whatever the rates of the other runs.
    """

    def __init__(
        self, kind: str, rates: Rates, moments: Second, n: int, d: int, *, momentum: bool = False
    ) -> None:
        self.traits, self.n, self.d = procedure(kind), n, d
        exponent = self.traits.exponent
        self.exponent = None if exponent is None else float(exponent)
        self.learned = self.traits.learns_predictor
        self.momentum = momentum
        self.moments = moments.spread(len(rates.h), n)
        self.keep_w = _spread(1 - rates.h * rates.eta, n, d)
        self.h_w = _spread(rates.h, n, d)
        self.keep_p = _spread(1 - rates.h * rates.eta_p, n, n)
        self.h_alpha = _spread(rates.h * rates.alpha, n, n)
        self.follow = _spread(1 - rates.mu, n, d) if self.traits.has_target else None
        self.rates = rates
        if self.momentum:
            self.nu_w, self.nu_p = _spread(rates.nu, n, d), _spread(rates.nu, n, n)
            self.eta_w, self.eta_p = _spread(-rates.eta, n, d), _spread(-rates.eta_p, n, n)
            self.alpha, self.h_p = _spread(rates.alpha, n, n), _spread(rates.h, n, n)
        self._scratch: dict[int, tuple[Tensor, ...]] = {}

    def start(self, W: Tensor, P: Tensor, T: Tensor | None = None) -> dict[str, Tensor]:
        """Return the state with these weights; the target starts as the encoder unless T is given."""
        state = {"W": W.clone(), "P": P.clone()}
        if self.traits.has_target:
            state["T"] = (W if T is None else T).clone()
        if self.momentum:
            state["VW"] = torch.zeros_like(W)
            if self.learned:
                state["VP"] = torch.zeros_like(P)
        if self.exponent is not None:
            self._set_predictor(state, self.moments)
        return state

    def advance(self, state: Mapping[str, Tensor], moments: Second | None = None) -> None:
        """Make one step of all runs, on the model's moments or on those of their mini-batches."""
        data = self.moments if moments is None else moments
        W = state["W"]
        dW, dP, u, _ = buffers = self._buffers(W)
        if not self.traits.has_predictor:
            self._contrastive(W, data, dW, dP, u)
        else:
            if self.exponent is not None:
                self._set_predictor(state, data)
            self._bootstrap(state, data, buffers)
        self._move(state, dW, dP)

    def _bootstrap(
        self, state: Mapping[str, Tensor], data: Second, buffers: tuple[Tensor, ...]
    ) -> None:
        W, P, (dW, dP, u, v) = state["W"], state["P"], buffers
        product(P, W, u)
        data.times(u, data.sigma, out=v)
        data.times(state.get("T", W), data.m, out=u)
        R = u.sub_(v)
        if self.learned:
            product(R, W.mT, dP)
        product(P.mT, R, dW)
        if self.traits.family is Family.JOINT:  # nothing stops the gradient through the target
            data.times(W, data.m if data.symmetric else data.m.mT, out=u)
            dW.add_(product(P, u))
            dW.sub_(data.times(W, data.sigma_y, out=u))

    def _contrastive(self, W: Tensor, data: Second, dW: Tensor, F: Tensor, u: Tensor) -> None:
        data.times(W, data.sigma, out=u)
        product(u, W.mT, F)
        product(F, u, dW)
        data.times(W, data.m, out=u)
        if not data.symmetric:  # the loss only sees the symmetric part
            u = 0.5 * (u + data.times(W, data.m.mT))
        torch.sub(u, dW, out=dW)

    def _set_predictor(self, state: Mapping[str, Tensor], data: Second) -> None:
        assert self.exponent is not None
        W = state["W"]
        F = product(data.times(W, data.sigma), W.mT)
        state["P"].copy_(matrix_power((F + F.mT) / 2, self.exponent))

    def _move(self, state: Mapping[str, Tensor], dW: Tensor, dP: Tensor) -> None:
        W, P = state["W"], state["P"]
        if self.momentum:
            state["VW"].mul_(self.nu_w).add_(dW).addcmul_(W, self.eta_w)
            W.addcmul_(state["VW"], self.h_w)
            if self.learned:
                state["VP"].mul_(self.nu_p).addcmul_(dP, self.alpha).addcmul_(P, self.eta_p)
                P.addcmul_(state["VP"], self.h_p)
        else:
            W.mul_(self.keep_w).addcmul_(dW, self.h_w)
            if self.learned:
                P.mul_(self.keep_p).addcmul_(dP, self.h_alpha)
        if self.follow is not None:
            state["T"].lerp_(W, self.follow)

    def _buffers(self, W: Tensor) -> tuple[Tensor, ...]:
        if len(W) not in self._scratch:
            empty = torch.empty_like
            self._scratch = {
                len(W): (empty(W), W.new_empty(len(W), self.n, self.n), empty(W), empty(W))
            }
        return self._scratch[len(W)]


def _spread(values: Tensor, rows: int, columns: int) -> Tensor:
    shape = (rows, columns) if rows * columns <= SMALL else (1, 1)
    return values[:, None, None].expand(-1, *shape).contiguous()
