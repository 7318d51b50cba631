"""The phase portrait of one mode, and the predictor's eigenvalues over time.

The outputs are turned by the rotation U that makes W V as symmetric as possible (its polar factor,
V the modes): the place of a run in the plane of mode j is the j-th diagonal entry of U^T P U and of
U^T W V. At an aligned equilibrium these are the mode's p and w, both 0 for a mode that is lost.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from empirical.overlay.draw import (
    FAINT,
    INK,
    MOVING,
    colours,
    empty,
    log_axis,
    orbit_targets,
    traced,
)
from empirical.overlay.folder import FolderOverlay
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

GRID = 17
PREDICTOR_RUNS = 12
BEHIND = {"facecolor": "white", "edgecolor": "none", "alpha": 0.75, "pad": 0.8}
GOOD, BAD = "#009E73", "#D55E00"


def axes_of(model: Model) -> tuple[Array, str]:
    """Return the data directions as columns, and what they are called."""
    if model.moments.commute:
        return model.moments.eigenbasis[2], "mode"
    _, m = model.moments.matrices()
    return np.linalg.eigh(m)[1][:, ::-1], "eigenvector of M, number"


def telling_mode(folder: FolderOverlay) -> int:
    """Return the mode in which the endings differ most."""
    ends = np.stack([trace.path.W[-1] for _, trace in traced(folder)])
    lengths = np.linalg.norm(ends @ axes_of(folder.source.model)[0], axis=1)
    return int(np.argmax(np.round(lengths.std(axis=0), 6)))


def plane(W: Array, P: Array, basis: Array, mode: int) -> tuple[Array, Array]:
    """Return p and w (K,) of snapshots W (K, n, d), P (K, n, n) in the plane of a mode."""
    left, _, right = np.linalg.svd(W @ basis, full_matrices=False)
    u = left @ right[:, :, mode, None]
    return (u.swapaxes(1, 2) @ P @ u)[:, 0, 0], (u.swapaxes(1, 2) @ W @ basis[:, mode])[:, 0]


def draw_portrait(axes: Axes, folder: FolderOverlay, mode: int | None = None) -> None:
    """Draw runs as thin lines with a dot at the end over the components in a mode's plane."""
    if not folder.traces:
        empty(axes, "no run was recorded over time")
        return
    mode = telling_mode(folder) if mode is None else mode
    basis, word = axes_of(folder.source.model)
    palette, corners = colours(folder), []
    for run, trace in traced(folder):
        verdict = folder.runs[run]
        p, w = plane(trace.path.W, trace.path.P, basis, mode)
        colour = palette.get(verdict.stratum_reached, MOVING) if verdict.predicted else MOVING
        dashes = "-" if verdict.predicted else "--"
        axes.plot(p, w, color=colour, linewidth=0.8, alpha=0.7, linestyle=dashes, zorder=3)
        axes.plot(p[-1:], w[-1:], ".", color=colour, markersize=5, zorder=4)
        corners.append((p, w))
    places = _components(axes, folder, basis, mode)
    _window(axes, corners, places)
    if folder.uniform and folder.source.model.moments.commute:
        _field(axes, folder.source.model, mode)
    axes.set_xlabel("p, predictor along the mode")
    axes.set_ylabel("w, encoder weight")
    axes.set_title(f"Phase portrait of {word} {mode + 1}")


def _components(
    axes: Axes, folder: FolderOverlay, basis: Array, mode: int
) -> list[tuple[float, float]]:
    """Mark where components lie: filled when one that is stable lies there, hollow otherwise."""
    spots: dict[tuple[float, float], list[bool]] = {}
    for target in orbit_targets(folder.prediction):
        p, w = plane(target.W[None], target.P[None], basis, mode)
        spot = (round(float(p[0]), 9) + 0.0, round(float(w[0]), 9) + 0.0)
        spots.setdefault(spot, []).append(target.verdict is Verdict.STABLE)
    for place, verdicts in spots.items():
        good = any(verdicts)
        axes.plot(
            *([value] for value in place),
            "o",
            markersize=9,
            zorder=6,
            clip_on=False,
            markeredgewidth=1.8,
            color=GOOD if good else BAD,
            markerfacecolor=GOOD if good else "white",
        )
        words = "stable" if all(verdicts) else "stable for some" if good else "unstable"
        if place[1] == 0:
            words = "mode collapsed: " + words
        axes.annotate(words, place, xytext=(8, 4), textcoords="offset points", fontsize=8,
                      color=INK, zorder=7,
                      bbox=BEHIND)  # fmt: skip
    return list(spots)


def _window(
    axes: Axes, corners: list[tuple[Array, Array]], places: list[tuple[float, float]]
) -> None:
    p = np.concatenate([c[0] for c in corners] + [np.array([s[0] for s in places])])
    w = np.concatenate([c[1] for c in corners] + [np.array([s[1] for s in places])])
    ends = [place[0] for place in places]
    left = min(float(np.quantile(p, 0.002)), *ends, 0.0)
    right = max(float(np.quantile(p, 0.998)), *ends, 0.1)
    pad = 0.06 * (right - left)
    axes.set_xlim(left - pad, right + pad)
    axes.set_ylim(0, 1.06 * max(float(np.quantile(w, 0.998)), 0.1))


def _field(axes: Axes, model: Model, mode: int) -> None:
    """Draw the direction of the flow of the mode alone, target at the encoder."""
    if not model.traits.bootstraps:
        return
    s_values, m_values, _ = model.moments.eigenbasis
    s, m = float(s_values[mode]), float(m_values[mode])
    p, w = np.meshgrid(
        np.linspace(*axes.get_xlim(), GRID + 2)[1:-1], np.linspace(*axes.get_ylim(), GRID)[1:-1]
    )
    pull = m * w - p * w * s
    dp = float(model.alpha) * pull * w - float(model.eta_p) * p
    dw = p * pull - float(model.eta) * w
    (x0, x1), (y0, y1) = axes.get_xlim(), axes.get_ylim()
    u, v = dp / (x1 - x0), dw / (y1 - y0)
    size = np.maximum(np.hypot(u, v), 1e-12)
    axes.quiver(p, w, u / size, v / size, color="0.82", scale=34, width=0.0022, zorder=1)


def draw_predictor(axes: Axes, folder: FolderOverlay) -> None:
    """Draw the predictor's eigenvalues over steps, with those of the components reached."""
    palette = colours(folder)
    for run, trace in traced(folder)[:PREDICTOR_RUNS]:
        verdict = folder.runs[run]
        values = np.sort(np.linalg.eigvals(trace.path.P).real, axis=1)
        colour = palette.get(verdict.stratum_reached, MOVING) if verdict.predicted else MOVING
        axes.plot(trace.path.step + 1, values, color=colour, linewidth=0.8, alpha=0.7)
    reached = {folder.runs[run].stratum_reached for run, _ in traced(folder)[:PREDICTOR_RUNS]}
    levels: dict[float, list[str]] = {}
    for target in orbit_targets(folder.prediction):
        if target.id in reached:
            for value in np.linalg.eigvals(target.P).real:
                levels.setdefault(round(float(value), 6), []).append(target.id)
    for value in levels:
        axes.axhline(value, color=INK, linewidth=1.0, linestyle=":", zorder=5)
        axes.annotate(f"{value:.4g}", (1.0, value), xycoords=("axes fraction", "data"), fontsize=8,
                      xytext=(4, 0), textcoords="offset points", va="center", color=INK)  # fmt: skip
    log_axis(axes, "x")
    axes.set_xlabel("step + 1")
    axes.set_ylabel("eigenvalues of P, real parts")
    axes.set_title("Predictor's eigenvalues, and those predicted (dotted)")
    axes.axhline(0.0, color=FAINT, linewidth=0.5, zorder=0)
