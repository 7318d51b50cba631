"""What an experiment leaves: an `ExperimentResult`, and result.json."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from empirical.experiments.result import ExperimentResult
from empirical.runs.folder import versions
from equilibria.errors import FormatError
from equilibria.files.drawing import OPEN
from equilibria.files.write import write_text

SOURCE = "Tian, Yu, Chen, Ganguli 2020"
FILE = "result.json"
STYLE = {**OPEN, "legend.fontsize": 8.0}
BLUE, VERMILION, GREEN, ORANGE, SKY = "#0072B2", "#D55E00", "#009E73", "#E69F00", "#56B4E9"


def finish(
    result: ExperimentResult, *, seed: int, numbers: Mapping[str, object], out: Path | None
) -> ExperimentResult:
    """Return the result with the SHA-256 of its result.json; with `out`, write that to out/name."""
    told = {
        "experiment": result.name,
        "statement": result.statement,
        "source": result.source,
        "predicted": result.predicted,
        "measured": result.measured,
        "holds": result.holds,
        "runs": result.runs,
        "seed": seed,
        "numbers": numbers,
        "versions": versions(),
    }
    text = json.dumps(told, indent=2, ensure_ascii=False, default=float) + "\n"
    if out is not None:
        place = Path(out) / result.name
        try:
            place.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise FormatError(
                f"--out {place}: cannot make that directory ({error.strerror}); choose another"
            ) from error
        write_text(place / FILE, text, "--out")
    return replace(result, sha256=hashlib.sha256(text.encode()).hexdigest())


def rounded(value: float) -> float:
    """Return the number with six significant digits, for result.json."""
    return float(f"{value:.6g}")
