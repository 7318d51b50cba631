"""Reading files that nobody vouches for: whatever is wrong with them becomes one line.

Nothing is unpickled, declared sizes are checked before anything is read, and a damaged file raises
`FormatError` whatever the libraries raise on it.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from equilibria.errors import FormatError
from equilibria.files.escaping import escape

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1 << 34
Table: TypeAlias = Mapping[str, Any]
"""A table of TOML or JSON: values by name, whose types whoever reads them checks."""


@contextmanager
def readable(name: str, verdict: str = "damaged, or not what it says") -> Iterator[None]:
    """Turn whatever the standard library and NumPy raise on a damaged file into one line."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # headers of Python 2 and odd escapes only warn
            yield
    except OSError as error:
        raise FormatError(f"{name}: cannot be read ({reason(error)})") from error
    except _damage() as error:
        raise FormatError(f"{name}: {verdict} ({reason(error)})") from error


def _damage() -> tuple[type[Exception], ...]:
    import tokenize
    import zipfile
    import zlib

    return (
        ArithmeticError,
        AttributeError,
        EOFError,
        LookupError,
        MemoryError,
        RuntimeError,  # encrypted members; unknown compression; RecursionError in a header
        SyntaxError,
        TypeError,
        tokenize.TokenError,  # numpy tokenises headers that it cannot parse
        ValueError,
        zipfile.BadZipFile,
        zlib.error,
    )


def read_arrays(
    path: str | Path,
    names: Sequence[str] | None = None,
    *,
    option: str = "",
    largest: int = LARGEST,
) -> dict[str, NDArray[Any]]:
    """Return arrays of an .npz file, those `names` or all; at most `largest` bytes are read.

    Raises `FormatError`, led by `option`, when it is no such file or an array is missing.
    """
    import zipfile

    import numpy as np

    where = f"{option} {path}".strip()
    check_file(path, where)
    with readable(printable(where), "not a NumPy .npz file of plain arrays"):
        with zipfile.ZipFile(path) as archive:
            wanted = [i for i in archive.infolist() if names is None or i.filename[:-4] in names]
            declared = sum(info.file_size for info in wanted)
        if declared > largest:
            raise FormatError(f"{where}: declares {declared} bytes, at most {largest} are read")
        # np.load does not close a file of its own that turns out to be no archive.
        with open(path, "rb") as stream, np.load(stream, allow_pickle=False) as arrays:
            held = list(arrays.files)
            missing = [name for name in names or () if name not in held]
            if missing:
                found = printable(", ".join(held[:8])) or "nothing"
                raise FormatError(f"{where}: no array `{missing[0]}`; it holds {found}")
            return {name: arrays[name] for name in (held if names is None else names)}


def is_file(path: str | PathLike[str]) -> bool:
    """Return whether a regular file is there; False for whatever cannot be looked at."""
    try:
        return Path(path).is_file()
    except (OSError, ValueError):  # too long, a loop of links, a null character
        return False


def check_file(path: str | PathLike[str], where: str, expected: str = "") -> None:
    """Raise `FormatError`, led by `where`, unless `path` is a regular file.

    Opening anything else can wait for ever (a FIFO), never end (/dev/zero) or do harm.
    """
    if is_file(path):
        return
    wish = f"; expected {expected}" if expected else ""
    try:
        there = Path(path).exists()
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or "not a path"
        raise FormatError(f"{printable(where)}: cannot be read ({why}){wish}") from error
    what = "not a regular file" if there else "no such file"
    raise FormatError(f"{printable(where)}: {what}{wish}")


def reason(error: BaseException) -> str:
    """Return the first line of what an error says."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return printable((text.strip() or type(error).__name__).splitlines()[0])


def printable(text: str) -> str:
    """Return `text` fit for one line of a message: no control characters, at most 160 long."""
    clean = escape(text)
    return clean if len(clean) <= 160 else clean[:77] + "..." + clean[-80:]
