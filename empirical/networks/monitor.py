"""Watching a run: numbers on fixed images, in evaluation mode, every so many steps.

The images and their two views are the same for the whole run, so that the lines of metrics.jsonl
compare over time and between runs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from empirical.collapse import Diagnosis
from empirical.collapse import diagnose as verdict_on
from empirical.images.source import Source
from empirical.networks import diagnose
from empirical.networks.closed_form import correlation
from empirical.networks.effective import Effective, effective
from empirical.networks.evaluate import features_of, knn, knn_of, linear_probe
from empirical.networks.learner import Learner
from empirical.networks.losses import precise
from empirical.networks.models import matrix_of
from equilibria.files.untrusted import Table

PROBE = 512
ONLINE = {"cpu": (1024, 256), "cuda": (10_000, 2_000)}
FINAL = {"cpu": (5_000, 1_000), "cuda": (50_000, 10_000)}
SETTLING_PASSES = 4


@dataclass
class Monitor:
    """Measures a learner on fixed images of a source."""

    learner: Learner
    source: Source
    autocast: Callable[[], AbstractContextManager[object]]
    device: torch.device
    knn_pixels: float | None = field(init=False)
    labelled: bool = field(init=False, default=True)
    """False where training or test images have no labels: nothing is then said of classes."""
    start: Diagnosis | Table | None = None
    """The verdict's grounds at step 0, with which later ones are compared."""

    def __post_init__(self) -> None:
        self.images, self.first, self.second = self.source.probe(PROBE)
        device = self.device.type
        for part in ("train", "test"):
            if not len(next(self.source.chunks(part, 1))[1]):
                self.labelled = False
        self.knn_pixels = None if not self.labelled else self._knn_of_pixels(*FINAL[device])

    def _knn_of_pixels(self, bank: int, queries: int) -> float:
        return knn_of(
            lambda: self.source.chunks("train", bank), self.source.chunks("test", queries)
        )

    @torch.no_grad()
    def measure(self, *, final: bool = False) -> tuple[dict[str, object], Effective]:
        """Return the numbers for metrics.jsonl and the measured linear model.

        Raises `FloatingPointError` naming the tensor when one is not finite.
        """
        was = self.learner.training
        self.learner.train(False)
        try:
            with self.autocast():
                z, first, second = (
                    precise(self.learner.online(x)) for x in (self.images, self.first, self.second)
                )
            if not all(bool(torch.isfinite(x).all()) for x in (z, first, second)):
                raise FloatingPointError("the encoder's output")
            numbers: dict[str, Any] = diagnose.outputs(z, first, second)
            numbers |= self._verdict(z, first)
            numbers["knn"] = self.knn(final=final)
            linear = effective(self.learner, self.first.to(z.dtype), self.second.to(z.dtype))
        finally:
            self.learner.train(was)
        numbers |= self._of_the_predictor(linear, first, second)
        return numbers, linear

    def _verdict(self, z: Tensor, view: Tensor) -> dict[str, object]:
        """Judge the outputs of the images as they are, beside those of a view of them."""
        s = self.learner.settings
        unit = s.temperature if s.loss == "cross-entropy" else 1.0
        found = verdict_on(z, view, start=self.start, loss=s.loss, unit=unit)
        self.start = self.start or found
        return {
            "verdict": found.verdict,
            "kind": found.kind,
            "text": found.text,
            "grounds": dict(found.grounds),
        }

    def _of_the_predictor(
        self, linear: Effective, first: Tensor, second: Tensor
    ) -> dict[str, float]:
        if matrix_of(self.learner.predictor) is None:
            return {}
        found = diagnose.spectra(correlation(first, second), linear.P)
        alpha = self.learner.settings.predictor_lr
        return {**found, "balance": diagnose.balance(linear.W, linear.P, alpha)}

    def knn(self, *, final: bool) -> float | None:
        """Return the accuracy of the nearest neighbours on the representation; None without labels."""
        return knn(*self._features(final=final)) if self.labelled else None

    def probe(self) -> float | None:
        """Return the accuracy of the linear probe on the representation; None without labels."""
        return linear_probe(*self._features(final=True)) if self.labelled else None

    def _features(self, *, final: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The backbone's features and labels of bank and queries; images are made a few at a time.

        Where the backbone is only the pixels, the whole encoder's.
        """
        online = self.learner.online
        network = online if self.learner.settings.backbone == "linear" else online.backbone
        found: list[Tensor] = []
        counts = (FINAL if final else ONLINE)[self.device.type]
        with self.autocast():
            for part, count in zip(("train", "test"), counts, strict=True):
                chunks = self.source.chunks(part, count)
                features, labels = zip(
                    *((features_of(network, x), y) for x, y in chunks), strict=True
                )
                found += [torch.cat(features), torch.cat(labels)]
        return found[0], found[1], found[2], found[3]


@torch.no_grad()
def settle_statistics(learner: Learner, views: Callable[[int], tuple[Tensor, Tensor]]) -> None:
    """Give batch norm the statistics of a few batches, so that step 0 can be evaluated.

    Untouched running statistics (mean 0, variance 1) would make any network look collapsed.
    """
    norms = [m for m in learner.modules() if isinstance(m, torch.nn.modules.batchnorm._BatchNorm)]
    former = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = None  # a plain average
    for step in range(SETTLING_PASSES if norms else 0):
        learner(*views(step))
    for norm, momentum in zip(norms, former, strict=True):
        norm.momentum = momentum
