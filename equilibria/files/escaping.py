"""Text that somebody else wrote, on its way to a terminal or into a file: one function, `escape`.

File names, ids and sentences of claims, names of devices and data sets come from outside. Whatever
cannot be seen (control characters, marks that turn the direction of writing, lone surrogates,
unassigned code points) is written as its Python escape; then the marks of the format are taken
their meaning. The result is one line, unless lines are asked for.
"""

from __future__ import annotations

from typing import Literal

Form = Literal["terminal", "markdown", "code", "cell", "latex", "html", "xml"]
FILLERS = frozenset("\u115f\u1160\u3164\uffa0\u2800")
"""Letters without a shape, which Python takes for printable."""


MARKDOWN = frozenset("\\`*_{}[]()<>#+!|~&$@")
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"$<$",
    ">": r"$>$",
    "|": r"$|$",
    '"': r"''",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "Σ": r"$\Sigma$",
    "μ": r"$\mu$",
    "η": r"$\eta$",
    "α": r"$\alpha$",
    "β": r"$\beta$",
    "ν": r"$\nu$",
    "·": r"$\cdot$",
    "×": r"$\times$",
}


def escape(text: object, form: Form = "terminal", *, lines: bool = False) -> str:
    """Return text that shows as what it is, and is nothing else, in the given form.

    terminal: what cannot be seen is written out. markdown: marks are escaped too, in running text and
    in cells of tables; code: fit for the inside of back quotes or a fenced block, cell: for back
    quotes in a table. latex: special
    characters become commands, letters outside ASCII `?`. html: for elements and quoted attributes.
    xml: characters that XML can hold; the writer of the document escapes the marks. With `lines` line
    feeds and tabs stay.
    """
    whole = " ".join(str(text).split()) if form == "latex" else str(text)
    seen = "".join(_seen(c, lines=lines) for c in whole)
    if form == "markdown":
        return "".join("\\" + c if c in MARKDOWN else c for c in seen)
    if form in ("code", "cell"):
        quoted = seen.replace("`", "'")
        return quoted.replace("|", "\\|") if form == "cell" else quoted
    if form == "latex":
        line = seen.replace("<=", "≤").replace(">=", "≥")
        return "".join(LATEX.get(c) or (c if c.isascii() else "?") for c in line)
    if form == "html":
        import html  # thousands of names of letters

        return html.escape(seen, quote=True)
    return seen


def _seen(character: str, *, lines: bool) -> str:
    if lines and character in "\n\t":
        return character
    if character.isprintable() and character not in FILLERS and not _selects(character):
        return character
    return character.encode("unicode_escape", "backslashreplace").decode("ascii")


def _selects(character: str) -> bool:
    """Return whether it is a variation selector: no shape of its own, and room for hidden text."""
    return "\ufe00" <= character <= "\ufe0f" or "\U000e0100" <= character <= "\U000e01ef"
