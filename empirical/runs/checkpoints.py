"""Checkpoints: one flat dictionary of tensors in safetensors, complete or not there.

A file is written under another name, flushed to the disk and renamed. Its metadata carry the step
and a SHA-256 of the tensors, so that a file that was cut or damaged is noticed on reading; the one
before it is then used, which is why two are kept.
"""

from __future__ import annotations

from typing import Any

from typing import TYPE_CHECKING

from typing import TypeAlias

import hashlib
import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equilibria.errors import FormatError

if TYPE_CHECKING:
    from torch import Tensor
    from numpy.typing import NDArray
from equilibria.files.write import atomic

KEEP = 2
_NAME = re.compile(r"checkpoint-(\d+)\.safetensors")


Tensors: TypeAlias = Mapping[str, Any]
"""Tensors of torch, or arrays of NumPy, by name."""


@dataclass(frozen=True)
class Checkpoint:
    """The state after `step` steps; tensors are torch's (on the CPU) or NumPy's, as asked for."""

    step: int
    tensors: Tensors
    metadata: Mapping[str, str]
    path: Path


def save(folder: Path, step: int, tensors: Tensors, metadata: Mapping[str, str]) -> Path:
    """Write `checkpoint-<step>.safetensors` and remove all but the last two."""
    if any(hasattr(value, "detach") for value in tensors.values()):
        from safetensors.torch import save as serialise

        # Views into one buffer and unusual layouts are legal here and not in the file.
        flat: dict[str, Any] = {name: _own_copy(value) for name, value in tensors.items()}
    else:
        import numpy as np
        from safetensors.numpy import save as serialise  # type: ignore[assignment]

        flat = {name: np.asarray(value, order="C") for name, value in tensors.items()}
    header = {**metadata, "step": str(step), "sha256": _digest(flat)}
    path = folder / f"checkpoint-{step:09d}.safetensors"
    with atomic(path, "--out", binary=True) as stream:
        stream.write(serialise(flat, metadata=header))
    for _, old in list_of(folder)[:-KEEP]:
        old.unlink(missing_ok=True)
    return path


def list_of(folder: Path) -> list[tuple[int, Path]]:
    """Return (step, path) of every checkpoint, oldest first."""
    found = ((_NAME.fullmatch(path.name), path) for path in folder.iterdir())
    return sorted((int(match[1]), path) for match, path in found if match)


def last(folder: Path, *, framework: str = "pt") -> Checkpoint | None:
    """Return the newest complete checkpoint, None where there is none.

    A damaged file is named in a warning and the one before it is used. `framework` is "pt" (torch)
    or "np" (NumPy).
    """
    for _, path in reversed(list_of(folder)):
        try:
            return load(path, framework=framework)
        except FormatError as error:
            warnings.warn(f"{error}; the checkpoint before it is used", stacklevel=2)
    return None


def load(path: Path, *, framework: str = "pt") -> Checkpoint:
    """Return one checkpoint; raises `FormatError` when it is cut, damaged or something else."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework=framework) as archive:
            metadata = dict(archive.metadata() or {})
            tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        raise FormatError(f"{path}: not a complete checkpoint ({_first(error)})") from error
    if not metadata.get("step", "").isdigit() or metadata.get("sha256") != _digest(tensors):
        raise FormatError(f"{path}: not a complete checkpoint (its contents were changed)")
    return Checkpoint(int(metadata["step"]), tensors, metadata, path)


def _own_copy(tensor: Tensor) -> Tensor:
    return tensor.detach().cpu().clone().contiguous()


def _digest(tensors: Tensors) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        total.update(f"{name} {tuple(value.shape)} {value.dtype};".encode())
        total.update(_bytes(value))
    return total.hexdigest()


def _bytes(value: Any) -> memoryview | bytes:
    if hasattr(value, "detach"):
        import torch

        value = value.reshape(-1).view(torch.uint8).numpy()
    return value.reshape(-1).data if value.size else b""


def _first(error: BaseException) -> str:
    lines: Iterable[str] = str(error).splitlines() or [type(error).__name__]
    return next(iter(lines))[:120]
