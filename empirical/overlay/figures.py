"""Panels put together: overlay.png, and the same panels one by one as SVG for the page."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import IO, TYPE_CHECKING

from empirical.overlay.draw import (
    STYLE,
    draw_distances,
    draw_one_run,
    draw_ribbon,
)
from empirical.overlay.folder import FolderOverlay
from empirical.overlay.multipliers import draw_multipliers
from empirical.overlay.portrait import draw_portrait, draw_predictor
from empirical.overlay.text import header
from equilibria.files.drawing import new_figure, save, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE, DPI = (12.0, 8.6), 100
ONE = (8.6, 4.4)
Panel = Callable[["Axes", FolderOverlay], None]


def panels() -> list[tuple[str, Panel, str]]:
    """Return the panels of the page: a name, the drawing, and what to look for."""
    return [
        ("distances", draw_distances,
         "Distance to the nearest point of the predicted stable set, O(n) divided out. A straight "
         "line is a geometric approach; dotted: the predicted slope or noise level."),
        ("portrait", draw_portrait,
         "Runs as thin lines with a dot at the end. Filled circles are equilibria of stable "
         "components, hollow ones of unstable; arrows: the flow of this mode alone."),
        ("components", draw_ribbon, "Which component is nearest at each step, for each run."),
        ("one run", draw_one_run,
         "One run's distance to the components near it. Grey spans: nearest to a saddle."),
        ("multipliers", draw_multipliers,
         "Every dot is a multiplier across a stable component; ticks below the dots are the rates "
         "that runs approached it with."),
        ("predictor", draw_predictor,
         "Eigenvalues of the predictor settle on the predicted values, or on 0 in lost modes."),
    ]  # fmt: skip


def draw_png(folder: FolderOverlay, stream: IO[bytes]) -> None:
    """Write the four leading panels as a PNG."""
    with style(STYLE):
        figure = new_figure(SIZE)
        figure.suptitle(headline(folder), x=0.012, ha="left", fontsize=11.5, weight="bold")
        axes = figure.subplots(2, 2)
        for place, draw in zip(
            axes.flat, (draw_distances, draw_portrait, draw_one_run, draw_multipliers), strict=True
        ):
            draw(place, folder)
        whole = io.BytesIO()
        save(figure, whole, "png", DPI)
    few_colours(whole, stream)


def few_colours(whole: IO[bytes], stream: IO[bytes]) -> None:
    """Write a PNG with a palette: lines on white need few colours, and a third of the bytes."""
    from PIL import Image

    whole.seek(0)
    with Image.open(whole) as image:
        cover = Image.Quantize.MAXCOVERAGE  # keeps a colour that only one line has
        palette = image.convert("RGB").quantize(255, method=cover, dither=Image.Dither.NONE)
        palette.save(stream, format="PNG", optimize=True)


def headline(folder: FolderOverlay) -> str:
    """Return the one sentence above everything."""
    return (
        f"{folder.agreed} of {folder.judged} runs rest where predicted   "
        f"({header(folder.source.model)})"
    )


def panel_svg(folder: FolderOverlay, name: str, draw: Panel) -> str:
    """Return one panel as inline SVG; its ids carry its name, so that many fit in one page."""
    with style(STYLE):
        figure = new_figure(ONE)
        draw(figure.add_subplot(), folder)
        stream = io.BytesIO()
        save(figure, stream, "svg")
    return inlined(stream.getvalue().decode("utf-8"), name.replace(" ", "-"))


def inlined(text: str, prefix: str) -> str:
    """Return an SVG without what has no place inside HTML, its ids made its own."""
    text = text[text.index("<svg") :].rstrip()
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.DOTALL)
    text = re.sub(r'\bid="', f'id="{prefix}-', text)
    text = re.sub(r'href="#', f'href="#{prefix}-', text)
    return text.replace("url(#", f"url(#{prefix}-")
