"""The overlay as text: what was predicted, a row a run (or an ending), and what did not agree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import median
from typing import TYPE_CHECKING

from empirical.overlay.folder import FolderOverlay, endings
from empirical.overlay.judge import RunOverlay
from equilibria.systems.model import Model

if TYPE_CHECKING:
    from empirical.overlay.networks import NetworkOverlay

ROWS = 12
"""So many runs get a row each; more are put together by where they ended."""
SHOWN_NOTES = 6
SHOWN_STABLE = 8
ID_WIDTH = 40

Row = tuple[str, ...]


def text_lines(overlays: Sequence[FolderOverlay | NetworkOverlay]) -> list[str]:
    """Return the lines for the terminal: a block for each model, then what was written."""
    lines: list[str] = []
    linear = [f for f in overlays if isinstance(f, FolderOverlay)]
    for folders in _grouped(linear):
        lines += [*_block(folders), ""]
    for folder in overlays:
        if not isinstance(folder, FolderOverlay):
            lines += [*_network(folder), ""]
    files = next((folder.files for folder in overlays if folder.files), ())
    if files:
        place = overlays[0].path if len(overlays) == 1 else "each run folder"
        lines.append(f"wrote {', '.join(files)} in {place}")
    return lines


def text_lines_of(folder: FolderOverlay) -> list[str]:
    """Return the table of one folder alone."""
    return _block([folder])


def header(model: Model) -> str:
    """Return the procedure and its rates."""
    parts = [f"μ = {model.ema}"] if model.ema is not None else []
    parts += [f"h = {model.lr}", f"η = {model.weight_decay}"]
    if model.eta_p != model.eta:
        parts.append(f"η_P = {model.eta_p}")
    parts += [f"α = {model.predictor_lr}"] if model.alpha != 1 else []
    parts += [f"ν = {model.momentum}"] if model.nu else []
    return f"{model.procedure}, {', '.join(parts)}"


def _grouped(folders: Iterable[FolderOverlay]) -> list[list[FolderOverlay]]:
    """Put folders with the same model and the same stable set into one table."""
    groups: dict[tuple[object, ...], list[FolderOverlay]] = {}
    for folder in folders:
        stable = tuple(folder.data["predicted"]["stable_components"])
        key = (header(folder.source.model), stable, folder.source.settings.batch_size)
        groups.setdefault(key, []).append(folder)
    return list(groups.values())


def _block(folders: Sequence[FolderOverlay]) -> list[str]:
    first, runs = folders[0], [run for folder in folders for run in folder.runs]
    steps = sorted({run.steps for run in runs})
    words = f"{steps[0]:,}" if len(steps) == 1 else f"{steps[0]:,} to {steps[-1]:,}"
    batch = first.source.settings.batch_size
    kind = f", batches of {batch}" if batch else ""
    total = sum(folder.source.runs for folder in folders)
    shown = "" if total == len(runs) else f" (the first of {total:,})"
    lines = [
        f"{_runs(len(runs))}{shown}, {words} steps{kind}   {header(first.source.model)}"
        + ("" if first.uniform else ", rates vary"),
        f"predicted stable: {_stable(first.data['predicted']['stable_components'])}",
        "",
        *(_table(runs) if len(runs) <= ROWS else _endings_table(tuple(runs))),
        "",
        f"agreement {sum(run.predicted for run in runs)} of {len(runs)}",
    ]
    return lines + _notes(runs, first) + _noise_lines(runs)


def _runs(count: int) -> str:
    return "1 run" if count == 1 else f"{count:,} runs"


def _stable(names: Sequence[str]) -> str:
    if not names:
        return "none"
    rest = len(names) - SHOWN_STABLE
    return "   ".join(names[:SHOWN_STABLE]) + (f"   and {rest} more" if rest > 0 else "")


def _table(runs: Sequence[RunOverlay]) -> list[str]:
    rows = [
        (
            run.run,
            _short(run.stratum_reached or "-"),
            "yes" if run.predicted else "no",
            _number(run.distance_initial),
            _number(run.distance_final),
            _rate(run.contraction.measured),
            _rate(run.contraction.predicted),
        )
        for run in runs
    ]
    return _aligned(("run", "reached", "predicted", "start", "end", "measured", "predicted"), rows)


def _endings_table(runs: tuple[RunOverlay, ...]) -> list[str]:
    rows = []
    for (name, predicted, status), count in endings(runs):
        like = [
            r
            for r in runs
            if (r.stratum_reached, r.predicted, r.status) == (name, predicted, status)
        ]
        rows.append(
            (
                f"{count:,}",
                _short(name or "-") + ("" if status == "settled" else f" ({status})"),
                "yes" if predicted else "no",
                _number(_middle(r.distance_initial for r in like)),
                _number(_middle(r.distance_final for r in like)),
                _rate(_middle(r.contraction.measured for r in like)),
                _rate(_middle(r.contraction.predicted for r in like)),
            )
        )
    heads = ("runs", "reached", "predicted", "start", "end", "measured", "predicted")
    return [*_aligned(heads, rows), "  medians over the runs that ended alike"]


LEAST = (0, 0, 0, 11, 12, 9, 9)
"""Least widths, so that the headings above two columns have room."""


def _aligned(heads: Row, rows: Sequence[Row]) -> list[str]:
    widths = [max(least, *(len(row[i]) for row in (heads, *rows))) for i, least in enumerate(LEAST)]

    def line(row: Row) -> str:
        left = [text.ljust(width) for text, width in zip(row[:3], widths[:3], strict=True)]
        right = [text.rjust(width) for text, width in zip(row[3:], widths[3:], strict=True)]
        return ("  " + "   ".join(left + right)).rstrip()

    pair = "distance to the stable set".rjust(widths[3] + 3 + widths[4])
    above = " " * (2 + sum(widths[:3]) + 9) + pair + "   " + "contraction per step".rjust(21)
    return [above, line(heads), *(line(row) for row in rows)]


def _notes(runs: Sequence[RunOverlay], folder: FolderOverlay) -> list[str]:
    told = [run for run in runs if run.note and not run.predicted]
    told += [run for run in runs if run.note and run.predicted and len(runs) <= ROWS]
    width = max((len(run.run) for run in told[:SHOWN_NOTES]), default=0)
    lines = []
    for run in told[:SHOWN_NOTES]:
        lines.append(f"  {run.run.ljust(width)}   {run.note}")
    if len(told) > SHOWN_NOTES:
        lines.append(f"  and {len(told) - SHOWN_NOTES:,} more, in overlay.json")
    if any(run.status == "running" for run in runs):
        path = folder.path
        lines.append(
            f"  Near a saddle is not at rest; `simulate` with more --steps decides ({path})."
        )
    return lines


def _noise_lines(runs: Sequence[RunOverlay]) -> list[str]:
    found: dict[str, list[RunOverlay]] = {}
    for run in runs:
        if run.noise is not None and run.noise.expected is not None and run.predicted:
            found.setdefault(run.stratum_reached, []).append(run)
    lines = []
    for name, like in sorted(found.items(), key=lambda item: -len(item[1])):
        noises = [r.noise for r in like if r.noise is not None and r.noise.expected is not None]
        measured = sum(noise.measured for noise in noises) / len(noises)
        expected = noises[0].expected
        assert expected is not None
        lines.append(
            f"noise at {_short(name)}: mean distance {measured:.3g} measured, "
            f"{expected.distance:.3g} expected ({_runs(len(like))})"
        )
    return ["", *lines] if lines else []


def _network(folder: NetworkOverlay) -> list[str]:
    return list(folder.lines)


def _short(name: str) -> str:
    return name if len(name) <= ID_WIDTH else name[: ID_WIDTH - 3] + "..."


def _middle(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return median(known) if known else None


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if 0.01 <= value < 1000 or value == 0 else f"{value:.1e}"


def _rate(value: float | None) -> str:
    return "-" if value is None else f"{value:.5f}"
