"""Writing results so that a reader sees the old file or the new one, never half of one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from equilibria.errors import FormatError


@contextmanager
def atomic(path: str | Path, option: str, *, binary: bool = False) -> Iterator[IO[Any]]:
    """Open a temporary file next to `path` and rename it over `path` when the block succeeds.

    Raises `FormatError` naming `option` when the place cannot be written to.
    """
    import tempfile

    target = _target(path, option)
    try:
        descriptor, name = tempfile.mkstemp(
            dir=target.parent or ".", prefix=f".{target.name[:80]}."
        )
    except OSError as error:
        raise FormatError(f"{option} {path}: cannot write there ({error.strerror})") from error
    try:
        with os.fdopen(descriptor, "wb" if binary else "w", **({} if binary else _TEXT)) as stream:
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        os.chmod(name, 0o666 & ~umask())
        os.replace(name, target)
    except OSError as error:
        raise FormatError(f"{option} {path}: cannot write there ({error.strerror})") from error
    finally:
        if os.path.exists(name):
            os.unlink(name)


def check_name(path: str | Path, option: str) -> None:
    """Raise `FormatError` where a file or folder of that name would be taken for an option.

    The last part of a path counts, and every folder that would have to be made for it.
    """
    asked = Path(path)
    made = (place for place in asked.parents if not os.path.exists(place))
    for place in (asked, *made):
        if place.name.startswith("-"):
            raise FormatError(
                f"{option} {path}: the name {place.name} would be taken for an option; "
                "choose one that does not begin with -"
            )


def check_place(path: str | Path, option: str) -> None:
    """Raise the error of `atomic` now, before hours of work whose result could not be written."""
    target = _target(path, option)
    if not target.parent.is_dir():
        raise FormatError(f"{option} {path}: cannot write there (no directory {target.parent})")
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise FormatError(f"{option} {path}: cannot write there (Permission denied)")


def _target(path: str | Path, option: str) -> Path:
    check_name(path, option)
    try:
        target = Path(os.path.realpath(path))  # a link stays a link
        os.lstat(target)
    except FileNotFoundError:
        return target
    except (OSError, ValueError) as error:  # too long, a loop of links, a null character
        why = getattr(error, "strerror", None) or "not a path"
        raise FormatError(f"{option} {path}: cannot write there ({why})") from error
    if target.is_dir():
        raise FormatError(f"{option} {path}: is a directory, expected a file name")
    if not target.is_file():
        # A rename would put a file in the place of the device.
        raise FormatError(f"{option} {path}: exists and is not a file")
    return target


# A name that is not UTF-8 on disk arrives as lone surrogates, which no encoding takes.
_TEXT: dict[str, Any] = {"encoding": "utf-8", "newline": "\n", "errors": "backslashreplace"}


def umask() -> int:
    """Return the permissions that new files and folders of this process do without."""
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str, option: str) -> None:
    """Write text atomically."""
    with atomic(path, option) as stream:
        stream.write(text)
