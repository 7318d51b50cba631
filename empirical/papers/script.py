"""The command around an experiment: options, the answer in words, the figure, the numbers."""

from __future__ import annotations

import argparse
import json
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from empirical.papers.answer import Answer
from equilibria.errors import AnalysisError, FormatError
from equilibria.files import atomic, check_place, write_text

STYLE: Any = {
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "axes.titlesize": 9.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FORMS = (".png", ".svg", ".pdf")
WORDS = {True: "yes", False: "no", None: "undecided, or not tried"}

_UNDATED: Any = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}

Measure = Callable[..., Answer]
Draw = Callable[[Any, Sequence[Answer]], None]
"""Draws all the answers of a script on a matplotlib figure."""


def run_script(
    text: str,
    measures: Sequence[Measure],
    draw: Draw,
    *,
    size: tuple[float, float] = (10.0, 4.0),
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the measurements that a script names, print what they say, draw and write.

    `text` is the script's docstring. Returns the exit code: 0, or 2 for a bad option or file.
    """
    words = argparse.ArgumentParser(
        description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("--seed", type=int, default=0, help="of starts, data order and views")
    words.add_argument("--full", action="store_true", help="the paper's size, for a GPU")
    words.add_argument("--plot", metavar="F.png", help="write the figure")
    words.add_argument("--out", metavar="F.json", help="write the numbers")
    options = words.parse_args(arguments)
    import torch

    if not options.full:
        torch.set_num_threads(1)  # the matrices are small: a second thread only waits
    try:
        check_places(options.plot, options.out)
        answers = [_told(measure, options.seed, options.full) for measure in measures]
        if options.plot:
            _plot(options.plot, draw, answers, size)
        if options.out:
            data = [answer.data for answer in answers]
            write_text(options.out, json.dumps(data, indent=1, ensure_ascii=False) + "\n", "--out")
    except AnalysisError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def check_places(plot: str | None, out: str | None) -> None:
    """Raise `FormatError` before the work where its figure or numbers could not be written."""
    if plot:
        check_place(plot, "--plot")
        if Path(plot).suffix not in FORMS:
            raise FormatError(f"--plot {plot}: expected a name that ends in {', '.join(FORMS)}")
    if out:
        check_place(out, "--out")


def _told(measure: Measure, seed: int, full: bool) -> Answer:
    start = time.perf_counter()
    answer = measure(seed=seed, full=full)
    told = answer.result
    print(f"{told.name}  ({time.perf_counter() - start:.1f} s)")
    rows = (
        ("paper", f"{told.statement} ({told.source})"),
        ("predicted", told.predicted),
        ("measured", told.measured),
        ("holds", WORDS[told.holds]),
    )
    for name, line in rows:
        print(textwrap.fill(line, 100, initial_indent=f"  {name:<10}", subsequent_indent=" " * 12))
    print(flush=True)
    return answer


def _plot(path: str, draw: Draw, answers: Sequence[Answer], size: tuple[float, float]) -> None:
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with matplotlib.rc_context({**STYLE}):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure, answers)
        with atomic(path, "--plot", binary=True) as stream:
            form = Path(path).suffix[1:]
            metadata = {"Software": None} if form == "png" else _UNDATED[form]
            figure.savefig(stream, format=form, dpi=110, metadata=metadata)
