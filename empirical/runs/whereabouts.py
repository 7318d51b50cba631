"""Data that a run was made on: where it lies, and whether it is still the same.

A run remembers the path as typed, the absolute one and the one from the run folder, so that it goes
on from any working directory and after run and data were moved together. What lies there is compared
by a fingerprint of the arrays that training sees.
"""

from __future__ import annotations

from empirical.runs.trajectories import Arrays

import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

WHOLE = 256 << 20
"""Bytes up to which every one is read into a fingerprint."""
SAMPLE = 64 << 20
CHUNK = 1 << 20


def described(path: str | Path, run: Path) -> dict[str, str]:
    """Return what a run remembers of the place of its data."""
    absolute = os.path.abspath(path)
    found = {"typed": str(path), "absolute": absolute}
    with suppress(ValueError):  # another drive
        found["from-the-run"] = os.path.relpath(absolute, os.path.abspath(run))
    return found


def found_again(record: Mapping[str, object], run: Path, option: str) -> str:
    """Return where the data of a run lie now; raises `FormatError` with the places looked at."""
    places = [record.get("absolute")]
    if record.get("from-the-run"):
        places.append(os.path.normpath(os.path.join(run, str(record["from-the-run"]))))
    places.append(record.get("typed"))
    for place in places:
        if place and os.path.exists(str(place)):
            return str(place)
    looked = ", ".join(dict.fromkeys(str(place) for place in places if place))
    raise FormatError(f"{option}: the data of this run are not at {looked}; put them back")


def fingerprint(arrays: Arrays) -> tuple[str, str]:
    """Return a hash of named arrays, and in words what went into it.

    Up to `WHOLE` bytes that is everything; of more, names, types, shapes, the small arrays whole and
    evenly spread rows of the others, about `SAMPLE` bytes: a change of what lies between is missed.
    """
    import numpy as np

    total = sum(value.nbytes for value in arrays.values())
    digest, parts = hashlib.blake2b(digest_size=20), []
    for name in sorted(arrays):
        value = arrays[name]
        digest.update(f"{name} {value.dtype.str} {value.shape};".encode())
        rows = len(value)
        if total > WHOLE and value.nbytes > CHUNK:
            rows = max(2, min(rows, int(SAMPLE * value.nbytes / total / (value.nbytes / rows))))
            parts.append(f"{rows:,} of {len(value):,} {name}")
        chosen = np.linspace(0, max(len(value) - 1, 0), rows).round().astype(int)
        each = max(1, CHUNK * max(len(value), 1) // max(value.nbytes, 1))
        for first in range(0, rows, each):
            digest.update(np.ascontiguousarray(value[chosen[first : first + each]]).data)
    scope = "shapes and " + ", ".join(parts) if parts else "every byte"
    return f"blake2b:{digest.hexdigest()}", scope


def sha256(path: str | Path, option: str) -> str:
    """Return the SHA-256 of a file, read in pieces; raises `FormatError` led by `option`."""
    total = hashlib.sha256()
    try:
        with open(path, "rb") as stream:
            while piece := stream.read(CHUNK):
                total.update(piece)
    except OSError as error:
        raise FormatError(f"{option} {path}: cannot be read ({error.strerror})") from error
    return total.hexdigest()
