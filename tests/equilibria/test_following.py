"""Largest steps with a moving target: proved by the kernel, forged ones refused, and the pieces."""

from __future__ import annotations

import json
import math
import random
from fractions import Fraction
from typing import Any

import pytest

import equilibria as eq
from equilibria.certificates import certificate
from equilibria.certificates.spectral import largest_step
from equilibria.kernel.crossings import critical, excluded
from equilibria.kernel.intervals import Interval
from equilibria.kernel.towers import Tower
from equilibria.verify import verify
from tests.equilibria.test_stepsizes import drawn, model_of, radius

F = Fraction
ERRATUM = {"procedure": "ema", "ema": F(1, 2), "momentum": F(9, 10), "embed_dim": 1}


def plain(report: eq.Report | eq.Model) -> Any:
    return json.loads(json.dumps(certificate(report)))


def entry_of(document: Any, name: str) -> Any:
    return next(c for c in document["components"] if c["id"] == name)


def cell_of(entry: Any) -> tuple[Fraction, Fraction]:
    unit = F(2) ** (int(entry["exponent"]) - 23)
    return F(7 * int(entry["cell"]) - 1, 7) * unit, F(7 * int(entry["cell"]) + 6, 7) * unit


def proved(model: eq.Model) -> int:
    """Certify, verify, and return how many largest steps were proved; each is the report's."""
    report = eq.analyze(model)
    document = plain(report)
    line = verify(document).line
    assert line.startswith("holds"), line
    count = 0
    for component, entry in zip(report.components, document["components"], strict=True):
        given = entry["largest_h"]
        if component.modes is None:
            assert given == "open"
        elif component.map.largest_step is None:
            assert given == "none"
        else:
            low, high = cell_of(given)
            assert low <= F(component.map.largest_step) < high
            count += 1
    assert (f"largest h of {count}" if count else "largest h not certified") in line
    return count


def refusal(subject: eq.Model | dict[str, Any], name: str, value: Any) -> str:
    document = plain(subject) if isinstance(subject, eq.Model) else json.loads(json.dumps(subject))
    entry_of(document, name)["largest_h"] = value
    return verify(document).line


def drawn_with_target(rng: random.Random, *, extreme: bool) -> eq.Model:
    while True:
        model = drawn(rng, extreme=extreme)
        if model.procedure == "ema":
            return model


def test_random_models_with_a_target() -> None:
    rng = random.Random(21)
    assert sum(proved(drawn_with_target(rng, extreme=False)) for _ in range(5)) > 7


def test_extreme_rates_with_a_target() -> None:
    rng = random.Random(22)
    assert sum(proved(drawn_with_target(rng, extreme=True)) for _ in range(2)) > 1


@pytest.mark.slow
def test_many_models_with_a_target() -> None:
    rng = random.Random(23)
    models = [drawn_with_target(rng, extreme=bool(k % 2)) for k in range(120)]
    assert sum(map(proved, models)) > 200


@pytest.mark.parametrize(
    ("momentum", "ema", "predictor_decay"),
    [
        ("0", "0", "1/20"),
        ("0", "99/100", "1/50"),
        ("0", "999999/1000000", "2"),
        ("9/10", "0", "2"),
        ("9/10", "99/100", "1/50"),
    ],
)
def test_every_kind_of_target(momentum: str, ema: str, predictor_decay: str) -> None:
    model = model_of(
        [1, "3/4"],
        ["5/4", 1],
        "1/20",
        predictor_decay,
        procedure="ema",
        ema=F(ema),
        momentum=F(momentum),
    )
    assert proved(model) >= 2


def test_idle_outputs_and_repeated_modes() -> None:
    moments = eq.Moments.commuting(signal=["3/4", "3/4", "-1/2"], total=["5/4", "5/4", 1])
    model = eq.Model(procedure="ema", moments=moments, embed_dim=3)
    assert proved(model) >= 4


def test_a_complex_pair_ends_stability_long_before_the_flip() -> None:
    """11/158 is the true step; the flip at 114/53 is not."""
    model = model_of(["7/10", -4], [1, 4], "1/10", **ERRATUM)
    low, high = cell_of(entry_of(plain(model), "rank1:1+")["largest_h"])
    assert low <= F(11, 158) < high
    line = refusal(model, "rank1:1+", largest_step(114 / 53))
    assert "the map is not stable up to the enclosure" in line


def test_steps_that_a_slow_target_makes_stable_are_no_largest_step() -> None:
    """The map is stable from 0.1 to its flip, and not below: there is no largest step."""
    model = model_of([1, "1/2"], [1, 1], "1/100", "22/10000", procedure="ema", ema=F(99, 100))
    component = eq.analyze(model).component("rank2:1+,2+")
    inside, outside = F(1), F(4)
    assert radius(component, model, inside) < 1 < radius(component, model, F(1, 10**4))
    while outside - inside > F(1, 10**9):
        middle = (inside + outside) / 2
        stable = radius(component, model, middle) < 1
        inside, outside = (middle, outside) if stable else (inside, middle)
    line = refusal(model, "rank2:1+,2+", largest_step(float(inside)))
    assert "small steps are not seen to be stable" in line


def test_a_cell_that_does_not_hold_the_largest_step_is_refused() -> None:
    document, name = plain(eq.Model(procedure="ema")), "rank2:1+,2+"
    given = entry_of(document, name)["largest_h"]
    beyond, below = ({**given, "cell": str(int(given["cell"]) + k)} for k in (1, -1))
    assert "not stable up to the enclosure" in refusal(document, name, beyond)
    assert "stable beyond the enclosure" in refusal(document, name, below)
    for word in ("none", "open"):
        assert "largest_h" in refusal(document, name, word)
    assert "small steps are not seen to be stable" in refusal(document, "rank1:1-", given)


def test_without_a_proof_for_smaller_steps_there_is_no_largest_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    document = plain(eq.Model(procedure="ema", embed_dim=1))
    assert verify(document).holds
    monkeypatch.setattr("equilibria.kernel.crossings.has_no_zero", lambda *_: False)
    assert "a multiplier meets the circle is not excluded" in verify(document).line


def test_steps_exchanged_between_two_components_are_refused() -> None:
    document = plain(eq.Model(procedure="ema"))
    learned, collapsed = (entry_of(document, name) for name in ("rank1:1+", "rank0"))
    learned["largest_h"], collapsed["largest_h"] = collapsed["largest_h"], learned["largest_h"]
    assert "largest_h" in verify(document).line


def test_points_that_no_modes_describe_have_no_proof_and_say_so() -> None:
    moments = eq.Moments.commuting(signal=[11, "11/29"], total=[2, "1/29"])
    document = plain(eq.Model(procedure="ema", moments=moments, weight_decay=1, lr="1/100"))
    assert entry_of(document, "rank2:a")["largest_h"] == "open"
    step = entry_of(document, "rank2:1+,2+")["largest_h"]
    assert "only aligned points have one" in refusal(document, "rank2:a", step)


# The pieces: multipliers (1 + w)/(1 - w), w the roots of a polynomial whose coefficients move with h.


def table(*rows: list[int]) -> list[list[dict[tuple[int, ...], int]]]:
    return [[{(): value} if value else {} for value in row] for row in rows]


def crosses(rows: list[list[dict[tuple[int, ...], int]]], slow: int, top: Fraction) -> bool:
    return not excluded(lambda bits: critical(Tower(), rows, slow, bits), 8, top)


def test_a_pair_on_the_circle_in_between_is_found() -> None:
    """w^2 + (h - 1)(h - 2) w + 1: outside for 1 < h < 2, inside again beyond."""
    rows = table([1, 0, 0], [2, -3, 1], [1, 0, 0])
    assert not crosses(rows, 0, F(999, 1000))
    assert crosses(rows, 0, F(1001, 1000))
    assert crosses(rows, 0, F(5))


def test_a_pair_among_other_multipliers_is_found() -> None:
    """The same pair beside the roots of w^2 + w + 2, and of (w^2 + w + 2)(w + 1)."""
    one, two = [1, 0, 0], [2, 0, 0]
    beside_two = table(two, [5, -6, 2], [5, -3, 1], [3, -3, 1], one)
    beside_three = table(two, [7, -6, 2], [10, -9, 3], [8, -6, 2], [4, -3, 1], one)
    for rows in (beside_two, beside_three):
        assert not crosses(rows, 0, F(999, 1000))
        assert crosses(rows, 0, F(1001, 1000))
        assert crosses(rows, 0, F(5))


def test_two_crossings_at_one_step_are_not_overlooked() -> None:
    """w^2 + (h - 1)^2 w + 1 touches the circle at h = 1 and does not cross it."""
    assert crosses(table([1, 0, 0], [1, -2, 1], [1, 0, 0]), 0, F(3))


def test_multipliers_at_one_and_at_minus_one_are_found() -> None:
    at_one = table([3, -1], [1, 0], [1, 0])
    flip = table([1, 0], [1, 0], [3, -1])
    of_one = table([1, 0], [3, -1])
    for rows in (at_one, flip, of_one):
        assert not crosses(rows, 0, F(2999, 1000))
        assert crosses(rows, 0, F(3))
        assert crosses(rows, 0, F(4))


def test_roots_that_tend_to_zero_with_the_step_are_no_crossing() -> None:
    """(w + h)(w + 2 h)(w + 1): the resultant begins with h, and h divides it no further."""
    assert not crosses(table([0, 0, 2], [0, 3, 2], [1, 3, 0], [1, 0, 0]), 2, F(10))


def test_a_window_too_narrow_for_doubles_is_found() -> None:
    """(h - 1)^2 - 10^-40 as the coefficient of w: negative on a window of width 2 10^-20."""
    scale = 10**40
    rows = table([scale, 0, 0], [scale - 1, -2 * scale, scale], [scale, 0, 0])
    assert crosses(rows, 0, F(math.pi))


def test_a_block_too_large_is_refused_before_it_is_worked_on() -> None:
    from equilibria.kernel.refusal import Refusal

    rows = table(*([1] for _ in range(12)))
    with pytest.raises(Refusal, match="too large"):
        critical(Tower(), rows, 0, 256)
    assert isinstance(critical(Tower(), rows[:3], 0, 256)[0][0], Interval)
