"""From a table of options to a parser: usage, help within 80 columns, errors in one line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, NoReturn

from equilibria.commands.exit_code import BAD_INPUT
from equilibria.files import terminal

if TYPE_CHECKING:
    from _typeshed import SupportsWrite

    from equilibria.commands.command import Command
    from equilibria.commands.options import Option

PROGRAM = "cli.py" if os.path.basename(sys.argv[0]) == "cli.py" else "noncollapse"
WIDTH = 80
REMARKS = 40
"""Where the remark on an example begins."""
ARGUMENTS = {"argument": None, "arguments": "+", "any": "*"}
"""How many there may be of what has no dashes."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in 80 columns whatever the terminal has, so that it is the same text everywhere."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, and which notices that its help is lost."""

    def _print_message(self, message: str, file: SupportsWrite[str] | None = None) -> None:
        if file is not None and file is sys.stdout:
            file.write(message)
        else:
            terminal.complain(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        line = terminal.one_line(f"error: {message}")
        self.exit(BAD_INPUT, f"{line}\n\nhint: see `{self.prog} --help`\n")


def fill(parser: Parser, command: Command) -> None:
    """Add the options of a command, and its examples."""
    parser.add_argument("--debug", action="store_true", help="show the full trace of an error")
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    for option in command.options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        _add(groups[option.group], option)
    parser.epilog = "examples:\n" + "\n".join(
        line for words, remark in command.examples for line in example(words, remark)
    )


def _add(group: argparse._ActionsContainer, option: Option) -> None:
    name, metavar, text, kind = option.name, option.metavar, option.text, option.kind
    if kind == "flag":
        group.add_argument(name, help=text, action="store_true")
    elif kind == "switch":
        group.add_argument(name, help=text, action=argparse.BooleanOptionalAction)
    elif kind == "list":
        group.add_argument(name, metavar=metavar, help=text, action="append")
    elif kind in ARGUMENTS:
        group.add_argument(name, metavar=metavar, help=text, nargs=ARGUMENTS[kind])
    else:
        group.add_argument(name, metavar=metavar, help=text, required=kind == "required")


def example(words: str, remark: str) -> list[str]:
    """Return the lines of an example: fit to be pasted into a shell, the remark beside or below."""
    lines = [f"  {PROGRAM}"]
    for word in re.split(r" (?=-)", words):
        if len(lines[-1]) + len(word) > WIDTH - 3:
            lines[-1] += " \\"
            lines.append("     ")
        lines[-1] += f" {word}"
    if not remark:
        return lines
    if len(lines[-1]) + 2 <= REMARKS:
        lines[-1] = f"{lines[-1]:{REMARKS}}{remark}"
        return lines
    return [*lines, " " * REMARKS + remark]


def joined(words: Sequence[str]) -> list[str]:
    """Write `--signal -1,2` as `--signal=-1,2`, which argparse takes for a value."""
    found: list[str] = []
    for word in words:
        previous = found[-1] if found else ""
        if re.match(r"-[\d.]", word) and re.fullmatch(r"--[a-z-]+", previous):
            found[-1] = f"{previous}={word}"
        else:
            found.append(word)
    return found


def refuse_dashes(parser: Parser, words: Iterable[str]) -> None:
    """Refuse `--name=--`, for which argparse would read an empty list."""
    for word in words:
        if re.fullmatch(r"--[a-z-]+=--", word):
            parser.error(f"argument {word[:-3]}: expected a value, not --")
