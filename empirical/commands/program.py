"""The program: words in, a command asked, its answer printed, an exit code out.

`python cli.py` and the console script `noncollapse` are this. Only the module of the command that is
asked for is imported, and what it needs when it answers, so that `--help` is there at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn

from equilibria.commands.exit_code import BAD_INPUT, BUG, DONE, INTERRUPTED, UNDECIDED
from equilibria.commands.parser import PROGRAM, Formatter, Parser, fill, joined, refuse_dashes
from equilibria.files import terminal

if TYPE_CHECKING:
    from equilibria.commands.command import Command
    from equilibria.commands.options import Typed

# The matrices here are small: BLAS threads would cost more than they save. Set the variable to
# override.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

COMMANDS = {
    "equilibria": "Find every equilibrium of a learning procedure, and which are stable.",
    "moments": "Measure Sigma and M of a data set under an augmentation, with standard errors.",
    "phase": "Draw which strata are stable over two parameters, with exact boundaries.",
    "basin": "Find the boundary between collapse and learning, and where starts end.",
    "graph": "Connect the strata: which saddle leads to which attractor.",
    "cycles": "Find attractors that are not equilibria: Hopf points and limit cycles.",
    "simulate": "Train many linear models at once and say which component each one reaches.",
    "train": "Train a network by any of the procedures, and watch whether it collapses.",
    "overlay": "Lay runs over the predicted stable set: distance, stratum, contraction.",
    "check": "Decide executable claims: the built-in ledger, or files of your own.",
    "verify": "Re-check a certificate with code that shares nothing with what made it.",
}
MEASURED = ("simulate", "train", "overlay")
"""The commands that are in this package; the others are in `equilibria.commands`."""


def command_of(name: str) -> Command:
    """Return a command by name."""
    home = "empirical" if name in MEASURED else "equilibria"
    command: Command = import_module(f"{home}.commands.{name}").COMMAND
    return command


def build_parser(words: Sequence[str] = ()) -> Parser:
    """Return the parser for some words: the options of the command that they name.

    The others have a name and a summary; where the first word is a command they are not even made.
    """
    parser = Parser(
        prog=PROGRAM,
        description="Equilibria and stability of non-contrastive self-supervised learning.",
        formatter_class=Formatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="store_true", help="print the version and exit")
    commands = parser.add_subparsers(
        dest="command", metavar="COMMAND", parser_class=Parser, prog=PROGRAM
    )
    named = next((word for word in words if word in COMMANDS), None)
    for name in COMMANDS if named is None or words[0] != named else [named]:
        command = commands.add_parser(
            name,
            help=COMMANDS[name],
            description=COMMANDS[name],
            formatter_class=Formatter,
            allow_abbrev=False,
        )
        if name == named:
            fill(command, command_of(name))
    return parser


def main(arguments: list[str] | None = None) -> int:
    """Run one command and return its exit code."""
    if not terminal.prepare():
        terminal.complain("error: standard output is closed; send it to a file, or to /dev/null")
        return BAD_INPUT
    try:
        code = _answer(list(sys.argv[1:] if arguments is None else arguments))
        sys.stdout.flush()
    except OSError as error:
        return terminal.give_up_output(error)
    return code


def _answer(words: list[str]) -> int:
    """Read the words, run the command they name, and return its exit code."""
    parser = build_parser(words)
    try:
        refuse_dashes(parser, words)
        options = parser.parse_args(joined(words))
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else DONE
    if options.version:
        from equilibria.version import VERSION

        print(f"noncollapse {VERSION}")
        return DONE
    if options.command is None:
        parser.print_help()
        return BAD_INPUT
    return _guarded(options.command, vars(options))


def _asked(name: str, typed: Typed) -> int:
    """Make the question, have it answered, write and print the answer."""
    from equilibria.commands.outputs import check_outputs, finish

    check_outputs(typed)
    return finish(command_of(name).asked(**typed), typed)


def _guarded(name: str, typed: Typed) -> int:
    """Run a command and turn whatever goes wrong into one message and an exit code."""
    from equilibria.errors import AnalysisError, LimitReached, NotFinished

    try:
        return _asked(name, typed)
    except AnalysisError as error:
        if typed["debug"]:
            raise
        terminal.complain(terminal.one_line(f"error: {error}"))
        if error.hint:
            terminal.complain(f"\nhint: {terminal.one_line(error.hint)}")
        return UNDECIDED if isinstance(error, LimitReached | NotFinished) else BAD_INPUT
    except KeyboardInterrupt:
        terminal.complain("interrupted")
        return INTERRUPTED
    except MemoryError:
        if typed["debug"]:
            raise
        return _out_of_memory()
    except Exception as error:
        if typed["debug"] or terminal.output_is_lost(error):
            raise
        if isinstance(error, RuntimeError) and "allocate memory" in str(error):  # torch
            return _out_of_memory()
        return _bug(error)


def _out_of_memory() -> int:
    terminal.complain("error: out of memory; ask for less at once, or for smaller sizes")
    return UNDECIDED


def _bug(error: Exception) -> int:
    reason = (str(error).splitlines() or [""])[0]
    terminal.complain(terminal.one_line(f"bug: {type(error).__name__}: {reason}"))
    terminal.complain("\nhint: run again with --debug for the trace, and report it")
    return BUG


def run() -> NoReturn:
    """Entry point of the console script."""
    sys.exit(main())
