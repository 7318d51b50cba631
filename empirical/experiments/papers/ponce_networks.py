"""The original objective along the training of a network, with and without stop-gradient and EMA.

E is what joint training minimises: the loss with the encoder itself as target, averaged over both
orders of fixed views, plus half the weight decay times the squared length of all weights. Batch norm
uses the statistics of those views, so that E is a function of the weights alone.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from empirical.experiments.answer import PONCE, Answer, Numbers, untried
from empirical.experiments.papers.networks_run import PHOTOGRAPHS, digits
from empirical.experiments.papers.ponce_objective import STATEMENT, largest_rise
from empirical.experiments.result import ExperimentResult
from empirical.images.beside import IMAGES
from empirical.networks.learner import Learner
from empirical.networks.loop import Run
from empirical.networks.losses import precise
from empirical.networks.settings import Settings, settings_from
from empirical.networks.setup import machine_of, threads_for
from empirical.networks.workers import Workers

CASES: dict[str, dict[str, object]] = {
    "joint": {"method": "joint"},
    "stop-gradient": {"method": "simsiam"},
    "EMA": {"method": "byol", "ema": "0.99"},
}
LOSSES: dict[str, dict[str, object]] = {
    "squared": {"loss": "squared", "head_bn": "hidden"},
    "cosine": {"loss": "cosine", "head_bn": "output"},
}
"""As in the paper, squared and without norm at the output; as in BYOL and SimSiam, cosine with it."""
NAMES = {"squared": "ponce2025-objective-network", "cosine": "ponce2025-objective-cosine"}
RESNET = "ponce2025-objective-resnet"
SOURCES = {
    "squared": "propositions 3.1 and 3.2",
    "cosine": "tried beyond propositions 3.1 and 3.2, which have the squared loss",
}
THEORY = (
    "nothing exact for a network; the linear theory: joint E falls and the encoder collapses (std "
    "below 0.35 of 1), the others raise E on the way and keep the std"
)
VIEWS, NOISE = 512, 0.02
"""Rises of E below NOISE of its range are put down to mini-batches."""


def measured(*, seed: int = 0, full: bool = False, epochs: int = 0) -> Answer:
    """Squared loss: joint training lowers E and collapses; stop-gradient and EMA raise it."""
    return _measured("squared", seed, digits(full=full, epochs=epochs or 60))


def cosine(*, seed: int = 0, full: bool = False, epochs: int = 0) -> Answer:
    """Cosine loss behind batch norm, which the propositions do not cover: the same question."""
    return _measured("cosine", seed, digits(full=full, epochs=epochs or 60))


def resnet(*, seed: int = 0, full: bool = False, epochs: int = 0) -> Answer:
    """A ResNet-8 on photographs of CIFAR-10, squared loss; `full` is that of `measured`."""
    if not IMAGES.is_file():
        return untried(RESNET, PONCE, STATEMENT, THEORY)
    small = {**PHOTOGRAPHS, "width": 0.5, "lr": 0.01, "epochs": epochs or 10}
    size = digits(full=True, epochs=0) if full else small
    return _measured("squared", seed, size, RESNET)


def _measured(loss: str, seed: int, size: dict[str, object], name: str = "") -> Answer:
    numbers: dict[str, Numbers] = {}
    for case, method in CASES.items():
        given = {"curl": False, "seed": seed, **size, **LOSSES[loss], **method}
        numbers[case] = watched(settings_from(given))
    return Answer(_result(loss, numbers, name or NAMES[loss]), numbers)


def watched(settings: Settings, points: int = 60) -> Numbers:
    """Train and return E and its data term over the steps, and how the outputs ended."""
    with threads_for(settings):
        run = Run(machine_of(settings).build(Workers()), None)
        _, first, second = run.setup.source.probe(VIEWS)
        every = max(1, run.steps // points)
        step, E, loss = [], [], []
        while True:
            if run.step % every == 0 or run.step == run.steps:
                value, decay = objective(run.learner, first, second)
                step.append(run.step)
                E.append(value + decay)
                loss.append(value)
            if run.step == run.steps:
                break
            run.one_step()
        assert run.monitor is not None
        ended = run.monitor.measure(final=True)[0]
    return {"step": np.array(step), "E": np.array(E), "loss": np.array(loss), **{
        name: ended[name] for name in ("std", "effective_rank", "knn")
    }}  # fmt: skip


@torch.no_grad()
def objective(learner: Learner, first: Tensor, second: Tensor) -> tuple[float, float]:
    """Return the loss without stop-gradient or EMA on these views, and the decay term."""
    was, buffers = learner.training, {n: b.clone() for n, b in learner.named_buffers()}
    learner.train()
    z = [learner.online(view) for view in (first, second)]
    p = [precise(learner.predictor(part)) for part in z]
    loss = float(learner.objective(p, [precise(part) for part in z]))
    for name, buffer in learner.named_buffers():  # evaluation leaves no trace in batch norm
        buffer.copy_(buffers[name])
    learner.train(was)
    s = learner.settings
    online = sum(float(w.square().sum()) for w in learner.online.parameters())
    predictor = sum(float(w.square().sum()) for w in learner.predictor.parameters())
    return loss, 0.5 * (s.weight_decay * online + s.decay_of_predictor * predictor)


def _result(loss: str, numbers: dict[str, Numbers], name: str) -> ExperimentResult:
    words, wrong = [], []
    for case, run in numbers.items():
        E = run["E"]
        span = float(E.max() - E.min())
        rise = float(largest_rise(E[:, None])[0])
        run["largest rise"], collapsed = rise, run["std"] < 0.35
        joint = case == "joint"
        least = int(run["step"][int(E.argmin())])
        words.append(
            f"{case}: E from {E[0]:.4g} to {E[-1]:.4g}, least {E.min():.4g} at step {least} of "
            f"{run['step'][-1]}, largest rise {rise:.2g} ({rise / span:.0%} of its range); std "
            f"{run['std']:.2f}"
        )
        rises = rise > NOISE * span
        if joint and (rises or not collapsed):
            wrong.append(f"{case} " + ("is not monotone" if rises else "does not collapse"))
        if not joint and (collapsed or not rises):
            wrong.append(f"{case} " + ("collapses" if collapsed else "lowers E all the way"))
    if wrong:
        words.append("the networks depart from the statement: " + ", ".join(wrong))
    return ExperimentResult(
        name=name,
        statement=STATEMENT + f" ({loss} loss)",
        source=f"{PONCE}, {SOURCES[loss]}; their data are video, these images",
        predicted=THEORY,
        measured="; ".join(words),
        holds=not wrong,
        runs=len(numbers),
    )
