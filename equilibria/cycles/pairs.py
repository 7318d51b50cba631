"""Non-real pairs of the spectrum at an equilibrium: what a Hopf point is made of.

Pairs are given by their member in the upper half-plane. Neutral and real eigenvalues play no part
here, except in `others_unstable`. The *margin* is the real part (flow) or the modulus minus one
(map).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.linalg as sla

from equilibria.cycles.setting import Setting
from equilibria.varieties.noncommuting.core import Array, ComplexArray, CoreEquilibrium
from equilibria.varieties.noncommuting.eigen import matrix_size

NONREAL = 1e-7  # imaginary part, relative to the Jacobian, below which a pair counts as real


def jacobian(setting: Setting, core: CoreEquilibrium) -> Array:
    """The Jacobian of the core system."""
    return setting.system.matrix(setting.linearised(core))


def margin(setting: Setting, values: ComplexArray) -> Array:
    """Real parts, or moduli minus one."""
    return np.abs(values) - 1.0 if setting.is_map else values.real


def complex_pairs(setting: Setting, core: CoreEquilibrium) -> ComplexArray:
    """The non-real eigenvalues or multipliers in the upper half-plane, largest margin first."""
    J = jacobian(setting, core)
    values = np.linalg.eigvals(J).astype(np.complex128)
    values = values[values.imag > NONREAL * _moving_size(setting, J)]
    return values[np.argsort(-margin(setting, values), kind="stable")]


def leading_pair(setting: Setting, core: CoreEquilibrium) -> complex | None:
    """The pair of the largest margin."""
    pairs = complex_pairs(setting, core)
    return complex(pairs[0]) if pairs.size else None


def nearest_pair(setting: Setting, core: CoreEquilibrium, guess: complex) -> complex | None:
    """The pair nearest to a guess."""
    pairs = complex_pairs(setting, core)
    return complex(pairs[np.argmin(np.abs(pairs - guess))]) if pairs.size else None


def others_unstable(setting: Setting, core: CoreEquilibrium, pair: complex) -> int:
    """How many eigenvalues other than this pair and the neutral ones lie outside, on the core."""
    J = jacobian(setting, core)
    values = np.linalg.eigvals(J).astype(np.complex128)
    distance = np.minimum(np.abs(values - pair), np.abs(values - np.conj(pair)))
    values = values[np.argsort(distance, kind="stable")[2:]]
    return int(np.sum(margin(setting, values) > NONREAL * _moving_size(setting, J)))


def eigenvectors(J: Array, value: complex) -> tuple[ComplexArray, ComplexArray]:
    """(q, p) with J q = value q, p^H J = value p^H, |q| = 1 and p^H q = 1, for a simple value."""
    solved: Any = sla.eig(J, left=True, right=True)
    values, left, right = solved
    at = int(np.argmin(np.abs(values - value)))
    q, p = right[:, at], left[:, at]
    q = q / np.linalg.norm(q)
    return q, p / np.conj(np.vdot(p, q))


def frequency(setting: Setting, value: complex) -> float:
    """Angular frequency per unit of time."""
    return float(np.angle(value) / setting.h) if setting.h is not None else float(value.imag)


def _moving_size(setting: Setting, J: Array) -> float:
    """The size of the flow's Jacobian, or of what the map adds to the identity."""
    return matrix_size(J - np.eye(J.shape[0])) if setting.is_map else matrix_size(J)
