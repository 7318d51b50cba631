"""The roots at which modes rest: labels, exact text and value, for every form of the report."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.commuting.representative import number
from equilibria.varieties.component import Algebraic, Component


@dataclass(frozen=True, slots=True)
class RootLabel:
    """A mode at one of its roots, the eigenvalue p of the predictor there."""

    mode: str
    root: str
    text: str
    value: float


def root_labels(model: Model) -> Iterator[RootLabel]:
    """Yield the roots of all modes, in the order of the modes, the outer root first.

    Needs commuting moments and decays above 0.
    """
    if model.is_deep or not model.moments.symmetric:
        yield from _chain_labels(model)
        return
    for mode in modes_of(model.moments):
        for state in states_of(mode, model.eta):
            entry = number(state.p)
            text = entry.exact if isinstance(entry, Algebraic) else str(entry)
            yield RootLabel(str(mode.number), state.root, text, state.value)


def _chain_labels(model: Model) -> Iterator[RootLabel]:
    from equilibria.varieties.chains.rest import Rest, units_of

    for unit in units_of(model.moments):
        for rest in Rest.all_of(model.chain, unit):
            sign = "-" if rest.sign < 0 else ""
            text = f"{sign}({rest.place.text()})" if sign else rest.place.text()
            yield RootLabel(unit.name, rest.root, text, rest.sign * float(rest.p))


def used_labels(components: Iterable[Component]) -> set[tuple[str, str]]:
    """Return (mode, root) of the labels in the names of components that are lists of modes."""
    parts = (
        part
        for component in components
        if component.modes
        for part in component.id.partition(":")[2].split(",")
    )
    return {(part[:-1], part[-1]) for part in parts}
