"""A budget of arithmetic: a search that may be long stops after so many operations, not seconds.

Counted are the floating-point operations of the matrix products, so that where a search stops, and
with it the answer, does not depend on the machine or on what else it does.
"""

from __future__ import annotations

from dataclasses import dataclass


class Exhausted(RuntimeError):
    """The budget is spent."""


@dataclass
class Work:
    """What is left of a budget of floating-point operations."""

    left: float

    def spend(self, amount: float) -> None:
        """Take `amount` off; raises `Exhausted` when there is not so much left."""
        if amount > self.left:
            raise Exhausted
        self.left -= amount
