"""Every way of changing one entry of a certificate, for tests that expect a refusal."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from typing import Any

NUMBER = re.compile(r"-?\d+(/\d+)?")
VERDICTS = ("stable", "unstable", "undecided")
CLAIMS = ("complete", "open")

Path = tuple[Any, ...]


def mutations(document: Any) -> Iterator[tuple[Path, Any]]:
    """Yield (path, changed document) for every number, word, list item and key, one at a time."""
    for path, value in entries(document):
        for changed in variants(value):
            yield path, replaced(document, path, changed)


def numbers(document: Any) -> Iterator[tuple[Path, Any]]:
    """Yield (path, changed document) with every number moved by one, once each."""
    for path, value in entries(document):
        if isinstance(value, str) and NUMBER.fullmatch(value):
            yield path, replaced(document, path, next(iter(variants(value))))


def entries(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every entry below `value` with its path."""
    if path:
        yield path, value
    if isinstance(value, dict):
        for key, entry in value.items():
            yield from entries(entry, (*path, key))
    if isinstance(value, list):
        for index, entry in enumerate(value):
            yield from entries(entry, (*path, index))


def variants(value: Any) -> Iterator[Any]:
    """Yield changed values: other numbers, other words, lists with an item less or two swapped."""
    if isinstance(value, str) and NUMBER.fullmatch(value):
        yield from other_numbers(value)
    elif isinstance(value, str):
        yield from (word for word in VERDICTS if value in VERDICTS and word != value)
        yield from (word for word in CLAIMS if value in CLAIMS and word != value)
        yield value + "1"
        yield value[:-1]
    elif isinstance(value, list) and value:
        yield value[:-1]
        yield value[1:]
        yield [*value, value[-1]]
        yield [*value, "1"]
    elif isinstance(value, dict):
        for key in value:
            yield {k: v for k, v in value.items() if k != key}
        yield {**value, "more": "1"}
    yield 1 if value != 1 else 2


def other_numbers(text: str) -> Iterator[str]:
    top, _, bottom = text.partition("/")
    tail = f"/{bottom}" if bottom else ""
    yield f"{int(top) + 1}{tail}"
    yield f"{int(top) - 1}{tail}"
    yield f"{-int(top)}{tail}" if int(top) else "1/1000"
    yield f"{top}/{int(bottom or 1) + 1}"
    yield f"{2 * int(top)}/{2 * int(bottom or 1)}"
    yield f"{top}{'0' if int(top) else '1'}{tail}"
    if bottom:
        yield f"{bottom}/{abs(int(top)) or 1}" if int(top) > 0 else f"-{bottom}/{-int(top)}"


def replaced(document: Any, path: Path, value: Any) -> Any:
    """Return a copy of the document with one entry replaced."""
    if len(path) == 1:
        result = copy.copy(document)
        result[path[0]] = value
        return result
    result = copy.copy(document)
    result[path[0]] = replaced(document[path[0]], path[1:], value)
    return result
