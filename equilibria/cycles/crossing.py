"""Results along a parameter: an equilibrium's leading pair, and the values where pairs cross."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from equilibria.varieties.noncommuting.core import Array, ComplexArray, CoreEquilibrium

Kind = Literal["Hopf", "Neimark-Sacker"]


@dataclass(frozen=True, slots=True, eq=False)
class HopfPoint:
    """A value at which a complex pair crosses the imaginary axis or the unit circle.

    `pair` is the eigenvalue or multiplier, `frequency` per unit of time, `speed` the derivative of
    the margin by the parameter, `others` the number of further unstable eigenvalues on the core.
    `lyapunov` is the first Lyapunov coefficient (its sign is what matters; None where zero
    eigenvalues make it meaningless, as without decay).
    """

    value: float
    pair: complex
    frequency: float
    speed: float
    others: int
    lyapunov: float | None
    kind: Kind
    core: CoreEquilibrium

    @property
    def criticality(self) -> str:
        """`supercritical`: a stable cycle is born on the unstable side (if nothing else is)."""
        if self.lyapunov is None or self.lyapunov == 0:
            return "undecided"
        return "supercritical" if self.lyapunov < 0 else "subcritical"

    def to_json(self) -> dict[str, object]:
        """Return the entry of `hopf_points`."""
        return {
            "value": self.value,
            "kind": self.kind,
            "eigenvalue": [self.pair.real, self.pair.imag],
            "frequency": self.frequency,
            "crossing_speed": self.speed,
            "other_unstable": self.others,
            "first_lyapunov": self.lyapunov,
            "criticality": self.criticality,
        }


@dataclass(frozen=True, slots=True, eq=False)
class Branch:
    """An equilibrium along a parameter, with the leading pair at every value and the crossings.

    `leading` is NaN where the spectrum is real; `stopped` says why the branch ended early.
    """

    values: Array
    leading: ComplexArray
    margins: Array
    points: tuple[HopfPoint, ...]
    stopped: str = ""

    def to_json(self) -> dict[str, object]:
        """Return the object `branch`."""
        return {
            "values": self.values.tolist(),
            "leading_margin": [None if np.isnan(m) else float(m) for m in self.margins],
            "frequency": [None if np.isnan(v) else float(v.imag) for v in self.leading],
            "hopf_points": [point.to_json() for point in self.points],
            "stopped": self.stopped,
        }
