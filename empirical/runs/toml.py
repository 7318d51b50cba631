"""Writing the flat TOML of a run; the standard library reads it back (`tomllib`)."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from fractions import Fraction

from equilibria.errors import FormatError

_BARE = re.compile(r"[A-Za-z0-9_-]+")


def toml_text(config: Mapping[str, object]) -> str:
    """Return `config` as TOML: names at the top, then one table for each nested mapping.

    Exact numbers (`Fraction`) become text, `"99/100"`; None is left out. Raises `FormatError` for a
    value that TOML cannot hold.
    """
    plain = {name: value for name, value in config.items() if not isinstance(value, Mapping)}
    lines = [_line(name, value) for name, value in plain.items() if value is not None]
    for name, table in config.items():
        if isinstance(table, Mapping):
            lines += ["", f"[{_key(name)}]"]
            lines += [_line(key, value) for key, value in table.items() if value is not None]
    return "\n".join(lines) + "\n"


def _line(name: str, value: object) -> str:
    return f"{_key(name)} = {_value(name, value)}"


def _key(name: str) -> str:
    return name if _BARE.fullmatch(name) else _string(name)


def _string(text: str) -> str:
    # A JSON string is a TOML basic string, but for the one control character that JSON lets pass.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, str):
        return _string(value)
    if isinstance(value, Fraction):
        return _string(str(value))
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_value(name, item) for item in value) + "]"
    raise FormatError(f"config {name}: {type(value).__name__} cannot be written to config.toml")


def _float(value: float) -> str:
    if math.isfinite(value):
        text = repr(value)
        return text if any(mark in text for mark in ".e") else text + ".0"
    return "nan" if math.isnan(value) else ("inf" if value > 0 else "-inf")
