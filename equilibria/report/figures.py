"""Analysis -> a figure: the leading mode's phase portrait and the multipliers that decide.

Nothing global is touched: the figure is a plain `matplotlib.figure.Figure`, without a window and
without pyplot. Equal reports give equal bytes with the same version of matplotlib.
"""

from __future__ import annotations

from typing import IO, TYPE_CHECKING

from equilibria.files.drawing import OPEN, check_format, new_figure, save, style
from equilibria.report.analysis import Analysis
from equilibria.report.figure_chain import draw_decay, draws_decay
from equilibria.report.figure_charts import draw_extents, draw_predictors
from equilibria.report.figure_marks import INK, drawable
from equilibria.report.figure_mode import draw_line, draw_plane
from equilibria.report.figure_spectrum import draw_spectrum
from equilibria.report.portrait import mode_portrait

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SIZE = (11.0, 5.6)
STYLE = {**OPEN, "axes.formatter.useoffset": False}


def draw_report(report: Analysis, stream: IO[bytes], format: str) -> None:
    """Write the figure as `png` or `svg` to a binary stream; equal reports give equal bytes."""
    check_format(format)
    figure = report_figure(report)
    with style(STYLE):
        save(figure, stream, format)


def report_figure(report: Analysis) -> Figure:
    """Return the figure of a report: equilibria of the leading mode, multipliers of the main one.

    Every equilibrium is an artist whose gid is `component:ID`, curves with the number of the part.
    """
    with style(STYLE):
        figure = new_figure(SIZE, None)
        grid = figure.add_gridspec(
            1, 2, width_ratios=(1.35, 1), left=0.07, right=0.975, top=0.8, bottom=0.19, wspace=0.2
        )
        _title(figure, report)
        _equilibria_panel(figure.add_subplot(grid[0, 0]), report)
        draw_spectrum(figure, grid[0, 1], report)
    return figure


def _title(figure: Figure, report: Analysis) -> None:
    from equilibria.report.text import header

    first, *others = header(report)
    words = ["  ".join(part.split("   ")) for line in others for part in line.split(" " * 5)]
    lines = ["     ".join(words)] if sum(map(len, words)) < 110 else words
    figure.text(0.02, 0.975, drawable(first, 100), fontsize=12, weight="bold", va="top", color=INK)
    for index, line in enumerate(lines[:2]):
        place = 0.925 - 0.036 * index
        figure.text(0.02, place, drawable(line, 130), fontsize=9, va="top", color=INK)


def _equilibria_panel(axes: Axes, report: Analysis) -> None:
    if draws_decay(report.model):
        draw_decay(axes, report)
        return
    portrait = None if report.model.is_deep else mode_portrait(report)
    if portrait is None:
        if any("P" in component.representative for component in report.components[:1]):
            draw_predictors(axes, report)
        else:
            draw_extents(axes, report)
    elif portrait.planar:
        draw_plane(axes, portrait)
    else:
        draw_line(axes, portrait)
