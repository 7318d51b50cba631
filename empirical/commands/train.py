"""`train`: a network trained by any of the procedures, its run folder, and whether it collapsed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from empirical.commands.train_options import OPTIONS
from equilibria.commands.command import Command

if TYPE_CHECKING:
    from equilibria.commands.answer import Answer

EXAMPLES = (
    ("train", "SimSiam on digits, half a minute"),
    ("train --no-stop-gradient", "the same without it: collapse"),
    ("train --method byol --ema 0.99 --dataset images.npz --backbone resnet8", ""),
    ("train --resume runs/mine", "go on after a crash"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was typed; presets fill in the rest, and make `Settings` of it."""

    typed: Mapping[str, str | bool]


def answer(question: Question) -> Answer:
    """Train, and say whether the run collapsed."""
    from empirical.commands.installed import need_torch
    from equilibria.commands.answer import Answer

    need_torch("train")
    from empirical.networks.session import train_as_typed

    texts: dict[str, Any] = {o.field: question.typed.get(o.name) for o in OPTIONS}
    found = train_as_typed(**texts)
    return Answer(found.lines, lambda: found.data, decided=found.decided)


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
