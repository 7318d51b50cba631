"""`run_script` for experiments that need a folder of images at their full size."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from functools import partial

from empirical.papers.script import Draw, Measure, run_script


def run_rooted(
    text: str,
    measures: Sequence[Measure],
    draw: Draw,
    *,
    size: tuple[float, float],
    arguments: Sequence[str] | None = None,
) -> int:
    """Take --data-root DIR out of the options, hand it to the measurements, and run the script."""
    words = argparse.ArgumentParser(add_help=False)
    words.add_argument("--data-root", default="")
    given, rest = words.parse_known_args(sys.argv[1:] if arguments is None else arguments)
    rooted = [partial(measure, data_root=given.data_root) for measure in measures]
    return run_script(text, rooted, draw, size=size, arguments=rest)
