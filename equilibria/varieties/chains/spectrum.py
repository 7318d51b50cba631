"""The full spectrum of a stratum of a deep chain, with exact forms where they are rational."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.exact.enclosed import Enclosed
from equilibria.exact.rationals import to_float
from equilibria.exact.univariate import line_text
from equilibria.systems.model import Model
from equilibria.varieties.chains.close_roots import roots_of
from equilibria.varieties.chains.counts import Counts
from equilibria.varieties.chains.couplings import (
    inactive_coupling,
    mode_coupling,
    output_coupling,
    pair_coupling,
)
from equilibria.varieties.chains.rest import Rest
from equilibria.varieties.chains.tables import shares_root
from equilibria.varieties.commuting.couplings import Coupling
from equilibria.varieties.commuting.modes import Mode
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.component import Eigenvalue

if TYPE_CHECKING:
    from numpy.typing import NDArray

Key = tuple[complex, str | None]


def chain_spectrum(
    model: Model, stratum: Sequence[Rest], modes: Sequence[Mode], dynamics: Dynamics
) -> tuple[Eigenvalue, ...]:
    """Return all eigenvalues (flow) or multipliers (map), neutral ones included."""
    found = _Collector(model, dynamics)
    counts = Counts(model.chain, len(stratum))
    active = {rest.mode.number for rest in stratum}
    for place, rest in enumerate(stratum):
        found.add(mode_coupling(rest), zero=rest.fold)
        found.add(output_coupling(rest), count=counts.outputs)
        for mode in modes:
            if mode.number not in active:
                found.add(inactive_coupling(rest, mode), zero=shares_root(rest, mode))
        for other in stratum[place + 1 :]:
            same = (rest.mode.s, rest.mode.m) == (other.mode.s, other.mode.m)
            zero = same and rest.place.outer != other.place.outer
            found.add(pair_coupling(rest, other), zero=zero)
    found.add_rates(Counter({**counts.rates, Fraction(0): counts.orbit}))
    if model.traits.has_target:
        found.add_targets(counts.idle_targets)
    return found.sorted()


class _Collector:
    def __init__(self, model: Model, dynamics: Dynamics) -> None:
        self.model, self.dynamics = model, dynamics
        self.found: Counter[Key] = Counter()

    def add(self, coupling: Coupling[Enclosed], *, zero: bool = False, count: int = 1) -> None:
        """Add the roots of a block; its zero is neutral."""
        if not count:
            return
        polynomial = coupling.characteristic(self.model, is_map=self.dynamics.is_map)[int(zero) :]
        if zero:  # of the polynomial itself: heavy ball's second root is still in it
            self.found[complex(self.dynamics.is_map), str(int(self.dynamics.is_map))] += count
        text = self._text(polynomial)
        for value in np.sort_complex(self._values(roots_of(polynomial)).ravel()):
            self.found[complex(value), text] += count

    def add_rates(self, rates: Counter[Fraction]) -> None:
        """Add blocks Lambda + rate that no target enters."""
        for rate, count in rates.items():
            if count and rate:
                one = Enclosed.of(1)
                self.add(Coupling(((Enclosed.of(rate),), (one,)), neutral=0), count=count)
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

    def _values(self, roots: NDArray[np.complex128]) -> NDArray[np.complex128]:
        return self.dynamics.eigenvalues(roots)

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
