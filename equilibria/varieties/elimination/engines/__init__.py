"""Engines that propose the components of a polynomial system. To add one, see `base`."""

from __future__ import annotations

from equilibria.errors import EngineMissing, FormatError
from equilibria.varieties.elimination.engines import flint_engine, singular
from equilibria.varieties.elimination.engines.base import Answer, Engine, Limits
from equilibria.varieties.elimination.engines.flint_engine import Flint
from equilibria.varieties.elimination.engines.singular import Singular
from equilibria.varieties.elimination.engines.sympy_engine import Sympy

ENGINES: dict[str, Engine] = {
    "singular": Singular(),
    "sympy": Sympy(),
    "flint": Flint(),
}
INSTALL = {"singular": singular.INSTALL, "flint": flint_engine.INSTALL}


def choose(name: str = "auto") -> Engine:
    """Return an engine by name; `auto` is the first of `ENGINES` that is installed."""
    if name == "auto":
        return next(engine for engine in ENGINES.values() if engine.version() is not None)
    if name not in ENGINES:
        raise FormatError(f"--engine {name}: expected auto, {' or '.join(ENGINES)}")
    if ENGINES[name].version() is None:
        raise EngineMissing(f"--engine {name}: not installed here", hint=INSTALL.get(name))
    return ENGINES[name]


__all__ = ["ENGINES", "Answer", "Engine", "Limits", "choose"]
