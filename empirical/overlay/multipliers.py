"""The panel of the spectra: multipliers across each stable component, and the rates measured."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.draw import FAINT, INK, colours, empty, log_axis, short
from empirical.overlay.folder import FolderOverlay
from empirical.overlay.predicted import Target

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from empirical.overlay.source import Path3


def draw_multipliers(axes: Axes, folder: FolderOverlay) -> None:
    """Draw 1 - |z| of the normal multipliers of each stable component, and what was measured."""
    palette, prediction = colours(folder), folder.prediction
    targets: Sequence[Target] = prediction.stable[:8]
    if not targets:
        empty(axes, "no component is predicted stable")
        return
    for row, target in enumerate(targets):
        moduli = target.moduli(_end(folder, target))
        decay = 1 - moduli[moduli < 1]
        colour = palette.get(target.id, FAINT)
        axes.plot(decay, np.full(len(decay), row), "o", color=colour, markersize=5,
                  label="predicted multiplier" if row == 0 else None)  # fmt: skip
        found = [
            1 - run.contraction.measured
            for i, run in enumerate(folder.runs)
            if run.stratum_reached == target.id
            and run.contraction.measured is not None
            and folder.predictions[i] is prediction
        ]
        axes.plot(found, np.full(len(found), row + 0.25), "|", color=INK, markersize=9,
                  label="measured" if row == 0 else None)  # fmt: skip
    log_axis(axes, "x")
    axes.set_yticks(range(len(targets)), [short(t.id) for t in targets])
    axes.set_ylim(len(targets) - 0.4, -0.6)
    axes.set_xlabel("1 - |z|, shrinking per step (left is slow)")
    axes.set_title("Normal multipliers of the map, and measured rates")
    axes.legend(loc="upper left", bbox_to_anchor=(0.0, -0.16), ncols=2)


def _end(folder: FolderOverlay, target: Target) -> Path3 | None:
    """Return where a run rests on a component; on a family the multipliers depend on it."""
    for run, trace in folder.traces.items():
        if folder.runs[run].stratum_reached == target.id and folder.runs[run].predicted:
            return trace.path.rows(slice(-1, None))
    return None
