"""Which components a short list shows: in their order, with those that are open."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from equilibria.varieties.component import Component, Detail, How, Stability, Verdict
from equilibria.varieties.listing import fitting

KINDS = {
    "u": Stability(Verdict.UNSTABLE, How.PROVED, 0, 1.0),
    "?": Stability(Verdict.UNDECIDED, How.PROVED, 0, 0.0),
    "p": Stability(Verdict.UNSTABLE, How.PROVED, 0, 1.0, part=True),  # open: elsewhere it may be
}


def listed(flows: str, maps: str) -> list[Component]:
    return [
        Component(
            id=str(place), rank=0, dimension=0, collapse=None, flow=KINDS[flow], map=KINDS[step],
            build_detail=lambda: Detail((), {}),
        )
        for place, (flow, step) in enumerate(zip(flows, maps, strict=True))
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("flows", "maps", "room", "kept"),
    [
        ("uuuu", "uuuu", 2, [0, 1]),
        ("uuuu", "uuuu", 0, []),
        ("uu?u", "uuuu", 0, [2]),
        ("uuuu", "u?uu", 0, [1]),  # open for the map alone
        ("uupu", "uuuu", 1, [2]),
        ("uu?u", "uuuu", 2, [0, 2]),
        ("?u??", "uuuu", 0, [0]),
        ("u?u?", "uuuu", 3, [0, 1, 3]),
        ("u?u?", "uuuu", 9, [0, 1, 2, 3]),
    ],
)
def test_what_is_open_comes_first_and_one_is_kept_in_any_case(
    flows: str, maps: str, room: int, kept: Sequence[int]
) -> None:
    found = fitting(listed(flows, maps), room)
    assert [component.id for component in found] == [str(place) for place in kept]
