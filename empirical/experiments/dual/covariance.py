"""Does a step of contrastive learning multiply each layer's weights by the covariance operator?

Three questions, each to a network with its data set:

    is the step on L_simp 2 lr OP_l vec(W_l) to rounding, and are operators nearby told apart?
    is every OP_l positive semidefinite, for all three losses?
    how does what is left over for the other losses shrink with the variance of the augmentation?

and one about sampling: a minibatch's step approaches the operator's as one over the root of its size.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from empirical.experiments.dual.contrast import Contrast
from empirical.experiments.dual.data import gaussian_views, shifted_digits
from empirical.experiments.dual.expectation import Draws
from empirical.experiments.dual.measure import Layer, layers, minibatch_residue, slope
from empirical.experiments.dual.network import relu_network
from empirical.experiments.dual.result import SOURCE, finish, rounded
from empirical.experiments.result import ExperimentResult

NAME = "covariance-operator"
CONTRASTS = (
    Contrast("simp"),
    Contrast("triplet", tau=2.0, margin=1.0),
    Contrast("infonce", tau=2.0, negatives=2),
)
ROUNDING = 1e-10
"""Relative distance of two routes to one number in double precision."""
NEGATIVE = -1e-12
"""Smallest eigenvalue over the largest, from which on a matrix counts as positive semidefinite."""
SLOPE = (0.8, 1.2)
"""Fitted exponents that count as 1."""


@dataclass(frozen=True)
class Size:
    """How large everything is."""

    widths: tuple[int, ...] = (6, 12, 10, 4)
    digit_widths: tuple[int, ...] = (64, 16, 12, 4)
    samples: int = 6
    views: int = 3
    digits: int = 8
    scales: tuple[float, ...] = (0.003, 0.01, 0.03, 0.1, 0.3)
    batches: tuple[int, ...] = (16, 64, 256, 1024, 4096)
    tries: int = 8


FULL = Size(
    widths=(16, 32, 32, 32, 8),
    digit_widths=(64, 64, 64, 16),
    samples=12,
    views=4,
    digits=16,
    tries=32,
)


@dataclass(frozen=True)
class Study:
    """Everything measured; keys are the names of the losses."""

    size: Size
    runs: int
    seed: int
    gaussian: dict[str, tuple[Layer, ...]]
    digits: dict[str, tuple[Layer, ...]]
    residues: dict[str, list[list[float]]]
    """For each scale and layer the root mean square over networks of |residue w| / |OP w|."""
    minibatch: list[float]

    def slopes(self, name: str) -> list[float]:
        """Return for each layer the exponent of the residue in the augmentation's variance."""
        variances = [scale**2 for scale in self.size.scales]
        return [slope(variances, list(column)) for column in zip(*self.residues[name], strict=True)]

    @property
    def minibatch_slope(self) -> float:
        """Return the exponent of a minibatch's distance to the operator in its size."""
        return slope([float(b) for b in self.size.batches], self.minibatch)

    @property
    def compared(self) -> list[Layer]:
        """Return all layers, of both data sets and all losses."""
        return [layer for part in (self.gaussian, self.digits) for found in part.values()
                for layer in found]  # fmt: skip

    @property
    def simple(self) -> list[Layer]:
        """Return the layers under L_simp."""
        return [*self.gaussian["simp"], *self.digits["simp"]]


def study(*, runs: int = 8, seed: int = 0, size: Size | None = None) -> Study:
    """Measure everything; `runs` networks (each with data of its own) for the residue."""
    size = size or Size()
    n, a = size.samples, size.views
    first = relu_network(size.widths, seed=seed)
    points = gaussian_views(n, a, size.widths[0], size.scales[-1], seed=seed)
    top = relu_network(size.digit_widths, seed=seed)
    images = shifted_digits(size.digits, seed=seed)
    shifts = Draws(size.digits, len(images) // size.digits)
    return Study(
        size=size,
        runs=runs,
        seed=seed,
        gaussian={c.name: layers(first, points, c, Draws(n, a)) for c in CONTRASTS},
        digits={c.name: layers(top, images, c, shifts) for c in CONTRASTS},
        residues={c.name: residues(c, size, runs, seed) for c in CONTRASTS[1:]},
        minibatch=[
            minibatch_residue(first, points, Draws(n, a), batch, tries=size.tries, seed=seed)
            for batch in size.batches
        ],
    )


def residues(contrast: Contrast, size: Size, runs: int, seed: int) -> list[list[float]]:
    """Return, for each scale of the augmentation and each layer, the residue over |OP w|."""
    draws = Draws(size.samples, size.views)
    networks = [relu_network(size.widths, seed=seed + run) for run in range(runs)]

    def points(scale: float, run: int) -> Tensor:
        return gaussian_views(size.samples, size.views, size.widths[0], scale, seed=seed + run)

    found = []
    for scale in size.scales:
        each = [
            [layer.residue for layer in layers(weights, points(scale, run), contrast, draws)]
            for run, weights in enumerate(networks)
        ]
        found.append(np.sqrt(np.mean(np.square(each), axis=0)).tolist())
    return found


def result(found: Study, *, out: Path | None = None) -> ExperimentResult:
    """Return the study's answer."""
    simple = max(layer.residue for layer in found.simple)
    exact = max(layer.exact for layer in found.compared)
    lowest = min(layer.lowest for layer in found.compared)
    wrong = min(min(layer.unaveraged, layer.unopposed) for layer in found.simple)
    slopes = {name: found.slopes(name) for name in found.residues}
    fitted = [value for values in slopes.values() for value in values]
    holds = (
        max(simple, exact) < ROUNDING
        and lowest >= NEGATIVE
        and wrong > 1e-2
        and SLOPE[0] < min(fitted) <= max(fitted) < SLOPE[1]
    )
    told = ExperimentResult(
        NAME,
        source=SOURCE,
        statement="a step of contrastive learning moves the weights of each layer by a positive "
        "semidefinite covariance operator: exactly for L_simp, up to a residue of the order of the "
        "augmentation variance for soft triplet and InfoNCE",
        predicted="L_simp: step = 2 lr OP vec(W), relative distance below 1e-10; no negative "
        "eigenvalue; residue proportional to the augmentation variance (exponent 1)",
        measured=f"L_simp: distance {simple:.1e} in all layers, wrong operators {wrong:.2f} and more; "
        f"smallest eigenvalue {lowest:.0e} of the largest; exponent of the residue "
        f"{min(fitted):.2f} to {max(fitted):.2f}, operator plus residue exact to {exact:.0e}",
        holds=bool(holds),
        runs=found.runs,
    )
    return finish(
        told,
        seed=found.seed,
        numbers=_numbers(found, slopes),
        out=out,
    )


def _numbers(found: Study, slopes: dict[str, list[float]]) -> dict[str, object]:
    names = ("residue", "exact", "unaveraged", "unopposed", "lowest", "variance")

    def rows(part: dict[str, tuple[Layer, ...]]) -> dict[str, list[dict[str, float]]]:
        return {
            key: [{name: rounded(getattr(layer, name)) for name in names} for layer in each]
            for key, each in part.items()
        }

    return {
        "gaussian": rows(found.gaussian),
        "digits": rows(found.digits),
        "scales": found.size.scales,
        "residues": {
            k: [[rounded(x) for x in row] for row in v] for k, v in found.residues.items()
        },
        "slopes": {key: [rounded(x) for x in values] for key, values in slopes.items()},
        "batches": found.size.batches,
        "minibatch": [rounded(x) for x in found.minibatch],
    }


def covariance_operator_experiment(
    *, runs: int = 8, seed: int = 0, out: Path | None = None
) -> ExperimentResult:
    """The step on a contrastive loss is the covariance operator's, layer by layer."""
    return result(study(runs=runs, seed=seed), out=out)


def table(layered: dict[str, Sequence[Layer]] | dict[str, tuple[Layer, ...]]) -> list[str]:
    """Return lines: for each loss and layer, how far the step is from what is said of it."""
    lines = [f"{'':>14} layer   operator   + residue   no mean   no negatives   eigenvalues from"]
    for name, found in layered.items():
        for number, layer in enumerate(found, 1):
            lines.append(
                f"{name if number == 1 else '':>14} {number:>5}   {layer.residue:>8.1e}   "
                f"{layer.exact:>9.1e}   {layer.unaveraged:>7.2f}   {layer.unopposed:>12.2f}   "
                f"{layer.lowest:>16.0e}"
            )
    return lines
