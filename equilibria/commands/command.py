"""A command: its options, its question, who answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.options import Option, question


class Command(NamedTuple):
    """A command: its options, the question that they make, who answers it, and examples.

    An example is what to type after the name of the program, and what it is for.
    """

    options: tuple[Option, ...]
    question: Callable[..., object]
    answer: Callable[..., Answer]
    examples: tuple[tuple[str, str], ...]

    def asked(self, **typed: object) -> Answer:
        """Return the answer to options as typed, by field; `FormatError` names a bad one."""
        return self.answer(question(self.question, self.options, typed))
