"""What every point of a phase diagram shares, and the parameters of one point or of many.

How each parameter enters: `lr` is h, and for EMA at a fixed momentum also the flow rate
beta = (1 - mu)/h; `weight-decay` and `noise` move the equilibria; `ema` moves none of them
(T7.0); `predictor-lr` alone is a change of units (T0.1), and matters only through
kappa = eta_P/eta when the predictor's decay is coupled to it, eta_P = alpha eta (T0.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import numpy as np

from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import to_float
from equilibria.phase.axes import Axis
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.commuting.modes import Mode, modes_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Flags = NDArray[np.bool_]

Decay = Literal["equal", "coupled", "fixed"]


@dataclass(frozen=True)
class Points:
    """Parameters of N points as doubles: scalars per point (N,), total variance (N, d)."""

    family: Family | None
    exponent: float
    ema: bool
    n: int
    nu: float
    m: Array
    same: Flags
    """Which modes have equal (s, m), shape (d, d): they are interchangeable."""
    s: Array
    h: Array
    eta: Array
    mu: Array
    kappa: Array

    @property
    def d(self) -> int:
        return int(self.m.size)

    @property
    def count(self) -> int:
        return int(self.h.size)

    @property
    def bound(self) -> Array:
        """Return 2 (1 + nu)/h, the rate at which a real eigenvalue flips (T10.1)."""
        return np.asarray(2 * (1 + self.nu) / self.h)

    @property
    def equal_decays(self) -> bool:
        return bool((self.kappa == 1).all())

    def take(self, index: NDArray[np.intp] | slice) -> Points:
        """Return the points at the given places."""
        return replace(
            self,
            s=self.s[index],
            h=self.h[index],
            eta=self.eta[index],
            mu=self.mu[index],
            kappa=self.kappa[index],
        )

    def with_step(self, h: Array) -> Points:
        """Return the same points at other step sizes; mu is held, so the flow rate changes."""
        return replace(self, h=h)


@dataclass(frozen=True)
class Setting:
    """A model, the two parameters that replace its own, and how the predictor's decay follows."""

    model: Model
    x: str
    y: str
    decay: Decay = "equal"

    def __post_init__(self) -> None:
        if self.x == self.y:
            raise FormatError(f"--x {self.x} and --y {self.y}: two different parameters are needed")
        family = self.model.traits.family
        if family is None:
            raise ScopeError(
                f"--procedure {self.model.procedure}: no phase diagram is known for it"
            )
        axes = (self.x, self.y)
        if "ema" in axes and not self.model.traits.has_target:
            raise FormatError(
                f"--procedure {self.model.procedure}: has no moving-average target to vary; "
                "use --procedure ema, or another axis"
            )
        moments = self.model.moments
        if not moments.commute:
            raise ScopeError(
                "phase: the moments do not commute, and the block formulas need that they do",
                hint="give eigenvalues with --signal and --total; `equilibria` takes any moments",
            )
        if "noise" in axes and moments.signal is None:
            raise FormatError("noise axis: Sigma = M + V I needs --signal, not --moments")
        if self.model.eta == 0 and "weight-decay" not in axes:
            raise ScopeError(
                "--weight-decay 0: whole families of equilibria, which `equilibria` describes; "
                "phase needs a weight decay above 0"
            )
        if self.decay == "equal" and self.model.eta_p != self.model.eta:
            raise FormatError(
                f"--predictor-weight-decay {self.model.eta_p}: differs from the weight decay; "
                "give --decay fixed to keep it where it is"
            )
        if self.decay == "fixed" and self.model.eta_p == 0:
            raise ScopeError("--predictor-weight-decay 0: phase needs a decay above 0")

    @property
    def family(self) -> Family | None:
        return self.model.traits.family

    @cached_property
    def modes(self) -> tuple[Mode, ...]:
        return modes_of(self.model.moments)

    @cached_property
    def same(self) -> Flags:
        """Return which modes are interchangeable at every point."""
        noise = "noise" in (self.x, self.y)
        keys = [(None if noise else mode.s, mode.m) for mode in self.modes]
        return np.array([[a == b for b in keys] for a in keys], dtype=np.bool_)

    def check_axis(self, axis: Axis) -> None:
        """Raise `FormatError` where the axis leaves the moments without a positive Sigma."""
        if axis.name == "noise":
            lowest = min(mode.m for mode in self.modes)
            if axis.low + lowest <= 0:
                raise FormatError(
                    f"noise {axis.low}: Sigma = M + V I must be positive definite, "
                    f"give V above {-lowest}"
                )

    def points(self, x: Array, y: Array) -> Points:
        """Return the points with the given values of the two parameters, both of shape (N,)."""
        values = {self.x: x, self.y: y}
        count = x.size

        def column(name: str, default: Fraction) -> Array:
            return values.get(name, np.full(count, to_float(default)))

        model = self.model
        eta = column("weight-decay", model.eta)
        signal = np.array([to_float(mode.m) for mode in self.modes])
        if "noise" in values:
            total = signal + values["noise"][:, None]
        else:
            fixed = np.array([to_float(mode.s) for mode in self.modes])
            total = np.broadcast_to(fixed, (count, signal.size))
        return Points(
            family=self.family,
            exponent=to_float(model.traits.exponent or Fraction(1)),
            ema=model.traits.has_target,
            n=model.n,
            nu=to_float(model.nu),
            m=signal,
            same=self.same,
            s=total,
            h=column("lr", model.h),
            eta=eta,
            mu=column("ema", model.mu),
            kappa=self._kappa(eta, column("predictor-lr", model.alpha)),
        )

    def _kappa(self, eta: Array, alpha: Array) -> Array:
        if self.decay == "coupled":
            return alpha
        if self.decay == "fixed":
            return np.asarray(to_float(self.model.eta_p) / eta)
        return np.ones_like(eta)

    def model_at(self, x: Fraction, y: Fraction) -> Model:
        """Return the exact model at one point."""
        values = {self.x: x, self.y: y}
        model = self.model
        eta = values.get("weight-decay", model.eta)
        alpha = values.get("predictor-lr", model.alpha)
        decay = {"equal": eta, "coupled": alpha * eta, "fixed": model.eta_p}[self.decay]
        moments = model.moments
        if "noise" in values:
            signal: Sequence[Fraction] = [mode.m for mode in self.modes]
            moments = Moments.commuting(signal=signal, noise=values["noise"])
        return replace(
            model,
            moments=moments,
            lr=values.get("lr", model.h),
            weight_decay=eta,
            predictor_lr=alpha,
            predictor_weight_decay=decay,
            ema=values.get("ema", model.mu) if model.traits.has_target else None,
        )
