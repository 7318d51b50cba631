"""The console that reports are printed on."""

from __future__ import annotations

import errno
import os

from rich.console import Console


class Honest(Console):
    """A console that does not end the program with code 1 when nobody reads any more."""

    def on_broken_pipe(self) -> None:
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))


def console(width: int | None) -> Console:
    """Return a console of that width, of the terminal's for None."""
    return Honest(width=width, soft_wrap=False, emoji=False)
