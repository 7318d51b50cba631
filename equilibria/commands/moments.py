"""`moments`: Sigma and M of images under an augmentation or of time series, with standard errors."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

from equilibria.commands.answer import Answer
from equilibria.commands.command import Command
from equilibria.commands.options import Option, Words, flag, refuse, whole
from equilibria.commands.tables import seed_of
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from equilibria.data.augmentation import Augmentation
    from equilibria.data.measure import Normalize

MOST_VIEWS = 10_000


def augmentation(text: str, _option: str) -> Augmentation:
    """Read `shift=2,flip`."""
    from equilibria.data.augmentation import parse_augment

    return parse_augment(text or "none")


def normalize(text: str, option: str) -> Normalize:
    """Read the unit of variance."""
    from typing import get_args

    from equilibria.data.measure import Normalize

    known: tuple[Normalize, ...] = get_args(Normalize)
    for name in known:
        if text == name:
            return name
    raise FormatError(f"{option} {text}: expected one of {', '.join(known)}")


def archive(text: str, option: str) -> str:
    """Read the name of a file of arrays."""
    if not text.endswith(".npz"):
        raise FormatError(f"{option} {text}: expected a file name ending in .npz")
    return text


OPTIONS = (
    Option("--images", "FILE[:KEY]", ".npz (with a key) or .npy of images"),
    Option("--sequence", "FILE[:KEY]", "time series instead, (T, d) or (N, T, d): y is the next x"),
    Option("--lag", "K", "steps from x to y", Words("1"), whole(1)),
    flag("--reversible", "of a series, take the symmetric part of M"),
    Option("--out", "F.npz", "where to write the moments", reader=archive, kind="required"),
    Option(
        "--pairs",
        "F.npz",
        "also write two views of every image, for `simulate --data`",
        None,
        archive,
    ),
    Option("--size", "PIXELS", "resize to PIXELS x PIXELS first", None, whole(1)),
    Option("--components", "K", "project onto the leading K principal components", None, whole(1)),
    Option("--views", "V", "augmented views of an image", "16", whole(2, MOST_VIEWS)),
    seed_of("the augmentations"),
    Option(
        "--augment", "SPEC", "such as shift=2,flip,noise=0.1,brightness=0.2", "none", augmentation
    ),
    Option(
        "--normalize", "HOW", "largest, mean or none: the unit of variance", "largest", normalize
    ),
    flag("--gray", "convert to grey levels"),
    flag("--no-center", "keep the mean image"),
)

EXAMPLES = (
    (
        "moments --images data.npz:x_train --size 8 --gray "
        "--augment shift=2,flip,noise=0.1,brightness=0.2 --views 16 --out m.npz",
        "",
    ),
    (
        "moments --images photos.npy --size 16 --components 32 --augment crop=0.5,flip --out m.npz",
        "",
    ),
    ("moments --sequence states.npy --lag 1 --out m.npz", "y is the next state"),
)


class Question(NamedTuple):
    """Images, what is done to them, and where the moments go."""

    images: str | None
    sequence: str | None
    lag: int | None
    reversible: bool
    out: str
    pairs: str | None
    size: int | None
    components: int | None
    views: int
    seed: int
    augment: Augmentation
    normalize: Normalize
    gray: bool
    no_center: bool
    typed: Mapping[str, str]


def answer(question: Question) -> Answer:
    """Measure the moments and write them; two views of every image as well where asked for."""
    if question.sequence is not None:
        return _of_a_sequence(question)
    if question.images is None:
        raise FormatError("--images or --sequence: give the file to measure")
    refuse(question.typed, ("--lag", "--reversible"), "only for --sequence")
    from equilibria.data.measure import estimate_moments, load_images, save_moments
    from equilibria.data.moments_text import moments_lines

    loaded = load_images(question.images)
    estimate = estimate_moments(
        loaded,
        size=question.size,
        gray=question.gray,
        augmentation=question.augment,
        views=question.views,
        components=question.components,
        center=not question.no_center,
        normalize=question.normalize,
        seed=question.seed,
        source=question.images,
        progress=_progress if sys.stderr.isatty() else None,
    )
    save_moments(question.out, estimate)
    lines = moments_lines(estimate, question.out)
    if question.pairs is not None:
        from equilibria.data.pairs import save_pairs, view_pairs

        save_pairs(question.pairs, *view_pairs(loaded, estimate))
        next_ = f"next: simulate --data {question.pairs}"
        lines = [*lines, f"wrote {question.pairs}, two views of every image; {next_}"]
    return Answer(lines)


OF_IMAGES = ("--images", "--pairs", "--size", "--views", "--seed", "--augment", "--gray")


def _of_a_sequence(question: Question) -> Answer:
    from equilibria.data.sequence import (
        estimate_sequence,
        load_series,
        save_sequence,
        sequence_lines,
    )

    refuse(question.typed, OF_IMAGES, "only for images; leave it out beside --sequence")
    assert question.sequence is not None
    estimate = estimate_sequence(
        load_series(question.sequence),
        lag=question.lag or 1,
        components=question.components,
        center=not question.no_center,
        normalize=question.normalize,
        reversible=question.reversible,
    )
    save_sequence(question.out, estimate)
    return Answer(sequence_lines(estimate, question.out))


def _progress(done: int, total: int) -> None:
    end = "\n" if done >= total else ""
    print(f"\r{done} of {total} images", end=end, file=sys.stderr, flush=True)


COMMAND = Command(OPTIONS, Question, answer, EXAMPLES)
