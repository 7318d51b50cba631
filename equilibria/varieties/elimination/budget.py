"""How much work may be done: steps of arithmetic are counted, not seconds.

The same question gets the same answer on a busy machine and on an idle one. A step is about one
coefficient of one word; `STEPS_A_SECOND` of them make the second in which users think.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

from equilibria.errors import LimitReached, NotFinished

STEPS_A_SECOND = 1_000_000
LOOKS = 20_000
WORD = 256


class Net:
    """A generous clock behind the count: where it is reached there is no answer at all.

    It looks at the processor time of this process, which other programs do not use up.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.end = time.process_time() + seconds

    @property
    def left(self) -> float:
        return self.end - time.process_time()

    def check(self, stage: str) -> None:
        """Raise `NotFinished` when the time is over."""
        if self.left < 0:
            raise NotFinished(
                f"not finished, and no list is complete: {self.seconds:g} s of processor time "
                f"reached in stage `{stage}`",
                hint="raise --time-limit",
            )


class Budget:
    """Work in nominal seconds; a share of it draws on the whole.

    Raises `LimitReached` where it is used up, and `NotFinished` where its `net` is.
    """

    def __init__(
        self, seconds: float, *, net: Net | None = None, parent: Budget | None = None
    ) -> None:
        self.seconds = seconds
        self.net, self.parent = net, parent
        self.steps = round(seconds * STEPS_A_SECOND)
        self._next_look = self.steps - LOOKS

    @property
    def left(self) -> float:
        """Return what is left, in nominal seconds; never more than what the whole has left."""
        own = self.steps / STEPS_A_SECOND
        return own if self.parent is None else min(own, self.parent.left)

    def spend(self, steps: int, stage: str) -> None:
        """Count some steps; `stage` is what a message calls them."""
        budget: Budget | None = self
        while budget is not None:
            budget.steps -= steps
            if budget.steps < 0:
                raise LimitReached(
                    f"the bound on the work ({budget.seconds:.3g} s) reached in stage `{stage}`",
                    hint="raise --time-limit",
                )
            budget = budget.parent
        if self.steps < self._next_look:
            self._next_look = self.steps - LOOKS
            if self.net is not None:
                self.net.check(stage)

    def share(self, part: float) -> Budget:
        """Return a budget for `part` of what is left."""
        return Budget(max(self.left, 0.0) * part, net=self.net, parent=self)


def words(numbers: Iterable[int]) -> int:
    """Return the size of integers in steps: one for each, more for long ones."""
    return sum(1 + number.bit_length() // WORD for number in numbers)
