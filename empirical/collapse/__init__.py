"""Have these outputs collapsed? One function, `diagnose`, for every part that asks.

    rows      outputs as they come, as directions
    measure   constant share, dimensions, what two views share, with errors
    judge     the word, its kind and why

Works on numpy's and torch's arrays without importing torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from empirical.collapse.judge import COMPLETE, LOST, NO, UNCLEAR, Finding, Seen, judge
from empirical.collapse.measure import FEWEST, Estimate, Spread, spread_of
from empirical.collapse.rows import Rows, rows_of

__all__ = ["COMPLETE", "LOST", "NO", "UNCLEAR", "Diagnosis", "diagnose"]

Grounds = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What outputs say of collapse."""

    verdict: str
    """"no collapse", "complete collapse", "dimensions lost" or "unclear"."""
    kind: str
    """Which: none, constant, zero, shrunk, unrelated, dimensions; few outputs, not finite."""
    grounds: Grounds = field(repr=False)
    """Numbers, ready for JSON; also what `start=` of a later call takes."""
    text: str
    """One sentence."""

    @property
    def collapsed(self) -> bool:
        """Return whether it is collapse of any kind."""
        return self.verdict in (COMPLETE, LOST)


def diagnose(
    outputs: object,
    other: object = None,
    *,
    start: object = None,
    loss: str | None = None,
    unit: float = 1.0,
) -> Diagnosis:
    """Return the verdict on outputs (N, n), a row an image: numpy's, torch's or lists.

    - `other`: the outputs of a second view of the same images, row by row; or give both as a pair.
    - `start`: the same network's outputs before training (or a pair of views, a `Diagnosis` of them,
      or its `grounds`). Without it only what no healthy network shows counts as collapse.
    - `loss`: "cosine", "infonce" (directions alone), "squared", "cross-entropy" (sizes count).
    - `unit`: the size of outputs that the loss asks about; a cross-entropy's temperature.

    Never raises for the numbers in the outputs; raises `ValueError` for what is no matrix.
    """
    views = _views(outputs, other)
    grounds, seen = _measured(views)
    first = views[0]
    finding = _without_measuring(first)
    if finding is None:
        assert seen is not None
        finding = judge(seen, _start(start), loss, unit)
    text = f"{finding.verdict}: {finding.why}"
    if first.not_finite:
        lost = f"{first.not_finite} of {first.count} outputs are not finite (NaN or infinite)"
        rest = "" if finding.kind == "few outputs" else f"; of the others: {text}"
        finding = Finding(UNCLEAR, "not finite", lost)
        text = f"{UNCLEAR}: {lost}{rest}"
    return Diagnosis(finding.verdict, finding.kind, grounds, text)


def _views(outputs: object, other: object) -> list[Rows]:
    if other is None and isinstance(outputs, tuple) and len(outputs) == 2:
        outputs, other = outputs
    return rows_of(outputs, other)


def _without_measuring(rows: Rows) -> Finding | None:
    usable = len(rows.unit)
    if rows.zero > usable:
        why = f"{rows.zero} of {rows.zero + usable} outputs are zero"
        return Finding(COMPLETE, "zero", why)
    if usable < FEWEST:
        return Finding(UNCLEAR, "few outputs", f"{_outputs(usable)}; at least {FEWEST} are needed")
    return None


def _outputs(count: int) -> str:
    return "1 output" if count == 1 else f"{count} outputs"


def _measured(views: list[Rows]) -> tuple[dict[str, object], Seen | None]:
    first = views[0]
    size = first.size
    grounds: dict[str, Any] = {
        "outputs": first.count,
        "width": first.width,
        "looked_at": len(first.unit),
        "not_finite": first.not_finite,
        "zero": first.zero,
        "size": size if math.isfinite(size) else None,
    }
    if len(first.unit) < FEWEST:
        return grounds, None
    spread = spread_of(views)
    seen = Seen(spread, size, first.width, len(first.unit))
    return {**grounds, **asdict(spread)}, seen


def _start(start: object) -> Seen | None:
    """Return what is known of the start; None where that is nothing."""
    if start is None:
        return None
    if isinstance(start, Diagnosis):
        start = start.grounds
    if not isinstance(start, Mapping):
        return _measured(_views(start, None))[1]
    if start.get("dimensions") is None:  # too few outputs, or none that is finite
        return None

    def estimate(name: str) -> Estimate | None:
        return None if start.get(name) is None else Estimate(**start[name])

    constant, dimensions = estimate("constant"), estimate("dimensions")
    assert constant is not None
    assert dimensions is not None
    spread = Spread(
        constant, dimensions, start["ends_at"], estimate("agreement"), estimate("shared")
    )
    return Seen(spread, start["size"], start["width"], start["looked_at"])
