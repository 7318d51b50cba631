"""Images from files that are not trusted: `.npz` members and `.npy` arrays, nothing unpickled.

Declared shapes and sizes are checked before anything is read, and every refusal is one line that
names the file, what is wrong with it and what would be accepted.
"""

from __future__ import annotations

import math
import os
import re
import zipfile
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from equilibria.errors import FormatError
from equilibria.files.untrusted import printable, readable

Images = NDArray[Any]

READ_BYTES: Final = 16 * 2**20  # pixels read from the file and converted at once
MAX_PIXELS: Final = 4096  # of an image before projecting on principal components
MAX_IMAGES: Final = 10**7
MAX_ARCHIVE_BYTES: Final = 2**30  # one array of an .npz file; an .npy file is not read at once
MAX_PIXEL_VALUE: Final = 1e100  # squares and their sums stay finite
MIN_IMAGES: Final = 4


def load_images(spec: str) -> Images:
    """Return the images in `FILE.npz[:KEY]` or `FILE.npy`, as stored.

    Accepted are uint8 (0 to 255) and finite floats (meant to lie in [0, 1]) of shape (N, height,
    width), (N, height, width, 1) or (N, height, width, 3). Without KEY the archive's only array
    like that is taken, or else `x_train`. Only that array is read from an archive; an `.npy` file
    is mapped, so that it may be larger than the memory. Nothing is unpickled, and the shape that a
    file declares is compared with what it holds before anything is allocated.

    Raises `FormatError`, in one line that names the file, for everything else.
    """
    path, key = _split_spec(spec)
    name = printable(path)
    if not os.path.exists(path):
        raise FormatError(f"{name}: no such file; expected FILE.npz, FILE.npz:KEY or FILE.npy")
    if not os.path.isfile(path):
        raise FormatError(f"{name}: not a file; expected FILE.npz, FILE.npz:KEY or FILE.npy")
    with readable(name):
        with open(path, "rb") as stream:
            magic = stream.read(6)
        if magic[:4] in (b"PK\x03\x04", b"PK\x05\x06"):
            where, images = _load_member(path, key)
        elif magic == b"\x93NUMPY":
            if key is not None:
                raise FormatError(f"{name}: holds a single array; leave out :{printable(key)}")
            where, images = name, _map_array(path)
        else:
            raise FormatError(f"{name}: neither an .npz archive nor an .npy array")
        _check_pixels(images, where)
    return images


def _split_spec(spec: str) -> tuple[str, str | None]:
    """Split `FILE.npz:KEY`; a colon elsewhere, as in `C:\\data\\x.npz`, belongs to the file."""
    if os.path.exists(spec):
        return spec, None
    ends = [match.end() - 1 for match in re.finditer(r"\.np[zy]:", spec, re.IGNORECASE)]
    if not ends:
        return spec, None
    end = next((end for end in reversed(ends) if os.path.isfile(spec[:end])), ends[-1])
    return spec[:end], spec[end + 1 :]


@dataclass(frozen=True, slots=True)
class _Header:
    """What an `.npy` stream declares about its array, and where the array starts."""

    shape: tuple[int, ...]
    fortran: bool
    dtype: np.dtype[np.generic]
    offset: int

    @property
    def end(self) -> int:
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    def problem(self) -> str | None:
        """Return why this is not an array of images, or None."""
        return layout_problem(self.shape, self.dtype)


def layout_problem(shape: tuple[int, ...], dtype: np.dtype[np.generic]) -> str | None:
    if dtype.hasobject:
        return "holds Python objects, which are never read; expected uint8 or floats"
    if dtype != np.uint8 and not (dtype.kind == "f" and dtype.itemsize <= 8):
        return f"element type {printable(str(dtype))}; expected uint8 or floats in [0, 1]"
    accepted = "expected (N, height, width), or (N, height, width, channels) with 1 or 3 channels"
    if len(shape) not in (3, 4) or (len(shape) == 4 and shape[3] not in (1, 3)):
        return f"shape {printable(str(shape))}; {accepted}"
    if len(shape) == 3 and shape[2] == 3 != shape[1]:
        return f"shape {shape} looks like a single colour image; {accepted}"
    if min(shape) < 1:
        return f"shape {printable(str(shape))} holds nothing; {accepted}"
    if shape[0] > MAX_IMAGES:
        return f"{printable(str(shape[0]))} images; at most {MAX_IMAGES} are accepted"
    return None


def _read_header(stream: IO[bytes]) -> _Header:
    version = np.lib.format.read_magic(stream)
    if version != (1, 0):
        # Later versions exist for headers above 64 kB, which no array of images needs.
        raise ValueError(f"npy format {version[0]}.{version[1]}, expected 1.0")
    shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
    return _Header(tuple(int(side) for side in shape), bool(fortran), dtype, stream.tell())


def _map_array(path: str) -> Images:
    name = printable(path)
    with open(path, "rb") as stream:
        header = _read_header(stream)
    refuse(name, header.problem() or _size_problem(header, os.path.getsize(path)))
    return np.memmap(
        path, header.dtype, "r", header.offset, header.shape, "F" if header.fortran else "C"
    )


def _load_member(path: str, key: str | None) -> tuple[str, Images]:
    """Return (FILE, KEY) as text for messages, and the array."""
    with zipfile.ZipFile(path) as archive:
        if key is None:
            key = _default_key(archive, printable(path))
        where = f"{printable(path)}, {printable(key)}"
        info = _members(archive).get(key)
        if info is None:
            held = _listing(_members(archive))
            raise FormatError(f"{printable(path)}: no array `{printable(key)}`; it holds {held}")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FormatError(f"{where}: compressed in a way that numpy does not write")
        with readable(where):
            with archive.open(info) as stream:
                header = _read_header(stream)
            refuse(where, header.problem() or _size_problem(header, info.file_size))
            if info.file_size > MAX_ARCHIVE_BYTES:
                raise FormatError(
                    f"{where}: {info.file_size} bytes; at most {MAX_ARCHIVE_BYTES} are read from "
                    "an archive, a larger array must be stored as .npy"
                )
            with archive.open(info) as stream:
                array = np.lib.format.read_array(stream, allow_pickle=False)
    return where, np.asarray(array)


def refuse(where: str, problem: str | None) -> None:
    if problem is not None:
        raise FormatError(f"{where}: {problem}")


def _size_problem(header: _Header, held: int) -> str | None:
    if header.end == held:
        return None
    shape = printable(str(header.shape))
    return f"declares {header.dtype} of shape {shape}, {header.end} bytes, but holds {held} bytes"


def _members(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    return {
        info.filename.removesuffix(".npy"): info
        for info in archive.infolist()
        if info.filename.endswith(".npy")
    }


def _listing(keys: Iterable[str]) -> str:
    names = [printable(key) for key in keys]
    return ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "") or (
        "no arrays"
    )


def _default_key(archive: zipfile.ZipFile, name: str) -> str:
    members = _members(archive)
    if len(members) == 1:
        return next(iter(members))
    if "x_train" in members:
        return "x_train"
    candidates = [key for key, info in members.items() if _holds_images(archive, info)]
    if len(candidates) == 1:
        return candidates[0]
    held = _listing(candidates or members)
    many = "several arrays could be the images" if candidates else "no array of images"
    raise FormatError(f"{name}: {many}; say which one as FILE.npz:KEY, it holds {held}")


def _holds_images(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bool:
    with suppress(FormatError), readable(info.filename), archive.open(info) as stream:
        return _read_header(stream).problem() is None
    return False


def _check_pixels(images: Images, where: str) -> None:
    """Raise `FormatError` unless all pixels are finite, a few images at a time."""
    rows = max(1, READ_BYTES // images[0].nbytes)
    for first in range(0, len(images), rows):
        check_finite(np.asarray(images[first : first + rows]), where, range(first, len(images)))


def check_finite(images: Images, where: str, numbers: Sequence[int] | NDArray[np.int64]) -> None:
    """Raise `FormatError` at the first pixel that is no number to compute with.

    `numbers` are the numbers of the images in their file.
    """
    if images.dtype.kind != "f":
        return
    bad = ~np.isfinite(images)
    if images.dtype.itemsize == 8:  # smaller types cannot hold the bound, nor exceed it
        bad |= np.abs(images) > MAX_PIXEL_VALUE
    if bad.any():
        place = tuple(int(index) for index in np.argwhere(bad)[0])
        raise FormatError(
            f"{where}: image {numbers[place[0]]} has a pixel {images[place]}; expected finite "
            "values, meant to lie in [0, 1]"
        )
