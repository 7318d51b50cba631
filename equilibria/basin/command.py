"""From the words of `basin` to its report.

Everything that can be wrong is reported under the name of the option (`FormatError`).
"""

from __future__ import annotations

from equilibria.basin.probabilities import Progress, Sample
from equilibria.basin.report import BasinReport, basin_report
from equilibria.errors import FormatError
from equilibria.exact.rationals import MOST_SEED, quantity, shown, to_float, whole
from equilibria.systems.model_options import ModelOptions, build_model

DEFAULT_RUNS = 1000
SMALLEST_TOLERANCE = 1e-13
LARGEST_RUNS = 10_000_000


def answer_basin(
    options: ModelOptions,
    *,
    mode: str | None,
    point: str | None,
    init: str | None,
    scale: str | None,
    runs: str | None,
    seed: str | None,
    tolerance: str | None,
    is_map: bool,
    progress: Progress | None = None,
) -> BasinReport:
    """Return the report that the options ask for; raises `FormatError` naming a bad one."""
    sample = _sample(init, scale, runs, seed)
    start = None if point is None else tuple(part.strip() for part in point.split(","))
    return basin_report(
        build_model(options),
        mode=None if mode is None else whole(mode, "--mode", 1),
        point=start,
        sample=sample,
        is_map=is_map,
        tolerance=None if tolerance is None else _tolerance(tolerance),
        progress=progress,
    )


def _sample(
    init: str | None, scale: str | None, runs: str | None, seed: str | None
) -> Sample | None:
    given = {"--scale": scale, "--runs": runs, "--seed": seed}
    if init is None:
        for name, value in given.items():
            if value is not None:
                raise FormatError(f"{name} {value}: belongs to random starts, give --init as well")
        return None
    return Sample(
        init=init,
        scale=1.0 if scale is None else to_float(quantity(scale, "--scale")),
        runs=DEFAULT_RUNS if runs is None else whole(runs, "--runs", 1, LARGEST_RUNS),
        seed=0 if seed is None else whole(seed, "--seed", 0, MOST_SEED),
    )


def _tolerance(text: str) -> float:
    value = to_float(quantity(text, "--tolerance"))
    if not SMALLEST_TOLERANCE <= value <= 0.1:
        raise FormatError(
            f"--tolerance {shown(text)}: expected a number from {SMALLEST_TOLERANCE} to 0.1"
        )
    return value


def basin_header(report: BasinReport) -> list[str]:
    """Return what was asked about: procedure, sizes, rates, moments."""
    from equilibria.report.text import moments_line
    from equilibria.systems.procedures import procedure

    model = report.model
    rates = [f"η = {model.eta}", f"α = {model.alpha}"]
    if model.procedure == "ema":
        rates = [f"μ = {model.mu}", *rates]
    if model.eta_p != model.eta:
        rates.append(f"η_P = {model.eta_p}")
    rates.append(f"h = {model.h}")
    if model.nu:
        rates.append(f"ν = {model.nu}")
    title = f"{procedure(model.procedure).title} · encoder {model.n}x{model.d}"
    return [title, "   ".join(rates) + "     " + moments_line(model)]
