"""The layers of a deep linear model: one chain A_1, ..., A_D of encoder and predictor.

    W = A_L ... A_1,   P = A_D ... A_(L+1),   D = L + K,

with layer A_l of size n_l x n_(l-1), n_0 = d, n_L = n_D = n, and a rate alpha_l and a decay eta_l of
its own (T20). What the equilibria depend on is theta = a/K and one effective decay (T20.2, T22.3).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import prod

from equilibria.errors import FormatError

MOST_LAYERS = 64
MOST_WIDTH = 65_536


@dataclass(frozen=True)
class Chain:
    """Depths L and K, widths (n_0, ..., n_D), decays and rates (one a layer, the encoder's first)."""

    encoder: int
    predictor: int
    widths: tuple[int, ...]
    decays: tuple[Fraction, ...]
    rates: tuple[Fraction, ...]

    @property
    def depth(self) -> int:
        """Return D = L + K."""
        return self.encoder + self.predictor

    @property
    def a(self) -> int:
        """Return 2 L + K - 2, the power of u beside |m| in the mode equation (T22.3)."""
        return 2 * self.encoder + self.predictor - 2

    @property
    def b(self) -> int:
        """Return 2 D - 2, the power of u beside s in the mode equation (T22.3)."""
        return 2 * self.depth - 2

    @property
    def theta(self) -> Fraction:
        """Return a/K = 1 + 2 (L - 1)/K, the only way in which the depths enter (T22.3)."""
        return Fraction(self.a, self.predictor)

    @property
    def bottleneck(self) -> int:
        """Return the least width after the input: no equilibrium has a larger rank (T22.1)."""
        return min(self.widths[1:])

    @property
    def is_deep(self) -> bool:
        """Return whether there is a layer between input, embedding and output."""
        return self.depth > 2

    @property
    def equal_decays(self) -> bool:
        return len(set(self.decays)) == 1

    @property
    def names(self) -> tuple[str, ...]:
        """Return W1, ..., WL, P1, ..., PK."""
        encoder = [f"W{i}" for i in range(1, self.encoder + 1)]
        return (*encoder, *(f"P{k}" for k in range(1, self.predictor + 1)))

    @property
    def hidden(self) -> tuple[int, ...]:
        """Return the widths of the hidden layers: all but input, embedding and output."""
        return (*self.widths[1 : self.encoder], *self.widths[self.encoder + 1 : -1])

    @property
    def shapes(self) -> dict[str, tuple[int, int]]:
        """Return the size of every layer by name, first layer first."""
        pairs = zip(self.widths[1:], self.widths[:-1], strict=True)
        return dict(zip(self.names, pairs, strict=True))

    @property
    def expansion(self) -> int:
        """Return a bound on the terms of the flow when every product is multiplied out."""
        return self.depth * prod(self.widths) * prod(self.widths[1:-1])

    @cached_property
    def sizes(self) -> tuple[Fraction, ...]:
        """Return alpha_l/eta_l: the squared sizes of a mode's layers are in these proportions."""
        return tuple(rate / decay for rate, decay in zip(self.rates, self.decays, strict=True))

    @cached_property
    def effective_power(self) -> Fraction:
        """Return eta_eff^K, which is rational where eta_eff need not be (T20.2)."""
        encoder = prod(1 / size for size in self.sizes[: self.encoder])
        predictor = prod(self.sizes[self.encoder :])
        return Fraction(encoder) ** self.predictor * Fraction(predictor) ** (self.encoder - 1)


def widths_of(
    given: Sequence[int] | None, layers: tuple[int, int], *, n: int, d: int
) -> tuple[int, ...]:
    """Return (d, n_1, ..., n) from the widths of the L + K - 2 hidden layers; one stands for all.

    Raises `FormatError` for a wrong number of widths.
    """
    encoder, predictor = layers
    count = encoder + predictor - 2
    values = tuple(given) if given is not None else (n,) * count
    if count and len(values) == 1:
        values *= count
    if len(values) != count:
        shown = f"--hidden-dim {','.join(map(str, values))}"
        if not count:
            raise FormatError(f"{shown}: there is no hidden layer; add --encoder-layers 2 or more")
        raise FormatError(
            f"{shown}: {len(values)} widths for {count} hidden layer{'s' if count > 1 else ''}; "
            f"give {count}, or one that stands for all"
        )
    return (d, *values[: encoder - 1], n, *values[encoder - 1 :], n)
