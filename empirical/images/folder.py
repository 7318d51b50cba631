"""Image folders, decoded once: every odd file counted and named, none taken for what it is not.

Files of 16 bits a channel are scaled by their range (65535 becomes 255), transparency is laid on white,
palettes and CMYK become RGB. Hidden files (`._x.jpg` of other systems) are no images. Files that cannot
be decoded are left out where they are few; otherwise the folder is refused, with their names.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import FormatError
from equilibria.files.untrusted import printable

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

LARGEST = 1 << 36
SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
MOST_UNREADABLE = 0.1
"""Share of a part's files that may be left out because they cannot be decoded."""
NAMED = 3
DEEP = 65535


@dataclass
class Oddities:
    """Files that are not plain RGB or grey of 8 bits, by what was done about them."""

    found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    brightest: int = 0

    def add(self, what: str, path: Path) -> None:
        """Note a file."""
        self.found[what].append(printable(f"{path.parent.name}/{path.name}"))

    def notes(self, files: int) -> tuple[str, ...]:
        """Return one line that counts and names all of them; none where all files are plain."""
        parts = [f"{len(names)} {what} ({_some(names)})" for what, names in self.found.items()]
        if not parts:
            return ()
        line = f"of {files} image files: " + "; ".join(parts)
        if 0 < self.brightest <= DEEP // 8:
            line += f"; the brightest of 16 bits is {self.brightest} of {DEEP}: they come out dark"
        return (line,)


def _some(names: list[str]) -> str:
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more


@dataclass(frozen=True)
class Folder:
    """The images of a folder with train/<class>/ and val/<class>/ or test/<class>/."""

    train: NDArray[np.uint8]
    train_labels: NDArray[np.int64]
    test: NDArray[np.uint8]
    test_labels: NDArray[np.int64]
    notes: tuple[str, ...]


def read_folder(root: Path, side: int) -> Folder | None:
    """Return an ImageNet-like folder: shorter side to `side`, centre square; None where there is none.

    Raises `FormatError` where too many files cannot be decoded, or a part holds none that can.
    """
    train, test = root / "train", next((root / n for n in ("val", "test")), root / "val")
    test = test if test.is_dir() else root / "test"
    if not train.is_dir() or not test.is_dir():
        return None
    classes = sorted(
        entry.name for entry in train.iterdir() if entry.is_dir() and not _hidden(entry)
    )
    odd = Oddities()
    files = [_files(part, classes, odd) for part in (train, test)]
    decoded = [
        _part(part, found, side, odd) for part, found in zip((train, test), files, strict=True)
    ]
    (x, y), (x_test, y_test) = decoded
    return Folder(x, y, x_test, y_test, odd.notes(sum(len(found) for found in files)))


def _hidden(path: Path) -> bool:
    return path.name.startswith(".")


def _files(part: Path, classes: list[str], odd: Oddities) -> list[tuple[Path, int]]:
    files = []
    for label, name in enumerate(classes):
        folder = part / name
        for path in sorted(folder.iterdir()) if folder.is_dir() else ():
            if path.suffix.lower() not in SUFFIXES:
                continue
            if _hidden(path):
                odd.add("hidden, left out", path)
            else:
                files.append((path, label))
    if not files:
        raise FormatError(f"{part}: no images in its class folders; expected <class>/*.jpg")
    return files


def _part(
    part: Path, files: list[tuple[Path, int]], side: int, odd: Oddities
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    needed = len(files) * side * side * 3
    if needed > LARGEST:
        raise FormatError(
            f"{part}: its images at {side} pixels need {needed / 2**30:.0f} GiB decoded, "
            f"at most {LARGEST >> 30} are read; use a smaller --image-size"
        )
    images = np.empty((len(files), side, side, 3), np.uint8)
    labels: list[int] = []
    broken: list[str] = []
    for path, label in files:
        try:
            images[len(labels)] = decoded(path, side, odd)
        except _Unreadable as error:
            broken.append(f"{printable(f'{path.parent.name}/{path.name}')}: {error}")
            odd.add("not readable, left out", path)
            continue
        labels.append(label)
    if len(broken) > MOST_UNREADABLE * len(files) or not labels:
        raise FormatError(
            f"{part}: {len(broken)} of {len(files)} image files cannot be read "
            f"({_some(broken)}); repair or remove them"
        )
    return images[: len(labels)], np.array(labels, np.int64)


class _Unreadable(Exception):
    """A file that is no image, or half of one."""


def decoded(path: Path, side: int, odd: Oddities) -> NDArray[np.uint8]:
    """Return one image of side x side pixels, RGB, and note what is odd about it."""
    from PIL import Image

    image = _opened(path)
    scale = side / min(image.size)
    width, height = (max(side, round(length * scale)) for length in image.size)
    resized = _rgb(image, path, odd).resize((width, height), Image.Resampling.BICUBIC)
    left, top = (width - side) // 2, (height - side) // 2
    return np.asarray(resized.crop((left, top, left + side, top + side)), np.uint8)


def _opened(path: Path) -> Image.Image:
    """Return the image with its pixels decoded; what a decoder cannot read is `_Unreadable`."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.load()
            return image.copy()
    except Exception as error:  # decoders raise whatever they like on broken files
        raise _Unreadable((str(error).splitlines() or [type(error).__name__])[0][:80]) from error


def _rgb(image: Image.Image, path: Path, odd: Oddities) -> Image.Image:
    """Return the image in RGB; `convert` alone would clip 16 bits to white and drop transparency."""
    from PIL import Image

    if image.mode.startswith("I"):
        values = np.asarray(image).astype(np.int64)
        if values.min() < 0 or values.max() > DEEP:
            raise _Unreadable(f"pixels from {values.min()} to {values.max()}")
        odd.add("of 16 bits, scaled by 255/65535", path)
        odd.brightest = max(odd.brightest, int(values.max()))
        levels = (values * 255 + DEEP // 2) // DEEP
        return Image.fromarray(levels.astype(np.uint8)).convert("RGB")
    if image.mode == "F":
        raise _Unreadable("pixels are floats, without a range")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        odd.add("transparent, laid on white", path)
        clear = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear).convert("RGB")
    if image.mode in ("P", "CMYK"):
        odd.add({"P": "with a palette", "CMYK": "of CMYK"}[image.mode] + ", made RGB", path)
    return image.convert("RGB")
