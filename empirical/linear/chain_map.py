"""One step of many deep linear runs at once, for any M: stop-gradient and EMA with hidden layers.

A state is a list of layers A_1, ..., A_D (R, n_l, n_(l-1)), of targets T_1, ..., T_L with EMA, and of
velocities with momentum, the run first:

    A_i+ = A_i + h V_i+,  V_i+ = nu V_i + alpha_i A_>i^T R A_<i^T - eta_i A_i,  R = T M - P W Sigma,
    T_l+ = mu T_l + (1 - mu) W_l+.

Source: section 20 of the second theory note; `equilibria/systems/chain_system.py` has the polynomials.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import torch
from torch import Tensor

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model


@dataclass
class ChainState:
    """The matrices of R runs, float64; `targets` and `velocities` are empty where there are none."""

    layers: list[Tensor]
    targets: list[Tensor]
    velocities: list[Tensor]

    def gains(self, encoder: int) -> tuple[Tensor, Tensor]:
        """Return W (R, n, d) and P (R, n, n)."""
        return _product(self.layers[:encoder]), _product(self.layers[encoder:])


class ChainMap:
    """The update map of a model on a device; `step` changes a state in place."""

    def __init__(self, model: Model, device: str = "cpu") -> None:
        sigma, m = model.moments.matrices()
        self.model, self.chain = model, model.chain
        self.sigma = torch.tensor(sigma, dtype=torch.float64, device=device)
        self.m = torch.tensor(m, dtype=torch.float64, device=device)
        self.rates = [to_float(rate) for rate in self.chain.rates]
        self.decays = [to_float(decay) for decay in self.chain.decays]
        self.beta = to_float(model.flow_rate)
        self.h, self.mu, self.nu = (to_float(x) for x in (model.h, model.mu, model.nu))

    def start(self, runs: int, seed: int, scale: float = 1.0) -> ChainState:
        """Return random layers, uniform within scale/sqrt(fan-in) as PyTorch starts a linear layer."""
        random = np.random.default_rng(seed)
        layers = []
        for rows, columns in self.chain.shapes.values():
            bound = scale / columns**0.5
            values = random.uniform(-bound, bound, size=(runs, rows, columns))
            layers.append(torch.tensor(values, device=self.sigma.device))
        return self.at(layers)

    def at(self, layers: Sequence[Tensor]) -> ChainState:
        """Return a state with these layers, targets equal to the encoder, at rest."""
        copies = [layer.clone() for layer in layers]
        ema = self.model.traits.has_target
        targets = [layer.clone() for layer in copies[: self.chain.encoder]] if ema else []
        velocities = [torch.zeros_like(layer) for layer in copies] if self.nu else []
        return ChainState(copies, targets, velocities)

    def forces(self, state: ChainState) -> list[Tensor]:
        """Return alpha_i A_>i^T R A_<i^T - eta_i A_i for every layer."""
        layers, L = state.layers, self.chain.encoder
        below = _running(layers)
        above = [m.mT for m in _running([layer.mT for layer in layers[::-1]])][::-1]
        target = _product(state.targets) if state.targets else below[L - 1]
        gap = target @ self.m - below[-1] @ self.sigma
        forces = []
        for i, layer in enumerate(layers):
            value = above[i + 1].mT @ gap if i + 1 < len(layers) else gap
            value = value @ below[i - 1].mT if i else value
            forces.append(self.rates[i] * value - self.decays[i] * layer)
        return forces

    def step(self, state: ChainState) -> float:
        """Make one step; return the largest change of a layer's entry over the step size."""
        forces = self.forces(state)
        if self.nu:
            for velocity, force in zip(state.velocities, forces, strict=True):
                velocity.mul_(self.nu).add_(force)
            forces = state.velocities
        for layer, move in zip(state.layers, forces, strict=True):
            layer.add_(move, alpha=self.h)
        for target, layer in zip(state.targets, state.layers, strict=False):
            target.mul_(self.mu).add_(layer, alpha=1 - self.mu)
        return max(float(move.abs().max()) for move in forces)

    def flow(self, state: ChainState, time: float) -> None:
        """Follow the flow for a time by one step of the classical Runge-Kutta method, in place."""
        first = self._slopes(state)
        second = self._slopes(self._moved(state, first, time / 2))
        third = self._slopes(self._moved(state, second, time / 2))
        last = self._slopes(self._moved(state, third, time))
        matrices = [*state.layers, *state.targets]
        for place, matrix in enumerate(matrices):
            slope = first[place] + 2 * second[place] + 2 * third[place] + last[place]
            matrix.add_(slope, alpha=time / 6)

    def _slopes(self, state: ChainState) -> list[Tensor]:
        pairs = zip(state.layers, state.targets, strict=False)
        return [*self.forces(state), *(self.beta * (layer - target) for layer, target in pairs)]

    def _moved(self, state: ChainState, slopes: list[Tensor], time: float) -> ChainState:
        matrices = [*state.layers, *state.targets]
        after = [m + time * slope for m, slope in zip(matrices, slopes, strict=True)]
        depth = len(state.layers)
        return ChainState(after[:depth], after[depth:], [])


def _product(factors: Sequence[Tensor]) -> Tensor:
    return reduce(lambda below, factor: factor @ below, factors)


def _running(factors: Sequence[Tensor]) -> list[Tensor]:
    """Return A_1, A_2 A_1, A_3 A_2 A_1, ...."""
    products = [factors[0]]
    for factor in factors[1:]:
        products.append(factor @ products[-1])
    return products
