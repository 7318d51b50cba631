"""Random augmentations of small images, thousands of views at once.

An augmentation is a list of names with values, `shift=2,flip,noise=0.1`. Every view of an image
draws its own random numbers, and the transformations always act in the same order, whatever the
order in the text:

    crop -> shift -> flip -> gray -> brightness -> contrast -> erase -> noise,

first where the light falls, then its colour, then what hides it, then the sensor. They act on the
image *after* it was resized, so `shift=2` is two pixels of the image that the moments are about.
Nothing is clipped to [0, 1]: clipping would make the moments of `noise` and `brightness` depend on
the image in a way that no formula describes.

| name | one view does | value |
|---|---|---|
| `crop=A` | cut a window, same aspect ratio, of area fraction uniform in [A, 1], at a uniform place, and enlarge it bilinearly | 0 < A <= 1 |
| `shift=K` | translate by whole pixels, uniform in -K..K on each axis; the border pixel is repeated | K < side |
| `flip` or `flip=P` | mirror left and right with probability 1/2, or P | 0 <= P <= 1 |
| `gray=P` | replace all channels by the luma with probability P | 0 <= P <= 1, colour images |
| `brightness=B` | multiply by a factor uniform in [1 - B, 1 + B] | 0 <= B <= 1 |
| `contrast=C` | multiply the distance to the view's own mean by a factor uniform in [1 - C, 1 + C] | 0 <= C <= 1 |
| `erase=K` | set a K x K square at a uniform place to the view's mean colour | K <= side |
| `noise=S` | add independent Gaussian noise of standard deviation S (pixels lie in [0, 1]) | S >= 0 |

Start with `parse_augment`; `augment` draws the views. Images are float64 of shape (m, height,
width, channels) throughout.
"""  # noqa: E501 - the table is easier to read unbroken

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from equilibria.errors import FormatError
from equilibria.exact.rationals import rational
from equilibria.files.escaping import escape

Array = NDArray[np.float64]

LUMA: Final = (0.299, 0.587, 0.114)  # ITU-R BT.601, what `convert("L")` of imaging libraries uses


@dataclass(frozen=True, slots=True)
class _Range:
    """Which values a transformation accepts; `lowest` itself only where `closed`."""

    lowest: float
    highest: float
    says: str
    whole: bool = False
    closed: bool = True


_RANGES: Final = {
    "crop": _Range(0, 1, "an area fraction above 0 and at most 1", closed=False),
    "shift": _Range(0, 4096, "a whole number of pixels from 0 to 4096", whole=True),
    "flip": _Range(0, 1, "a probability from 0 to 1, or no value for 1/2"),
    "gray": _Range(0, 1, "a probability from 0 to 1"),
    "brightness": _Range(0, 1, "a number from 0 to 1"),
    "contrast": _Range(0, 1, "a number from 0 to 1"),
    "erase": _Range(0, 4096, "a whole number of pixels from 0 to 4096", whole=True),
    "noise": _Range(0, 1e6, "a standard deviation from 0 to 1000000"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Augmentation:
    """A distribution over transformations of one image; the defaults leave it as it is.

    The fields are the names and values of the module's table, and `str()` gives the text that
    `parse_augment` reads back. Raises `FormatError` when a value lies outside its range.
    """

    crop: float = 1.0
    shift: int = 0
    flip: float = 0.0
    gray: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    erase: int = 0
    noise: float = 0.0

    def __post_init__(self) -> None:
        for name, allowed in _RANGES.items():
            _check_value(name, getattr(self, name), allowed)

    def __str__(self) -> str:
        active = [
            (field.name, getattr(self, field.name))
            for field in fields(self)
            if getattr(self, field.name) != field.default
        ]
        items = ["flip" if item == ("flip", 0.5) else f"{item[0]}={item[1]!r}" for item in active]
        return ",".join(items) or "none"

    def check_fits(self, height: int, width: int, channels: int) -> None:
        """Raise `FormatError` when an image of this shape is too small or too gray for it."""
        side = min(height, width)
        where = f"the images are {height} x {width}"
        if self.shift >= side and self.shift:
            raise FormatError(f"--augment shift={self.shift}: {where}, shift by less than {side}")
        if self.erase > side:
            raise FormatError(f"--augment erase={self.erase}: {where}, erase at most {side}")
        if self.gray and channels == 1:
            raise FormatError(
                f"--augment gray={self.gray!r}: the images have one channel already; leave it out"
            )


def parse_augment(text: str) -> Augmentation:
    """Return the augmentation that `text` describes: `name[=value],...`, or `none`.

    Values are integers, decimals or fractions. Only `flip` may stand without one. Raises
    `FormatError`, naming `--augment`, for an unknown or repeated name and for a value that is
    missing, not a number or out of range.

    >>> parse_augment("flip, noise=1/10")
    Augmentation(crop=1.0, shift=0, flip=0.5, gray=0.0, brightness=0.0, contrast=0.0, erase=0, noise=0.1)
    """
    if text.strip() == "none":
        return Augmentation()
    values: dict[str, Any] = {}
    for item in text.split(","):
        name, value = _parse_item(item)
        if name in values:
            raise FormatError(f"--augment {name}: named twice, give it once")
        values[name] = value
    return Augmentation(**values)


def _parse_item(item: str) -> tuple[str, float | int]:
    name, equals, value = (part.strip() for part in item.partition("="))
    if name not in _RANGES:
        known = ", ".join(_RANGES)
        raise FormatError(f"--augment {_shown(item.strip())}: not one of {known}")
    if name == "flip" and not equals:
        return name, 0.5
    option = f"--augment {name}={_shown(value)}"
    if not value or not value.isprintable():
        raise FormatError(f"{option}: expected {name}=VALUE, {_RANGES[name].says}")
    try:
        number: Fraction = rational(value, "value")
    except FormatError:
        raise FormatError(f"{option}: expected {_RANGES[name].says}") from None
    if number.denominator == 1 and _RANGES[name].whole:
        return name, int(number)
    # Far out of range either way, and too large for a double.
    return name, float(number) if abs(number) < 10**300 else math.inf


def _check_value(name: str, value: object, allowed: _Range) -> None:
    """Raise `FormatError` unless `value` is a number in the range; True is not the number 1."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or (allowed.whole and not isinstance(value, int)):
        raise FormatError(f"--augment {name}={value!r}: expected {allowed.says}")
    assert isinstance(value, (int, float))
    inside = allowed.lowest <= value <= allowed.highest  # False for NaN
    if not inside or (value == allowed.lowest and not allowed.closed):
        raise FormatError(f"--augment {name}={value!r}: expected {allowed.says}")


def _shown(text: str) -> str:
    """Return `text` fit for one line of a message."""
    clean = escape(text)
    return clean if len(clean) <= 40 else clean[:37] + "..."


Streams = Mapping[str, np.random.Generator]


def random_streams(seed: int, *key: int) -> Streams:
    """Return one random stream for each transformation, a function of `seed` and `key` alone.

    A stream of its own for each transformation keeps the shifts of an image the same when noise is
    added to the list, so that two augmentations can be compared on common random numbers.
    """
    return {
        name: np.random.Generator(
            np.random.PCG64(np.random.SeedSequence(seed, spawn_key=(*key, index)))
        )
        for index, name in enumerate(_RANGES)
    }


def augment(images: Array, augmentation: Augmentation, streams: Streams) -> Array:
    """Return one independently augmented view of every image, same shape as `images`.

    Takes the same random numbers from `streams` for 2 m images as for m images twice.
    """
    views = _move(images, augmentation, streams)
    views = _recolour(views, augmentation, streams)
    if augmentation.erase:
        views = _erase(views, augmentation.erase, streams["erase"])
    if augmentation.noise:
        noise = streams["noise"].standard_normal(views.shape)
        noise *= augmentation.noise
        views = views + noise
    return views


def _move(images: Array, augmentation: Augmentation, streams: Streams) -> Array:
    """Crop, shift and flip with a single interpolation, so that nothing is blurred twice."""
    if augmentation.crop == 1 and not augmentation.shift and not augmentation.flip:
        return images
    count, height, width, _ = images.shape
    crops = streams["crop"].random((count, 3))
    fraction = np.sqrt(augmentation.crop + (1 - augmentation.crop) * crops[:, 0])
    reach = augmentation.shift
    offsets = streams["shift"].integers(-reach, reach + 1, size=(count, 2))
    flipped = np.asarray(streams["flip"].random(count) < augmentation.flip)
    unflipped = np.zeros(count, dtype=np.bool_)
    rows = _positions(height, unflipped, offsets[:, 0], fraction, crops[:, 1])
    columns = _positions(width, flipped, offsets[:, 1], fraction, crops[:, 2])
    return _resample(images, _bilinear(rows, height), _bilinear(columns, width))


def _positions(
    length: int,
    flipped: NDArray[np.bool_],
    offset: NDArray[np.int64],
    fraction: Array,
    place: Array,
) -> Array:
    """Return, for each view and output pixel, where along one axis the input is read: (m, length).

    The chain is read backwards: a pixel of the flipped image comes from the shifted one, that from
    the cropped one, that from the image. `place` in [0, 1) slides the window.
    """
    pixel = np.arange(length)
    pixels = np.where(flipped[:, None], pixel[::-1], pixel)
    pixels = np.clip(pixels + offset[:, None], 0, length - 1)
    start = place * (1 - fraction) * length
    return np.asarray(start[:, None] + (pixels + 0.5) * fraction[:, None] - 0.5)


def _bilinear(positions: Array, length: int) -> Array:
    """Return linear interpolation at `positions` (..., k) as matrices (..., k, length).

    Positions beyond the outermost pixel centres read the border pixel.
    """
    inside = np.clip(positions, 0, length - 1)
    return np.asarray(np.maximum(0, 1 - np.abs(inside[..., None] - np.arange(length))))


def _resample(images: Array, rows: Array, columns: Array) -> Array:
    """Apply (height', height) and (width', width) matrices, one pair each or one for all."""
    planes = np.moveaxis(images, 3, 1)
    if rows.ndim == 3:
        rows, columns = rows[:, None], columns[:, None]
    moved = rows @ planes @ np.swapaxes(columns, -1, -2)
    return np.ascontiguousarray(np.moveaxis(moved, 1, 3))


def _recolour(views: Array, augmentation: Augmentation, streams: Streams) -> Array:
    count = len(views)

    def factors(name: str, spread: float) -> Array:
        return streams[name].uniform(1 - spread, 1 + spread, size=(count, 1, 1, 1))

    if augmentation.gray:
        chosen = streams["gray"].random((count, 1, 1, 1)) < augmentation.gray
        views = np.where(chosen, to_gray(views), views)
    if augmentation.brightness:
        views = views * factors("brightness", augmentation.brightness)
    if augmentation.contrast:
        mean = views.mean(axis=(1, 2, 3), keepdims=True)
        views = mean + (views - mean) * factors("contrast", augmentation.contrast)
    return views


def _erase(views: Array, side: int, stream: np.random.Generator) -> Array:
    count, height, width, _ = views.shape
    corner = stream.random((count, 2))
    top = (corner[:, 0] * (height - side + 1)).astype(np.int64)
    left = (corner[:, 1] * (width - side + 1)).astype(np.int64)
    rows, columns = _within(top, side, height), _within(left, side, width)
    hidden = rows[:, :, None, None] & columns[:, None, :, None]
    return np.where(hidden, views.mean(axis=(1, 2), keepdims=True), views)


def _within(first: NDArray[np.int64], side: int, length: int) -> NDArray[np.bool_]:
    pixel = np.arange(length)
    return (pixel >= first[:, None]) & (pixel < first[:, None] + side)


def to_gray(images: Array) -> Array:
    """Return the luma of (m, height, width, 3) images as (m, height, width, 1)."""
    red, green, blue = (images[..., channel] for channel in range(3))
    return np.asarray((LUMA[0] * red + LUMA[1] * green + LUMA[2] * blue)[..., None])


def resize(images: Array, height: int, width: int) -> Array:
    """Return images of shape (m, height, width, channels); the aspect ratio is not kept.

    An axis that shrinks is averaged over the exact area of each output pixel, which also is the
    anti-aliasing; an axis that grows is interpolated linearly.
    """
    if images.shape[1:3] == (height, width):
        return images
    return _resample(
        images, resize_matrix(images.shape[1], height), resize_matrix(images.shape[2], width)
    )


def resize_matrix(old: int, new: int) -> Array:
    """Return the (new, old) matrix that resizes one axis; its rows sum to 1."""
    if new > old:
        centres: Array = (np.arange(new, dtype=np.float64) + 0.5) * (old / new) - 0.5
        return _bilinear(centres, old)
    # Output pixel j covers [j old, (j + 1) old] and input pixel k covers [k new, (k + 1) new], in
    # units of 1/new of an input pixel: integers, so the overlaps are exact.
    j, k = np.arange(new)[:, None], np.arange(old)
    overlap = np.minimum((j + 1) * old, (k + 1) * new) - np.maximum(j * old, k * new)
    return np.asarray(np.maximum(overlap, 0) / old, dtype=np.float64)
