"""One writer at a time in a run folder: a lock that a killed process gives back by dying.

The lock is `flock` on a file in the folder, which belongs to the open file and so goes with the
process however it ends; nothing has to be cleaned up. On network folders Linux passes it to the
server; where a file system takes no locks, or keeps them on one computer, a warning says so.
"""

from __future__ import annotations

import errno
import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equilibria.errors import FormatError

LOCK = ".lock"
LOCAL = {
    "nfs": ("nolock", "local_lock=flock", "local_lock=all"),
    "nfs4": ("local_lock=flock", "local_lock=all"),
    "cifs": ("nobrl",),
    "smb3": ("nobrl",),
    "lustre": ("localflock", "noflock"),
    "fuse.sshfs": ("",),
}
"""File systems that lock on this computer alone, by mount options (an empty one: always)."""
NONE = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other processes from writing to a run for as long as the block takes.

    Raises `FormatError` that names the process when one writes there already.
    """
    try:
        descriptor = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        raise FormatError(f"{folder}: cannot write there ({error.strerror})") from error
    try:
        if _taken(descriptor, folder):
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()} {platform.node()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int, folder: Path) -> bool:
    """Take the lock; return False, with a warning, where there are no locks."""
    try:
        import fcntl
    except ImportError:  # not a Unix
        warnings.warn(f"{folder}: no file locks here; start no second process in it", stacklevel=4)
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise FormatError(
            f"{folder}: {_holder(descriptor)} is writing to this run; wait for its end or stop it"
        ) from error
    except OSError as error:
        if error.errno not in NONE:
            raise FormatError(f"{folder}: cannot be locked ({error.strerror})") from error
        warnings.warn(
            f"{folder}: its file system takes no locks; start no second process in it", stacklevel=4
        )
        return False
    kind = local_only(folder)
    if kind is not None:
        warnings.warn(
            f"{folder}: {kind} keeps locks on this computer alone; start no process on another one "
            "in it",
            stacklevel=4,
        )
    return True


def _holder(descriptor: int) -> str:
    words = os.pread(descriptor, 200, 0).decode("utf-8", "replace").split()
    if len(words) == 2 and words[0].isdigit() and words[1].isprintable():
        return f"process {words[0]} on {words[1]}"
    return "another process"


def local_only(folder: Path, mounts: str | None = None) -> str | None:
    """Return the kind of file system when locks in `folder` do not reach other computers.

    `mounts` is the text of /proc/self/mounts. None also where that cannot be told.
    """
    if mounts is None:
        try:
            mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
        except OSError:
            return None
    place, best, found = Path(os.path.realpath(folder)), -1, None
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 4:
            continue
        root = Path(fields[1].replace("\\040", " "))
        if place.is_relative_to(root) and len(root.parts) >= best:
            best, options = len(root.parts), fields[3].split(",")
            marks = LOCAL.get(fields[2], ())
            found = fields[2] if any(not mark or mark in options for mark in marks) else None
    return found
