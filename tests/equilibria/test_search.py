"""The numerical search: planted zeros of every kind, and no dimension that was not looked at."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from equilibria.systems.system_file import UserSystem, read
from equilibria.varieties.component import Verdict
from equilibria.varieties.elimination import analyze_system
from equilibria.varieties.elimination.equations import resting
from equilibria.varieties.elimination.nearby import (
    Batch,
    Functions,
    dimension_at,
    nullities,
    walked,
)
from equilibria.varieties.elimination.numeric import _stability
from equilibria.varieties.elimination.search import Found, search


def system(*equations: str) -> UserSystem:
    names = "xyzw"[: len(equations)]
    listed = ", ".join(f'"{name}"' for name in names)
    lines = [f'{name} = "{text}"' for name, text in zip(names, equations, strict=True)]
    return read("\n".join([f"variables = [{listed}]", "[flow]", *lines]), "s.toml")


def met(*equations: str, starts: int = 128) -> list[Found]:
    return search(resting(system(*equations).system()), starts=starts)


def functions_of(*equations: str) -> tuple[Functions, int]:
    flow = system(*equations).flow
    assert flow is not None
    slopes = [f.diff(name) for f in flow.values() for name in flow]
    return Functions(Batch(list(flow.values())), Batch(slopes)), len(flow)


ISOLATED = [
    (("x**2", "y - x"), 1, {(0, 0)}),
    (("x**3", "y"), 1, {(0, 0)}),
    (("x**2 + y**2", "0"), 2, {(0, 0)}),
    (("x**2", "y**2"), 2, {(0, 0)}),
    (("x**4 + y**4", "x*y**3"), 2, {(0, 0)}),
    (("x**2*(x - 1)**2", "y*(y - 1)"), 1, {(0, 0), (0, 1), (1, 0), (1, 1)}),
    (("x**2*(10*x - 1)**2", "y"), 1, {(0, 0), (0.1, 0)}),
    (("(x - 1)**2 + (y + 2)**2", "(x - 1)*(y + 2)"), 2, {(1, -2)}),
]


@pytest.mark.parametrize(("equations", "nullity", "points"), ISOLATED)
def test_isolated_singular_points_are_points_and_not_families(
    equations: tuple[str, ...], nullity: int, points: set[tuple[float, ...]]
) -> None:
    found = met(*equations)
    assert {(f.nullity, f.dimension) for f in found} == {(nullity, 0)}
    assert {tuple(round(v, 2) + 0.0 for v in f.point.values()) for f in found} == points
    assert sum(f.hits for f in found) > 40


FAMILIES = [
    (("x*(x**2 + y**2 - 1)", "y*(x**2 + y**2 - 1)"), [(0, 0), (1, 1)]),
    (("x*(x**2+y**2+z**2-1)", "y*(x**2+y**2+z**2-1)", "z*(x**2+y**2+z**2-1)"), [(0, 0), (2, 2)]),
    (("(y - x**2)*z", "(y - x**2)*(z - 1)", "(z - 2)*(y - x**2)*(x + 1)"), [(2, 2)]),
    (("x*y", "x*z", "0"), [(1, 1), (2, 2)]),
    (("x**2", "0"), [(1, 2)]),  # a double line: nullity 2, dimension 1
    (("(x**2 + y**2 - 1)**2", "0"), [(1, 2)]),
]


@pytest.mark.parametrize(("equations", "expected"), FAMILIES)
def test_families_have_their_dimension_and_are_one_entry(
    equations: tuple[str, ...], expected: list[tuple[int, int]]
) -> None:
    assert [(f.dimension, f.nullity) for f in met(*equations)] == expected


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_multiple_circle_is_one_entry_from_wherever_the_runs_start(seed: int) -> None:
    """Rounding decides which walks arrive, so other starts stand for other processors."""
    double = resting(system("(x**2 + y**2 - 1)**2", "0").system())
    found = search(double, starts=128, seed=seed)
    assert [(f.dimension, f.nullity) for f in found] == [(1, 2)]


def test_branches_that_no_walk_connects_stay_apart_or_are_counted() -> None:
    hyperbola = met("1 - x*y", "-y*z", "-y*z", starts=40)  # the spectrum moves along it
    assert {f.dimension for f in hyperbola} == {1}
    assert {f.point["x"] > 0 for f in hyperbola} == {True, False}
    assert len(hyperbola) <= 4
    (lines,) = met("y*(y - 1)", "0")  # two lines of one spectrum
    assert (lines.dimension, lines.pieces) == (1, 2)


def test_a_walk_does_not_turn_where_families_meet_nor_jump_between_points() -> None:
    cross, _ = functions_of("x*y", "0")
    starts = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    assert walked(cross, starts, np.array([2.0, 0.0]), 1).tolist() == [True, True, False]
    assert not walked(cross, np.array([[1.0, 0.0]]), np.array([0.0, 2.0]), 1).any()
    points, _ = functions_of("x**2*(10*x - 1)**2", "y")
    assert not walked(points, np.array([[0.0, 0.0]]), np.array([0.1, 0.0]), 1).any()
    circle, _ = functions_of("x**2 + y**2 - 1", "0")
    assert walked(circle, np.array([[0.0, 1.0]]), np.array([1.0, 0.0]), 1).all()
    assert walked(circle, np.zeros((0, 2)), np.array([1.0, 0.0]), 1).tolist() == []


def test_what_the_directions_do_not_decide_is_left_open() -> None:
    crossing, size = functions_of("x*y", "0")
    origin = np.zeros(size)
    assert nullities(crossing, origin[None]).tolist() == [2]
    # Four directions, each of a smooth line: its dimension, which the nullity is not.
    assert dimension_at(crossing, origin, 2, np.random.default_rng(1)) == 1
    mixed, _ = functions_of("x**2*y", "0")  # a double line and a simple one
    assert dimension_at(mixed, origin, 2, np.random.default_rng(1)) is None


def test_verdicts_at_singular_points_do_not_use_the_nullity_as_dimension() -> None:
    for equations in (("-x**2", "-y"), ("-x**3", "-y"), ("x**3", "-y")):
        (point,) = analyze_system(system(*equations), engine="search", starts=64).components
        assert (point.id, point.dimension) == ("dim0:a", 0)
        assert point.flow.verdict is Verdict.UNDECIDED
        assert point.flow.neutral == 0
        assert "isolated" in point.note
    (saddle,) = analyze_system(system("x**2", "3*y"), engine="search", starts=64).components
    assert saddle.flow.verdict is Verdict.UNSTABLE
    (line,) = analyze_system(system("-x", "0"), engine="search", starts=64).components
    assert (line.id, line.flow.verdict, line.flow.neutral) == ("dim1:a", Verdict.STABLE, 1)


@pytest.mark.parametrize("dimension", [0, None])
def test_a_singular_point_met_beside_its_place_is_not_stable(dimension: int | None) -> None:
    """Newton's method ends at x = 1e-4 where -x^2 is below its tolerance: slope -2e-4, truly 0."""
    equations = system("-x**2", "-y").system().flow
    assert equations is not None
    beside = Found({"x": 1e-4, "y": 0.0}, nullity=1, dimension=dimension, residual=1e-8, hits=1)
    judged = _stability(equations, beside, "flow")
    assert judged.verdict is Verdict.UNDECIDED
    regular = replace(beside, point={"x": 0.5, "y": 0.0}, nullity=0, dimension=0)
    assert _stability(equations, regular, "flow").verdict is Verdict.STABLE


def test_an_undecided_dimension_is_said_in_id_note_and_verdict() -> None:
    variety = analyze_system(system("x**2*y", "-x**2*y"), engine="search", starts=64)
    assert not variety.complete
    for component in variety.components:
        if component.id.startswith("dim0-"):
            assert "the dimension is not decided" in component.note
            assert component.flow.verdict is not Verdict.STABLE


def test_the_search_repeats_itself_and_lists_in_order() -> None:
    equations = ("x*(3 - x - 2*y)", "y*(2 - x - y)")
    one, other = met(*equations), met(*equations)
    assert one == other
    assert len(one) == 4
    assert all(a.point["x"] <= b.point["x"] + 1e-6 for a, b in pairwise(one))
