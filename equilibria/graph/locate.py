"""Which stratum is a state near? Distances with the symmetry divided out.

a W^T W (a = alpha/kappa) does not see the rotation W -> Q W, P -> Q P Q^T; at an aligned stratum it
is diag(p_j^2). So the lengths |w_j| sqrt(a) are compared with 0, |p+|, |p-| of each mode, the
columns have to be orthogonal, P has to be W diag(a/p) W^T, and T has to be W. Offsets are measured
in units of the gap to the next root of the same mode, so that a small p- counts as far from 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from equilibria.graph.landscape import Choice, Landscape

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Digits = NDArray[np.int8]

INACTIVE, UPPER, LOWER = 0, 1, 2


class Locator:
    """Finds the nearest stratum of batches of states in the mode basis."""

    def __init__(self, landscape: Landscape) -> None:
        self.landscape = landscape
        groups = [[mode.number - 1 for mode in group.modes] for group in landscape.groups]
        self.repeated = [members for members in groups if len(members) > 1]
        self.root = np.sqrt(landscape.scale)
        self.members = groups
        self.floor = float(landscape.gaps.min(initial=np.inf))
        self.choices: dict[bytes, Choice] = {}

    def nearest(self, W: Array, P: Array, T: Array) -> tuple[Digits, Array, Array]:
        """Return the nearest root of every mode, the largest offset in gaps and in units of p."""
        table, gaps = self.landscape.roots, self.landscape.gaps
        scaled = self.root * (self._in_group_axes(W) if self.repeated else W)
        size = np.sqrt(np.einsum("bij,bij->bj", scaled, scaled))
        offsets = np.abs(size[:, :, None] - table)
        digits = offsets.argmin(axis=2).astype(np.int8)
        column = np.arange(table.shape[0])
        off, gap = offsets.min(axis=2), gaps[column, digits]
        finite = np.isfinite(gap)
        relative = np.where(finite, off / np.where(finite, gap, 1.0), off / self._scale())
        rest = self._rest(scaled, P, self.root * np.abs(T - W).max(axis=(1, 2)), digits, gap)
        return (
            digits,
            np.maximum(relative.max(axis=1), rest[0]),
            np.maximum(off.max(axis=1), rest[1]),
        )

    def _scale(self) -> float:
        return self.floor if np.isfinite(self.floor) else max(self.landscape.speed, 1e-300)

    def _rest(
        self, scaled: Array, P: Array, lag: Array, digits: Digits, gap: Array
    ) -> tuple[Array, Array]:
        """Return how far the columns are from orthogonal, P from what W says, and T from W."""
        column = np.arange(digits.shape[1])
        active = digits != INACTIVE
        roots = self.landscape.signed[column, digits]
        unit = scaled / np.where(active, np.abs(roots), 1.0)[:, None, :]
        cross = np.abs(np.matmul(unit.transpose(0, 2, 1), scaled)) * active[:, :, None]
        cross[:, column, column] = 0.0
        ideal = np.matmul(
            scaled * np.where(active, 1 / roots, 0.0)[:, None, :], scaled.transpose(0, 2, 1)
        )
        worst = np.maximum(cross.max(axis=(1, 2)), np.abs(P - ideal).max(axis=(1, 2)))
        worst = np.maximum(worst, lag)
        least = np.where(active, gap, np.inf).min(axis=1)
        return worst / np.where(np.isfinite(least), least, self._scale()), worst

    def _in_group_axes(self, W: Array) -> Array:
        """Return W with equal modes rotated so that their columns are orthogonal, longest first."""
        turned = W.copy()
        for members in self.repeated:
            part = W[:, :, members]
            vectors = np.linalg.eigh(np.matmul(part.transpose(0, 2, 1), part))[1][:, :, ::-1]
            turned[:, :, members] = np.matmul(part, vectors)
        return turned

    def choice(self, digits: Digits) -> Choice:
        """Return the stratum of one row of digits."""
        key = digits.tobytes()
        if key not in self.choices:
            self.choices[key] = tuple(
                (int((digits[m] == UPPER).sum()), int((digits[m] == LOWER).sum()))
                for m in self.members
            )
        return self.choices[key]
