"""A command: its options, its question, who answers it."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.options import Option, question

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

    from equilibria.commands.answer import Answer


class Command(NamedTuple):
    """A command: its options, the question that they make, who answers it, and examples.

    An example is what to type after the name of the program, and what it is for.
    """

    options: tuple[Option, ...]
    question: type[DataclassInstance]
    answer: Callable[..., Answer]
    examples: tuple[tuple[str, str], ...]

    def asked(self, **typed: object) -> Answer:
        """Return the answer to options as typed, by field; `FormatError` names a bad one."""
        return self.answer(question(self.question, self.options, typed))
