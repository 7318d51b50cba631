"""Refusals: the one way in which the kernel says no, with the place in the certificate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class Refusal(Exception):
    """The certificate does not hold, or is not one; `place` leads to the entry, `why` says why."""

    def __init__(self, why: str, place: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.place = place

    @property
    def line(self) -> str:
        """Return one line, `place: why`."""
        text = f"{self.place}: {self.why}" if self.place else self.why
        return " ".join(text.split())[:300]


@contextmanager
def at(place: str) -> Iterator[None]:
    """Put `place` in front of the place of a refusal raised inside."""
    try:
        yield
    except Refusal as refusal:
        joint = "." if refusal.place and not refusal.place.startswith(("[", ",")) else ""
        raise Refusal(refusal.why, place + joint + refusal.place) from None
