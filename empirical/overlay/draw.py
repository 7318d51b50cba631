"""The panels of an overlay. Words and dashes carry the meaning, Okabe-Ito colours repeat it.

Solid lines and filled marks are predicted stable, dashed and hollow ones unstable. Everything is a
plain matplotlib figure, without a window and without pyplot.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.overlay.folder import FolderOverlay
from empirical.overlay.predicted import OrbitTarget, Prediction, Target
from empirical.overlay.trace import Trace
from equilibria.files.drawing import OPEN
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
STYLE = {
    **OPEN,
    "legend.frameon": True,
    "legend.framealpha": 0.8,
    "legend.edgecolor": "none",
    "legend.fontsize": 8.0,
}
INK, FAINT = "0.15", "0.6"
COLOURS = ("#009E73", "#0072B2", "#CC79A7", "#E69F00", "#56B4E9", "#999999")
UNSTABLE, MOVING = "#D55E00", "#D55E00"
MOST_LINES = 48
LABEL = 26


def colours(folder: FolderOverlay) -> dict[str, str]:
    """Return a colour for each stable component, those that runs reached first."""
    reached = [run.stratum_reached for run in folder.runs if run.predicted]
    stable = [t.id for p in folder.predictions.values() for t in p.stable]
    order = sorted(dict.fromkeys(stable), key=lambda name: -reached.count(name))
    return {name: COLOURS[min(i, len(COLOURS) - 1)] for i, name in enumerate(order)}


def shown_runs(folder: FolderOverlay) -> list[int]:
    """Return the runs that are drawn: every kind of ending, the first of each first."""
    seen: dict[tuple[str, bool], int] = {}
    ranked = []
    for run in folder.traces:
        verdict = folder.runs[run]
        key = (verdict.stratum_reached, verdict.predicted)
        seen[key] = seen.get(key, 0) + 1
        ranked.append((seen[key], run))
    return [run for _, run in sorted(ranked)[:MOST_LINES]]


def draw_distances(axes: Axes, folder: FolderOverlay) -> None:
    """Draw each run's distance to the stable set, the predicted slopes and the noise bands."""
    palette, named = colours(folder), set()
    for run in shown_runs(folder):
        verdict, trace = folder.runs[run], folder.traces[run]
        if not np.isfinite(trace.stable).all():
            continue
        name = verdict.stratum_reached if verdict.predicted else f"not arrived ({verdict.status})"
        colour = palette.get(verdict.stratum_reached, MOVING) if verdict.predicted else MOVING
        axes.plot(
            trace.path.step,
            np.maximum(trace.stable, 1e-16),
            color=colour,
            linewidth=0.8,
            alpha=0.75,
            linestyle="-" if verdict.predicted else "--",
            label=None if name in named else short(name),
        )
        named.add(name)
    _slopes(axes, folder)
    _bands(axes, folder, palette)
    log_axis(axes, "y")
    axes.set_xlim(left=0)
    axes.set_xlabel("step")
    axes.set_ylabel("distance to the stable set")
    axes.set_title("Distance to the nearest predicted stable component")
    if named:
        axes.legend(loc="upper right")
    else:
        empty(axes, "no component is predicted stable")


def _slopes(axes: Axes, folder: FolderOverlay) -> None:
    """Draw the predicted geometric approach beside one run of each ending."""
    done = set()
    for run in shown_runs(folder):
        verdict, trace = folder.runs[run], folder.traces[run]
        rate = verdict.contraction.matched or verdict.contraction.predicted
        if not verdict.predicted or verdict.stratum_reached in done or rate is None:
            continue
        if verdict.contraction.measured is None or not 0 < rate < 1:
            continue
        done.add(verdict.stratum_reached)
        distance, step = trace.stable, trace.path.step.astype(float)
        start = int(np.flatnonzero(distance > 1e-2 * distance.max())[-1])
        x = step[start:]
        y = 3 * distance[-1] * rate ** (x - x[-1])
        axes.plot(x, y, color=INK, linewidth=1.2, linestyle=":", zorder=5,
                  label="predicted slope" if len(done) == 1 else None)  # fmt: skip


def _bands(axes: Axes, folder: FolderOverlay, palette: Mapping[str, str]) -> None:
    """Draw where noise is expected to keep the distance: the middle 80 % and the mean."""
    done: set[str] = set()
    for run in folder.runs:
        noise = None if run.noise is None else run.noise.expected
        if noise is None or run.stratum_reached in done or not run.predicted:
            continue
        done.add(run.stratum_reached)
        colour = palette.get(run.stratum_reached, FAINT)
        axes.axhspan(noise.low, noise.high, color=colour, alpha=0.22, linewidth=0, zorder=0)
        axes.axhline(noise.distance, color=INK, linewidth=1.2, linestyle=":", zorder=5,
                     label="expected, with 80 % band" if len(done) == 1 else None)  # fmt: skip


def draw_one_run(axes: Axes, folder: FolderOverlay) -> None:
    """Draw the distance of one run, that with the most saddles, to each component."""
    if not folder.traces:
        empty(axes, "no run was recorded over time")
        return
    run = max(folder.traces, key=lambda r: (len(folder.runs[r].saddles), -r))
    trace, prediction = folder.traces[run], folder.predictions[run]
    palette = colours(folder)
    step = trace.path.step + 1
    order = np.argsort(trace.each.min(axis=1))[:7]
    for count, index in enumerate(sorted(order.tolist(), key=lambda i: trace.each[i, -1])):
        target = prediction.targets[index]
        style = line_style(target, palette, count)
        axes.plot(step, np.maximum(trace.each[index], 1e-16), label=short(target.id), **style)
    for saddle in folder.runs[run].saddles:
        axes.axvspan(saddle.first + 1, saddle.last + 1, color="0.9", linewidth=0, zorder=0)
    log_axis(axes, "x")
    log_axis(axes, "y")
    axes.set_xlabel("step + 1")
    axes.set_ylabel("distance to the component")
    passed = ", ".join(s.id for s in folder.runs[run].saddles)
    axes.set_title(
        f"{short(folder.runs[run].run)}: " + (f"by {short(passed, 44)}" if passed else "no saddle")
    )
    axes.legend(loc="lower left", title="solid stable, dashed unstable", title_fontsize=8)


def draw_ribbon(axes: Axes, folder: FolderOverlay) -> None:
    """Draw which component is nearest, run by run."""
    palette = colours(folder)
    runs = sorted(shown_runs(folder), key=lambda r: (folder.runs[r].stratum_reached, r))
    seen: dict[str, Any] = {}
    shades: dict[str, int] = {}
    for row, run in enumerate(runs):
        trace, prediction = folder.traces[run], folder.predictions[run]
        nearest = trace.each.argmin(axis=0)
        edges = [0, *(np.flatnonzero(np.diff(nearest)) + 1).tolist(), len(nearest) - 1]
        for a, b in pairwise(edges):
            target = prediction.targets[int(nearest[a])]
            style = line_style(target, palette, shades.setdefault(target.id, len(shades)))
            x = trace.path.step[[a, b]] + 1
            (line,) = axes.plot(x, [row, row], color=style["color"], solid_capstyle="butt",
                                linewidth=4.0 if target.verdict is Verdict.STABLE else 1.6)  # fmt: skip
            seen.setdefault(target.id, line)
    log_axis(axes, "x")
    axes.set_xlabel("step + 1")
    axes.set_ylabel("run, sorted by where it ended")
    axes.set_yticks([])
    axes.set_title("Nearest component over time: thick stable, thin unstable")
    kept = list(seen.items())[:12]
    axes.legend([line for _, line in kept], [short(name) for name, _ in kept],
                loc="upper left", bbox_to_anchor=(1.0, 1.0))  # fmt: skip


def line_style(target: Target, palette: Mapping[str, str], count: int) -> dict[str, Any]:
    if target.verdict is Verdict.STABLE:
        return {"color": palette.get(target.id, INK), "linewidth": 1.6}
    dashes = "--" if target.verdict is Verdict.UNSTABLE else ":"
    shades = ("#D55E00", "#E69F00", "#56B4E9", "#999999", "#000000")
    return {"color": shades[count % len(shades)], "linewidth": 1.1, "linestyle": dashes}


def log_axis(axes: Axes, which: str) -> None:
    """Make an axis logarithmic with labels in plain text: 1e-4, not a formula."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    axis.set_major_locator(LogLocator(10.0, numticks=9))
    axis.set_major_formatter(FuncFormatter(_power))
    axis.set_minor_locator(NullLocator())  # hundreds of ticks are half of the drawing time


def _power(value: float, _: object) -> str:
    if 0.01 <= value < 1e4:
        return f"{value:g}"
    return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e")


def short(name: str, width: int = LABEL) -> str:
    return name if len(name) <= width else name[: width - 3] + "..."


def empty(axes: Axes, words: str) -> None:
    axes.set_axis_off()
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color=FAINT)


def orbit_targets(prediction: Prediction) -> list[OrbitTarget]:
    return [t for t in prediction.targets if isinstance(t, OrbitTarget)]


def traced(folder: FolderOverlay) -> list[tuple[int, Trace]]:
    return [(run, folder.traces[run]) for run in shown_runs(folder)]
