"""A data set as uint8 arrays, and where each comes from; a missing one says how to get it."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.images import formats
from empirical.images.folder import read_folder
from empirical.images.wanted import Wanted
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Images:
    """uint8 images, N x H x W x C, with labels from 0 (-1: not labelled)."""

    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    notes: tuple[str, ...] = ()
    """What was done about odd files, a line each."""

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of an image."""
        return int(self.train.shape[1]), int(self.train.shape[2])

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return int(self.train.shape[3])


HOW_TO_GET = {
    "cifar10": "unpack cifar-10-binary.tar.gz or cifar-10-python.tar.gz from "
    "https://www.cs.toronto.edu/~kriz/cifar.html there",
    "cifar100": "unpack cifar-100-binary.tar.gz or cifar-100-python.tar.gz from "
    "https://www.cs.toronto.edu/~kriz/cifar.html there",
    "stl10": "unpack stl10_binary.tar.gz from https://cs.stanford.edu/~acoates/stl10/ there",
    "folder": "expected train/<class>/*.jpg and val/<class>/*.jpg",
}


def read_images(settings: Wanted) -> Images:
    """Return the data set that the settings name; raises `FormatError` when it is not there."""
    images = _read(settings)
    _check(images, settings)
    images = _renumbered(images)
    if settings.train_images:
        kept = slice(settings.train_images)
        images = replace(images, train=images.train[kept], train_labels=images.train_labels[kept])
    if len(images.train) < settings.batch_size:
        raise FormatError(
            f"--batch-size {settings.batch_size}: --dataset {settings.dataset} has "
            f"{len(images.train)} training images, choose at most that many"
        )
    return images


def _read(settings: Wanted) -> Images:
    name = settings.dataset
    if name.endswith(".npz"):
        return Images(*formats.read_npz(Path(name), "--dataset"))
    if name == "digits":
        return _digits()
    if not settings.data_root:
        raise FormatError(f"--dataset {name}: needs --data-root DIR; {HOW_TO_GET[name]}")
    root = Path(settings.data_root)
    readers: dict[str, Callable[[Path], formats.Parts | None]] = {
        "cifar10": formats.read_cifar10,
        "cifar100": formats.read_cifar100,
        "stl10": formats.read_stl10,
    }
    if name == "folder":
        folder = read_folder(root, settings.image_size or 224) if root.is_dir() else None
        if folder is not None:
            return Images(
                folder.train, folder.train_labels, folder.test, folder.test_labels, folder.notes
            )
    found = readers[name](root) if name in readers and root.is_dir() else None
    if found is None:
        raise FormatError(f"--data-root {root}: no {name} data there; {HOW_TO_GET[name]}")
    return Images(*found)


def _digits() -> Images:
    """The 1,797 handwritten digits of scikit-learn, 8 x 8: 1,437 to train and 360 to test.

    The table is read without importing scikit-learn, which would take longer than the training.
    """
    package = importlib.util.find_spec("sklearn")
    if package is None or package.origin is None:
        raise FormatError(
            "--dataset digits: needs scikit-learn; install it with pip install scikit-learn"
        )
    file = Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
    try:
        with gzip.open(file, "rt", encoding="ascii") as stream:
            rows = [[int(float(word)) for word in line.split(",")] for line in stream]
        table = np.array(rows, np.int64)
    except (OSError, ValueError) as error:
        raise FormatError(f"--dataset digits: {file} cannot be read; reinstall it") from error
    images = np.round(table[:, :-1] * (255 / 16)).astype(np.uint8).reshape(-1, 8, 8, 1)
    labels = table[:, -1]
    order = np.random.default_rng(0).permutation(len(images))
    train, test = order[:1437], order[1437:]
    return Images(images[train], labels[train], images[test], labels[test])


def _check(images: Images, settings: Wanted) -> None:
    source = settings.data_root or settings.dataset
    for part in ("train", "test"):
        x, y = getattr(images, part), getattr(images, f"{part}_labels")
        if x.dtype != np.uint8 or x.ndim != 4 or x.shape[3] not in (1, 3) or not x[:1].size:
            raise FormatError(
                f"{source}: {part} images are {x.dtype} {x.shape}, expected uint8 N x H x W x C "
                "with 1 or 3 channels"
            )
        if len(x) < 2 or y.shape != (len(x),):
            raise FormatError(f"{source}: {len(x)} {part} images and labels of shape {y.shape}")
        if y.min() < -1:
            raise FormatError(
                f"{source}: a {part} label is {y.min()}; expected 0, 1, ... or -1 for no label"
            )
    if images.train.shape[1:] != images.test.shape[1:]:
        raise FormatError(
            f"{source}: train images are {images.train.shape[1:]}, test {images.test.shape[1:]}"
        )


def _renumbered(images: Images) -> Images:
    """Number the classes that occur 0, 1, ...: labels may be any, and votes are counted by class."""
    labels = [images.train_labels, images.test_labels]
    known = np.unique(np.concatenate(labels))
    known = known[known >= 0]
    numbered = [np.where(y >= 0, np.searchsorted(known, y), -1).astype(np.int64) for y in labels]
    return replace(images, train_labels=numbered[0], test_labels=numbered[1])
