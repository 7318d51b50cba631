"""The runs in flight: states, rates and owners, advanced together in slices that fit the cache.

A run that has come to rest leaves the pool, so no work is spent on it. Which runs share a slice
changes over time and changes no bit of any run (`products` says what that rests on).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from empirical.linear.batched import BatchedMap, Rates, Second
from empirical.linear.minibatch_noise import Batches
from empirical.linear.settings import RATES, Settings, number
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Runs = NDArray[np.int64]

CACHED_ENTRIES = 16384
"""Entries of W in a slice on the CPU: a dozen arrays of that size fit a core's second-level cache."""


@dataclass(frozen=True)
class Data:
    """Moments in the coordinates of the simulation, and the way back to those of the data.

    There Sigma is diagonal, and M too when they commute, which saves matrix products; W V has the
    same dynamics as W because weight decay does not see a rotation.
    """

    second: Second
    basis: Array | None

    @classmethod
    def of(cls, model: Model, like: Tensor) -> Data:
        if model.moments.commute:
            s, m, basis = model.moments.eigenbasis
            sigma, signal = like.new_tensor(s), like.new_tensor(m)
            rotation = None if model.moments.is_diagonal else basis
            return cls(Second(sigma, signal, sigma, diagonal=True), rotation)
        total, m = model.moments.matrices()
        values, basis = np.linalg.eigh(total)
        sigma, signal = like.new_tensor(values), like.new_tensor(basis.T @ m @ basis)
        signal = (signal + signal.T) / 2
        return cls(Second(sigma, signal, sigma, sigma_diagonal=True), basis)

    def matrices(self) -> tuple[Array, Array]:
        """Return Sigma and M (d, d) in the coordinates of the simulation."""
        sigma, m = (v.cpu().double().numpy() for v in (self.second.sigma, self.second.m))
        return np.diag(sigma), np.diag(m) if self.second.diagonal else m

    def into(self, W: Array) -> Array:
        """Return encoders in the coordinates of the simulation."""
        return W if self.basis is None else W @ self.basis

    def back(self, W: Array) -> Array:
        """Return encoders in the coordinates of the data."""
        return W if self.basis is None else W @ self.basis.T


def rates_of(model: Model, settings: Settings, rows: Runs, like: Tensor) -> Rates:
    """Return the rates of some runs as tensors."""
    names = ("lr", "weight_decay", "predictor_lr", "predictor_weight_decay", "ema", "momentum")
    assert names == RATES
    vary = settings.vary or {}
    columns = []
    for name in RATES:
        if name in vary:
            values = {text: number(text, name) for text in set(vary[name])}
            columns.append(np.array([values[vary[name][run]] for run in rows.tolist()]))
        elif name == "predictor_weight_decay" and "weight_decay" in vary and _follows(model):
            columns.append(columns[1])
        else:
            fixed = {"ema": model.mu}.get(name) if name == "ema" else getattr(model, name)
            columns.append(np.full(len(rows), float(fixed or 0)))
    return Rates(*(like.new_tensor(column) for column in columns))


def _follows(model: Model) -> bool:
    """Return whether the predictor's decay is the encoder's, as it is unless said otherwise."""
    return model.eta_p == model.eta


class Pool:
    """States of the active runs; row i belongs to run `owner[i]`, ascending."""

    def __init__(
        self, model: Model, owner: Runs, state: Mapping[str, Tensor], rates: Rates, data: Data
    ) -> None:
        self.model, self.data, self.momentum = model, data, "VW" in state
        self.owner, self.state, self.rates = owner, dict(state), rates
        self.change = np.full(len(owner), np.inf)
        self._cut()

    @classmethod
    def start(
        cls,
        model: Model,
        owner: Runs,
        weights: Mapping[str, Array],
        rates: Rates,
        data: Data,
        *,
        momentum: bool,
    ) -> Pool:
        """Return a pool with weights W, P[, T], in the coordinates of the data, at step 0.

        The target starts as a copy of the encoder unless T is given.
        """
        like = rates.h
        W, T = (like.new_tensor(data.into(weights.get(name, weights["W"]))) for name in "WT")
        first = BatchedMap(model.procedure, rates, data.second, model.n, model.d, momentum=momentum)
        state = first.start(W, like.new_tensor(weights["P"]), T)
        return cls(model, owner, state, rates, data)

    def _cut(self) -> None:
        model, count = self.model, len(self.owner)
        width = count
        if self.rates.h.device.type == "cpu":
            width = min(2048, max(8, CACHED_ENTRIES // (model.n * model.d)))
        self.slices = [slice(a, min(a + width, count)) for a in range(0, count, max(1, width))]
        self.steps = [
            BatchedMap(
                model.procedure,
                self.rates.rows(part),
                self.data.second,
                model.n,
                model.d,
                momentum=self.momentum,
            )
            for part in self.slices
        ]

    @torch.no_grad()
    def advance(self, first: int, last: int, batches: Batches | None) -> None:
        """Make the steps first + 1, ..., last and keep the change of the last one."""
        for part, step in zip(self.slices, self.steps, strict=True):
            view = {name: value[part] for name, value in self.state.items()}
            rows = self.owner[part]
            for number_of_step in range(first + 1, last + 1):
                if number_of_step == last:
                    before = {name: view[name].clone() for name in "WPT" if name in view}
                step.advance(
                    view, None if batches is None else batches.moments(number_of_step, rows)
                )
            moved = [(view[name] - old).abs().amax(dim=(1, 2)) for name, old in before.items()]
            self.change[part] = torch.stack(moved).amax(dim=0).cpu().numpy()

    @property
    def size(self) -> Array:
        """Return the largest entry of each run's weights; inf or NaN for one that left all bounds."""
        tops = [self.state[name].abs().amax(dim=(1, 2)) for name in "WPT" if name in self.state]
        return np.asarray(torch.stack(tops).amax(dim=0).cpu().double().numpy())

    def weights(self, rows: Runs | slice) -> dict[str, Array]:
        """Return W, P and T of some rows in the coordinates of the data, in double precision."""
        found: dict[str, Array] = {}
        for name in "WPT":
            if name in self.state:
                value = self.state[name][rows].cpu().double().numpy()
                found[name] = value if name == "P" else self.data.back(value)
        return found

    def keep(self, rows: Runs) -> None:
        """Drop all but some rows."""
        index = torch.as_tensor(rows, device=self.rates.h.device)
        self.state = {name: value[index] for name, value in self.state.items()}
        self.rates = self.rates.rows(index)
        self.owner, self.change = self.owner[rows], self.change[rows]
        self._cut()
