"""`train`: a network trained by any of the procedures, its run folder, and whether it collapsed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from empirical.commands.train_options import OPTIONS
from equilibria.commands.answer import Answer
from equilibria.commands.command import Command

EXAMPLES = (
    ("train", "SimSiam on digits, half a minute"),
    ("train --no-stop-gradient", "the same without it: collapse"),
    ("train --method byol --ema 0.99 --dataset images.npz --backbone resnet8", ""),
    ("train --resume runs/mine", "go on after a crash"),
)


class Question(NamedTuple):
    """What was typed; presets fill in the rest, and make `Settings` of it."""

    typed: Mapping[str, str | bool]


def answer(question: Question) -> Answer:
    """Train, and say whether the run collapsed."""
    from empirical.commands.installed import need_torch

    need_torch("train")
    from empirical.networks.session import train_as_typed

    texts: dict[str, Any] = {o.field: question.typed.get(o.name) for o in OPTIONS}
    found = train_as_typed(**texts)
    return Answer(found.lines, lambda: found.data, decided=found.decided)


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
