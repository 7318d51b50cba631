"""The commands of the measured half: words in, an answer with lines, data and `decided` out.

`cli.py` prints and chooses the exit code. Everything that can be wrong is reported under the name
of the option (`FormatError`).
"""

from __future__ import annotations

import re
from dataclasses import fields, replace
from typing import TYPE_CHECKING

from empirical.runs.folder import default_place
from equilibria.errors import FormatError
from equilibria.exact.rationals import MOST_SEED, quantity, to_float, whole
from equilibria.systems.model_options import ModelOptions, build_model

if TYPE_CHECKING:
    from empirical.linear.outcome import SimulationResult

_OF_THE_DATA = ("input_dim", "signal", "total", "noise", "isotropic", "moments")


def simulate_command(
    options: ModelOptions,
    *,
    runs: str | None = None,
    steps: str | None = None,
    init: str | None = None,
    scale: str | None = None,
    batch_size: str | None = None,
    data: str | None = None,
    seed: str | None = None,
    device: str | None = None,
    dtype: str | None = None,
    out: str | None = None,
    name: str | None = None,
    log_every: str | None = None,
    resume: str | None = None,
    progress: bool | None = None,
) -> SimulationResult:
    """Answer `simulate`: train many linear runs, write the run folder, say where each ended.

    Texts are as typed, None where the user said nothing. The answer has `lines` for the terminal,
    `data` for JSON and `decided` (every run settled or diverged).
    """
    given = {"runs": runs, "steps": steps, "init": init, "scale": scale, "batch-size": batch_size,
             "data": data, "seed": seed, "device": device, "dtype": dtype, "out": out, "name": name,
             "log-every": log_every}  # fmt: skip
    need_torch("simulate")
    from empirical.linear import simulate as simulation

    if resume is not None:
        _refuse_beside_resume(options, given)
        return simulation.resume(resume, progress=progress)
    if data is not None:
        _refuse_beside_data(options)
    label = name or options.procedure or ("ema" if options.ema is not None else "stop-gradient")
    if not re.fullmatch(r"[A-Za-z0-9][\w.-]*", label):
        raise FormatError(f"--name {label}: expected letters, digits, dots and dashes")
    return simulation.simulate(
        build_model(replace(options, input_dim=None) if data is not None else options),
        runs=256 if runs is None else whole(runs, "--runs", 1),
        steps=None if steps is None else whole(steps, "--steps", 1),
        init=init or "kaiming",
        scale=1.0 if scale is None else to_float(quantity(scale, "--scale")),
        batch_size=0 if batch_size is None else whole(batch_size, "--batch-size", 0),
        data=data,
        seed=0 if seed is None else whole(seed, "--seed", 0, MOST_SEED),
        device=device or "auto",
        dtype=dtype or "float64",
        out=default_place(label) if out is None else out,
        log_every=None if log_every is None else whole(log_every, "--log-every", 1),
        progress=progress,
    )


def need_torch(command: str) -> None:
    """Raise `FormatError` that says how to get PyTorch, where it is not installed."""
    from importlib.util import find_spec

    for package in ("torch", "safetensors"):
        if find_spec(package) is None:
            raise FormatError(
                f"{command}: needs {package}, which is not installed; "
                "pip install 'noncollapse[empirical]'"
            )


def _refuse_beside_resume(options: ModelOptions, given: dict[str, str | None]) -> None:
    names = [name for name, value in given.items() if value is not None]
    names += [
        item.name.replace("_", "-") for item in fields(options) if getattr(options, item.name)
    ]
    if names:
        raise FormatError(
            f"--{names[0]}: the run that --resume goes on with has its own; leave it out"
        )


def _refuse_beside_data(options: ModelOptions) -> None:
    for name in _OF_THE_DATA:
        if getattr(options, name) is not None:
            raise FormatError(
                f"--{name.replace('_', '-')} and --data: both define the moments, give one"
            )
