"""The verdict on a component from its conditions and from one of its points, case by case."""

from __future__ import annotations

import pytest

from equilibria.exact.polynomial import Ring
from equilibria.varieties.component import How, Stability, Verdict
from equilibria.varieties.elimination.conditions import Split
from equilibria.varieties.elimination.standing import standing

RING = Ring(("x",))
S, U, N = Verdict.STABLE, Verdict.UNSTABLE, Verdict.UNDECIDED
SOME, FALSE = (RING.variable("x"),), (RING.constant(-1),)


@pytest.mark.parametrize(
    ("split", "at", "verdict", "part", "words"),
    [
        # With conditions that some points meet a stable representative is one of them.
        (Split(SOME), S, S, True, "in part"),
        (Split(SOME), U, U, True, "undecided"),
        (Split(SOME), N, N, True, "undecided"),
        # Without any the verdict is that of every point, whatever the representative said.
        (Split(()), S, S, False, "stable"),
        (Split(()), N, S, False, "stable"),
        (Split(FALSE), U, U, False, "unstable"),
        (Split(FALSE), N, U, False, "unstable"),
        (Split(FALSE + SOME), U, U, False, "unstable"),
        # What no point can meet strictly is never stable, nor unstable everywhere.
        (Split(SOME, degenerate=True), N, N, True, "undecided"),
        (Split(SOME, degenerate=True), U, U, True, "undecided"),
        (Split((), degenerate=True), N, N, True, "undecided"),
        # Without conditions the representative speaks for itself.
        ("too large", S, S, True, "in part"),
        ("too large", U, U, True, "undecided"),
    ],
)
def test_what_is_said_of_the_component(
    split: Split | str, at: Verdict, verdict: Verdict, part: bool, words: str
) -> None:
    found = standing(Stability(at, How.CERTIFIED, 1, 0.5, largest_step=2.0), split)
    assert (found.verdict, found.part, found.words) == (verdict, part, words)
    assert found.varies  # the spectrum was not said to be the same everywhere
    assert found.largest_step is None
    if isinstance(split, str):
        assert split in found.note
    elif split.degenerate:
        assert "does not decide" in found.note
        assert ("unstable at the representative" in found.note) is (at is U)
    elif split.conditions == SOME and at is not S:
        assert "no point was found that meets x > 0" in found.note
    else:
        assert found.note == ""


@pytest.mark.parametrize("split", [Split(()), Split(SOME)])
def test_a_spectrum_that_all_points_share_keeps_its_numbers(split: Split) -> None:
    constant = Split(split.conditions, constant=True)
    found = standing(Stability(S, How.CERTIFIED, 1, 0.5, largest_step=2.0), constant)
    assert not found.varies
    assert found.largest_step == 2.0
