"""The roots at which modes rest: labels, exact text and value, for every form of the report."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.commuting.representative import number
from equilibria.varieties.component import Algebraic


@dataclass(frozen=True, slots=True)
class RootLabel:
    """A mode at one of its roots, the eigenvalue p of the predictor there."""

    mode: int
    root: str
    text: str
    value: float


def root_labels(model: Model) -> Iterator[RootLabel]:
    """Yield the roots of all modes, in the order of the modes, the outer root first.

    Needs commuting moments and decays above 0.
    """
    if model.is_deep:
        yield from _deep_labels(model)
        return
    for mode in modes_of(model.moments):
        for state in states_of(mode, model.eta):
            entry = number(state.p)
            text = entry.exact if isinstance(entry, Algebraic) else str(entry)
            yield RootLabel(mode.number, state.root, text, state.value)


def _deep_labels(model: Model) -> Iterator[RootLabel]:
    from equilibria.varieties.chains.rest import Rest

    for mode in modes_of(model.moments):
        for rest in Rest.all_of(model.chain, mode):
            sign = "-" if rest.sign < 0 else ""
            text = f"{sign}({rest.place.text()})" if sign else rest.place.text()
            yield RootLabel(mode.number, rest.root, text, rest.sign * float(rest.p))
