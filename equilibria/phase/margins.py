"""The eigenvalue that decides, at any point of a diagram of moments that do not commute.

The margin is the real part (flow) or the modulus minus one (map) of the leading eigenvalue, neutral
ones divided out and further output rows added (T7.1). It is computed where it is asked for, at grid
points and between them, so that a boundary is a root and not a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from equilibria.cycles.setting import Setting, of_model
from equilibria.exact.rationals import to_float
from equilibria.phase.branches import Branch
from equilibria.phase.setting import Decay
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting.core import ComplexArray, CoreEquilibrium
from equilibria.varieties.noncommuting.spectrum import without_rotations
from equilibria.varieties.noncommuting.systems import Map

Which = Literal["flow", "map"]
ZERO = 1e-10  # margin, relative to the largest rate, within which nothing is decided
REAL = 1e-7  # imaginary part, relative to the modulus, below which an eigenvalue is real


@dataclass(frozen=True, slots=True)
class Leading:
    """The leading eigenvalue or multiplier, its margin, and the size its error is measured by."""

    value: complex
    margin: float
    size: float

    @property
    def sign(self) -> int:
        """-1 stable, +1 unstable, 0 undecided."""
        return 0 if abs(self.margin) <= ZERO * self.size else (1 if self.margin > 0 else -1)


@dataclass(eq=False)
class Margins:
    """Leading eigenvalues over the two axes; values are kept, points of one flow share them."""

    model: Model
    x: str
    y: str
    decay: Decay
    cache: dict[tuple[object, ...], Leading | None] = field(default_factory=dict)

    def settings(self, x: float, y: float) -> dict[Which, Setting]:
        """The flow and the map at a point, in alpha = 1 units."""
        model, values = self.model, {self.x: x, self.y: y}
        eta = values.get("weight-decay", to_float(model.eta))
        h, mu = values.get("lr", to_float(model.h)), values.get("ema", to_float(model.mu))
        alpha = values.get("predictor-lr", to_float(model.alpha))
        kappa = {"equal": 1.0, "coupled": alpha, "fixed": to_float(model.eta_p) / eta}[self.decay]
        base = replace(of_model(self.model), eta=eta, kappa=kappa)
        ema = model.traits.has_target
        return {
            "flow": replace(base, beta=(1 - mu) / h if ema else None),
            "map": replace(base, beta=None, h=h, mu=mu if ema else None, nu=to_float(model.nu)),
        }

    def leading(self, branch: Branch, which: Which, x: float, y: float) -> Leading | None:
        """The leading eigenvalue of a component at a point; None where it does not exist."""
        s = self.settings(x, y)[which]
        key = (branch.id, which, s.eta, s.beta, s.h, s.mu, s.kappa)
        if key not in self.cache:
            core = branch.at(s) if branch.rank else None
            missing = core is None and branch.rank > 0
            self.cache[key] = None if missing else self._leading(s, core)
        return self.cache[key]

    def _leading(self, setting: Setting, core: CoreEquilibrium | None) -> Leading:
        if core is None:
            values = _collapse(setting, self.model.d)
        else:
            lin = setting.linearised(core)
            J, rotations, _ = without_rotations(setting.system, lin)
            values = np.linalg.eigvals(J).astype(np.complex128)
            values = values[np.argsort(-np.abs(values), kind="stable")[rotations:]]
            further = setting.system.inactive(lin, self.model.n - core.rank)
            values = np.append(values, further)
        margins = np.abs(values) - 1 if setting.is_map else values.real
        at = int(np.argmax(margins))
        value = complex(values[at])
        return Leading(complex(value.real, abs(value.imag)), float(margins[at]), _size(values))


def _collapse(setting: Setting, d: int) -> ComplexArray:
    """Eigenvalues of full collapse: -eta_P and -eta, and those of the target (T2.5)."""
    rates = -setting.eta * np.array([1.0, setting.kappa], dtype=np.complex128)
    system = setting.system
    if isinstance(system, Map):
        values = system.multipliers(rates)
        return values if setting.mu is None else np.append(values, setting.mu)
    return rates if setting.beta is None else np.append(rates, -setting.beta)


def _size(values: ComplexArray) -> float:
    return float(np.abs(values).max())


def kind_of(value: complex, which: Which) -> str:
    """What happens where this eigenvalue crosses: hopf, neimark-sacker, flip or transcritical."""
    if abs(value.imag) > REAL * abs(value):
        return "hopf" if which == "flow" else "neimark-sacker"
    return "flip" if which == "map" and value.real < 0 else "transcritical"
