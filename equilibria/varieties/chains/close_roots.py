"""Roots of polynomials with enclosed coefficients, to double precision also where they lie close.

Companion matrices lose the digits of roots that nearly meet, as they do at small decays. Where the
rounding error of a root shows, all are moved together in more digits by the method of Weierstrass.
Source: Kerner, "Ein Gesamtschrittverfahren zur Berechnung der Nullstellen von Polynomen", 1966.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.enclosed import Enclosed
from equilibria.varieties.commuting.transfer import polynomial_roots

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Roots = NDArray[np.complex128]

SHOWN = 1e-12  # a larger error, relative to the largest root, would be seen in what is printed
BITS = 256
SETTLED = 1e-20
STEPS = 100


def roots_of(coefficients: Sequence[Enclosed]) -> Roots:
    """Return the roots, with multiplicities; the polynomial has its constant term first."""
    numbers = np.array([float(value) for value in coefficients])
    if numbers.size <= 1:
        return np.zeros(0, dtype=np.complex128)
    roots = polynomial_roots(numbers)
    return _refined(coefficients, roots) if _lost_digits(numbers, roots) else roots


def _lost_digits(coefficients: NDArray[np.float64], roots: Roots) -> bool:
    """Return whether a rounding of the coefficients moves a root by more than is shown."""
    powers = np.abs(roots)[:, None] ** np.arange(coefficients.size)
    size = (powers * np.abs(coefficients)).sum(axis=1)
    gaps = roots[:, None] - roots
    np.fill_diagonal(gaps, 1.0)
    slope = np.abs(coefficients[-1] * gaps.prod(axis=1))
    allowed = SHOWN * np.abs(roots).max()
    return bool((size * np.finfo(float).eps > allowed * slope).any())


def _refined(coefficients: Sequence[Enclosed], start: Roots) -> Roots:
    import mpmath

    with mpmath.workprec(BITS):
        bounds = [value.enclosure(BITS) for value in reversed(coefficients)]
        middles = [(low + high) / 2 for low, high in bounds]
        line = [mpmath.mpf(x.numerator) / x.denominator for x in middles]
        scale = max(abs(start)) or 1.0
        # Equal starts would divide by zero: they are set apart by less than their error.
        apart = scale * np.exp(1j * np.arange(start.size)) * 1e-14
        roots = [mpmath.mpc(complex(value)) for value in start + apart]
        for _ in range(STEPS):
            moved = 0.0
            for i, root in enumerate(roots):
                below = line[0]
                for j, other in enumerate(roots):
                    if j != i:
                        below = below * (root - other)
                step = mpmath.polyval(line, root) / below
                roots[i] = root - step
                moved = max(moved, float(abs(step)))
            if moved <= SETTLED * scale:
                break
        return np.array([complex(root) for root in roots], dtype=np.complex128)
