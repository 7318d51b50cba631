"""Experiments by name, cut short to a few steps of double precision.

What they find after so few steps says nothing about networks: it is stored that they compute the same.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, is_dataclass

import numpy as np
import pytest

from tests.golden.compare import compact
from tests.golden.figures import numbers

PAPERS = "empirical.experiments.papers"
SHORT = {
    "steps": 4, "precision": "fp64", "train_images": 96, "batch_size": 32,
    "device": "cpu", "log_every": 2, "threads": 1,
}  # fmt: skip
CUT = ("networks_run", "trials", "ponce_networks")
"""Modules whose `settings_from` is cut short."""


def names() -> tuple[str, ...]:
    """Return the names of the studies."""
    return tuple(STUDIES)


def answered(name: str) -> str:
    """Return what a study finds: its result in words, its numbers by their sums."""
    module, _, call = name.partition(" ")
    function = call.split(" ")[0]
    found = getattr(importlib.import_module(f"empirical.experiments.{module}"), function)
    with pytest.MonkeyPatch.context() as patch:
        for cut in CUT:
            shorten(patch, importlib.import_module(f"{PAPERS}.{cut}"))
        answer = found(**STUDIES[name])
    lines = (line for line in _shown(answer, "") if not line.startswith("drawn"))
    return compact("".join(f"{line}\n" for line in lines))


def shorten(patch: pytest.MonkeyPatch, module: object) -> None:
    """Make the trainings of a module four steps of double precision."""
    full: Callable[..., object] = module.settings_from  # type: ignore[attr-defined]

    def short(given: Mapping[str, object]) -> object:
        mine = {k: v for k, v in SHORT.items() if k != "batch_size" or k not in given}
        return full({k: v for k, v in given.items() if k != "epochs"} | mine)

    patch.setattr(module, "settings_from", short)


def _shown(value: object, name: str) -> Iterator[str]:
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _shown(item, f"{name}.{key}" if name else str(key))
    elif isinstance(value, np.ndarray | np.generic):
        array = np.asarray(value)
        sums = numbers(array.astype(float))
        yield f"{name} {list(array.shape)} {sums}" if array.shape else f"{name} {sums}"
    elif isinstance(value, list | tuple) and value and not isinstance(value[0], str | int | float):
        for index, item in enumerate(value):
            yield from _shown(item, f"{name}.{index}")
    elif not name.endswith(("sha256", "seconds")):
        yield f"{name} {json.dumps(value, ensure_ascii=False, default=str)}"


STUDIES: dict[str, dict[str, object]] = {
    "papers.tian_alignment symmetrised": {"seed": 0, "runs": 3, "time": 3.0},
    "papers.tian_alignment network": {"epochs": 1},
    "papers.tian_balance linear": {"runs": 2},
    "papers.tian_balance network": {"epochs": 1},
    "papers.tian_collapse linear": {"runs": 4},
    "papers.tian_collapse network": {"epochs": 1},
    "papers.tian_directpred measured": {"epochs": 1, "seeds": 2},
    "papers.tian_rates measured": {"cells": (2, 2), "runs": 3},
    "papers.ponce_networks measured": {"epochs": 1},
    "papers.ponce_networks cosine": {"epochs": 1},
    "papers.ponce_objective linear": {"runs": 3},
    "papers.ponce_spheres measured": {"runs": 40},
    "papers.ponce_variety measured": {"runs": 3, "sizes": (2,), "data": 1},
    "papers.chen_he_2021 ablation 1": {"name": "stop-gradient", "runs": 2},
    "papers.chen_he_2021 ablation 2": {"name": "no-predictor", "runs": 1},
    "papers.chen_he_2021 ablation 3": {"name": "predictor", "runs": 1},
    "papers.chen_he_2021 ablation 4": {"name": "batch-norm", "runs": 2},
    "papers.chen_he_2021 ablation 6": {"name": "similarity", "runs": 1},
    "papers.chen_he_2021 ablation 7": {"name": "symmetrisation", "runs": 1},
    "papers.chen_he_2021 ablation 8": {"name": "alternation", "runs": 1},
    "papers.chen_he_2021 ablation 9": {"name": "memory", "runs": 1},
    "papers.li_2022_rank rank": {"widths": (2,), "decays": ("2/25",), "steps": 60},
    "linear_runs joint_collapses": {"runs": 8},
    "linear_runs stop_gradient_ends_stable": {"runs": 8},
    "linear_runs ema_ends_stable": {"runs": 6},
    "linear_runs direct_pred_ends_stable": {"runs": 8},
    "linear_runs direct_copy_ends_stable": {"runs": 8},
    "linear_runs collapse_agrees_with_basin": {"runs": 16},
    "linear_runs ema_collapses_less": {"runs": 16},
    "one_model one_mode_spheres": {"runs": 16},
    "dual.hltm hltm_experiment": {"runs": 1, "steps": 3},
    "dual.covariance covariance_operator_experiment": {"runs": 2},
}
"""Module below `empirical.experiments`, function, and what it is called with."""
