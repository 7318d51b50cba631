"""A figure as text: what its artists say and draw, never its pixels."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.lines import Line2D
from matplotlib.text import Annotation
from numpy.typing import ArrayLike

SHOWN = 4
NOTHING = 1e-12


def described(figure: Figure) -> str:
    """Return titles, labels, ticks, legends, texts, and the numbers of every line and area."""
    lines = [f"figure {_row(figure.get_size_inches())}"]
    title = figure.get_suptitle()
    lines += [f"title {title}"] if title else []
    lines += [f"text {text.get_text()!r}" for text in figure.texts if text.get_text() != title]
    for legend in figure.legends:
        lines += _legend(legend)
    for axes in figure.axes:
        lines += ["axes", *(f"  {line}" for line in _axes(axes))]
    return "\n".join(lines) + "\n"


def _axes(axes: Axes) -> Iterator[str]:
    for name, text in (("title", axes.get_title()), ("x", axes.get_xlabel()),
                       ("y", axes.get_ylabel())):  # fmt: skip
        if text:
            yield f"{name} {text!r}"
    scales = f"{axes.get_xscale()} {axes.get_yscale()}"
    yield f"limits {_row(axes.get_xlim())} {_row(axes.get_ylim())} {scales}"
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
        ticks = [label.get_text() for label in axis.get_majorticklabels()]
        if any(ticks) and axes.axison:
            yield f"ticks {name} {' | '.join(ticks)}"
    legend = axes.get_legend()
    if legend is not None:
        yield from _legend(legend)
    for text in axes.texts:
        if text.get_text():
            place = text.xy if isinstance(text, Annotation) else text.get_position()
            yield f"text {_row(place)} {text.get_text()!r} {_number(text.get_fontsize())}{_way(text)}"
    for line in axes.lines:
        look = (_colour(line.get_color()), line.get_linestyle(), line.get_marker())
        data = f"{numbers(line.get_xdata())} {numbers(line.get_ydata())}"
        width = f"{_number(line.get_linewidth())} {_number(line.get_markersize())}{_way(line)}"
        yield f"line {' '.join(map(str, look))} {width} {_named(line.get_label())}{data}"
    for patch in axes.patches:
        corners = numbers(patch.get_path().vertices)
        edge = f"{_number(patch.get_linewidth())}{_way(patch)}"
        yield f"{type(patch).__name__} {_colour(patch.get_facecolor())} {edge} {corners}"
    for collection in axes.collections:
        name = "area" if isinstance(collection, PolyCollection) else type(collection).__name__
        yield f"{name} {' '.join(_collection(collection))}"
    for image in axes.images:
        yield f"image {_row(image.get_extent())} {numbers(image.get_array())}"


def _collection(collection) -> Iterator[str]:
    yield _named(collection.get_label())
    colours = collection.get_facecolor()
    yield f"{len(colours)} colours" + (f" {_colour(colours[0])}" if len(colours) else "")
    if collection.get_array() is not None:
        yield f"values {numbers(collection.get_array())}"
    paths = [path.vertices for path in collection.get_paths()]
    yield f"{numbers(collection.get_linewidth())}{_way(collection)}"
    yield f"{len(paths)} paths" + (f" {numbers(np.concatenate(paths))}" if paths else "")
    offsets = np.ma.getdata(collection.get_offsets())
    if len(offsets) > 1:
        yield f"at {numbers(offsets[:, 0])} {numbers(offsets[:, 1])}"


def _legend(legend: Legend) -> list[str]:
    lines = []
    for handle, text in zip(legend.legend_handles, legend.get_texts(), strict=True):
        look = ""
        if isinstance(handle, Line2D):
            marker = f"{handle.get_marker()} {_number(handle.get_markersize())}"
            look = f" {_colour(handle.get_color())} {handle.get_linestyle()} {marker}"
            look += f" {_number(handle.get_linewidth())}"
        lines.append(f"legend {text.get_text()!r}{look}")
    return lines


def _way(artist: Artist) -> str:
    """Return how opaque an artist is and how far in front."""
    alpha = artist.get_alpha()
    opaque = "" if alpha is None else f" alpha {alpha:.7g}"
    return f"{opaque} at {artist.get_zorder():.7g}"


def _named(label: object) -> str:
    return "" if str(label).startswith("_") else f"{str(label)!r} "


def _colour(colour: object) -> str:
    return to_hex(colour, keep_alpha=True)  # type: ignore[arg-type]


def _number(value: float) -> str:
    return "0" if abs(value) < NOTHING else f"{float(value):.7g}"


def _row(values: Iterable[float]) -> str:
    return f"({', '.join(map(_number, values))})"


def numbers(values: ArrayLike) -> str:
    """Return how many numbers there are, the least, the largest, their mean and their mean square."""
    found = np.ma.getdata(values)
    flat = np.asarray(found, dtype=float).ravel()
    if flat.size <= SHOWN:
        return f"[{', '.join(map(_number, flat))}]"
    finite = flat[np.isfinite(flat)]
    if not finite.size:
        return f"[{flat.size} numbers, none finite]"
    least, most, mean, square = map(
        _number, (finite.min(), finite.max(), finite.mean(), (finite**2).mean())
    )
    return f"[{finite.size} of {flat.size}: {least} to {most}, {mean}, {square}]"
