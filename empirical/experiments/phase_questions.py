"""The two phase diagrams that runs and networks are laid on: what is fixed, and the grids."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from equilibria.files.untrusted import Table
from equilibria.phase.axes import Axis, parse_axis

Axes = tuple[Axis, Axis]


@dataclass(frozen=True)
class Question:
    """`fixed` are a model's rates that do not vary; `x` and `y` are axes with {} for the points."""

    name: str
    fixed: Table
    x: str
    y: str
    fine: tuple[str, str]

    def grid(self, across: int, up: int) -> Axes:
        """Return the axes with so many points."""
        texts = (self.x.format(across), self.y.format(up))
        return parse_axis(texts[0], "--axes"), parse_axis(texts[1], "--axes")

    @property
    def drawn(self) -> Axes:
        """Return the fine axes of the diagram that is drawn."""
        return parse_axis(self.fine[0], "--axes"), parse_axis(self.fine[1], "--axes")


QUESTIONS: Mapping[str, Question] = MappingProxyType(
    {
        "decay-lr": Question(
            "decay-lr",
            {"ema": "9/10"},
            "weight-decay=0.015:0.255:{}",
            "lr=0.1:3.2:{}:log",
            ("weight-decay=0.005:0.27:90", "lr=0.08:4.4:90:log"),
        ),
        "ema-predictor": Question(  # at this learning rate the momentum decides
            "ema-predictor",
            {"weight_decay": "1/10", "lr": 2},
            "ema=0:0.96:{}",
            "predictor-lr=0.125:8:{}:log",
            ("ema=0:0.98:60", "predictor-lr=0.08:11:60:log"),
        ),
    }
)
