"""Which components a short list shows: in their order, with those that are open."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.component import Component, Detail, How, Stability, Verdict
from equilibria.varieties.listing import fitting
from equilibria.varieties.noncommuting import variety

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


def test_a_short_list_of_moments_that_do_not_commute_keeps_what_is_undecided(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = Moments.dense([["1", "1/4"], ["1/4", "1"]], [["1", "0"], ["0", "1/2"]])
    model = Model(procedure="ema", moments=moments)
    whole = variety.general_variety(model).components
    last = whole[-1]
    assert last.map.verdict is Verdict.UNSTABLE
    component = variety.Solver.component

    def undecided(*arguments: Any, **options: Any) -> Component:
        found = component(*arguments, **options)
        return replace(found, flow=KINDS["?"]) if found.id == last.id else found

    monkeypatch.setattr(variety.Solver, "component", undecided)
    short = variety.general_variety(model, max_components=2)
    assert last.id in [c.id for c in short.components]
    assert not short.complete
