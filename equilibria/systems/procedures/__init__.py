"""The learning procedures. To add one, write a file like `ema.py` and name it in `defaults.py`."""

from __future__ import annotations

from importlib import import_module

from equilibria.defaults import PROCEDURE_NAMES
from equilibria.errors import FormatError
from equilibria.systems.procedures.base import Family, Procedure

PROCEDURES: dict[str, Procedure] = {
    name: import_module(f"{__name__}.{name.replace('-', '_')}").PROCEDURE
    for name in PROCEDURE_NAMES
}


def procedure(name: str) -> Procedure:
    """Return a procedure by name; raises `FormatError` listing the names when there is none."""
    if name not in PROCEDURES:
        raise FormatError(
            f"--procedure {name}: expected one of {', '.join(PROCEDURES)}, or the path of a system file"
        )
    return PROCEDURES[name]


__all__ = ["PROCEDURES", "Family", "Procedure", "procedure"]
