"""What an experiment on a paper finds: the result in words, its numbers, and lines to draw."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from empirical.experiments.result import ExperimentResult
from empirical.images.beside import IMAGES
from empirical.runs.folder import versions
from equilibria.files.write import write_text

TIAN = "Tian, Chen, Ganguli 2021"
PONCE = "Ponce, Terver, Hebert, Arbel 2025"
Numbers: TypeAlias = dict[str, Any]
"""What an experiment measured by name: numbers, texts, arrays, or tables of them."""


@dataclass(frozen=True)
class Answer:
    """A result, the `numbers` (plain or NumPy) that it rests on, and what figures need beside them."""

    result: ExperimentResult
    numbers: Numbers
    drawn: Numbers = field(default_factory=dict)

    @property
    def data(self) -> dict[str, object]:
        """Return everything as one JSON object."""
        told = self.result
        return {
            "experiment": told.name,
            "statement": told.statement,
            "source": told.source,
            "predicted": told.predicted,
            "measured": told.measured,
            "holds": told.holds,
            "runs": told.runs,
            "numbers": plain(self.numbers),
            "versions": versions(),
        }

    def finished(self, out: Path | None) -> ExperimentResult:
        """Return the result with the SHA-256 of its JSON; with `out`, write out/<name>.json."""
        text = json.dumps(self.data, indent=1, ensure_ascii=False) + "\n"
        if out is not None:
            Path(out).mkdir(parents=True, exist_ok=True)
            write_text(Path(out) / f"{self.result.name}.json", text, "--out")
        return replace(self.result, sha256=hashlib.sha256(text.encode()).hexdigest())


def untried(name: str, source: str, statement: str, predicted: str) -> Answer:
    """Return the answer of an experiment on photographs that are not there."""
    reason = f"not tried: no {IMAGES.name} in ../shared/data/cifar10"
    return Answer(ExperimentResult(name, statement, source, predicted, reason, None, 0), {})


def plain(value: object) -> object:
    """Return plain JSON values, floats to six digits, so that they read and compare well."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.ndarray | np.generic):
        return plain(value.tolist())
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    return value
