"""Checks that need training: a named experiment, or the overlay of a run that is already there."""

from __future__ import annotations

import json
from pathlib import Path

from equilibria.claims.claim import EMPIRICAL, NUMERIC, Finding
from equilibria.claims.kinds.base import Context, number_of, table_of
from equilibria.errors import FormatError
from equilibria.exact.rationals import to_float

MAX_BYTES = 50_000_000


def experiment(context: Context, value: object) -> Finding:
    """Check the result of a training experiment by name."""
    if not isinstance(value, str):
        raise FormatError("holds.experiment: expected the name of an experiment")
    if context.experiments is None:
        return Finding(None, EMPIRICAL, "training runs were not asked for (--empirical)")
    if value not in context.experiments:
        names = ", ".join(sorted(context.experiments))
        raise FormatError(f"holds.experiment = {value!r:.60}: expected one of {names}")
    result = context.experiments[value]()
    if result.holds is None and not result.runs:
        return Finding(None, NUMERIC, result.measured, result.predicted, because="nothing was run")
    hashed = f"run folder with SHA-256 {result.sha256}" if result.sha256 else ""
    return Finding(result.holds, EMPIRICAL, result.measured, result.predicted, at=hashed)


def run(context: Context, value: object) -> Finding:
    """Check a run folder's `overlay.json`: the share of runs that end where predicted."""
    table = table_of(value, "run", ("folder", "agreement"))
    folder = table.get("folder")
    if not isinstance(folder, str):
        raise FormatError("holds.run.folder: expected the path of a run folder")
    path = context.path.parent / folder / "overlay.json"
    bound = to_float(number_of(table.get("agreement", 1), "run.agreement"))
    agreement, count = _agreement(path)
    if not count:
        return Finding(
            None, NUMERIC, f"{path.parent}: no run in the overlay", because="nothing ran"
        )
    found = f"{path.parent}: {100 * agreement:.4g} % of {count} runs end where predicted"
    return Finding(agreement >= bound, EMPIRICAL, found, f"at least {100 * bound:g} %")


def _agreement(path: Path) -> tuple[float, int]:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise FormatError(f"{path}: larger than {MAX_BYTES} bytes, not an overlay")
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["schema"] != "noncollapse/overlay/1":
            raise FormatError(f"{path}: schema {data['schema']!r:.60}, not an overlay")
        return float(data["agreement"]), len(data["runs"])
    except OSError as error:
        raise FormatError(f"{path}: not there; run `overlay {path.parent}` first") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FormatError(f"{path}: not an overlay (schema noncollapse/overlay/1)") from error
