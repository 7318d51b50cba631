"""What an experiment found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class ExperimentResult:
    """One claim tried on runs; `sha256` is that of the run folder (config.toml and trajectory.npz)."""

    name: str
    statement: str
    source: str
    predicted: str
    measured: str
    holds: bool | None
    runs: int
    sha256: str | None = None

    @property
    def how(self) -> str:
        """Return the word for how it is known."""
        return "empirical"


Experiment = Callable[..., ExperimentResult]


def late(place: str) -> Experiment:
    """Return the experiment `module.function` of this package; imports nothing yet."""
    module, _, function = place.rpartition(".")

    def run(**options: object) -> ExperimentResult:
        chosen: Experiment = getattr(import_module(f"{__package__}.{module}"), function)
        return chosen(**options)

    return run
