"""The command around an experiment: options, the answer in words, the figure, the numbers."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.experiments.answer import Answer
from equilibria.errors import AnalysisError, FormatError
from equilibria.files.drawing import OPEN, new_figure, save, style
from equilibria.files.escaping import escape
from equilibria.files.write import atomic, check_place, write_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = {
    **OPEN,
    "axes.titlesize": 9.5,
    "axes.edgecolor": "black",
    "legend.fontsize": 8.0,
    "text.parse_math": True,
}
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
FILES = ("plot", "out")
FORMS = (".png", ".svg", ".pdf")
WORDS = {True: "yes", False: "no", None: "undecided, or not tried"}

Measure = Callable[..., Answer]
Draw = Callable[["Figure", Sequence[Answer]], None]
"""Draws all the answers of a script on a matplotlib figure."""


def run_script(
    text: str,
    measures: Sequence[Measure],
    draw: Draw,
    *,
    size: tuple[float, float] = (10.0, 4.0),
    more: argparse.ArgumentParser | None = None,
    arguments: Sequence[str] | None = None,
) -> int:
    """Run the measurements that a script names, print what they say, draw and write.

    `text` is the script's docstring; what the options of `more` say is handed to every measurement
    beside seed and full. Returns the exit code: 0, or 2 for a bad option or file.
    """
    words = _options(text, more)
    options = words.parse_args(arguments)
    import torch

    if not options.full:
        torch.set_num_threads(1)  # the matrices are small: a second thread only waits

    def work() -> int:
        check_places(options.plot, options.out)
        asked = {name: value for name, value in vars(options).items() if name not in FILES}
        answers = [_told(partial(measure, **asked)) for measure in measures]
        if options.plot:
            _plot(options.plot, draw, answers, size)
        if options.out:
            data = [answer.data for answer in answers]
            write_text(options.out, json.dumps(data, indent=1, ensure_ascii=False) + "\n", "--out")
        return 0

    return guarded(work)


def _options(text: str, more: argparse.ArgumentParser | None) -> argparse.ArgumentParser:
    words = argparse.ArgumentParser(
        description=fitted(text),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        parents=[more] if more else [],
    )
    words.add_argument("--seed", type=int, default=0, help="of starts, data order and views")
    words.add_argument("--full", action="store_true", help="the paper's size, for a GPU")
    words.add_argument("--plot", metavar="F.png", help="write the figure")
    words.add_argument("--out", metavar="F.json", help="write the numbers")
    return words


def guarded(work: Callable[[], int]) -> int:
    """Return what `work` does; where it cannot, print one line that says why and return 2."""
    try:
        return work()
    except AnalysisError as error:
        print(f"error: {escape(error, lines=True)}", file=sys.stderr)
        return 2


def data_root() -> argparse.ArgumentParser:
    """Return the option of experiments that need a folder of images at their full size."""
    words = argparse.ArgumentParser(add_help=False)
    words.add_argument(
        "--data-root", metavar="DIR", default="", help="for --full: has train/ and val/ of ImageNet"
    )
    return words


def columns() -> int:
    """Return how wide to print: as the terminal, at most 100."""
    return min(100, shutil.get_terminal_size((100, 24)).columns)


def fitted(text: str) -> str:
    """Return a docstring wrapped to the terminal: paragraphs whole, indented commands line by line."""
    blocks = []
    for block in text.strip().split("\n\n"):
        lines = block.splitlines() if block.startswith(" ") else [" ".join(block.split())]
        indent = " " * (8 if block.startswith(" ") else 0)
        blocks += ["\n".join(_wrapped(line, indent) for line in lines)]
    return "\n\n".join(blocks)


def _wrapped(line: str, indent: str) -> str:
    return textwrap.fill(line, columns(), subsequent_indent=indent, break_on_hyphens=False)


def check_places(plot: str | Path | None, out: str | None) -> None:
    """Raise `FormatError` before the work where its figure or numbers could not be written."""
    if plot:
        check_place(plot, "--plot")
        if Path(plot).suffix not in FORMS:
            raise FormatError(f"--plot {plot}: expected a name that ends in {', '.join(FORMS)}")
    if out:
        check_place(out, "--out")


def _told(measure: Measure) -> Answer:
    start = time.perf_counter()
    answer = measure()
    told = answer.result
    print(f"{told.name}  ({time.perf_counter() - start:.1f} s)")
    rows = (
        ("paper", f"{told.statement} ({told.source})"),
        ("predicted", told.predicted),
        ("measured", told.measured),
        ("holds", WORDS[told.holds]),
    )
    for name, line in rows:
        print(
            textwrap.fill(
                line, columns(), initial_indent=f"  {name:<10}", subsequent_indent=" " * 12
            )
        )
    print(flush=True)
    return answer


def _plot(path: str, draw: Draw, answers: Sequence[Answer], size: tuple[float, float]) -> None:
    with style(STYLE):
        figure = new_figure(size)
        draw(figure, answers)
        with atomic(path, "--plot", binary=True) as stream:
            save(figure, stream, Path(path).suffix[1:])
