"""One style for every figure, and one way to write it: equal figures give equal bytes.

Nothing global is touched: figures are plain `matplotlib.figure.Figure`s, without a window and without
pyplot.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, Literal

from equilibria.errors import FormatError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DPI = 110
FORMATS = ("png", "svg")
UNDATED: Mapping[str, dict[str, None]] = {
    "png": {"Software": None},
    "svg": {"Date": None, "Creator": None},
    "pdf": {"CreationDate": None},
}
"""Metadata without what would differ from one day or version to the next."""
PLAIN: Mapping[str, object] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "svg.hashsalt": "noncollapse",
    "svg.fonttype": "path",
}
OPEN: Mapping[str, object] = {
    **PLAIN,
    "axes.titlesize": 10.0,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "0.4",
    "legend.frameon": False,
    "text.parse_math": False,
}
"""Axes open to the top and the right, under a title at their left; names are never read as TeX."""


@contextmanager
def style(settings: Mapping[str, object] = OPEN) -> Iterator[None]:
    """Use matplotlib's defaults and these settings, whatever the user's configuration says."""
    import matplotlib.style

    with matplotlib.style.context(["default", dict(settings)]):
        yield


def new_figure(
    size: tuple[float, float], layout: Literal["constrained"] | None = "constrained"
) -> Figure:
    """Return an empty figure of `size` inches, which no window shows."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout=layout)
    FigureCanvasAgg(figure)
    return figure


def check_format(format: str) -> None:
    """Raise `FormatError` for a format of figures that is none of `FORMATS`."""
    if format not in FORMATS:
        raise FormatError(f"--plot: format {format!r} is not one of {', '.join(FORMATS)}")


def save(figure: Figure, stream: IO[bytes], format: str, dpi: float = DPI) -> None:
    """Write a figure as `png`, `svg` or `pdf` to a binary stream, within a `style`."""
    figure.savefig(stream, format=format, dpi=dpi, metadata=UNDATED[format])
