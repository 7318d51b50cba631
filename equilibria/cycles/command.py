"""What the command `cycles` does: words in, a report out, files written whole or not at all."""

from __future__ import annotations

import json
from pathlib import Path
from typing import get_args

from equilibria.cycles.answer import Range
from equilibria.cycles.report import CyclesReport
from equilibria.cycles.setting import Parameter
from equilibria.errors import FormatError
from equilibria.files import atomic, write_text
from equilibria.rationals import rational, to_float

NAMES: dict[str, Parameter] = {
    "beta": "beta",
    "eta": "eta",
    "weight-decay": "eta",
    "h": "h",
    "lr": "h",
    "ema": "ema",
}
SUFFIXES = (".png", ".svg")


def parse_range(text: str) -> Range:
    """Return (parameter, low, high) of `beta=1:1000`; `weight-decay` is eta and `lr` is h.

    >>> parse_range("beta=1:1e3")
    ('beta', 1.0, 1000.0)
    """
    name, _, ends = text.partition("=")
    low, colon, high = ends.partition(":")
    if not colon or name not in NAMES:
        known = ", ".join(NAMES)
        raise FormatError(f"--along {text}: expected NAME=LOW:HIGH with NAME one of {known}")
    a, b = (to_float(rational(end, "--along")) for end in (low, high))
    parameter = NAMES[name]
    assert parameter in get_args(Parameter)
    if not 0 < a < b:
        raise FormatError(f"--along {text}: expected 0 < LOW < HIGH")
    if parameter == "ema" and b >= 1:
        raise FormatError(f"--along {text}: the momentum must satisfy MU < 1")
    return parameter, a, b


def json_text(report: CyclesReport) -> str:
    """Return the report as JSON text; equal reports give equal bytes."""
    return json.dumps(report.to_json(), indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def write_outputs(report: CyclesReport, *, json_path: str | None, plot: str | None) -> None:
    """Write the files asked for; `-` as `json_path` is left to the caller."""
    if plot is not None and Path(plot).suffix.lower() not in SUFFIXES:
        raise FormatError(f"--plot {plot}: expected a file name ending in .png or .svg")
    if json_path is not None and json_path != "-":
        write_text(json_path, json_text(report), "--json")
    if plot is not None:
        from equilibria.cycles.figure import draw_cycles

        with atomic(plot, "--plot", binary=True) as stream:
            draw_cycles(report, stream, Path(plot).suffix.lower()[1:])
