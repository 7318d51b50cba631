"""What a procedure is: a name, its equations, and the traits that decide what is known of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

from equilibria.exact.polynomial import Polynomial
from equilibria.systems.polynomial_system import PolynomialSystem
from equilibria.systems.problem import Problem


class Family(Enum):
    """The closed forms that describe the equilibria of a procedure."""

    BOOTSTRAP = "a frozen target drives encoder and predictor"
    DIRECT = "the predictor is set from the encoder"
    JOINT = "both branches descend one loss"
    CONTRASTIVE = "no predictor, negatives"


@dataclass(frozen=True)
class Procedure:
    """A self-supervised learning procedure: the one place that knows its name.

    `letters` are its matrices: encoder W, predictor P, target T. `exponent` is a in P = F^a where the
    predictor is set; `potential` is the polynomial that the flow descends. A procedure of no family
    is analysed by elimination or search, like a user's system. `deep` are its equations with hidden
    layers, None where it has none.
    """

    name: str
    title: str
    summary: str
    build: Callable[[Problem], PolynomialSystem]
    family: Family | None = None
    letters: str = "WP"
    exponent: Fraction | None = None
    potential: Callable[[Problem], Polynomial] | None = None
    reference: str = ""
    deep: Callable[[Problem], PolynomialSystem] | None = None

    def system(self, model: Problem) -> PolynomialSystem:
        """Return the polynomials of flow and map, with hidden layers where the model has them."""
        if not model.is_deep:
            return self.build(model)
        assert self.deep is not None  # a model of such a procedure has no hidden layers
        return self.deep(model)

    @property
    def has_target(self) -> bool:
        """Whether the target is a moving average, with weights of its own."""
        return "T" in self.letters

    @property
    def has_predictor(self) -> bool:
        """Whether there is a predictor, learned or set."""
        return "P" in self.letters

    @property
    def learns_predictor(self) -> bool:
        """Whether the predictor follows a gradient."""
        return self.has_predictor and self.exponent is None

    @property
    def takes_root(self) -> bool:
        """Whether the predictor is set to a root: an algebraic function, not a polynomial."""
        return self.exponent is not None and self.exponent.denominator > 1

    @property
    def bootstraps(self) -> bool:
        """Whether the closed forms of a frozen target apply."""
        return self.family is Family.BOOTSTRAP

    @property
    def own_target(self) -> bool:
        """Whether it bootstraps with the encoder itself as the target."""
        return self.bootstraps and not self.has_target
