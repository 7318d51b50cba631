"""Where the expected answers lie: a file a group, a section a line."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

EXPECTED = Path(__file__).resolve().parent / "expected"
SECTION = re.compile(r"^=== (.*)\n", re.MULTILINE)


@cache
def expected(group: str) -> dict[str, str]:
    """Return the stored answers of a group by name."""
    path = EXPECTED / f"{group}.txt"
    if not path.is_file():
        return {}
    pieces = SECTION.split(path.read_text(encoding="utf-8"))[1:]
    return dict(zip(pieces[::2], pieces[1::2], strict=True))


def store(group: str, answers: dict[str, str]) -> None:
    """Write the answers of a group."""
    text = "".join(f"=== {name}\n{answer}" for name, answer in answers.items())
    EXPECTED.mkdir(exist_ok=True)
    (EXPECTED / f"{group}.txt").write_text(text, encoding="utf-8")
