"""From a table of options to a parser: usage, help within 80 columns, errors in one line."""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from equilibria.commands.exit_code import BAD_INPUT
from equilibria.files import terminal

if TYPE_CHECKING:
    from equilibria.commands.command import Command
    from equilibria.commands.options import Option

PROGRAM = "cli.py" if os.path.basename(sys.argv[0]) == "cli.py" else "noncollapse"
WIDTH = 80
REMARKS = 40
"""Where the remark on an example begins."""


class Formatter(argparse.RawDescriptionHelpFormatter):
    """Help in 80 columns whatever the terminal has, so that it is the same text everywhere."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, width=WIDTH)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, which notices that its help is lost, and is made late.

    `complete` adds the options, when the parser is first used: ten of eleven commands are not.
    """

    def __init__(self, complete: Callable[[Parser], None] | None = None, **settings: Any) -> None:
        settings |= {"formatter_class": Formatter, "allow_abbrev": False}
        super().__init__(add_help=complete is None, **settings)
        self._complete = complete

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Add the options, then parse."""
        if self._complete is not None:
            complete, self._complete = self._complete, None
            complete(self)
        return super().parse_known_args(args, namespace)

    def _print_message(self, message: str, file: Any = None) -> None:
        if file is sys.stdout:
            file.write(message)
        else:
            terminal.complain(message.rstrip("\n"))

    def error(self, message: str) -> NoReturn:
        line = terminal.one_line(f"error: {message}")
        self.exit(BAD_INPUT, f"{line}\n\nhint: see `{self.prog} --help`\n")


def fill(parser: Parser, command: Command) -> None:
    """Add the options of a command, and its examples."""
    parser.add_argument("-h", "--help", action="help", help="show this help message and exit")
    parser.add_argument("--debug", action="store_true", help="show the full trace of an error")
    groups: dict[str, argparse._ActionsContainer] = {"": parser}
    for option in command.options:
        if option.group not in groups:
            groups[option.group] = parser.add_argument_group(option.group)
        groups[option.group].add_argument(option.name, help=option.text, **_action(option))
    parser.epilog = "examples:\n" + "\n".join(
        line for words, remark in command.examples for line in example(words, remark)
    )


def _action(option: Option) -> dict[str, Any]:
    """Return what argparse calls the kind of an option."""
    if option.kind == "flag":
        return {"action": "store_true"}
    if option.kind == "switch":
        return {"action": argparse.BooleanOptionalAction}
    kinds: dict[str, dict[str, Any]] = {
        "value": {},
        "required": {"required": True},
        "list": {"action": "append"},
        "argument": {},
        "arguments": {"nargs": "+"},
        "any": {"nargs": "*"},
    }
    return {"metavar": option.metavar, **kinds[option.kind]}


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
