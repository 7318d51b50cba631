"""Is an equilibrium of the frozen features stable? Its core alone says (T7.1), never the n rows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

import numpy as np

from empirical.overlay.frozen_aligned import Aligned, aligned_extent
from equilibria.varieties.noncommuting.core import core_equilibrium
from equilibria.varieties.noncommuting.linearisation import EmbeddedCore
from equilibria.varieties.noncommuting.spectrum import flow_spectrum

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MARGIN = 1e-9
NOT_SEARCHED: Final = "not searched"
LARGEST_PRODUCT = 2e9
"""Operations of one product with the Jacobian of a core above which no verdict is searched: it
takes up to some 12,000 of them."""


class Decay(Protocol):
    """eta, eta_P and alpha of the theory."""

    @property
    def eta(self) -> float: ...

    @property
    def eta_p(self) -> float: ...

    @property
    def alpha(self) -> float: ...


def aligned_verdict(
    found: Aligned, eta: float, kappa: float, n: int, beta: float | None
) -> tuple[str, str]:
    """Return the verdict of an aligned equilibrium, from the blocks, and how it is known."""
    if beta is not None and kappa != 1:
        return "undecided", "unequal decays with a moving average have no blocks"
    extent = aligned_extent(found, eta, kappa, n)
    size = 1.0 + float(np.abs(found.m).max(initial=0.0)) * float(np.abs(found.p).max(initial=0.0))
    how = f"numeric, blocks, largest real part {extent:.3g}"
    if abs(extent) <= MARGIN * size:
        return "undecided", how
    return ("stable" if extent < 0 else "unstable"), how


def core_verdict(
    core: tuple[Array, Array], sigma: Array, m: Array, decay: Decay, n: int, beta: float | None
) -> tuple[str, str]:
    """Return the verdict of the flow at a core W (k, d), P (k, k), of n outputs, and how it is known."""
    W, P = core
    k, d = W.shape
    if 2.0 * (6 * k * d * d + 16 * k * k * d) > LARGEST_PRODUCT:
        return NOT_SEARCHED, f"a core of {k} x {d} is too large for its spectrum"
    found = core_equilibrium(P, W, sigma, m, decay.eta, label="", origin="")
    at = EmbeddedCore(found, sigma, m, decay.eta, n, decay.eta_p / decay.eta)
    try:
        verdict = flow_spectrum(at, beta=beta, leading=4).verdict
    except np.linalg.LinAlgError as error:
        return "undecided", f"the spectrum was not found ({error})"
    if not np.isfinite(verdict.tolerance):
        return "undecided", "Arnoldi did not converge"
    return verdict.verdict, f"numeric, {verdict.method}, largest real part {verdict.extent:.3g}"
