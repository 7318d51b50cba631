"""System files: what they say, and that a hostile one is one line on stderr and nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

import pytest

from equilibria.errors import FormatError
from equilibria.exact.grammar import parse
from equilibria.systems.system_file import MAX_BYTES, load, read

ROOT = Path(__file__).parents[2]
HOSTILE = ROOT / "tests" / "hostile"
EXAMPLES = sorted((ROOT / "examples" / "systems").glob("*.toml"))

MESSAGES = {
    "boolean": ", flow.p: expected a number or a text in quotes, not `True`",
    "circular": ", definitions: `a`, `b` are defined by each other",
    "collision": ", parameters.w: `w` is already a variable",
    "control_in_title": ", name: expected at most",
    "date": ", flow.p: expected a number or a text in quotes",
    "deep_array": ": nested too deep",
    "deep_parentheses": ", flow.p: nested more than 40 deep",
    "division": ", flow.p: `1/w` divides by `w`",
    "dotted_key": ": a key with thousands of dots",
    "doubling": ", definitions.c: `b*b` is too large to expand: degree above 60",
    "dunder_in_text": ", flow.p: `w.__class__` is not a polynomial",
    "dunder_name": ", variables: `__class__` is not a name",
    "escaped_null": ", flow.p: the character '\\x00'",
    "extra_equation": ", flow.q: not one of the variables; these are p, w",
    "fractional_power": ", flow.p: exponent `1/2`",
    "fullwidth_digits": ", flow.p: the character '\\uff11' (FULLWIDTH DIGIT ONE)",
    "homoglyph_in_text": "(CYRILLIC SMALL LETTER ER)",
    "homoglyph_name": ", variables: `\\u0440` is not a name",
    "huge_exponent": ", parameters.s: 1e999999999: expected a number such as",
    "huge_integer": ": not TOML: ",
    "huge_power": ", flow.p: `(p + w)**99999` is too large to expand: degree above 60",
    "import_in_name": ", variables: `__import__('os')` is not a name",
    "import_os": "is not a polynomial; allowed are + - * ** and parentheses",
    "infinity": ", parameters.s: inf is not a finite number",
    "keyword_name": ", variables: `lambda` is a word of Python",
    "lambda_in_text": ", flow.p: `(lambda: w)()` is not a polynomial",
    "long_minus": ", flow.p: nested more than 40 deep",
    "many_terms": "is too large to expand",
    "missing_equation": ", flow: no equation for `w`",
    "missing_flow_and_map": ": neither [flow] nor [map]",
    "missing_variables": ", variables: expected a list of names",
    "not_a_section": ", flow: expected a section [flow]",
    "not_toml": ": not TOML: ",
    "not_utf8": ": not UTF-8 text (byte ",
    "null_byte": ": not TOML: ",
    "power_tower": ", flow.p: `9**9**9**9` is too large to expand",
    "text_section": ", flow: expected a section [flow]",
    "too_many_variables": ", variables: 65 names, more than 64",
    "unknown_key": ", precision: unknown key; known are name,",
    "unknown_name": ", flow.p: unknown name `q`; known are",
}


def test_every_hostile_file_has_its_message() -> None:
    assert {path.stem for path in HOSTILE.glob("*.toml")} == set(MESSAGES)


@pytest.mark.parametrize("name", MESSAGES)
def test_a_hostile_file_is_one_line_that_names_it(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = HOSTILE / f"{name}.toml"
    start = time.perf_counter()
    with pytest.raises(FormatError) as caught:
        load(path)
    message = str(caught.value)
    assert time.perf_counter() - start < 2
    assert message.startswith(str(path))
    assert MESSAGES[name] in message
    assert message.isprintable()
    assert len(message) < len(str(path)) + 300
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [MAX_BYTES + 1, 10_000_000])
def test_large_files_are_refused_unread(size: int, tmp_path: Path) -> None:
    path = tmp_path / "large.toml"
    path.write_bytes(b"#" * size)
    with pytest.raises(FormatError, match="larger than 1000000 bytes"):
        load(path)


def test_a_file_of_the_largest_size_is_read_or_refused_quickly(tmp_path: Path) -> None:
    start = time.perf_counter()
    for text in ("[[" * 400_000, "x = " + "9" * 900_000, "\n".join(["a." * 40 + "b = 1"] * 9000)):
        with pytest.raises(FormatError):
            read(text, "bomb.toml")
    assert time.perf_counter() - start < 10


@pytest.mark.parametrize("path", ["missing.toml", "/", "nul\0byte.toml", "/dev/zero"])
def test_what_is_no_file_is_a_format_error(path: str) -> None:
    with pytest.raises(FormatError):
        load(path)


def test_reading_a_system_imports_nothing_heavy() -> None:
    script = (
        "import sys; from equilibria.systems.system_file import load; "
        f"load({str(EXAMPLES[0])!r}); "
        "print([m for m in ('sympy', 'numpy', 'scipy', 'torch', 'flint') if m in sys.modules])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    result = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True
    )
    assert result.stdout.strip() == "[]"


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_examples_are_read_and_have_a_map_if_it_is_asked_for(path: Path) -> None:
    user = load(path)
    assert user.system().variables == user.variables
    assert set(user.system().map) == (set(user.variables) if user.map else set())
    if user.map is None:
        assert set(user.system("1/10").map) == set(user.variables)


TEXT = """
name = "mode"
variables = ["p", "w"]
[parameters]
s = 1.25
m = 1
lr = "1/20"
twice = "2*s - 1/2"
[definitions]
force = "w*e"
e = "m - s*p*w"
[flow]
p = "force - twice"
w = "p*e"
"""


def test_numbers_are_exact_and_definitions_may_come_in_any_order() -> None:
    user = read(TEXT, "mode.toml")
    assert user.parameters == {
        "s": Fraction(5, 4),
        "m": 1,
        "lr": Fraction(1, 20),
        "twice": 2,
    }
    assert user.flow is not None
    assert user.flow["p"] == parse("w - 5/4*p*w**2 - 2", user.ring)


def test_a_missing_map_is_the_euler_step_of_the_lr_that_is_asked_for() -> None:
    user = read(TEXT, "mode.toml")
    assert user.system().map == {}  # a parameter of that name asks for nothing
    assert user.system("1/20").map["w"] == parse("w + 1/20*(p - 5/4*p**2*w)", user.ring)
    without = read(TEXT.replace('lr = "1/20"\n', ""), "mode.toml")
    assert without.system("1/3").map["w"] == parse("w + 1/3*(p - 5/4*p**2*w)", user.ring)


def test_a_step_size_beside_a_map_that_has_none_is_refused() -> None:
    user = read('variables = ["x"]\n[map]\nx = "x/2"\n', "half.toml")
    with pytest.raises(FormatError, match=r"--lr 1/3: half has a \[map\] of its own"):
        user.system("1/3")


def test_overrides_reach_everything_that_depends_on_them() -> None:
    user = read(TEXT, "mode.toml", {"s": "2", "lr": 0.5})
    assert user.parameters["twice"] == Fraction(7, 2)
    assert user.step_size("1/2") == Fraction(1, 2)
    with pytest.raises(FormatError, match="no parameter `q` to override; known are s, m, lr"):
        read(TEXT, "mode.toml", {"q": 1})
    with pytest.raises(FormatError, match=r"parameters\.s: x: expected a number"):
        read(TEXT, "mode.toml", {"s": "x"})


def test_a_step_size_that_contradicts_the_file_is_refused() -> None:
    with pytest.raises(FormatError, match="mode was read with lr = 1/20"):
        read(TEXT, "mode.toml").system("1/10")


def test_a_map_alone_has_no_flow() -> None:
    user = read('variables = ["x"]\n[map]\nx = "x - x**3/2"\n', "logistic.toml")
    assert user.flow is None
    assert user.system().flow == {}
    assert user.name == "logistic"
