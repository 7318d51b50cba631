"""What an experiment found."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


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
