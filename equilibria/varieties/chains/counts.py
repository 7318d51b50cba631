"""How often every block occurs at an aligned equilibrium of rank k of a deep chain (T22.4, T23.1)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from equilibria.systems.depth import Chain
from equilibria.varieties.chains.couplings import repeated_decays
from equilibria.varieties.chains.rest import Rest


@dataclass(frozen=True)
class Counts:
    """The multiplicities at rank k; blocks that no root enters are rates."""

    chain: Chain
    rank: int
    pairs: int = 0
    """How many of the active units are pairs of dimensions."""

    @classmethod
    def of(cls, chain: Chain, stratum: Sequence[Rest]) -> Counts:
        pairs = sum(1 for rest in stratum if rest.unit.im)
        return cls(chain, len(stratum) + pairs, pairs)

    @property
    def orbit(self) -> int:
        """Return the dimension of the orbit of the rotations between layers (T22.4)."""
        k = self.rank
        return sum(k * (width - k) + k * (k - 1) // 2 for width in self.chain.widths[1:-1])

    @property
    def outputs(self) -> int:
        """Return how many outputs no mode uses."""
        return self.chain.widths[-1] - self.rank

    @property
    def rates(self) -> Counter[Fraction]:
        """Return the rates of the blocks Lambda + rate that neither p nor a target enters."""
        chain, k = self.chain, self.rank
        rates: Counter[Fraction] = Counter()
        for rate, count in repeated_decays(chain).items():
            rates[rate] += (k + self.pairs) * count
        if chain.equal_decays:
            between = k * (k - 1) // 2 - self.pairs
            rates[2 * chain.decays[0]] += (chain.depth - 1) * between
        for layer, width in enumerate(chain.widths[1:-1]):
            rates[chain.decays[layer] + chain.decays[layer + 1]] += k * (width - k)
        for layer, decay in enumerate(chain.decays):
            rates[decay] += (chain.widths[layer + 1] - k) * (chain.widths[layer] - k)
        return +rates

    @property
    def idle_targets(self) -> int:
        """Return how many entries of the targets no other equation reads (T23.1)."""
        chain, k = self.chain, self.rank
        L, widths = chain.encoder, chain.widths
        modes = (L - 1) * (k + k * (k - 1))
        hidden = sum(2 * k * (width - k) for width in widths[1:L])
        free = sum((widths[i + 1] - k) * (widths[i] - k) for i in range(L))
        return modes + hidden + k * self.outputs + free
