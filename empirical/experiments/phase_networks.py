"""Small networks on the phase diagram: each is trained by mini-batches at the rates of its place.

The images hold two latent factors on four pixels, so that their moments are the diagram's, exactly:
signal 1 and 3/4, noise 1/4. A `linear` network is the model of the theory but for the sampling of
batches; an `mlp` has two hidden layers with batch norm in front, unknown to the theory.
All start with both modes far from collapse (W with orthonormal rows, P a multiple of 1). A network
agrees when it keeps as many modes as the largest component that the map leaves stable at its rates, or,
where that is collapse, when it collapses, diverges or finds no rest. One that diverges where a mode is
stable says nothing of stability (its start may lie outside every basin) and is counted apart.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor

from empirical.experiments.answer import Answer, Numbers
from empirical.experiments.papers.trials import Watched, put
from empirical.experiments.phase_questions import QUESTIONS, Question
from empirical.experiments.result import ExperimentResult
from empirical.images.dice import generator, key
from empirical.images.latent import LatentSource
from empirical.networks.learner import Learner
from empirical.networks.models import Encoder
from empirical.networks.settings import Settings, settings_from
from empirical.networks.setup import Setup, machine_of, threads_for
from empirical.networks.workers import Workers
from equilibria.data.moments import Moments
from equilibria.errors import LimitReached
from equilibria.phase import phase_diagram
from equilibria.phase.diagram import PhaseDiagram
from equilibria.systems.model import Model

SIDE, FACTORS, WIDTH = 2, 2, 2
TIME, FEWEST = 150, 400
"""A network trains for `TIME` / lr steps, and at least `FEWEST`."""
ALIVE = 0.05
"""A mode that lives has |w| of 0.2 and more here; the batches' noise keeps a dead one below 0.02."""
START = 0.55
"""The size of W and P at the start, for alpha = 1; where modes live they end at 0.4 to 0.8."""
LATE, MOVED = 20, 0.2
"""At rest: over the last `LATE` steps no step changed W by more than this share of itself, nor did the
second half of all steps change the living singular values by more; what lingers past a fold drifts."""
BACKBONES = ("linear", "mlp")
POINTS = 6
ENOUGH = 0.9
"""Networks follow the diagram when this share agrees; points next to a boundary may not."""


def network_model(**fixed: Any) -> Model:
    """Return the model of the images: two outputs, d = 4 with two modes of noise."""
    moments = Moments.commuting(signal=[1, "3/4", 0, 0], noise="1/4")
    return Model(procedure="ema", moments=moments, embed_dim=WIDTH, **fixed)


@dataclass(frozen=True)
class NetworkRun:
    """One network: its place, the rank it reached (None: diverged or no rest) and in a word what."""

    column: int
    row: int
    outcome: str
    rank: int | None
    agrees: bool | None


@dataclass(frozen=True)
class NetworkPhase:
    """Networks of one backbone on a predicted diagram with one cell a network."""

    backbone: str
    diagram: PhaseDiagram
    runs: tuple[NetworkRun, ...]
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def decided(self) -> int:
        """Return how many networks say something of stability."""
        return sum(run.agrees is not None for run in self.runs)

    @property
    def agreeing(self) -> int:
        """Return how many of those agree."""
        return sum(run.agrees is True for run in self.runs)

    @property
    def resting(self) -> int:
        """Return how many agree by resting at the predicted rank, not by finding no rest."""
        return sum(run.agrees is True and run.rank is not None for run in self.runs)

    @property
    def agreement(self) -> float | None:
        """Return the share; None where none says anything."""
        return self.agreeing / self.decided if self.decided else None


@dataclass(frozen=True)
class TwoFactors:
    """Puts images of two latent factors in place of the eight, and a network of their size."""

    def __call__(self, setup: Setup) -> None:
        """Exchange the source and the learner."""
        s = setup.settings
        setup.source = LatentSource(s.seed, setup.device, setup.machine.dtype, SIDE, FACTORS)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(s.seed, "init"))
            learner = Learner(s, setup.source.shape)
        learner.to(setup.device, setup.machine.dtype)
        setup.learner = learner
        put(setup, learner)


@dataclass(frozen=True)
class Orthonormal:
    """Starts from orthonormal rows of W and P = 1, each times a scale: no mode is near collapse.

    From small random weights collapse of a mode is stable too, and is where some of them end.
    """

    encoder: float = 1.0
    predictor: float = 1.0

    @torch.no_grad()
    def __call__(self, setup: Setup) -> None:
        """Set the encoder's last map, the linear predictor and the target."""
        learner = setup.learner
        last = learner.online.head.last.weight
        draws = generator("cpu", setup.settings.seed, "orthonormal")
        frame = torch.linalg.qr(torch.randn(*last.shape, generator=draws).double().T)[0].T
        last.copy_(self.encoder * frame)
        weight = learner.predictor.weight
        assert isinstance(weight, torch.Tensor)
        weight.copy_(self.predictor * torch.eye(len(weight)))
        if isinstance(learner.target, Encoder):
            learner.target.head.last.weight.copy_(last)


class Rested(Watched):
    """The loop, with how W changes: from step to step at the end, and over the second half in all."""

    moved = 0.0
    _halfway: Tensor | None = None

    @property
    def W(self) -> Tensor:
        """The encoder's last matrix."""
        return self.learner.online.head.last.weight.detach()

    def one_step(self) -> None:
        """Take one step."""
        before = self.W.clone() if self.step >= self.steps - LATE else None
        if 2 * self.step >= self.steps and self._halfway is None:
            self._halfway = torch.linalg.svdvals(self.W.double())
        super().one_step()
        if before is not None:
            self.moved = max(self.moved, _change(before, self.W))

    @property
    def rank(self) -> int:
        """Return how many modes of W live."""
        return int((torch.linalg.svdvals(self.W.double()) > ALIVE).sum())

    @property
    def rests(self) -> bool:
        """Whether W neither jumps from step to step nor drifts in a mode that lives."""
        if self._halfway is None:
            return False
        now, rank = torch.linalg.svdvals(self.W.double()), self.rank
        return max(self.moved, _change(self._halfway[:rank], now[:rank])) <= MOVED


def _change(before: Tensor, after: Tensor) -> float:
    return float((after - before).norm()) / max(float(before.norm()), ALIVE)


def network_settings(backbone: str, model: Model, seed: int) -> Settings:
    """Return the settings of a network at the rates of a model."""
    lr = float(model.h)
    return settings_from(
        {
            "method": "byol", "ema": float(model.mu or 0), "dataset": "latent",
            "backbone": backbone, "width": 0.25, "head": (WIDTH,), "head_bn": "none",
            "predictor": "linear", "loss": "squared", "momentum": 0, "lr": lr,
            "predictor_lr": float(model.alpha), "weight_decay": float(model.eta),
            "schedule": "constant", "batch_size": 512, "steps": max(FEWEST, round(TIME / lr)),
            "seed": seed, "device": "cpu", "curl": False, "log_every": 1 << 30,
        }
    )  # fmt: skip


def outcome_of(settings: Settings) -> tuple[str, int | None]:
    """Train one network; return its outcome in a word and the rank where it rests."""
    with threads_for(settings):
        setup = machine_of(settings).build(Workers())
        TwoFactors()(setup)
        tilt = settings.predictor_lr**0.25  # balanced: W W^T = P^T P / alpha
        Orthonormal(START / tilt, START * tilt)(setup)
        run = Rested(setup, None)
        try:
            run.train()
        except LimitReached:
            return "diverged", None
    if run.rank == 0:  # near it collapse attracts at every rate, however late a run came
        return "collapsed", 0
    return (f"rank {run.rank}", run.rank) if run.rests else ("no rest", None)


def measure_networks(
    backbone: str, question: Question, *, seed: int = 0, points: int = POINTS
) -> NetworkPhase:
    """Train a network at every one of points^2 places and compare with `phase`."""
    x, y = question.grid(points, points)
    diagram = phase_diagram(network_model(**question.fixed), x, y)
    runs = []
    for row, v in enumerate(y.values):
        for column, u in enumerate(x.values):
            at = diagram.setting.model_at(u, v)
            outcome, rank = outcome_of(network_settings(backbone, at, seed))
            agrees = _agrees(predicted_rank(diagram, column, row), outcome, rank)
            runs.append(NetworkRun(column, row, outcome, rank, agrees))
    counts = Counter(run.outcome for run in runs)
    return NetworkPhase(backbone, diagram, tuple(runs), dict(sorted(counts.items())))


def _agrees(predicted: int | None, outcome: str, rank: int | None) -> bool | None:
    """Return whether an outcome is the predicted one; None where one of them says nothing."""
    if predicted is None:
        return None
    if rank is not None:
        return rank == predicted
    if predicted == 0:
        return True
    return None if outcome == "diverged" else False


def predicted_rank(diagram: PhaseDiagram, column: int, row: int) -> int | None:
    """Return the largest rank that the map leaves stable there; None on a boundary or undecided."""
    strata = diagram.region_at(column, row).map
    unknown = strata.masks is None and strata.top is None
    if diagram.on_boundary[row, column] or unknown:
        return None
    return (strata.top or 0).bit_count()


def network_data(found: NetworkPhase) -> Numbers:
    """Return the networks as JSON data."""
    x, y = found.diagram.x, found.diagram.y
    return {
        "agreement": found.agreement,
        "counts": found.counts,
        "networks": [
            {
                x.name: float(x.values[run.column]),
                y.name: float(y.values[run.row]),
                "outcome": run.outcome,
                "largest stable rank": predicted_rank(found.diagram, run.column, run.row),
                "agrees": run.agrees,
            }
            for run in found.runs
        ],
    }


STATEMENTS = {
    "linear": "linear networks trained by mini-batches end as the phase diagram of the map says",
    "mlp": "networks with two hidden layers and batch norm follow the phase diagram of the linear model",
}


def networks(backbone: str, *, seed: int = 0, full: bool = False, points: int = 0) -> Answer:
    """Measure both questions; with `full` on three times as many points an axis."""
    points = points or (3 * POINTS if full else POINTS)
    found = {
        name: measure_networks(backbone, question, seed=seed, points=points)
        for name, question in QUESTIONS.items()
    }
    right, decided = (
        sum(getattr(one, n) for one in found.values()) for n in ("agreeing", "decided")
    )
    share = right / decided if decided else 0.0
    words = [
        f"{question}: {one.agreeing} of {one.decided} agree, {one.resting} of them at rest ("
        + ", ".join(f"{count} {outcome}" for outcome, count in one.counts.items())
        + ")"
        for question, one in found.items()
    ]
    result = ExperimentResult(
        name=f"phase-networks-{backbone}",
        statement=STATEMENTS[backbone],
        source="phase diagrams over (weight decay, learning rate) and (EMA, predictor rate); T6.3, T7",
        predicted="rank 2 below weight decay 9/64, rank 1 below 1/5, above collapse; past the flip "
        "no rest but collapse",
        measured=f"agreement {share:.0%}: {right} of {decided} networks. " + "; ".join(words),
        holds=share >= ENOUGH,
        runs=sum(len(one.runs) for one in found.values()),
    )
    numbers = {question: network_data(one) for question, one in found.items()}
    return Answer(result, {"agreement": share, **numbers}, drawn=found)


linear = partial(networks, "linear")
mlp = partial(networks, "mlp")
