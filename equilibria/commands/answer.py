"""What a command found, and what becomes of it: files, lines or JSON on the terminal, an exit code."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from equilibria.commands.exit_code import DONE, UNDECIDED
from equilibria.commands.options import Typed
from equilibria.commands.tables import OUTPUTS
from equilibria.errors import FormatError
from equilibria.files import terminal
from equilibria.files.escaping import escape
from equilibria.files.write import atomic, check_name, check_place, write_text

FIGURES = (".png", ".svg")

Data = Mapping[str, object]
Draw = Callable[[IO[bytes], str], None]


@dataclass(frozen=True, slots=True)
class Answer:
    """Lines for the terminal, the JSON object, a figure, the exit code.

    `show` prints what is more than lines, told whether to keep to ASCII. `files` writes what other
    options ask for, by their name.
    """

    lines: Iterable[str] = ()
    data: Callable[[], Data] = dict
    decided: bool = True
    draw: Draw | None = None
    code: int | None = None
    indent: int | None = 1
    show: Callable[[bool], None] | None = None
    files: Mapping[str, Callable[[str], None]] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The JSON object as text; equal objects give equal bytes."""
        import json

        data = self.data()
        return json.dumps(data, indent=self.indent, ensure_ascii=False, allow_nan=False) + "\n"

    @property
    def exit_code(self) -> int:
        """`code`, or whether all was decided."""
        if self.code is not None:
            return self.code
        return DONE if self.decided else UNDECIDED


def finish(answer: Answer, typed: Typed) -> int:
    """Write the files asked for, each complete or not there, then print; return the exit code."""
    wanted = {name: str(typed[name]) for name in OUTPUTS if typed.get(name) is not None}
    alone = wanted.get("json") == "-"
    if "json" in wanted and not alone:
        write_text(wanted["json"], answer.text, "--json")
    for name, write in answer.files.items():
        if name in wanted:
            write(wanted[name])
    if "plot" in wanted and answer.draw is not None:
        with atomic(wanted["plot"], "--plot", binary=True) as stream:
            answer.draw(stream, Path(wanted["plot"]).suffix.lower()[1:])
    if alone:
        terminal.write_json(answer.text)
    elif answer.show is not None:
        answer.show(bool(typed.get("ascii")))
    else:
        for line in map(escape, answer.lines):
            print(terminal.plain(line) if typed.get("ascii") else line)
    return answer.exit_code


def check_outputs(typed: Typed) -> None:
    """Refuse what could not be written, before anything is computed; `--json -` is standard output."""
    if typed.get("out") is not None:
        check_name(str(typed["out"]), "--out")
    taken: dict[str, str] = {}
    for name in OUTPUTS:
        if typed.get(name) is None or (name, typed[name]) == ("json", "-"):
            continue
        path = str(typed[name])
        check_place(path, f"--{name}")
        place = os.path.realpath(path)
        if place in taken:
            raise FormatError(f"--{name} {path}: {taken[place]} writes there too; give two names")
        taken[place] = f"--{name}"
    plot = typed.get("plot")
    if plot is not None and Path(str(plot)).suffix.lower() not in FIGURES:
        raise FormatError(f"--plot {plot}: expected a file name ending in .png or .svg")


def text_file(option: str, text: Callable[[], str]) -> Callable[[str], None]:
    """Return what writes a text to the file that an option names."""
    return lambda path: write_text(path, text(), option)
