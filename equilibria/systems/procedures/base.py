"""What a procedure is: a name, its equations, and the family whose closed forms apply to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem


@dataclass(frozen=True)
class Procedure:
    """A self-supervised learning procedure.

    `family` names the closed forms that describe its equilibria ("bootstrap": a frozen target
    drives encoder and predictor; "direct": the predictor is set from the encoder; "joint";
    "contrastive"). A procedure of no family is analysed by elimination or search, like a user's
    system. `exponent` is a in P = F^a for the direct family.
    """

    name: str
    title: str
    summary: str
    build: Callable[[Model], PolynomialSystem]
    family: str | None = None
    letters: str = "WP"
    exponent: str | None = None
    reference: str = ""
