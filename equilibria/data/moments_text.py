"""A moment estimate in words: what was measured, how well, and what to do with it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from equilibria.data.measure import MomentEstimate


def moments_lines(estimate: MomentEstimate, path: str) -> list[str]:
    """Return the summary that `moments` prints."""
    settings = estimate.settings
    d = estimate.Sigma.shape[0]
    sigma = np.linalg.eigvalsh(estimate.Sigma)[::-1]
    signal = np.linalg.eigvalsh(estimate.M)[::-1]
    lines = [
        f"{settings.images} images of {settings.height}x{settings.width}x{settings.channels}, "
        f"{settings.views} views each, augmentation {settings.augment or 'none'}, "
        f"seed {settings.seed}",
        f"d = {d}"
        + (
            f" leading components, {100 * float(estimate.explained):.1f} % of the variance"
            if estimate.basis is not None
            else " pixels"
        )
        + f"; Sigma and M divided by {estimate.scale:.6g}"
        + ("" if settings.center else "; the mean image was kept"),
        "",
        f"  eigenvalues of Sigma      {_leading(sigma)}",
        f"  eigenvalues of M          {_leading(signal)}",
        f"  canonical correlations    {_with_errors(estimate.correlations, estimate.correlations_se)}",
        f"  relative commutator       {estimate.commutator:.4f} +- {estimate.commutator_se:.4f}",
        "",
    ]
    if estimate.commutator > 3 * estimate.commutator_se:
        lines.append("Sigma and M do not commute: `equilibria --moments` treats them as they are.")
    lines.append(f"wrote {path}; next: equilibria --ema 0.99 --moments {path} --embed-dim 16")
    return lines


def _leading(values: np.ndarray, count: int = 6) -> str:
    shown = "  ".join(f"{value:.4g}" for value in values[:count])
    return shown + ("  ..." if len(values) > count else "")


def _with_errors(values: np.ndarray, errors: np.ndarray, count: int = 5) -> str:
    pairs = zip(values[:count], errors[:count], strict=True)
    shown = "  ".join(f"{value:.3f}({1000 * error:.0f})" for value, error in pairs)
    return shown + ("  ..." if len(values) > count else "")
