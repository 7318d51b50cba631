"""The full spectrum of a stratum of a deep chain, with exact forms where they are rational."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from fractions import Fraction

import numpy as np

from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed
from equilibria.exact.rationals import to_float
from equilibria.exact.univariate import line_text
from equilibria.systems.model import Model
from equilibria.varieties.chains.close_roots import roots_of
from equilibria.varieties.chains.counts import Counts
from equilibria.varieties.chains.couplings import (
    Block,
    inactive_blocks,
    output_block,
    own_blocks,
    pair_blocks,
)
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.commuting.couplings import Coupling
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.component import Eigenvalue

Key = tuple[complex, str | None]


def chain_spectrum(
    model: Model, stratum: Sequence[Rest], units: Sequence[Unit], dynamics: Dynamics
) -> tuple[Eigenvalue, ...]:
    """Return all eigenvalues (flow) or multipliers (map), neutral ones included."""
    found = _Collector(model, dynamics)
    counts = Counts.of(model.chain, stratum)
    active = {rest.unit.columns for rest in stratum}
    for place, rest in enumerate(stratum):
        found.add(own_blocks(rest))
        found.add([output_block(rest)] * (counts.outputs * rest.unit.size))
        for unit in units:
            if unit.columns not in active:
                found.add(inactive_blocks(rest, unit))
        for other in stratum[place + 1 :]:
            found.add(pair_blocks(rest, other))
    found.add_rates(Counter({**counts.rates, Fraction(0): counts.orbit}))
    if model.traits.has_target:
        found.add_targets(counts.idle_targets)
    return found.sorted()


class _Collector:
    def __init__(self, model: Model, dynamics: Dynamics) -> None:
        self.model, self.dynamics = model, dynamics
        self.found: Counter[Key] = Counter()

    def add(self, blocks: Iterable[Block]) -> None:
        """Add the roots of blocks; a zero is neutral."""
        for coupling, count, zero in blocks:
            is_map = self.dynamics.is_map
            polynomial = coupling.characteristic(self.model, is_map=is_map)[int(zero) :]
            if zero:  # of the polynomial itself: heavy ball's second root is still in it
                self.found[complex(is_map), str(int(is_map))] += count
            text = self._text(polynomial)
            values = self.dynamics.eigenvalues(roots_of(polynomial)).ravel()
            for value in np.sort_complex(values):
                self.found[complex(value), text] += count

    def add_rates(self, rates: Counter[Fraction]) -> None:
        """Add blocks Lambda + rate that no target enters."""
        for rate, count in rates.items():
            if count and rate:
                one = Enclosed.of(1)
                coupling = Coupling(((Enclosed.of(rate),), (one,)), neutral=0)
                self.add([Block(coupling, times=count)])
            elif count:
                self._neutral(count)

    def add_targets(self, count: int) -> None:
        """Add the entries of the targets that nothing reads."""
        model, is_map = self.model, self.dynamics.is_map
        value = model.mu if is_map else -model.flow_rate
        if count:
            self.found[complex(to_float(value)), str(value)] += count

    def _neutral(self, count: int) -> None:
        is_map, nu = self.dynamics.is_map, self.model.nu
        self.found[complex(int(is_map)), str(int(is_map))] += count
        if is_map and nu:
            self.found[complex(to_float(nu)), str(nu)] += count

    def _text(self, polynomial: Sequence[Enclosed]) -> str | None:
        """Return the exact form of a root of a polynomial with rational coefficients."""
        line = [value.rational for value in polynomial]
        known = [value for value in line if value is not None]
        if len(known) < len(line):
            return None
        if len(known) == 2:
            value = -known[0] / known[1]
            return str(1 + self.model.h * value if self.dynamics.is_map else value)
        if self.dynamics.is_map:
            return None
        return f"root of {line_text([value / known[-1] for value in known], 'l')}"

    def sorted(self) -> tuple[Eigenvalue, ...]:
        """Return the eigenvalues by descending real part or modulus."""
        size = abs if self.dynamics.is_map else (lambda value: value.real)
        items = [Eigenvalue(value, count, text) for (value, text), count in self.found.items()]
        return tuple(sorted(items, key=lambda e: (-size(e.value), -e.value.real, -e.value.imag)))
