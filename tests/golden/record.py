"""Write the expected answers again, and show what has changed: read it before it is committed.

    python -m tests.golden.record [GROUP ...]

An answer that still agrees with the stored one keeps its digits. Every answer that is written for the
first time has to be checked for its truth, not only for its form: the theory in docs/, the independent
routes in tests/dense.py and tests/precise.py.
"""

from __future__ import annotations

import difflib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from tests.golden import claims, studies
from tests.golden.cases import CASES, RELATIVE
from tests.golden.compare import difference
from tests.golden.running import answered
from tests.golden.store import expected, store


def recorded(group: str, lines: tuple[str, ...], answer: Callable[[str], str]) -> None:
    """Answer the lines of a group, print the differences, store them."""
    old = expected(group)
    new = {}
    for line in lines:
        found = answer(line)
        agrees = line in old and difference(old[line], found, RELATIVE.get(group, 1e-6)) is None
        new[line] = old[line] if agrees else found
        if not agrees:
            before, after = old.get(line, "").splitlines(), found.splitlines()
            print("\n".join(difflib.unified_diff(before, after, line, line, lineterm="", n=1)))
    for line in old.keys() - new.keys():
        print(f"gone: {line}")
    store(group, new)


def main(groups: list[str]) -> None:
    for group, lines in CASES.items():
        if groups and group not in groups:
            continue

        def answer(line: str) -> str:
            with tempfile.TemporaryDirectory() as place:
                return answered(line, Path(place))

        recorded(group, lines, answer)
    for group, others in (("claims", claims), ("studies", studies)):
        if not groups or group in groups:
            recorded(group, others.names(), others.answered)


if __name__ == "__main__":
    main(sys.argv[1:])
