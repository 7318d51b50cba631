"""A phase diagram in words: a sentence, the regions, the boundaries, the largest steps."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

import numpy as np

from equilibria.phase.boundary import Boundary
from equilibria.phase.diagram import PhaseDiagram, collapse_threshold, describe
from equilibria.phase.surface import StepSurface

MOST_REGIONS = 12
MOST_BOUNDARIES = 24
WIDTH = 100


def diagram_lines(diagram: PhaseDiagram) -> list[str]:
    """Return the lines that the command prints."""
    lines = [*_heading(diagram), "", *wrap(_sentence(diagram), WIDTH), ""]
    lines += _region_lines(diagram)
    if diagram.boundaries:
        lines += [
            "",
            "  boundary         where                                                 known",
        ]
        groups = _grouped(diagram.boundaries)
        lines += groups[:MOST_BOUNDARIES]
        if len(groups) > MOST_BOUNDARIES:
            lines.append(f"  ... and {len(groups) - MOST_BOUNDARIES} more; --json has all of them")
    lines += _step_lines(diagram)
    lines += _collapse_lines(diagram)
    for note in diagram.notes:
        lines += wrap(f"note: {note}", WIDTH, subsequent_indent="  ")
    return [line[:WIDTH].rstrip() for line in lines]


def _heading(diagram: PhaseDiagram) -> list[str]:
    model, x, y = diagram.setting.model, diagram.x, diagram.y
    size = f"{len(x.values)} x {len(y.values)} points"
    decay = {
        "equal": "",
        "coupled": ", predictor decay coupled",
        "fixed": ", predictor decay fixed",
    }
    across, up = (f"{axis.name} {axis.low} to {axis.high}" for axis in (x, y))
    return [
        f"{model.procedure}, n = {model.n}, d = {model.d}{decay[diagram.setting.decay]} · {size}",
        f"{across} across, {up} up",
    ]


def _sentence(diagram: PhaseDiagram) -> str:
    total = diagram.cells.size
    learned = sum(r.cells for r in diagram.regions if r.map.learned)
    only = sum(r.cells for r in diagram.regions if r.collapse_only)
    nothing = sum(r.cells for r in diagram.regions if r.map.masks == ())
    parts = [f"Learning is stable at {_share(learned, total)} of the grid"]
    parts.append(f"collapse is all that is stable at {_share(only, total)}")
    if nothing:
        parts.append(f"nothing is at {_share(nothing, total)}")
    return ", ".join(parts) + "."


def _share(part: int, total: int) -> str:
    if part in (0, total):
        return "none" if not part else "all"
    return f"{min(max(100 * part / total, 0.1), 99.9):.1f} %"


def _region_lines(diagram: PhaseDiagram) -> list[str]:
    lines = ["  region   share    stable components of the map"]
    for region in diagram.regions[:MOST_REGIONS]:
        text = describe(region.map, most=6)
        if region.flow != region.map:
            text += f"   (flow: {describe(region.flow, most=3)})"
        lines.append(
            f"  {region.index:>6}   {_share(region.cells, diagram.cells.size):>6}   {text}"
        )
    if len(diagram.regions) > MOST_REGIONS:
        lines.append(f"  ... and {len(diagram.regions) - MOST_REGIONS} smaller regions")
    marked = int(np.count_nonzero(diagram.on_boundary))
    if marked:
        lines.append(f"  {marked} points of the grid lie exactly on a boundary, or are undecided")
    return lines


def _grouped(boundaries: Sequence[Boundary]) -> list[str]:
    """Return one line for each kind, block and stratum; pieces of one curve are joined."""
    rows: dict[tuple[str, str], list[Boundary]] = {}
    for boundary in boundaries:
        where = boundary.formula if boundary.how == "exact" else _where(boundary)
        label = " = ".join(boundary.between) if boundary.how == "exact" else ""
        rows.setdefault((boundary.kind, f"{label:<10} {where}".strip()), []).append(boundary)
    lines = []
    for (kind, where), members in rows.items():
        hows = {boundary.how for boundary in members}
        how = next(word for word in ("numeric", "certified", "exact") if word in hows)
        points = sum(len(boundary.points) for boundary in members)
        lines.append(f"  {kind:<15}  {where:<52}  {how}, {points} points")
    return lines


def _where(boundary: Boundary) -> str:
    strata = ", ".join(boundary.strata[:2])
    if len(boundary.strata) > 2:
        strata += f" and {len(boundary.strata) - 2} more"
    return f"{boundary.block} ends {strata}" if strata else f"{boundary.block}, in the flow"


def _step_lines(diagram: PhaseDiagram) -> list[str]:
    steps = diagram.top_step
    if steps is None:
        return []
    low, high = float(np.nanmin(steps)), float(np.nanmax(steps))
    name = "largest stable lr of the stratum of largest rank"
    return ["", f"{name}: {low:.5g} to {high:.5g} over the grid"]


def _collapse_lines(diagram: PhaseDiagram) -> list[str]:
    threshold = collapse_threshold(diagram.setting)
    if threshold is None:
        return []
    return [
        f"weight decay above max m^2/(4 s) = {threshold}: "
        "every start of the flow collapses [proved]"
    ]


def surface_lines(surface: StepSurface) -> list[str]:
    """Return a step surface as text: one line for each momentum pair, a column for each alpha."""
    shown = surface.alphas[:8]
    lines = ["  ema        momentum   " + " ".join(f"{f'alpha {a}':>11}" for a in shown)]
    for i, mu in enumerate(surface.mus):
        for j, nu in enumerate(surface.nus):
            row = [_step_text(surface, i, j, k) for k in range(len(shown))]
            lines.append(f"  {mu!s:<10} {nu!s:<10} " + " ".join(f"{cell:>11}" for cell in row))
    lines.append("")
    lines.append(surface.statement())
    return lines


def _step_text(surface: StepSurface, i: int, j: int, k: int) -> str:
    high, low = surface.largest[i, j, k], surface.smallest[i, j, k]
    if np.isnan(high):
        return "-"
    return f"{high:.4g}" if low == 0 else f"{low:.3g}..{high:.3g}"
