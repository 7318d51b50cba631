"""What a command found: lines, data, a figure, other files, and the exit code."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import IO, NamedTuple

from equilibria.commands.exit_code import DONE, UNDECIDED


class Answer(NamedTuple):
    """Lines for the terminal, the JSON object, a figure, the texts of other files by their option.

    All but the lines is made when it is asked for. `show` prints what is more than lines, told
    whether to keep to ASCII. `code` None: done, or undecided.
    """

    lines: Iterable[str] = ()
    data: Callable[[], Mapping[str, object]] = dict
    decided: bool = True
    draw: Callable[[IO[bytes], str], None] | None = None
    texts: Mapping[str, Callable[[], str]] = MappingProxyType({})
    show: Callable[[bool], None] | None = None
    code: int | None = None
    indent: int | None = 1

    @property
    def json(self) -> str:
        """The JSON object as text; equal objects give equal bytes."""
        import json

        data = self.data()
        return json.dumps(data, indent=self.indent, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def exit_code(self) -> int:
        """Return `code`, else whether everything was decided."""
        if self.code is not None:
            return self.code
        return DONE if self.decided else UNDECIDED
