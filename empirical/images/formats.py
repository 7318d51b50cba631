"""Readers of the file formats: npz, the binary and Python versions of CIFAR, STL-10.

Each returns (train, train labels, test, test labels), or None when the files are not there. Nothing
is unpickled: the Python version of CIFAR is read by `pickled`, which knows a few opcodes only.
"""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from empirical.images.pickled import read_batch
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Parts = tuple[NDArray[np.uint8], NDArray[np.int64], NDArray[np.uint8], NDArray[np.int64]]
    Part = tuple[NDArray[np.uint8], NDArray[np.int64]]

LARGEST = 1 << 36
NAMES = ("x_train", "y_train", "x_test", "y_test")


def read_npz(path: Path, option: str) -> Parts:
    """Return the four arrays of an .npz file; raises `FormatError` when it is not one."""
    try:
        with zipfile.ZipFile(path) as archive:
            declared = sum(info.file_size for info in archive.infolist())
        if declared > LARGEST:
            raise FormatError(f"{option} {path}: declares {declared} bytes, at most {LARGEST}")
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in NAMES if name not in archive.files]
            if missing:
                raise FormatError(
                    f"{option} {path}: no array `{missing[0]}`; expected {', '.join(NAMES)}"
                )
            x_train, y_train, x_test, y_test = (archive[name] for name in NAMES)
    except FileNotFoundError as error:
        raise FormatError(f"{option} {path}: no such file") from error
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0][:120]
        raise FormatError(f"{option} {path}: not a complete .npz file ({reason})") from error
    for name, labels in (("y_train", y_train), ("y_test", y_test)):
        if labels.dtype.kind not in "iu":
            raise FormatError(f"{option} {path}: {name} is {labels.dtype}, expected whole numbers")
    return _channels(x_train), y_train.astype(np.int64), _channels(x_test), y_test.astype(np.int64)


def _channels(x: NDArray[Any]) -> NDArray[np.uint8]:
    return x[..., None] if x.ndim == 3 else x


def read_cifar10(root: Path) -> Parts | None:
    """Return CIFAR-10 from its binary or its Python version."""
    train = [f"data_batch_{k}" for k in range(1, 6)]
    return _cifar(
        root, "cifar-10-batches-bin", [f"{t}.bin" for t in train], ["test_batch.bin"], _binary(1)
    ) or _cifar(root, "cifar-10-batches-py", train, ["test_batch"], read_batch)


def read_cifar100(root: Path) -> Parts | None:
    """Return CIFAR-100 with its fine labels."""
    return _cifar(root, "cifar-100-binary", ["train.bin"], ["test.bin"], _binary(2)) or _cifar(
        root, "cifar-100-python", ["train"], ["test"], read_batch
    )


def _cifar(
    root: Path, folder: str, train: list[str], test: list[str], reader: Callable[[Path], Part]
) -> Parts | None:
    place = root if root.name == folder else root / folder
    if not place.is_dir():
        return None
    parts = []
    for names in (train, test):
        missing = [name for name in names if not (place / name).is_file()]
        if missing:
            raise FormatError(f"{place}: {missing[0]} is missing; unpack the whole archive there")
        pixels, labels = zip(*(reader(place / name) for name in names), strict=True)
        images = np.concatenate(pixels).reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        parts += [np.ascontiguousarray(images), np.concatenate(labels)]
    return parts[0], parts[1], parts[2], parts[3]


def _binary(labels: int) -> Callable[[Path], Part]:
    """Return a reader of records of `labels` bytes (the last is meant) and 3,072 pixels."""

    def reader(path: Path) -> Part:
        data = np.fromfile(path, np.uint8)
        if data.size == 0 or data.size % (labels + 3072):
            raise FormatError(f"{path}: {data.size} bytes is no whole number of images")
        rows = data.reshape(-1, labels + 3072)
        return rows[:, labels:], rows[:, labels - 1].astype(np.int64)

    return reader


def read_stl10(root: Path) -> Parts | None:
    """Return STL-10; the unlabelled images join the training images where the file is there."""
    place = root if root.name == "stl10_binary" else root / "stl10_binary"
    if not (place / "train_X.bin").is_file():
        return None
    train, train_labels = _stl_images(place / "train_X.bin"), _stl_labels(place / "train_y.bin")
    if (place / "unlabeled_X.bin").is_file():
        more = _stl_images(place / "unlabeled_X.bin")
        train = np.concatenate([train, more])
        train_labels = np.concatenate([train_labels, np.full(len(more), -1)])
    return train, train_labels, _stl_images(place / "test_X.bin"), _stl_labels(place / "test_y.bin")


def _stl_images(path: Path) -> NDArray[np.uint8]:
    data = _bytes(path)
    if data.size % (3 * 96 * 96):
        raise FormatError(f"{path}: {data.size} bytes is no whole number of 96 x 96 images")
    # On disk columns come first.
    return np.ascontiguousarray(data.reshape(-1, 3, 96, 96).transpose(0, 3, 2, 1))


def _stl_labels(path: Path) -> NDArray[np.int64]:
    return _bytes(path).astype(np.int64) - 1


def _bytes(path: Path) -> NDArray[np.uint8]:
    if not path.is_file():
        raise FormatError(f"{path}: is missing; unpack the whole archive there")
    return np.fromfile(path, np.uint8)
