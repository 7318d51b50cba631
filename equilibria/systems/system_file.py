"""A user's own system: variables, parameters, a flow and its update map, read from a TOML file.

    name = "one EMA mode"
    variables = ["p", "w", "t"]

    [parameters]                  # numbers are exact; a text may use the parameters above it
    mu = 0.99
    lr = "1/10"
    beta = "(1 - mu)/lr"

    [definitions]                 # names for parts that occur more than once
    e = "t - 5/4*p*w"

    [flow]                        # dx/dt, one equation for each variable
    p = "w*e"
    w = "p*e"
    t = "beta*(w - t)"

    [map]                         # x after one step; left out, only --lr H makes it x + H dx/dt
    p = "p + lr*w*e"
    w = "w + lr*p*e"
    t = "mu*t + (1 - mu)*(w + lr*p*e)"

A flow alone is judged as a flow. A file may also give the map alone: then there is no flow to speak
of. Every message is one line that names the file and the key.
"""

from __future__ import annotations

import keyword
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from os import PathLike
from pathlib import Path

from equilibria.errors import FormatError
from equilibria.exact.grammar import parse, shorten
from equilibria.exact.polynomial import Polynomial, Ring
from equilibria.exact.rationals import Number, quantity
from equilibria.files.untrusted import check_file
from equilibria.systems.polynomial_system import PolynomialSystem

MAX_BYTES = 1_000_000
MAX_VARIABLES = 64
MAX_NAMES = 200
MAX_NAME_LENGTH = 40
MAX_TEXT = 2_000
MAX_DOTS = 10_000_000

SECTIONS = ("parameters", "definitions", "flow", "map")
KEYS = ("name", "description", "variables", "symmetry", *SECTIONS)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*", re.ASCII)
_QUOTE = re.compile("[\"']")


@dataclass(frozen=True)
class UserSystem:
    """A polynomial system with all parameters filled in, exactly.

    `flow` or `map` is None where it was not given (never both); `equations` states them as they
    were written.
    """

    name: str
    variables: tuple[str, ...]
    parameters: Mapping[str, Fraction]
    flow: Mapping[str, Polynomial] | None
    map: Mapping[str, Polynomial] | None
    symmetry: str = "none"
    description: str = ""
    equations: tuple[str, ...] = ()

    @property
    def ring(self) -> Ring:
        return Ring(self.variables)

    def step_size(self, lr: Number) -> Fraction:
        """Return a step size that is asked for, exactly.

        Raises `FormatError` where it contradicts the file: its equations already hold the other
        value, and `load` with an override changes it, or they are a map in which no `lr` occurs.
        """
        asked = quantity(lr, "--lr")
        if asked <= 0:
            raise FormatError(f"--lr {lr}: must be above 0")
        own = self.parameters.get("lr")
        if own is not None and own != asked:
            raise FormatError(
                f"--lr {lr}: {self.name} was read with lr = {own}",
                hint=f'--set lr={lr}, or load(..., overrides={{"lr": ...}})',
            )
        if own is None and self.map is not None:
            raise FormatError(
                f"--lr {lr}: {self.name} has a [map] of its own, in which no parameter lr occurs",
                hint="leave --lr out, or write the map with a parameter lr",
            )
        return asked

    def system(self, lr: Number | None = None) -> PolynomialSystem:
        """Return flow and map as a `PolynomialSystem`; with `lr` a missing map is the Euler step.

        What the file does not have, and for the map nobody asked for, is empty in the result.
        """
        h = None if lr is None else self.step_size(lr)
        after = self.map
        if after is None and h is not None:
            assert self.flow is not None
            after = {name: self.ring.variable(name) + h * f for name, f in self.flow.items()}
        return PolynomialSystem(
            self.variables,
            dict(self.flow or {}),
            dict(after or {}),
            (),
            self.symmetry,
            self.equations,
        )


def load(path: str | PathLike[str], overrides: Mapping[str, Number] | None = None) -> UserSystem:
    """Read a system file; `overrides` replaces values of its parameters by name.

    Raises `FormatError`, one line naming the file and the key.
    """
    shown = shorten(str(path), 120)
    check_file(path, shown)
    try:
        with Path(path).open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a path"
        raise FormatError(f"{shown}: cannot be read ({reason.lower()})") from error
    if len(content) > MAX_BYTES:
        raise FormatError(f"{shown}: larger than {MAX_BYTES} bytes, not a system file")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{shown}: not UTF-8 text (byte {error.start})") from error
    return read(text, shown, overrides)


def read(text: str, file: str, overrides: Mapping[str, Number] | None = None) -> UserSystem:
    """Return the system that a TOML text describes; `file` names it in messages."""
    return _Reader(_toml(text, file), file, dict(overrides or {})).read()


def _toml(text: str, file: str) -> dict[str, object]:
    # tomllib takes quadratic time on a key with thousands of dots
    if sum(_dots(line) ** 2 for line in text.splitlines()) > MAX_DOTS:
        raise FormatError(f"{file}: a key with thousands of dots, not a system file")
    try:
        return tomllib.loads(text, parse_float=_Literal)
    except RecursionError as error:
        raise FormatError(f"{file}: nested too deep, not a system file") from error
    except ValueError as error:
        raise FormatError(f"{file}: not TOML: {shorten(str(error), 100)}") from error


def _dots(line: str) -> int:
    return _QUOTE.split(line, maxsplit=1)[0].count(".")


class _Literal(str):
    """A number of the file, as it was written."""


class _Reader:
    """Checks one file key by key; the methods run in the order of the file's sections."""

    def __init__(self, data: dict[str, object], file: str, overrides: dict[str, Number]) -> None:
        self.data, self.file, self.overrides = data, file, overrides
        self.taken: dict[str, str] = {}

    def read(self) -> UserSystem:
        for key in self.data:
            if key not in KEYS:
                raise self._error(shorten(key), f"unknown key; known are {', '.join(KEYS)}")
        variables = self._variables()
        parameters = self._parameters()
        ring = Ring(variables)
        names = self._definitions(ring, parameters)
        flow = self._equations("flow", ring, names)
        after = self._equations("map", ring, names)
        if flow is None and after is None:
            raise FormatError(f"{self.file}: neither [flow] nor [map]; at least one is needed")
        return UserSystem(
            name=self._text("name", Path(self.file).stem),
            variables=variables,
            parameters=parameters,
            flow=flow,
            map=after,
            symmetry=self._text("symmetry", "none"),
            description=self._text("description", ""),
            equations=self._as_written(),
        )

    def _error(self, key: str, what: str) -> FormatError:
        return FormatError(f"{self.file}, {key}: {what}")

    def _text(self, key: str, default: str) -> str:
        value = self.data.get(key, default)
        if not isinstance(value, str) or isinstance(value, _Literal):
            raise self._error(key, "expected text in quotes")
        if len(value) > MAX_TEXT or not value.replace("\n", " ").isprintable():
            raise self._error(key, f"expected at most {MAX_TEXT} printable characters")
        return value

    def _section(self, key: str) -> dict[str, object]:
        value = self.data.get(key, {})
        if not isinstance(value, dict):
            raise self._error(key, f"expected a section [{key}]")
        if len(value) > MAX_NAMES:
            raise self._error(key, f"{len(value)} entries, more than {MAX_NAMES}")
        return value

    def _claim(self, name: object, key: str, role: str) -> str:
        """Check that `name` can be used and is not used yet."""
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            shown = shorten(ascii(name)[1:-1] if isinstance(name, str) else str(name), 40)
            raise self._error(key, f"`{shown}` is not a name; use letters, digits and _, as in w_1")
        if len(name) > MAX_NAME_LENGTH:
            raise self._error(key, f"a name of {len(name)} characters, more than {MAX_NAME_LENGTH}")
        if keyword.iskeyword(name):
            raise self._error(key, f"`{name}` is a word of Python; choose another name")
        if name in self.taken:
            raise self._error(key, f"`{name}` is already a {self.taken[name]}")
        self.taken[name] = role
        return name

    def _variables(self) -> tuple[str, ...]:
        names = self.data.get("variables")
        if not isinstance(names, list) or not names:
            raise self._error("variables", 'expected a list of names, as in ["p", "w"]')
        if len(names) > MAX_VARIABLES:
            raise self._error("variables", f"{len(names)} names, more than {MAX_VARIABLES}")
        return tuple(self._claim(name, "variables", "variable") for name in names)

    def _parameters(self) -> dict[str, Fraction]:
        values: dict[str, Fraction] = {}
        for name, entry in self._section("parameters").items():
            key = f"parameters.{shorten(name)}"
            self._claim(name, key, "parameter")
            if name in self.overrides:
                values[name] = quantity(self.overrides.pop(name), f"{self.file}, {key}:")
            else:
                constant = parse(self._entry(entry, key), Ring(()), values, where=self._at(key))
                values[name] = constant.terms.get((), Fraction(0))
        if self.overrides:
            unknown = next(iter(self.overrides))
            known = ", ".join(values) or "none"
            raise self._error(
                "parameters", f"no parameter `{shorten(unknown)}` to override; known are {known}"
            )
        return values

    def _at(self, key: str) -> str:
        return f"{self.file}, {key}"

    def _entry(self, value: object, key: str) -> str:
        if isinstance(value, _Literal) and value.lstrip("+-") in ("inf", "nan"):
            raise self._error(key, f"{value} is not a finite number")
        if isinstance(value, str):
            return value
        if isinstance(value, int) and not isinstance(value, bool):
            return str(value)
        raise self._error(
            key, f"expected a number or a text in quotes, not `{shorten(str(value))}`"
        )

    def _definitions(
        self, ring: Ring, parameters: Mapping[str, Fraction]
    ) -> dict[str, Fraction | Polynomial]:
        """Return all names for constants and parts, each part read after those that it uses."""
        known: dict[str, Fraction | Polynomial] = dict(parameters)
        section = self._section("definitions")
        texts = {}
        for name, entry in section.items():
            key = f"definitions.{shorten(name)}"
            texts[self._claim(name, key, "definition")] = self._entry(entry, key)
        waiting = list(texts)
        while waiting:
            ready = [
                name
                for name in waiting
                if not any(used in waiting for used in _NAME.findall(texts[name]))
            ]
            if not ready:
                circle = ", ".join(f"`{name}`" for name in waiting[:5])
                raise self._error("definitions", f"{circle} are defined by each other")
            for name in ready:
                known[name] = parse(texts[name], ring, known, where=self._at(f"definitions.{name}"))
            waiting = [name for name in waiting if name not in ready]
        return known

    def _equations(
        self, key: str, ring: Ring, names: Mapping[str, Fraction | Polynomial]
    ) -> dict[str, Polynomial] | None:
        if key not in self.data:
            return None
        section = self._section(key)
        for name in section:
            if name not in ring.names:
                known = ", ".join(ring.names[:12])
                raise self._error(
                    f"{key}.{shorten(name)}", f"not one of the variables; these are {known}"
                )
        missing = next((name for name in ring.names if name not in section), None)
        if missing is not None:
            raise self._error(key, f"no equation for `{missing}`")
        return {
            name: parse(
                self._entry(section[name], f"{key}.{name}"),
                ring,
                names,
                where=self._at(f"{key}.{name}"),
            )
            for name in ring.names
        }

    def _as_written(self) -> tuple[str, ...]:
        """Return the equations one a line, in the user's words."""
        templates = {"definitions": "{} = {}", "flow": "d{}/dt = {}", "map": "{}+ = {}"}
        return tuple(
            template.format(name, " ".join(str(entry).split()))
            for section, template in templates.items()
            for name, entry in self._section(section).items()
        )
