"""Words, formulas and numbers as LaTeX.

Whatever in a sentence is a formula is set in math, the rest is escaped character by character, so
that a file name or a note can never be read as a command.
"""

from __future__ import annotations

import re
from fractions import Fraction

from equilibria.errors import FormatError
from equilibria.exact.grammar import parse
from equilibria.exact.polynomial import Ring, latex_name
from equilibria.exact.surds import Surd
from equilibria.files import escaping

GREEK = ("Sigma", "alpha", "beta", "eta", "mu", "nu", "lambda", "phi", "kappa", "theta")


def escape(text: str) -> str:
    """Return text that LaTeX prints as it is; letters that not every font has become `?`."""
    return escaping.escape(text, "latex")


_TOKEN = re.compile(
    r"(?P<name>[A-Za-z]+(?:_[A-Za-z0-9]+)*)(?P<power>\^T|\^-1|\^\d|\*\*\d+)?"
    r"|(?P<number>\d+(?:/\d+)?)|(?P<mark><=|>=|[-+*/=()<>|,])|(?P<space>\s+)|(?P<other>.)"
)
_MATRIX_NAME = re.compile(r"[A-Z](_\d+_\d+)?")
_SYMBOLS = {"<=": r"\le", ">=": r"\ge", "*": r"\,", "|": "|"}


def formula(text: str) -> str | None:
    """Return matrix notation such as `alpha R W^T - eta_P P` as math; None for anything else."""
    pieces: list[str] = []
    depth = 0
    for match in _TOKEN.finditer(text):
        piece = _piece(match)
        if piece is None:
            return None
        depth += (piece == "(") - (piece == ")")
        if depth < 0:
            return None
        pieces.append(piece)
    return None if depth else " ".join(piece for piece in pieces if piece.strip())


def _piece(match: re.Match[str]) -> str | None:
    name, number, mark = match["name"], match["number"], match["mark"]
    if match["space"]:
        return " "
    if number:
        return fraction(Fraction(number))
    if mark:
        return _SYMBOLS.get(mark, mark)
    symbol = None if name is None else _symbol(name)
    return None if symbol is None else symbol + _power(match["power"])


def _symbol(name: str) -> str | None:
    if name in GREEK:
        return f"\\{name}"
    if name == "eta_P":
        return r"\eta_P"
    if name in ("E0", "tr"):
        return {"E0": "E_0", "tr": r"\operatorname{tr}"}[name]
    if _MATRIX_NAME.fullmatch(name) or name in ("h", "s", "m", "p", "w"):
        return latex_name(name)
    if len(name) == 2 and name[0] == "d" and name[1].isupper():
        return rf"\dot {name[1]}"
    return None


def _power(text: str | None) -> str:
    if not text:
        return ""
    exponent = text.lstrip("*^")
    return r"^{\top}" if exponent == "T" else f"^{{{exponent}}}"


_ATOM = re.compile(
    r"df\(\w+\)/d\w+|dB/dt|\|d[PW]\|\^2|\b[A-Z](?:_\d+)*(?:\^T|\^-?\d|\*\*\d+)?(?![\w^])|"
    r"\bE0\b|\b\d+(?:/\d+)?(?![\w.])"
)
_RUN = re.compile(rf"(?:-\s?)?(?:{_ATOM.pattern})(?:(?:\s?[-+*/=]\s?|\s)-?(?:{_ATOM.pattern}))*")
_PARTIAL = re.compile(r"df\((\w+)\)/d(\w+)")


def sentence(text: str) -> str:
    """Return a sentence with its formulas in math and all else escaped.

    A formula is a run of matrix letters, entries, derivatives and numbers with a sign or an index
    among them; a lone letter or number is a word.
    """
    pieces, end = [], 0
    for match in _RUN.finditer(text):
        if not re.search(r"[_^=*]|dB/dt", match.group()):
            continue
        pieces += [_spaced(text[end : match.start()]), f"${_math(match.group())}$"]
        end = match.end()
    return "".join([*pieces, _spaced(text[end:])]).strip()


def _spaced(text: str) -> str:
    """Escape a part of a sentence and keep the spaces at its ends."""
    left = " " if text[:1].isspace() else ""
    right = " " if text[-1:].isspace() and text.strip() else ""
    return left + escape(text) + right


def _math(run: str) -> str:
    pieces, end = [], 0
    for match in _ATOM.finditer(run):
        pieces += [run[end : match.start()].replace("*", r"\,"), _atom(match.group())]
        end = match.end()
    return "".join([*pieces, run[end:]])


def _atom(text: str) -> str:
    partial = _PARTIAL.fullmatch(text)
    if partial is not None:
        over, under = variable(partial[1]), variable(partial[2])
        return rf"\partial f_{{{over}}}/\partial {under}"
    if text == "dB/dt":
        return r"\dot B"
    if text.startswith("|d"):
        return rf"|\mathrm{{d}}{text[2]}|^2"
    return formula(text) or rf"\text{{{escape(text)}}}"


def fraction(value: Fraction) -> str:
    """Return an exact rational; one with very many digits as a decimal after `approx`."""
    if value.denominator == 1 and len(str(value)) <= 12:
        return str(value)
    sign, size = ("-" if value < 0 else ""), abs(value)
    if len(str(size)) <= 14:
        return rf"{sign}\tfrac{{{size.numerator}}}{{{size.denominator}}}"
    return decimal(value.numerator / value.denominator, ".8g")


def decimal(value: float, form: str) -> str:
    """Return a decimal number, with a power of ten where its format writes an exponent."""
    mantissa, _, exponent = format(value, form).partition("e")
    return rf"{mantissa}\cdot 10^{{{int(exponent)}}}" if exponent else mantissa


def surd(value: Surd) -> str:
    """Return a number a + b sqrt(x) + c sqrt(y) + d sqrt(xy) exactly."""
    number = value.folded()
    pieces: list[str] = []
    radicands = (1, number.x, number.y, number.x * number.y)
    for part, radicand in zip(number.parts, radicands, strict=True):
        if not part:
            continue
        size = "" if radicand != 1 and abs(part) == 1 else fraction(abs(part))
        body = size + (rf"\sqrt{{{radicand}}}" if radicand != 1 else "")
        sign = "-" if part < 0 else "+"
        pieces.append(f" {sign} {body}" if pieces else ("-" if part < 0 else "") + body)
    return "".join(pieces) or "0"


_VARIABLE = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:_[A-Za-z0-9]+)*")


def polynomial(text: str) -> str | None:
    """Return a polynomial in text form as math; None when it is something else."""
    names = tuple(dict.fromkeys(_VARIABLE.findall(text)))
    try:
        return parse(text, Ring(names)).latex(variable)
    except (FormatError, ValueError):
        return None


def variable(name: str) -> str:
    """Return a variable as math that can carry an exponent: W_{12}, and V_{W,12} for VW_1_2."""
    if re.fullmatch(r"V[WP](_\d+)+", name):
        return rf"V_{{{name[1]},{''.join(name.split('_')[1:])}}}"
    head, *indices = name.split("_")
    if len(head) > 1 or not head:
        head = rf"\mathrm{{{head}}}"
    joiner = "" if all(len(index) <= 1 for index in indices) else ","
    return f"{head}_{{{joiner.join(indices)}}}" if any(indices) else head
