"""Every command line of `cases.py` answers as it is stored, and the comparison can fail.

An answer that changed on purpose is written again with `python -m tests.golden.record`.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.golden import claims, studies
from tests.golden.cases import CASES, RELATIVE
from tests.golden.compare import compact, compact_json, difference, lines_agree
from tests.golden.running import answered
from tests.golden.store import EXPECTED, expected

TRAINED = ("simulate", "train", "overlay")
OTHERS = {"claims": claims.names(), "studies": studies.names()}
EVERY = [(group, line) for group, lines in CASES.items() for line in lines]


@pytest.mark.parametrize(("group", "line"), EVERY, ids=[f"{g}-{w}" for g, w in EVERY])
def test_a_line_answers_as_stored(group: str, line: str, tmp_path: Path) -> None:
    if line.startswith(TRAINED):
        pytest.importorskip("torch")
        pytest.importorskip("sklearn")
    found = difference(expected(group)[line], answered(line, tmp_path), RELATIVE.get(group, 1e-6))
    assert found is None, found


@pytest.mark.parametrize("name", studies.names())
def test_a_study_finds_what_is_stored(name: str) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    found = difference(expected("studies")[name], studies.answered(name), RELATIVE["studies"])
    assert found is None, found


def test_what_is_stored_is_what_is_asked() -> None:
    assert {path.stem for path in EXPECTED.iterdir()} == {*CASES, *OTHERS}
    for group, lines in {**CASES, **OTHERS}.items():
        assert len(set(lines)) == len(lines)
        assert list(expected(group)) == list(lines)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("radius 0.99579", "radius 0.99580"),
        ("radius 0.12345678", "radius 0.12345679"),
        ("x = 1.5", "x = 1.5000001"),
        ("closes to 3e-13", "closes to 2.71e-12"),
        ("a  1.5   b", "a  1.50000001 b"),
        ("-0.0000000001", "0.0000000001"),
    ],
)
def test_decimals_agree_up_to_rounding(one: str, other: str) -> None:
    assert lines_agree(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("radius 0.99579", "radius 0.99581"),
        ("stable 3", "stable 4"),
        ("1.5 s", "1.50001 s"),
        ("0.5  stable", "0.5 stable"),
        ("a 0.25 b", "a 0.25 c"),
        ("0.25", "0.25 0.5"),
        ("1e-5", "2e-5"),
        ("ema 99/100", "ema 98/100"),
        ("p = 0.1", "p = 0.2"),
    ],
)
def test_other_words_and_numbers_do_not_agree(one: str, other: str) -> None:
    assert not lines_agree(one, other)


def test_a_missing_line_is_a_difference() -> None:
    assert difference("a\nb", "a\nb") is None
    for other in ("a", "a\nb\nc"):
        assert "line" in (difference("a\nb", other) or "")


def test_what_is_stored_is_short() -> None:
    assert (
        compact("x 0.12345678912345 +0.0100 3.000000000000001e-7") == "x 0.123456789 +0.0100 3e-07"
    )
    assert compact("1/3 3602879701896397/72057594037927936") == "1/3 0.05"
    assert compact_json('{"a": [{"b": 1}], "c": [1, 2]}') == 'a: [\n  {"b": 1}\n]\nc: [1, 2]\n'
