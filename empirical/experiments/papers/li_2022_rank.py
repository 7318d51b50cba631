"""What the linear model says of partial collapse: the rank that width and weight decay leave.

A mode (s, m) can live when m^2 >= 4 eta s, and an encoder of width n holds at most n modes: the
largest stable rank is min(n, number of such modes). Linear networks are trained on images with known
moments, from a start that has all modes (collapse to fewer is stable too), and their rank is counted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from fractions import Fraction

import torch

from empirical.experiments.answer import Answer, Numbers
from empirical.experiments.papers.trials import trained
from empirical.experiments.result import ExperimentResult
from empirical.images.latent import FACTORS, LatentSource
from empirical.networks.settings import settings_from
from empirical.networks.setup import Setup

DECAYS = ("1/100", "1/40", "2/25", "3/25")
WIDTHS = (2, 4, 8)
ALIVE = 0.1
"""A singular value of W below this is noise of the batches; living modes have 0.17 and more."""


@dataclass(frozen=True)
class Aligned:
    """Starts with the strongest modes in W and P = 1: every mode beyond its separatrix.

    From random weights collapse of a mode is stable too, and is where weak ones often end.
    """

    @torch.no_grad()
    def __call__(self, setup: Setup) -> None:
        """Set the encoder and the predictor."""
        source, learner = setup.source, setup.learner
        assert isinstance(source, LatentSource)
        W, P = learner.online.head.last.weight, learner.predictor.weight
        assert isinstance(P, torch.Tensor)
        W.copy_(source.patterns.T[: len(W)])
        P.copy_(torch.eye(len(P)))


def predicted_rank(width: int, decay: str, modes: int = FACTORS) -> int:
    """Return the largest rank of a stable component."""
    import equilibria as eq

    signal = [Fraction(3, 4) ** k for k in range(modes)]
    moments = eq.Moments.commuting(signal=signal)
    model = eq.Model(moments=moments, embed_dim=width, weight_decay=decay)
    components = eq.analyze(model).components
    return max(c.rank or 0 for c in components if c.map.verdict.value == "stable")


def measured_rank(width: int, decay: str, seed: int, steps: int) -> int:
    """Train a linear network on latent images and count the singular values of W."""
    given = {
        "dataset": "latent", "predictor": "linear", "loss": "squared", "head": (width,),
        "weight_decay": decay, "lr": "1/5", "momentum": 0, "steps": steps, "batch_size": 512,
        "schedule": "cosine", "predictor_schedule": "cosine", "seed": seed, "device": "cpu",
        "curl": False, "log_every": 1 << 30,
    }  # fmt: skip
    run = trained(settings_from(given), Aligned())
    values = torch.linalg.svdvals(run.learner.online.head.last.weight.detach())
    return int((values > ALIVE).sum())


def rank(
    *, seed: int = 0, full: bool = False, data_root: str = "", steps: int = 2500,
    widths: tuple[int, ...] = WIDTHS, decays: tuple[str, ...] = DECAYS,
) -> Answer:  # fmt: skip
    """Train every width with every decay and compare ranks."""
    cells: list[Numbers] = [
        {
            "width": n,
            "decay": eta,
            "predicted": predicted_rank(n, eta),
            "measured": [measured_rank(n, eta, seed + k, steps) for k in range(3 if full else 1)],
        }
        for n in widths
        for eta in decays
    ]
    runs = [(cell["predicted"], got) for cell in cells for got in _list(cell["measured"])]
    over, equal = sum(g > p for p, g in runs), sum(g == p for p, g in runs)
    result = ExperimentResult(
        name="li2022-linear-rank",
        statement="in the linear model partial collapse is a matter of width and decay: from a start "
        "with all modes the rank falls to the largest stable one",
        source="T6.3, T8.3",
        predicted="rank at most min(width, modes with m^2 >= 4 eta s): "
        + ", ".join(f"{c['width']} at {c['decay']}: {c['predicted']}" for c in cells),
        measured=f"{equal} of {len(runs)} runs at that rank, {over} above, "
        f"{len(runs) - equal - over} below (a mode lost, which is stable too)",
        holds=equal == len(runs),
        runs=len(runs),
    )
    return Answer(result, {"cells": cells})


def _list(value: Iterable[int]) -> list[int]:
    return list(value)
