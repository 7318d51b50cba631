"""A progress bar on stderr: only on a terminal, and only where the wait is long enough to wonder."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import TextIO

PATIENCE = 1.0  # seconds before anything is shown
OFTEN = 0.1  # seconds between two updates
WIDTH = 30


def progress_bar(
    *, stream: TextIO | None = None, clock: Callable[[], float] = time.monotonic
) -> Callable[[int, int], None] | None:
    """Return a function of (done, total) that draws a bar, or None where stderr is no terminal.

    It stays silent for PATIENCE seconds, and clears its line when all is done, so that nothing but
    results remains.
    """
    out = sys.stderr if stream is None else stream
    if not out.isatty():
        return None
    begun = clock()
    shown = begun + PATIENCE - OFTEN
    drawn = False

    def show(done: int, total: int) -> None:
        nonlocal shown, drawn
        if done >= total:
            if drawn:
                out.write("\r\x1b[K")
                out.flush()
                drawn = False
            return
        now = clock()
        if now - shown < OFTEN:
            return
        shown, drawn = now, True
        full = WIDTH * done // total
        out.write(f"\r[{'#' * full}{'.' * (WIDTH - full)}] {done} of {total}\x1b[K")
        out.flush()

    return show
