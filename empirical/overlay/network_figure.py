"""The figure and the page of a network's overlay."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

import numpy as np

from empirical.overlay.draw import FAINT, INK, STYLE, empty, log_axis
from empirical.overlay.figures import DPI, few_colours, inlined
from empirical.overlay.networks import NetworkOverlay
from empirical.overlay.page import STYLE as PAGE_STYLE
from empirical.overlay.page import escape
from equilibria.files.drawing import new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

GREEN, BLUE, VERMILION = "#009E73", "#0072B2", "#D55E00"
SIZE = (11.0, 7.4)
SETTINGS = (
    "method", "backbone", "head", "head-bn", "predictor", "loss", "ema", "dataset", "steps",
    "batch-size", "lr", "schedule", "weight-decay", "predictor-lr", "momentum", "seed",
)  # fmt: skip


def network_figure(run: NetworkOverlay) -> Figure:
    """Return four panels: predictor over correlation, over time, distance and speed, rank."""
    figure = new_figure(SIZE)
    words = "; ".join(run.reasons)
    title = "not a prediction: " + words if words else "head with frozen features, as predicted"
    if run.agrees is False:
        title = "head with frozen features: not where predicted"
    figure.suptitle(title[:120], x=0.012, ha="left", fontsize=11, weight="bold")
    axes = figure.subplots(2, 2)
    _curve(axes[0, 0], run)
    _over_time(axes[0, 1], run)
    _distance(axes[1, 0], run)
    _speed(axes[1, 1], run)
    return figure


def _curve(axes: Axes, run: NetworkOverlay) -> None:
    last = run.last
    axes.plot(last.f, last.p_rest, "o", color=GREEN, markerfacecolor="white", markersize=9,
              markeredgewidth=1.6, label="where it rests for this head")  # fmt: skip
    axes.plot(last.f, last.p, "x", color=INK, label="predictor, measured")
    ridge = run.decay.eta_p / run.decay.alpha
    weight = last.p_rest * (last.f + ridge)
    slope = float(weight.sum() / last.f.sum()) if last.f.sum() else 0.0
    f = np.linspace(0, max(float(last.f.max()), 1e-12) * 1.05, 200)
    axes.plot(f, slope * f / (f + ridge) if ridge else np.full_like(f, slope), color=FAINT,
              linestyle="--", label="the same for M proportional to Sigma")  # fmt: skip
    axes.set_xlabel("f, eigenvalue of the correlation F of the outputs")
    axes.set_ylabel("p, predictor along it")
    axes.set_title(f"Predictor against correlation, step {last.step:,}")
    axes.legend()


def _over_time(axes: Axes, run: NetworkOverlay) -> None:
    steps = [moment.step for moment in run.moments]
    axes.plot(steps, [m.p for m in run.moments], color=BLUE, linewidth=1.0)
    axes.plot(steps, [m.p_rest for m in run.moments], color=INK, linewidth=0.8, linestyle=":")
    axes.set_xlabel("step")
    axes.set_ylabel("p")
    axes.set_title("Predictor over time (solid), at rest for that head (dotted)")


def _distance(axes: Axes, run: NetworkOverlay) -> None:
    known = [m for m in run.moments if m.distance is not None]
    if not known:
        empty(axes, f"equilibria near by: {run.last.near.status}")
        return
    values = [max(m.distance or 0.0, 1e-16) / max(m.size, 1e-300) for m in known]
    axes.plot([m.step for m in known], values, "o-", color=VERMILION, markersize=3)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("step")
    axes.set_ylabel("distance / size")
    axes.set_title("(W, P) to the equilibria of the frozen features")


def _speed(axes: Axes, run: NetworkOverlay) -> None:
    moving = [m for m in run.moments if m.speed > 0]
    if not moving:
        empty(axes, "the moments do not move")
        return
    axes.plot([m.step for m in moving], [m.speed for m in moving], "o-", color=BLUE, markersize=3)
    log_axis(axes, "y")
    axes.set_xlabel("step")
    axes.set_ylabel("relative change per step")
    axes.set_title("How fast the moments Sigma, M move")


def draw_network(run: NetworkOverlay, stream: IO[bytes]) -> None:
    """Write the figure as a PNG."""
    with style(STYLE):
        whole = io.BytesIO()
        save(network_figure(run), whole, "png", DPI)
    few_colours(whole, stream)


def network_page(run: NetworkOverlay) -> str:
    """Return overlay.html of a network."""
    with style(STYLE):
        stream = io.BytesIO()
        save(network_figure(run), stream, "svg")
    svg = inlined(stream.getvalue().decode("utf-8"), "network")
    words = "Predictor against correlation, predictor over time, distance, speed of the moments"
    svg = svg.replace("<svg", f'<svg role="img" aria-label="{words}"', 1)
    config = run.folder.config
    rows = [
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(config[name]))}</td></tr>'
        for name in SETTINGS
        if name in config
    ]
    title = escape(f"{run.path.resolve().name}: head with frozen features")
    return "\n".join(
        (
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f"<title>{title}</title><style>{PAGE_STYLE}</style></head>",
            f"<body><main><h1>{title}</h1><pre>{escape(chr(10).join(run.lines), lines=True)}</pre>",
            f'<figure id="figure-network" role="group" aria-label="network">{svg}',
            f"<figcaption>{words}.</figcaption></figure>",
            '<h2>Settings</h2><div class="wide"><table>',
            *rows,
            "</table></div></main></body></html>\n",
        )
    )
