"""What the commands do, without the words: build, analyse, write files.

`cli.py` parses and prints; everything it calls is here or in the renderers, so that a notebook or a
test can do the same without a process.
"""

from __future__ import annotations

import errno
import os
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from equilibria.errors import FormatError
from equilibria.exact.rationals import MOST_SEED, whole
from equilibria.files.escaping import escape
from equilibria.files.untrusted import is_file
from equilibria.files.write import atomic, write_text
from equilibria.report.analyze import analyze
from equilibria.report.report import Report
from equilibria.systems.model_options import ModelOptions, build_model

if TYPE_CHECKING:
    from equilibria.report.system_report import SystemReport

FIGURE_SUFFIXES = (".png", ".svg")
INDENTED_COMPONENTS = 64
MOST_VIEWS = 10_000


def is_system_file(name: str | None) -> bool:
    """Return whether `--procedure` names a file rather than a built-in procedure."""
    return name is not None and (name.endswith(".toml") or "/" in name or is_file(name))


def analyze_options(
    options: ModelOptions,
    *,
    max_components: int,
    time_limit: int,
    overrides: list[str] | None = None,
) -> Report | SystemReport:
    """Analyse a built-in procedure or a system file."""
    if is_system_file(options.procedure):
        return _analyze_file(options, max_components, time_limit, overrides)
    if overrides:
        raise FormatError(f"--set {overrides[0]}: only for --procedure FILE.toml")
    return analyze(build_model(options), max_components=max_components)


def _analyze_file(
    options: ModelOptions, max_components: int, time_limit: int, overrides: list[str] | None
) -> SystemReport:
    from equilibria.report.system_report import analyze_system_file, parse_overrides

    for item in fields(options):
        if item.name not in ("procedure", "lr", "floating") and getattr(options, item.name):
            name = "--" + item.name.replace("_", "-")
            raise FormatError(
                f"{name} {getattr(options, item.name)}: does not apply to a system file",
                hint="change a parameter of the file with --set NAME=VALUE",
            )
    assert options.procedure is not None
    return analyze_system_file(
        options.procedure,
        lr=options.lr,
        overrides=parse_overrides(overrides),
        time_limit=time_limit,
        max_components=max_components,
    )


def print_any(
    report: Report | SystemReport, *, width: int | None, ascii_only: bool, equations: bool
) -> None:
    """Print a report of either kind on stdout."""
    from rich.console import Console

    class Honest(Console):
        """A console that does not end the program with code 1 when nobody reads any more."""

        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    console = Honest(width=width, soft_wrap=False)
    if isinstance(report, Report):
        from equilibria.report.text import print_report

        print_report(report, console, ascii_only=ascii_only, equations=equations)
        return
    from equilibria.report.system_text import print_system_report

    print_system_report(report, console, ascii_only=ascii_only, equations=equations)


def json_text(report: Report | SystemReport) -> str:
    """Return the report as JSON text; equal reports give equal bytes."""
    import json

    indent = 1 if len(report.components) <= INDENTED_COMPONENTS else None
    return json.dumps(report.to_json(), indent=indent, ensure_ascii=False, allow_nan=False) + "\n"


def write_outputs(
    report: Report | SystemReport,
    *,
    json_path: str | None,
    latex: str | None,
    plot: str | None,
    certificate: str | None = None,
) -> None:
    """Write the files asked for; each is complete or not there."""
    if plot is not None and Path(plot).suffix.lower() not in FIGURE_SUFFIXES:
        raise FormatError(f"--plot {plot}: expected a file name ending in .png or .svg")
    if not isinstance(report, Report) and (latex is not None or plot is not None):
        option = "--latex" if latex is not None else "--plot"
        raise FormatError(f"{option}: not available for a system file; use --json or --equations")
    if certificate is not None and not isinstance(report, Report):
        raise FormatError(
            "--certificate: not available for a system file, only built-in procedures"
        )
    if json_path is not None and json_path != "-":
        write_text(json_path, json_text(report), "--json")
    if certificate is not None and isinstance(report, Report):
        from equilibria.certificates import write_certificate

        write_certificate(certificate, report)
    if latex is not None and isinstance(report, Report):
        from equilibria.report.latex import report_latex

        write_text(latex, report_latex(report), "--latex")
    if plot is not None and isinstance(report, Report):
        from equilibria.report.figures import draw_report

        with atomic(plot, "--plot", binary=True) as stream:
            draw_report(report, stream, Path(plot).suffix.lower()[1:])


def print_citations(report: Report | SystemReport) -> None:
    """Print BibTeX of the procedure and of the theory used."""
    from equilibria.report.citations import citations

    print(citations(report.model.procedure if isinstance(report, Report) else ""))


def measure_moments(
    *,
    images: str,
    out: str,
    size: str | None,
    gray: bool,
    augment: str | None,
    views: str | None,
    components: str | None,
    center: bool,
    normalize: str | None,
    seed: str | None,
    pairs: str | None = None,
) -> None:
    """Measure the moments of images under an augmentation, write them, and print what they are.

    `pairs` is where to write two views of every image, for training on them.
    """
    from typing import get_args

    from equilibria.data.measure import Normalize, estimate_moments, load_images, save_moments

    how = normalize or "largest"
    if how not in get_args(Normalize):
        raise FormatError(f"--normalize {how}: expected one of {', '.join(get_args(Normalize))}")
    if not out.endswith(".npz"):
        raise FormatError(f"--out {out}: expected a file name ending in .npz")
    if pairs is not None and not pairs.endswith(".npz"):
        raise FormatError(f"--pairs {pairs}: expected a file name ending in .npz")
    from equilibria.data.augmentation import parse_augment

    augmentation = parse_augment(augment or "none")
    loaded = load_images(images)
    estimate = estimate_moments(
        loaded,
        size=None if size is None else whole(size, "--size", 1),
        gray=gray,
        augmentation=augmentation,
        views=16 if views is None else whole(views, "--views", 2, MOST_VIEWS),
        components=None if components is None else whole(components, "--components", 1),
        center=center,
        normalize=how,  # type: ignore[arg-type]
        seed=0 if seed is None else whole(seed, "--seed", 0, MOST_SEED),
        source=images,
        progress=_progress if sys.stderr.isatty() else None,
    )
    save_moments(out, estimate)
    if pairs is not None:
        from equilibria.data.pairs import save_pairs, view_pairs

        save_pairs(pairs, *view_pairs(loaded, estimate))
    from equilibria.data.moments_text import moments_lines

    print("\n".join(map(escape, moments_lines(estimate, out))))
    if pairs is not None:
        name = escape(pairs)
        print(f"wrote {name}, two views of every image; next: simulate --data {name}")


def _progress(done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\r{done} of {total} images", end=end, file=sys.stderr, flush=True)
