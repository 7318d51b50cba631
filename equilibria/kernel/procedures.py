"""What the name of a procedure stands for: the only place where the kernel reads it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traits:
    """How a procedure learns.

    learned      the predictor follows its gradient
    bootstraps   and nothing flows through the target
    averaged     which is a moving average of the encoder
    joint        both branches descend one loss
    direct       the predictor is set to a power of the correlation
    root         which is its square root
    predictor    there is one
    """

    learned: bool = False
    bootstraps: bool = False
    averaged: bool = False
    joint: bool = False
    direct: bool = False
    root: bool = False
    predictor: bool = True

    @property
    def copies(self) -> bool:
        """Whether the predictor is set to the correlation itself."""
        return self.direct and not self.root

    @property
    def descends(self) -> bool:
        """Whether the flow descends a polynomial."""
        return self.joint or not self.predictor


TRAITS = {
    "joint": Traits(learned=True, joint=True),
    "stop-gradient": Traits(learned=True, bootstraps=True),
    "ema": Traits(learned=True, bootstraps=True, averaged=True),
    "direct-pred": Traits(direct=True, root=True),
    "direct-copy": Traits(direct=True),
    "contrastive": Traits(predictor=False),
}
