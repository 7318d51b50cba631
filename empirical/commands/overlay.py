"""The command `overlay`: run folders in, an answer with lines, data and `decided` out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from empirical.overlay.result import OverlayResult
from empirical.overlay.run import MOST_RUNS, overlay
from equilibria.exact.rationals import whole


def overlay_command(
    paths: Sequence[str | Path], *, max_runs: str | None = None, no_html: bool = False
) -> OverlayResult:
    """Answer `overlay`: compare runs with the predicted stable set and write down how.

    Texts are as typed, None where the user said nothing. The answer has `lines` for the terminal,
    `data` for JSON and `decided` (every run has come to rest, on a component with a verdict).
    Raises `FormatError` for a folder that cannot be read.
    """
    most = MOST_RUNS if max_runs is None else whole(max_runs, "--max-runs", 1)
    return overlay(paths, max_runs=most, html=not no_html)
