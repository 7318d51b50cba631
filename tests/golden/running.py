"""Run one command line in this process and return all that came out of it as one text."""

from __future__ import annotations

import base64
import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import BinaryIO

import matplotlib
import numpy as np
import pytest
from matplotlib.figure import Figure

from empirical.commands import program
from equilibria.cycles.examples import e5, e6
from tests.golden.claims import run_here
from tests.golden.compare import compact, compact_json
from tests.golden.figures import described

ROOT = Path(__file__).resolve().parent.parent.parent
MASKED = (
    (re.compile(r"\b\d+\.\d+ s\b"), "T s"),
    (re.compile(r'("?seconds"?: |\btime=")[-+.e0-9]+'), r"\g<1>0"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"[\d,.]+ images/s on [^()]*\([^()]*\)"), "N images/s on MACHINE"),
    (re.compile(r'("?images_per_second"?: )[-+.e0-9]+'), r"\g<1>0"),
    (re.compile(r'("?device"?: )"CPU[^"]*"'), r'\g<1>"MACHINE"'),
    (re.compile(r"\b\d{8}-\d{6}-"), "DATE-"),
    (re.compile(r"data:image/png;base64,[A-Za-z0-9+/=]+"), "PNG"),
)
STYLE = re.compile(r"<style>.*?</style>", re.DOTALL)
UNSHOWN = (".npz", ".npy", ".safetensors", ".lock", ".png", ".svg")
EMPTY = b'<svg xmlns="http://www.w3.org/2000/svg"/>'
ONE_PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGP4DwABAQEAXFKKrgAAAABJRU5ErkJggg=="
)


def answered(words: str, place: Path) -> str:
    """Return exit code, output, errors, files and figures of a line that is run in the folder `place`.

    Steps of one line stand between `;`. Of a run folder what does not depend on the machine is shown;
    figures are shown as `figures.described` does.
    """
    write_inputs(place, words)
    there = set(place.rglob("*"))
    figures: list[str] = []

    def describe(figure: Figure, stream: BinaryIO, *, format: str, **_: object) -> None:
        figures.append(f"--- figure {len(figures) + 1}, {format}\n{described(figure)}")
        stream.write(EMPTY if format == "svg" else ONE_PIXEL)

    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        patch.setenv("COLUMNS", "100")
        patch.setattr(Figure, "savefig", describe)
        patch.setattr("equilibria.claims.workers.run_claims", run_here)
        parts = [_one(shlex.split(line)) for line in words.split(" ; ")]
    parts += [_file(path, place) for path in sorted(set(place.rglob("*")) - there)]
    return compact("".join([*parts, *figures]).replace(str(place), "."))


def _one(words: list[str]) -> str:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = program.main(words)
    shown, errors = out.getvalue(), _masked(err.getvalue())
    if ("--json", "-") in pairwise(words) and code in (0, 1, 3):
        shown = compact_json(shown)
    lines = f"exit {code}\n{_masked(shown)}"
    return lines + (f"--- stderr\n{errors}" if errors.strip() not in ("", "T s") else "")


def _masked(text: str) -> str:
    """Return text without times, digests and pictures."""
    for pattern, shown in MASKED:
        text = pattern.sub(shown, text)
    return text


def _file(path: Path, place: Path) -> str:
    if path.is_dir() or path.name.startswith(("_", ".")) or path.suffix in UNSHOWN:
        return ""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".json":
        text = compact_json(text)
    if path.name == "config.toml":
        text = text.partition("[versions]")[0]
    if path.suffix == ".jsonl":
        text = text.splitlines()[-1] + "\n"
    if path.suffix == ".html":
        text = "\n".join(map(str.strip, STYLE.sub("", text).splitlines())) + "\n"
    return _masked(f"--- {path.relative_to(place)}\n{text}")


def write_inputs(place: Path, words: str) -> None:
    """Write the files that a line names: system files, moments, images."""
    for name, content in inputs(words):
        if isinstance(content, str):
            (place / name).write_text(content, encoding="utf-8")
        else:
            np.savez(place / name, **content)


def inputs(words: str) -> Iterator[tuple[str, str | dict[str, np.ndarray]]]:
    """Yield name and content of every file that a line names."""
    for folder in (ROOT / "examples" / "systems", ROOT / "tests" / "golden" / "inputs"):
        for path in sorted(folder.glob("*.*")):
            if path.name in words:
                yield path.name, path.read_text(encoding="utf-8")
    for name, (moments, _) in {"e5.npz": e5(), "e6.npz": e6()}.items():
        if name in words:
            sigma, m = moments.matrices()
            yield name, {"Sigma": np.array(sigma), "M": np.array(m)}
    if "tilted.npz" in words:
        turn = np.array([[0.96, -0.28, 0], [0.28, 0.96, 0], [0, 0, 1.0]])
        m = turn @ np.diag([1.0, 0.6, 0.3]) @ turn.T
        yield "tilted.npz", {"Sigma": np.diag([1.5, 1.0, 0.75]), "M": m}
    if "images.npz" in words:
        ramp = np.arange(24 * 6 * 6 * 3).reshape(24, 6, 6, 3)
        yield "images.npz", {"x": (ramp * 2654435761 % 251).astype(np.uint8)}


matplotlib.use("Agg")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
