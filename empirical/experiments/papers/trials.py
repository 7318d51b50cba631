"""Small networks trained with one part exchanged, several seeds each, and paired comparisons.

A trial is a function of (settings, change): the same trial is trained once in a process. A change is a
hashable callable on the assembled run; it may put another source of images or another learner in
place. Start with `trials`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from empirical.experiments.answer import Numbers
from empirical.networks.diagnose import cev_auc
from empirical.networks.evaluate import features_of
from empirical.networks.learner import Learner
from empirical.networks.loop import Run
from empirical.networks.optimiser import optimiser_of
from empirical.networks.settings import Settings, settings_from
from empirical.networks.setup import Setup, machine_of, threads_for
from empirical.networks.workers import joined
from equilibria.files.untrusted import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray
from equilibria.errors import AnalysisError, LimitReached

Change = Callable[[Setup], None]
"""Exchanges a part of an assembled run; hashable."""

CHANCE = 0.95
"""Intervals cover this much."""


@dataclass(frozen=True)
class Trial:
    """What is measured of one trained network; accuracies between 0 and 1."""

    std: float
    rank: float
    knn: float
    probe: float
    loss: float
    """Mean over the last tenth of the steps."""
    wobble: float
    """Root mean square of the change of the loss from step to step, second half."""
    auc: float
    """CEV-AUC of the backbone's features of the training images, rows as they are."""
    excess: float
    """The same between 0 (flat) and 1 (rank one), to compare widths."""
    verdict: str


def base(full: bool = False, data_root: str = "", **given: object) -> Settings:
    """Return the settings that all trials share: digits, or ResNet-50 on a folder of images.

    The folder's images are held at 128 pixels: ImageNet's 1.28 million fit into 64 GiB.
    """
    chosen: Numbers = {"curl": False, "epochs": 40, "device": "cpu", "log_every": 1 << 30}
    if full:
        if not data_root:
            raise AnalysisError("--full: needs --data-root DIR with train/ and val/ of ImageNet")
        chosen = {
            "dataset": "folder", "data_root": data_root, "backbone": "resnet50", "curl": False,
            "head": (2048, 2048, 2048), "predictor_dim": 512, "epochs": 100, "batch_size": 256,
            "lr": 0.05, "weight_decay": 1e-4, "image_size": 128,
        }  # fmt: skip
    return settings_from({**chosen, **given})


def trials(settings: Settings, seeds: Sequence[int], change: Change | None = None) -> list[Trial]:
    """Train one network a seed and return what was measured."""
    return [trial(replace(settings, seed=seed), change) for seed in seeds]


@cache
def trial(settings: Settings, change: Change | None = None) -> Trial:
    """Train a network with a part exchanged; raises `LimitReached` when it diverges."""
    return measured(trained(settings, change))


def trained(settings: Settings, change: Change | None = None) -> Watched:
    """Return the finished loop."""
    machine = machine_of(settings)
    with threads_for(settings), joined(machine.device) as workers:
        setup = machine.build(workers)
        if change is not None:
            change(setup)
        run = Watched(setup, None)
        run.train()
        return run


class Watched(Run):
    """The loop, with the loss of every step kept."""

    def __init__(self, setup: Setup, folder: None) -> None:
        super().__init__(setup, folder)
        self.losses: list[float] = []

    def one_step(self) -> None:
        """Take one step."""
        before = self.total
        self.total = torch.zeros_like(before)
        super().one_step()
        self.losses.append(float(self.total))
        self.total = self.total + before


def measured(run: Watched) -> Trial:
    """Measure a finished loop."""
    data = run.finish().data
    losses = np.array(run.losses)
    source = run.setup.source
    images, _ = source.labelled("train", 50_000)
    with threads_for(run.settings):
        features = features_of(run.learner.online.backbone, images).double()
        auc = float(cev_auc(features))
    return Trial(
        std=data["collapse"]["std"],
        rank=data["collapse"]["effective_rank"],
        knn=data["knn"],
        probe=data["linear_probe"],
        loss=float(losses[-max(1, len(losses) // 10) :].mean()),
        wobble=wobble(losses),
        auc=auc,
        excess=excess(auc, features.shape[1]),
        verdict=data["verdict"],
    )


def excess(auc: float, d: int) -> float:
    """Return CEV-AUC on the scale from 0, a flat spectrum in d dimensions, to 1, rank one.

    >>> excess(1.0, 8), excess(0.5 + 1 / 16, 8)
    (1.0, 0.0)
    """
    return (2 * auc - 1 - 1 / d) / (1 - 1 / d)


def wobble(losses: NDArray[np.float64]) -> float:
    """Return the root mean square of the loss's change from step to step in the second half."""
    late = losses[len(losses) // 2 :]
    return float(np.sqrt(np.mean(np.diff(late) ** 2))) if len(late) > 1 else math.nan


def put(setup: Setup, learner: Learner) -> None:
    """Put another learner in place, with the weights and statistics of the one that was there."""
    learner.to(setup.device, setup.machine.dtype)
    learner.load_state_dict(setup.learner.state_dict(), strict=False)
    learner.to(memory_format=torch.channels_last)
    setup.learner = setup.module = learner
    setup.optimiser = optimiser_of(learner, setup.settings)


def mean(found: Sequence[Trial], name: str) -> float:
    """Return the mean of a number over trials."""
    return float(np.mean([getattr(one, name) for one in found]))


def means(found: Sequence[Trial]) -> Numbers:
    """Return all means, and the verdicts, as data."""
    numbers = [field.name for field in fields(Trial) if field.name != "verdict"]
    return {**{n: mean(found, n) for n in numbers}, "runs": [asdict(one) for one in found]}


@dataclass(frozen=True)
class Interval:
    """A number with an interval that covers `CHANCE`."""

    value: float
    low: float
    high: float

    @property
    def sign(self) -> int:
        """+1 or -1 where the interval leaves out 0, else 0."""
        return (self.low > 0) - (self.high < 0)

    def seen(self, sign: int) -> bool | None:
        """Return whether the whole interval has this sign; None where it holds 0."""
        return None if self.sign == 0 else self.sign == sign

    def words(self, scale: float = 100.0, unit: str = "points", digits: int = 1) -> str:
        """Return it in words."""
        m, low, high = (f"{scale * x:+.{digits}f}" for x in (self.value, self.low, self.high))
        return f"{m} {unit} ({low} to {high})" if unit else f"{m} ({low} to {high})"


def difference(these: Sequence[Trial], those: Sequence[Trial], name: str) -> Interval:
    """Return the mean of these minus those, paired by seed (Student's t)."""
    from scipy.stats import t

    gaps = np.array(
        [getattr(a, name) - getattr(b, name) for a, b in zip(these, those, strict=True)]
    )
    centre = float(gaps.mean())
    if len(gaps) < 2:
        return Interval(centre, -math.inf, math.inf)
    half = float(t.ppf((1 + CHANCE) / 2, len(gaps) - 1) * gaps.std(ddof=1) / math.sqrt(len(gaps)))
    return Interval(centre, centre - half, centre + half)


def agreed(parts: Sequence[bool | None]) -> bool | None:
    """Return False when one is refuted, None when one is open, else True."""
    if any(part is False for part in parts):
        return False
    return None if any(part is None for part in parts) else True


def word(seen: bool | None) -> str:
    """Return a verdict as a word.

    >>> word(None)
    'not decided'
    """
    return {True: "seen", False: "not seen", None: "not decided"}[seen]


def numbers_of(data: Table) -> str:
    """Return means of trials as one line."""
    return (
        f"std {data['std']:.2f}, rank {data['rank']:.1f}, kNN {100 * data['knn']:.1f}, "
        f"probe {100 * data['probe']:.1f}"
    )


__all__ = ["LimitReached", "Trial", "base", "difference", "trial", "trials"]
