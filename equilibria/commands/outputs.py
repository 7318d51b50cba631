"""Where an answer goes: files, each complete or not there, and the terminal."""

from __future__ import annotations

import os
from pathlib import Path

from equilibria.commands.answer import Answer
from equilibria.commands.options import Typed
from equilibria.errors import FormatError
from equilibria.files import terminal
from equilibria.files.escaping import escape
from equilibria.files.write import atomic, check_name, check_place, write_text

OUTPUTS = ("json", "latex", "plot", "certificate", "graphml", "junit", "markdown", "pairs")
"""Options that name a file to write, in every command that has them."""
FIGURES = (".png", ".svg")


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


def finish(answer: Answer, typed: Typed) -> int:
    """Write the files asked for, then print; return the exit code."""
    texts = {"json": lambda: answer.json, **answer.texts}
    for name, text in texts.items():
        path = typed.get(name)
        if path is not None and (name, path) != ("json", "-"):
            write_text(str(path), text(), f"--{name}")
    if typed.get("plot") is not None and answer.draw is not None:
        path = str(typed["plot"])
        with atomic(path, "--plot", binary=True) as stream:
            answer.draw(stream, Path(path).suffix.lower()[1:])
    if typed.get("json") == "-":
        terminal.write_json(answer.json)
    elif answer.show is not None:
        answer.show(bool(typed.get("ascii")))
    else:
        for line in map(escape, answer.lines):
            print(terminal.plain(line) if typed.get("ascii") else line)
    return answer.exit_code
