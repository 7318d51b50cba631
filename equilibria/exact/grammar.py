"""Text to polynomial, without evaluating Python.

    sum     = product (("+" | "-") product)*
    product = signed (("*" | "/") signed)*              only constants divide
    signed  = ("+" | "-") signed | power
    power   = atom ["**" signed]                        a whole number, binding as in Python
    atom    = number | name | "(" sum ")"

The text is cut into these tokens by one regular expression and read by recursive descent. Python's
own parser is not used: it overflows on sums of a few thousand terms and on deep nesting, and what
it accepts changes between versions. Length, nesting, degree, number of terms, size of the
coefficients and total work are bounded before anything is expanded, so `(x + y)**99999` is a
message. A number is read from its own characters: 0.99 is 99/100.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from math import comb

from equilibria.errors import FormatError
from equilibria.exact.polynomial import Monomial, Polynomial, Ring
from equilibria.exact.rationals import rational
from equilibria.files.escaping import escape

MAX_CHARACTERS = 400_000
MAX_NESTING = 40
MAX_DEGREE = 60
MAX_TERMS = 20_000
MAX_BITS = 20_000
MAX_WORK = 2_000_000

ALLOWED = "allowed are + - * ** and parentheses"

_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)|(?P<name>[A-Za-z_][A-Za-z0-9_]*)"
    r"|(?P<mark>\*\*|[-+*/()]))",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Token:
    """One symbol of the text: kind is `number`, `name`, `mark` or `end`."""

    kind: str
    text: str
    start: int


def parse(
    text: str,
    ring: Ring,
    constants: Mapping[str, Fraction | Polynomial] | None = None,
    *,
    where: str = "polynomial",
) -> Polynomial:
    """Return the polynomial that `text` writes down, as an element of `ring`.

    `constants` gives names to numbers (or to polynomials of the same ring: definitions). Raises
    `FormatError`, one line that starts with `where`, for everything that is not a polynomial or
    is too large to expand.

    >>> parse("(x - 0.5)*(x + 1/2)", Ring(("x",)))
    x**2 - 1/4
    """
    if len(text) > MAX_CHARACTERS:
        raise FormatError(f"{where}: {len(text)} characters, more than {MAX_CHARACTERS}")
    return _Reader(text, ring, constants or {}, where).read()


def shorten(text: str, width: int = 60) -> str:
    """Return `text` on one line of at most `width` characters, fit for a message."""
    line = " ".join(text.split())
    line = escape(line[: width + 1])
    return line if len(line) <= width else line[: width - 3] + "..."


class _Reader:
    """Recursive descent over the tokens of one text; methods are named after the grammar."""

    def __init__(
        self, text: str, ring: Ring, names: Mapping[str, Fraction | Polynomial], where: str
    ) -> None:
        self.text, self.ring, self.where = text, ring, where
        self.names: dict[str, Fraction | Polynomial] = dict(names)
        self.names.update(zip(ring.names, ring.variables(), strict=True))
        self.tokens = self._cut()
        self.position = 0
        self.depth = 0
        self.work = 0

    def read(self) -> Polynomial:
        if self._next.kind == "end":
            raise FormatError(f"{self.where}: empty, expected a polynomial such as w - s*p**2*w")
        value = self._sum()
        if self._next.kind != "end":
            raise self._unexpected()
        return value

    def _cut(self) -> list[Token]:
        tokens: list[Token] = []
        position, end = 0, len(self.text.rstrip())
        while position < end:
            match = _TOKEN.match(self.text, position)
            if match is None:
                raise self._strange(position)
            kind = match.lastgroup or "mark"
            tokens.append(Token(kind, match.group(kind), match.start(kind)))
            position = match.end()
        tokens.append(Token("end", "", len(self.text)))
        return tokens

    @property
    def _next(self) -> Token:
        return self.tokens[self.position]

    def _take(self, *marks: str) -> str | None:
        token = self._next
        if token.kind == "mark" and token.text in marks:
            self.position += 1
            return token.text
        return None

    def _sum(self) -> Polynomial:
        total = dict(self._product().terms)
        while sign := self._take("+", "-"):
            for key, value in self._product().terms.items():
                _add(total, key, value if sign == "+" else -value)
            if len(total) > MAX_TERMS:
                raise self._too_large(f"more than {MAX_TERMS} terms")
        return Polynomial(self.ring, total)

    def _product(self) -> Polynomial:
        value = self._signed()
        while mark := self._take("*", "/"):
            if mark == "*":
                value = self._times(value, self._signed())
                continue
            divisor = self._signed()
            if divisor.degree > 0:
                raise FormatError(
                    f"{self.where}: `{shorten(self.text)}` divides by `{shorten(divisor.text())}`; "
                    "only division by a constant gives a polynomial"
                )
            if not divisor:
                raise FormatError(f"{self.where}: `{shorten(self.text)}` divides by zero")
            value = self._times(value, self.ring.constant(1 / divisor.terms[()]))
        return value

    def _signed(self) -> Polynomial:
        with _Level(self):
            sign = self._take("+", "-")
            if sign is None:
                return self._power()
            value = self._signed()
            return value if sign == "+" else -value

    def _power(self) -> Polynomial:
        base = self._atom()
        if not self._take("**"):
            return base
        exponent = self._signed()
        number = exponent.terms.get((), Fraction(0))
        if exponent.degree > 0 or number.denominator != 1 or number < 0:
            raise FormatError(
                f"{self.where}: exponent `{shorten(exponent.text(), 20)}` in "
                f"`{shorten(self.text)}`; exponents are whole numbers from 0 to {MAX_DEGREE}"
            )
        return self._raise_to(base, int(number))

    def _atom(self) -> Polynomial:
        token = self._next
        if token.kind == "number":
            self.position += 1
            if self._next.kind == "name" and self._next.start == token.start + len(token.text):
                name = self._next.text
                advice = f"; write {token.text}*{name} for a product" if name in self.names else ""
                raise FormatError(
                    f"{self.where}: `{token.text}{shorten(name, 20)}` is not a number{advice}"
                )
            return self.ring.constant(rational(token.text, f"{self.where}:"))
        if token.kind == "name":
            return self._name(token)
        if self._take("("):
            with _Level(self):
                value = self._sum()
            if not self._take(")"):
                raise self._unexpected("a closing parenthesis")
            return value
        raise self._unexpected()

    def _name(self, token: Token) -> Polynomial:
        self.position += 1
        if self._next.text == "(":
            if token.text in self.names:
                raise FormatError(
                    f"{self.where}: `{shorten(self._call(token))}` calls `{token.text}`; "
                    f"write {token.text}*( for a product"
                )
            raise self._not_a_polynomial(self._call(token))
        value = self.names.get(token.text)
        if value is None:
            known = ", ".join(list(self.names)[:12]) or "none"
            raise FormatError(
                f"{self.where}: unknown name `{shorten(token.text)}`; known are {known}"
            )
        return value if isinstance(value, Polynomial) else self.ring.constant(value)

    def _call(self, token: Token) -> str:
        """Return the text of `name( ... )` from its name to the matching parenthesis."""
        depth = 0
        for other in self.tokens[self.position :]:
            depth += {"(": 1, ")": -1}.get(other.text, 0)
            if depth == 0:
                return self.text[token.start : other.start + 1]
        return self.text[token.start :]

    # Bounds, each checked before the work is done.

    def _times(self, left: Polynomial, right: Polynomial) -> Polynomial:
        self._spend(len(left.terms) * len(right.terms))
        if left.degree + right.degree > MAX_DEGREE:
            raise self._too_large(f"degree above {MAX_DEGREE}")
        if _bits(left) + _bits(right) > MAX_BITS:
            raise self._too_large(f"coefficients of more than {MAX_BITS} bits")
        product = left * right
        if len(product.terms) > MAX_TERMS:
            raise self._too_large(f"more than {MAX_TERMS} terms")
        return product

    def _raise_to(self, base: Polynomial, exponent: int) -> Polynomial:
        if max(base.degree, 0) * exponent > MAX_DEGREE:
            raise self._too_large(f"degree above {MAX_DEGREE}")
        if exponent * _bits(base) > MAX_BITS:
            raise self._too_large(f"coefficients of more than {MAX_BITS} bits")
        count = len(base.terms)
        if count > 1 and comb(count + exponent - 1, exponent) > MAX_TERMS:
            raise self._too_large(f"up to {comb(count + exponent - 1, exponent)} terms")
        result = self.ring.constant(1)
        for _ in range(exponent if count else min(exponent, 1)):
            self._spend(len(result.terms) * count)
            result = result * base
        return result

    def _spend(self, amount: int) -> None:
        self.work += amount
        if self.work > MAX_WORK:
            raise self._too_large("too many products")

    # Messages.

    def _too_large(self, what: str) -> FormatError:
        return FormatError(f"{self.where}: `{shorten(self.text)}` is too large to expand: {what}")

    def _not_a_polynomial(self, part: str) -> FormatError:
        return FormatError(f"{self.where}: `{shorten(part)}` is not a polynomial; {ALLOWED}")

    def _unexpected(self, wanted: str = "a number, a name or a parenthesis") -> FormatError:
        token = self._next
        shown = "end of the text" if token.kind == "end" else f"`{shorten(token.text, 20)}`"
        return FormatError(
            f"{self.where}: `{shorten(self.text)}`: {shown} where {wanted} was expected; {ALLOWED}"
        )

    def _strange(self, position: int) -> FormatError:
        rest = self.text[position:]
        character = rest[len(rest) - len(rest.lstrip()) :][0]
        if character == "^":
            return FormatError(
                f"{self.where}: `{shorten(self.text)}`: `^` is not known here, powers are x**2"
            )
        if ord(character) < 128 and character.isprintable():
            return self._not_a_polynomial(self.text)
        name = unicodedata.name(character, f"U+{ord(character):04X}")
        return FormatError(
            f"{self.where}: the character {character!a} ({name}) is not plain ASCII; {ALLOWED}"
        )


class _Level:
    """One level of nesting; refuses the one after `MAX_NESTING`."""

    def __init__(self, reader: _Reader) -> None:
        self.reader = reader

    def __enter__(self) -> None:
        self.reader.depth += 1
        if self.reader.depth > 2 * MAX_NESTING + 1:
            raise FormatError(f"{self.reader.where}: nested more than {MAX_NESTING} deep")

    def __exit__(self, *error: object) -> None:
        self.reader.depth -= 1


def _add(terms: dict[Monomial, Fraction], key: Monomial, value: Fraction) -> None:
    total = terms.get(key, Fraction(0)) + value
    if total:
        terms[key] = total
    else:
        terms.pop(key, None)


def _bits(value: Polynomial) -> int:
    return max(
        (max(c.numerator.bit_length(), c.denominator.bit_length()) for c in value.terms.values()),
        default=0,
    )
