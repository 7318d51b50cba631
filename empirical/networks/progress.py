"""One line on stderr that shows where a run is; nothing where stderr is not a terminal."""

from __future__ import annotations

import sys
import time

from equilibria.files.untrusted import Table


class Progress:
    """A line that is written over; call `done` at the end."""

    def __init__(self, steps: int, *, on: bool = True) -> None:
        self.steps, self.on = steps, on and sys.stderr.isatty()
        self.numbers = ""
        self._last = 0.0

    def measured(self, record: Table) -> None:
        """Take the newest numbers."""
        shown = [("loss", "loss", ".3f"), ("std", "std", ".2f"), ("effective_rank", "rank", ".1f")]
        parts = [
            f"{word} {record[name]:{form}}"
            for name, word, form in shown
            if record.get(name) is not None
        ]
        if record.get("knn") is not None:
            parts.append(f"kNN {100 * record['knn']:.1f} %")
        self.numbers = "  ".join(parts)

    def step(self, step: int) -> None:
        """Show the step, at most ten times a second."""
        now = time.monotonic()
        if self.on and now - self._last > 0.1:
            self._last = now
            sys.stderr.write(f"\r\x1b[2Kstep {step:,}/{self.steps:,}  {self.numbers}"[:200])
            sys.stderr.flush()

    def done(self) -> None:
        """Clear the line."""
        if self.on:
            sys.stderr.write("\r\x1b[2K")
            sys.stderr.flush()
