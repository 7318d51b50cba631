"""`simulate`: many linear runs at once, and the component that each one reaches."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, Words, grouped, number, whole
from equilibria.commands.tables import JSON, MODEL, seed_of
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from empirical.linear.outcome import SimulationResult
    from equilibria.systems.model import Model
    from equilibria.systems.model_options import ModelOptions

OF_THE_DATA = ("--input-dim", "--signal", "--total", "--noise", "--isotropic", "--moments")

OPTIONS = (
    *MODEL,
    *grouped(
        "runs",
        Option("--runs", "N", "how many", "256", whole(1)),
        Option(
            "--steps", "K", "at most", Words("until settled; 10000 with mini-batches"), whole(1)
        ),
        Option("--init", "NAME", "kaiming, normal, orthogonal or a file with W and P", "kaiming"),
        Option("--scale", "S", "factor of the initial W and P", "1", number),
        Option("--batch-size", "B", "pairs a step; 0 is full batch, on the moments", "0", whole(0)),
        Option("--data", "F.npz", "views x and y (N, d) for mini-batches, not Gaussian ones"),
        seed_of("starts and batches"),
        Option("--device", "NAME", "auto, cpu or cuda", "auto"),
        Option("--dtype", "NAME", "float64 or float32", "float64"),
        Option("--out", "DIR", "run folder", Words("runs/<timestamp>-<name>")),
        Option("--name", "NAME", "of the run folder", Words("the procedure")),
        Option(
            "--log-every",
            "K",
            "steps between snapshots",
            Words("spaced like a logarithm"),
            whole(1),
        ),
        Option("--resume", "RUN", "go on with a run that was interrupted"),
    ),
    *grouped("output", JSON),
)

EXAMPLES = (
    ("simulate --ema 0.99 --runs 1000 --out runs/ema", "where do they end?"),
    ("simulate --batch-size 128 --lr 0.02 --steps 20000", ""),
    ("simulate --resume runs/ema", "go on after a crash"),
)


class Question(NamedTuple):
    """A model, where its runs start, what they are trained on, and where they are written."""

    model: ModelOptions
    runs: int
    steps: int | None
    init: str
    scale: float
    batch_size: int
    data: str | None
    seed: int
    device: str
    dtype: str
    out: str | None
    name: str | None
    log_every: int | None
    resume: str | None
    typed: Mapping[str, str]


def answer(question: Question) -> Answer:
    """Train the runs, write their folder, and say where each ended."""
    found = simulated(question)
    return Answer(found.lines, lambda: found.data, decided=found.decided)


def simulated(question: Question) -> SimulationResult:
    """Return the result of the runs; raises `FormatError` naming an option that makes no sense."""
    from empirical.commands.installed import need_torch

    need_torch("simulate")
    from empirical.linear import simulate as simulation
    from empirical.runs.folder import default_place

    if question.resume is not None:
        for name in question.typed:
            if name != "--resume":
                why = "the run that --resume goes on with has its own; leave it out"
                raise FormatError(f"{name}: {why}")
        return simulation.resume(question.resume)
    label = _label(question)
    return simulation.simulate(
        _model(question),
        runs=question.runs,
        steps=question.steps,
        init=question.init,
        scale=question.scale,
        batch_size=question.batch_size,
        data=question.data,
        seed=question.seed,
        device=question.device,
        dtype=question.dtype,
        out=default_place(label) if question.out is None else question.out,
        log_every=question.log_every,
    )


def _label(question: Question) -> str:
    options = question.model
    default = options.procedure or ("stop-gradient" if options.ema is None else "ema")
    label = question.name or default
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", label):
        raise FormatError(f"--name {label}: expected letters, digits, dots and dashes")
    return label


def _model(question: Question) -> Model:
    """Return the model; the moments of `--data` will take the place of its own."""
    from dataclasses import replace

    from equilibria.systems.model_options import build_model

    if question.data is None:
        return build_model(question.model)
    for name in OF_THE_DATA:
        if name in question.typed:
            raise FormatError(f"{name} and --data: both define the moments, give one")
    return build_model(replace(question.model, input_dim=None))


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
