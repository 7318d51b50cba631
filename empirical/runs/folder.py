"""Run folders: everything a training run leaves behind, written so that nothing is ever half there.

    config.toml               what was asked, the seed and the versions: enough to run it again
    metrics.jsonl             one JSON object a logging step
    trajectory.npz            step, W, P[, T], Sigma, M over time (float64), read by `overlay`
    checkpoint-*.safetensors  the last two complete states
    summary.json              schema noncollapse/run/1

A folder appears whole: it is made under another name and renamed, so that a process that is killed
meanwhile leaves no half of one. `locked` keeps a second process from writing to it.

Whatever can go wrong with a folder (full disk, no permission, a cut or foreign file) is one line of
`FormatError` that names the file and the way out. Nothing here imports torch.
"""

from __future__ import annotations

from empirical.runs.trajectories import Arrays

from equilibria.files.untrusted import Table

import errno
import glob
import hashlib
import json
import math
import os
import platform
import re
import shutil
import tempfile
import time
import tomllib
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.runs import checkpoints, trajectories
from empirical.runs.checkpoints import Checkpoint
from empirical.runs.locks import LOCK, locked
from empirical.runs.toml import toml_text
from equilibria.errors import FormatError
from equilibria.files.untrusted import is_file
from equilibria.files.write import atomic, check_name, umask, write_text
from equilibria.version import VERSION

if TYPE_CHECKING:
    from numpy.typing import NDArray

SCHEMA = "noncollapse/run/1"
CONFIG, METRICS, TRAJECTORY, SUMMARY = (
    "config.toml",
    "metrics.jsonl",
    "trajectory.npz",
    "summary.json",
)
BESIDE = ("moments.npz", "starts.npz")
"""Files that may lie beside config.toml from the beginning."""
PACKAGES = ("numpy", "torch", "torchvision", "safetensors")


def default_place(name: str) -> Path:
    """Return runs/<timestamp>-<name>, a folder that does not exist yet."""
    stamp = time.strftime("%Y%m%d-%H%M%S")
    place = Path("runs") / f"{stamp}-{name}"
    count = 2
    while place.exists():
        place = Path("runs") / f"{stamp}-{name}-{count}"
        count += 1
    return place


def versions() -> dict[str, str]:
    """Return the versions of everything that can change a number; packages are not imported."""
    found = {"noncollapse": VERSION, "python": platform.python_version()}
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


@dataclass(frozen=True)
class RunFolder:
    """A run on disk; make one with `create`, read one with `open`."""

    path: Path
    config: Table

    @classmethod
    def create(
        cls,
        path: str | Path,
        config: Mapping[str, object],
        *,
        files: Mapping[str, bytes] | None = None,
        overwrite: bool = False,
    ) -> RunFolder:
        """Make the directory with config.toml and `files`; versions are added when not in it.

        Names are flat, as in the interface; exact numbers (`Fraction`) become text. A directory
        that holds something already is refused, unless `overwrite` is true: then the files of the
        former run go, and nothing else. What a killed `create` left there is not in the way.
        """
        place = Path(path)
        check_name(place, "--out")
        text = toml_text({**config, "versions": versions()})
        contents = {**(files or {}), CONFIG: text.encode()}
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            there = os.path.lexists(place)
            taken = sorted(entry.name for entry in place.iterdir()) if there else []
        except OSError as error:
            raise _no_directory(place, error) from error
        if not there and _appeared(place, contents):
            return cls.open(place)
        if not there:  # another process made it in the meantime
            taken = sorted(entry.name for entry in place.iterdir())
        unfinished = CONFIG not in taken and all(map(_of_a_beginning, taken))
        if taken and not (overwrite or unfinished):
            what = "a run" if CONFIG in taken else f"{taken[0]!r}, which is no run"
            hint = f"go on from it with --resume {place}" if CONFIG in taken else None
            raise FormatError(f"--out {place}: already holds {what}; choose another", hint=hint)
        with locked(place):
            cls(place, {})._remove_former(taken)
            for name, data in contents.items():  # config.toml last: with it, it is a run
                with atomic(place / name, "--out", binary=True) as stream:
                    stream.write(data)
        return cls.open(place)

    @classmethod
    def open(cls, path: str | Path) -> RunFolder:
        """Return the run in a directory; raises `FormatError` when there is none."""
        place = Path(path)
        file = place / CONFIG
        if not is_file(file):
            what = "no config.toml in it" if os.path.isdir(place) else "no such directory"
            raise FormatError(f"{place}: not a run folder ({what}); give the folder of a run")
        try:
            config = tomllib.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            reason = (str(error).splitlines() or ["unreadable"])[0]
            raise FormatError(f"{file}: not a TOML file ({reason}); start the run again") from error
        return cls(place, config)

    def locked(self) -> AbstractContextManager[None]:
        """Keep other processes from writing to this run; see `empirical.runs.locks`."""
        return locked(self.path)

    def _remove_former(self, names: Iterable[str]) -> None:
        for name in sorted(names, key=lambda name: name != CONFIG):
            ours = name in (CONFIG, METRICS, TRAJECTORY, SUMMARY, *BESIDE)
            ours = ours or name.startswith("checkpoint-") or _leftover(name)
            if ours and (self.path / name).is_file():
                (self.path / name).unlink()

    # --- metrics -------------------------------------------------------------------------------

    def log(self, record: Mapping[str, object]) -> None:
        """Append one line to metrics.jsonl and flush it; numbers that are not finite become null.

        When the disk is full the line is taken back whole, and `FormatError` says so.
        """
        file = self.path / METRICS
        line = json.dumps(_finite(record), ensure_ascii=False, allow_nan=False) + "\n"
        try:
            with open(file, "ab", buffering=0) as stream:
                before = stream.seek(0, os.SEEK_END)
                try:
                    data = line.encode()
                    if stream.write(data) != len(data):
                        raise OSError(28, "No space left on device")
                except OSError:
                    stream.truncate(before)
                    raise
        except OSError as error:
            raise FormatError(
                f"{file}: cannot write there ({error.strerror}); make room or permission and go on "
                f"with --resume {self.path}"
            ) from error

    def metrics(self) -> list[Table]:
        """Return the records of metrics.jsonl; a last line cut by a crash is left out."""
        file = self.path / METRICS
        if not file.exists():
            return []
        records: list[Table] = []
        try:
            lines = file.read_bytes().split(b"\n")
        except OSError as error:
            raise FormatError(f"{file}: cannot be read ({error.strerror})") from error
        for number, line in enumerate(lines, 1):
            if not line.strip():
                continue
            try:
                records.append(json.loads(line))
            except (ValueError, RecursionError) as error:
                if number == len(lines):
                    break
                raise FormatError(f"{file}, line {number}: not a JSON object") from error
        return records

    def truncate_metrics(self, step: int, *, key: str = "step") -> None:
        """Drop what was logged after `step`, and a line cut by a crash, before going on from there.

        `key` names the entry that counts, where that is not the step.
        """
        if not (self.path / METRICS).exists():
            return
        kept = [record for record in self.metrics() if record.get(key, 0) <= step]
        lines = (json.dumps(record, ensure_ascii=False, allow_nan=False) for record in kept)
        write_text(self.path / METRICS, "".join(line + "\n" for line in lines), "--resume")

    # --- trajectory ----------------------------------------------------------------------------

    def save_trajectory(self, **arrays: NDArray[Any]) -> None:
        """Write trajectory.npz; see `empirical.runs.trajectories` for names and shapes."""
        trajectories.save(self.path / TRAJECTORY, arrays)

    def trajectory(self) -> Arrays:
        """Return the arrays of trajectory.npz; raises `FormatError` when it is not one."""
        return trajectories.load(self.path / TRAJECTORY)

    # --- checkpoints ---------------------------------------------------------------------------

    def save_checkpoint(
        self, step: int, tensors: Mapping[str, object], metadata: Mapping[str, str] | None = None
    ) -> Path:
        """Write checkpoint-<step>.safetensors (torch tensors or NumPy arrays); keep the last two."""
        return checkpoints.save(self.path, step, tensors, metadata or {})

    def last_checkpoint(self, *, framework: str = "pt") -> Checkpoint | None:
        """Return the newest complete checkpoint (None: none); a damaged one is warned about."""
        return checkpoints.last(self.path, framework=framework)

    # --- summary -------------------------------------------------------------------------------

    def write_summary(self, summary: Mapping[str, object]) -> None:
        """Write summary.json; the schema is added."""
        data = json.dumps(_finite({"schema": SCHEMA, **summary}), indent=1, ensure_ascii=False)
        write_text(self.path / SUMMARY, data + "\n", "--out")

    def summary(self) -> dict[str, object]:
        """Return summary.json; raises `FormatError` when the run has none yet."""
        file = self.path / SUMMARY
        if not file.is_file():
            raise FormatError(
                f"{self.path}: no summary.json, the run did not end; go on with --resume {self.path}"
            )
        try:
            data = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise FormatError(f"{file}: not a JSON file") from error
        if not isinstance(data, dict) or data.get("schema") != SCHEMA:
            raise FormatError(f"{file}: not a summary of schema {SCHEMA}")
        return data

    # --- the folder as a whole -----------------------------------------------------------------

    def digest(self) -> str:
        """Return a SHA-256 of config.toml and trajectory.npz: what was asked and what came out."""
        total = hashlib.sha256()
        for name in (CONFIG, TRAJECTORY):
            file = self.path / name
            data = file.read_bytes() if file.is_file() else b""
            total.update(f"{name} {len(data)};".encode() + data)
        return total.hexdigest()

    def clear_leftovers(self) -> None:
        """Remove the temporary files of a process that was killed while it wrote."""
        for file in self.path.iterdir():
            if _leftover(file.name):
                file.unlink(missing_ok=True)


def _leftover(name: str) -> bool:
    """Return whether a name is that of a temporary file of ours."""
    files = (CONFIG, METRICS, TRAJECTORY, SUMMARY, *BESIDE, "checkpoint-")
    return any(name.startswith(f".{file}") for file in files)


def _of_a_beginning(name: str) -> bool:
    """Return whether a file may lie in a folder that was being made when its maker was killed."""
    return name in (LOCK, *BESIDE) or _leftover(name)


def _appeared(place: Path, contents: Mapping[str, bytes]) -> bool:
    """Make a folder with these files under another name and rename it; False if `place` is taken."""
    target = Path(os.path.realpath(place))
    host = re.sub(r"[^A-Za-z0-9-]", "-", platform.node())[:40]
    prefix = f".{target.name[:60]}.{host}."
    try:
        _clear_dead(target.parent, prefix)
        new = Path(tempfile.mkdtemp(dir=target.parent, prefix=f"{prefix}{os.getpid()}."))
    except OSError as error:
        raise _no_directory(place, error) from error
    try:
        os.chmod(new, 0o777 & ~umask())
        for name, data in contents.items():
            with atomic(new / name, "--out", binary=True) as stream:
                stream.write(data)
        os.rename(new, target)
    except OSError as error:
        if error.errno in (errno.ENOTEMPTY, errno.EEXIST):
            return False
        raise _no_directory(place, error) from error
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return True


def _clear_dead(parent: Path, prefix: str) -> None:
    """Remove the unfinished folders of processes of this computer that are no more."""
    for left in parent.glob(f"{glob.escape(prefix)}*.*"):
        number = left.name.removeprefix(prefix).partition(".")[0]
        if not number.isdigit() or not left.is_dir() or left.is_symlink():
            continue
        try:
            os.kill(int(number), 0)
        except ProcessLookupError:
            shutil.rmtree(left, ignore_errors=True)
        except (OSError, OverflowError):
            continue  # another user's process, alive


def _no_directory(place: Path, error: OSError) -> FormatError:
    return FormatError(
        f"--out {place}: cannot make that directory ({error.strerror}); choose another"
    )


def _finite(value: object) -> object:
    """Return plain JSON values; NaN and infinity have no place in JSON and become null."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    if isinstance(value, bool | int | str) or value is None:
        return value
    if hasattr(value, "tolist"):  # NumPy and torch scalars and arrays
        return _finite(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
