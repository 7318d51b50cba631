"""The learning procedures. To add one, write a file like `ema.py` and list it here."""

from __future__ import annotations

from equilibria.errors import FormatError
from equilibria.systems.procedures import (
    contrastive,
    direct_copy,
    direct_pred,
    ema,
    joint,
    stop_gradient,
)
from equilibria.systems.procedures.base import Procedure

PROCEDURES: dict[str, Procedure] = {
    "joint": joint.PROCEDURE,
    "stop-gradient": stop_gradient.PROCEDURE,
    "ema": ema.PROCEDURE,
    "direct-pred": direct_pred.PROCEDURE,
    "direct-copy": direct_copy.PROCEDURE,
    "contrastive": contrastive.PROCEDURE,
}


def procedure(name: str) -> Procedure:
    """Return a procedure by name; raises `FormatError` listing the names when there is none."""
    if name not in PROCEDURES:
        raise FormatError(
            f"--procedure {name}: expected one of {', '.join(PROCEDURES)}, or the path of a system file"
        )
    return PROCEDURES[name]


__all__ = ["PROCEDURES", "Procedure", "procedure"]
