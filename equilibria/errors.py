"""What can go wrong, in six kinds that a caller can tell apart.

The first five derive from `AnalysisError`; the command line prints them as one line and exits with
code 2 (bad input) or 3 (a limit was reached). `ConsistencyError` is a bug of ours: two routes that
must agree did not.
"""

from __future__ import annotations


class AnalysisError(Exception):
    """A question that could not be answered, with what to do instead in `hint`."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class FormatError(AnalysisError):
    """The input could not be read as what it says it is."""


class ScopeError(AnalysisError):
    """The question is well formed but does not apply here."""


class LimitReached(AnalysisError):
    """Time, memory or size ran out before the answer was known."""


class NotFinished(AnalysisError):
    """A clock ran out behind all limits that count work: no answer, rather than another one."""


class EngineMissing(AnalysisError):
    """The question needs an optional engine that is not installed."""


class ConsistencyError(Exception):
    """Two independent routes disagree; the message carries both answers."""
