"""Text to polynomial: what is read, what is refused, and that nothing is ever run."""

from __future__ import annotations

import ast
import operator
import time
from fractions import Fraction

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from equilibria.errors import FormatError
from equilibria.exact.grammar import MAX_CHARACTERS, parse
from equilibria.exact.polynomial import Polynomial, Ring

RING = Ring(("x", "y", "w_1"))
x, y, w = RING.variables()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0", RING.constant(0)),
        ("x", x),
        ("-x**2", -(x**2)),
        ("(-x)**2", x**2),
        ("2**3**1*x", 8 * x),
        ("x - y - w_1", x - y - w),
        ("x - (y - w_1)", x - y + w),
        ("0.99*x", Fraction(99, 100) * x),
        ("1e-3*x + .5", Fraction(1, 1000) * x + Fraction(1, 2)),
        ("x/4/2", Fraction(1, 8) * x),
        ("x*(1/3 - 1/3)", RING.constant(0)),
        ("x/(1/2 - 1/3)", 6 * x),
        ("(x + y)*(x - y)", x * x - y * y),
        ("+ - + x", -x),
        ("x**0 + (x - x)**0", RING.constant(2)),
        ("  x\n  * y\t", x * y),
        ("(x + y + 1)**3", (x + y + 1) * (x + y + 1) * (x + y + 1)),
    ],
)
def test_text_means_what_python_would_mean(text: str, expected: Polynomial) -> None:
    assert parse(text, RING) == expected


def test_constants_and_definitions_are_filled_in_exactly() -> None:
    assert parse("s*x**2 + e", RING, {"s": Fraction(5, 4), "e": x - y}) == (
        Fraction(5, 4) * x * x + x - y
    )


REFUSED = {
    '__import__("os")': "not a polynomial",
    "__import__('os').system('ls')": "not a polynomial",
    "exp(x)": "`exp(x)` is not a polynomial; allowed are + - * ** and parentheses",
    "exp((x)+(y))*2": "`exp((x)+(y))` is not a polynomial",
    "x(y)": "write x*( for a product",
    "(x+y)**99999": "too large to expand: degree above 60",
    "9**9**9": "too large to expand: coefficients of more than",
    "((x + y + w_1 + 1)**15)**4": "too large to expand: up to",
    "x^2": "powers are x**2",
    "2x": "write 2*x for a product",
    "x y": "`y` where",
    "x**-1": "exponent `-1`",
    "x**0.5": "exponent `1/2`",
    "x**y": "exponent `y`",
    "1/x": "divides by `x`",
    "x/0": "divides by zero",
    "x/(y - y)": "divides by zero",
    "__class__": "unknown name `__class__`",
    "q + x": "unknown name `q`; known are x, y, w_1",
    "x.real": "not a polynomial",
    "x[0]": "not a polynomial",
    "lambda: x": "not a polynomial",
    "x if y else w_1": "`if` where",
    "x, y": "not a polynomial",
    "x = 1": "not a polynomial",
    "x == 1": "not a polynomial",
    "x // 2": "`/` where",
    "x @ y": "not a polynomial",
    "'x'": "not a polynomial",
    'f"{x}"': "not a polynomial",
    "x # y": "not a polynomial",
    "1j": "`1j` is not a number",
    "0x10": "`0x10` is not a number",
    "1_000": "`1_000` is not a number",
    "1e999": "exponents beyond",
    "": "empty",
    "   ": "empty",
    "(x": "a closing parenthesis",
    "x)": "`)` where",
    "x***y": "`*` where",
    "x\0": "not plain ASCII",
    "\u0445": "CYRILLIC SMALL LETTER HA",
    "\uff58": "FULLWIDTH LATIN SMALL LETTER X",
    "x\u200b": "ZERO WIDTH SPACE",
    "\u0661": "ARABIC-INDIC DIGIT ONE",
    "(" * 100_000: "nested more than",
    "-" * 100_000: "nested more than",
    "(" * 200 + "x" + ")" * 200: "nested more than",
    "x**" * 1000 + "1": "nested more than",
    "x" * (MAX_CHARACTERS + 1): "characters, more than",
}


@pytest.mark.parametrize("text", REFUSED, ids=lambda text: ascii(text[:25]))
def test_everything_else_is_refused_in_one_short_line(text: str) -> None:
    with pytest.raises(FormatError) as caught:
        parse(text, RING, where="my_system.toml, flow.w")
    message = str(caught.value)
    assert REFUSED[text] in message
    assert message.startswith("my_system.toml, flow.w: ")
    assert "\n" not in message
    assert message.isprintable()
    assert len(message) < 300


def test_the_message_of_the_style_guide() -> None:
    with pytest.raises(FormatError) as caught:
        parse("exp(w_1)", RING, where="my_system.toml, flow.w")
    assert str(caught.value) == (
        "my_system.toml, flow.w: `exp(w_1)` is not a polynomial; "
        "allowed are + - * ** and parentheses"
    )


def test_ten_megabytes_are_refused_before_they_are_read() -> None:
    start = time.perf_counter()
    with pytest.raises(FormatError, match="10000000 characters"):
        parse("x+" * 5_000_000, RING)
    assert time.perf_counter() - start < 0.5


def test_a_sum_of_ten_thousand_terms_is_no_problem() -> None:
    assert parse("+".join(["x*y"] * 10_000), RING) == 10_000 * x * y


monomials = st.lists(
    st.tuples(st.integers(0, 2), st.integers(1, 3)), max_size=3, unique_by=lambda pair: pair[0]
).map(lambda pairs: tuple(sorted(pairs)))
coefficients = st.fractions(max_denominator=10**6).filter(bool)
polynomials = st.dictionaries(monomials, coefficients, max_size=12).map(
    lambda terms: Polynomial(RING, terms)
)


@settings(deadline=None)
@given(polynomials)
def test_printing_and_reading_back_changes_nothing(f: Polynomial) -> None:
    assert parse(f.text(), RING) == f


@settings(deadline=None)
@given(polynomials, polynomials)
def test_reading_is_a_ring_homomorphism(f: Polynomial, g: Polynomial) -> None:
    assert parse(f"({f.text()})*({g.text()})", RING) == f * g
    assert parse(f"({f.text()}) - ({g.text()})", RING) == f - g


@settings(deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_polynomial_or_a_format_error(text: str) -> None:
    try:
        message, result = "", parse(text, RING)
    except FormatError as error:
        message, result = str(error), None
    assert (result is None) == bool(message)
    assert "\n" not in message


@settings(deadline=None)
@given(st.text(alphabet="xy12.+-*/() ", max_size=40))
@example("-x**2*-y - (1.5 - .1)/-12*x**1**2")
def test_arithmetic_means_what_it_means_in_python(text: str) -> None:
    point = {"x": Fraction(2, 3), "y": Fraction(-3), "w_1": Fraction(1)}
    try:
        result = parse(text, RING)
    except FormatError:
        return
    text = text.strip()
    assert result.evaluate(point) == _by_python(ast.parse(text, mode="eval").body, text, point)


def _by_python(node: ast.expr, text: str, point: dict[str, Fraction]) -> Fraction:
    """Return the value of an expression as Python's own parser reads it."""
    operations = {
        ast.Add: operator.add,
        ast.Sub: operator.sub,
        ast.Mult: operator.mul,
        ast.Div: operator.truediv,
        ast.Pow: lambda a, b: a ** int(b),
        ast.USub: operator.neg,
        ast.UAdd: operator.pos,
    }
    match node:
        case ast.BinOp(left, op, right):
            values = (_by_python(part, text, point) for part in (left, right))
            return operations[type(op)](*values)
        case ast.UnaryOp(op, operand):
            return operations[type(op)](_by_python(operand, text, point))
        case ast.Name(name):
            return point[name]
    return Fraction(ast.get_source_segment(text, node))
