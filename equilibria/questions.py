"""The commands that ask more of a model: where it holds, who ends where, what leads to what.

Each function returns the lines to print and whether the answer is decided, after writing the files
asked for. `cli.py` prints and chooses the exit code.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from equilibria.errors import FormatError
from equilibria.exact.rationals import MOST_SEED, quantity, to_float, whole
from equilibria.files.write import atomic, write_text
from equilibria.front import FIGURE_SUFFIXES
from equilibria.systems.model_options import ModelOptions, build_model

if TYPE_CHECKING:
    from equilibria.graph import LearningOrder
    from equilibria.phase import PhaseDiagram
    from equilibria.phase.general import GeneralDiagram


@dataclass(frozen=True, slots=True)
class Answer:
    """Lines for the terminal, the JSON object, and whether nothing was left undecided."""

    lines: tuple[str, ...]
    data: dict[str, Any]
    decided: bool = True


@dataclass(frozen=True, slots=True)
class Outputs:
    """Where to write what was found; None where it was not asked for."""

    json: str | None = None
    plot: str | None = None
    graphml: str | None = None


Draw = Callable[[IO[bytes], str], None]
Progress = Callable[[int, int], None]


def write(outputs: Outputs, data: Callable[[], dict[str, Any]], draw: Draw | None) -> None:
    """Write JSON and figure; each is complete or not there."""
    if outputs.json is not None and outputs.json != "-":
        write_text(outputs.json, as_json(data()), "--json")
    if outputs.plot is not None and draw is not None:
        with atomic(outputs.plot, "--plot", binary=True) as stream:
            draw(stream, Path(outputs.plot).suffix.lower()[1:])


def check_plot(plot: str | None) -> None:
    """Refuse a figure format before anything is computed."""
    if plot is not None and Path(plot).suffix.lower() not in FIGURE_SUFFIXES:
        raise FormatError(f"--plot {plot}: expected a file name ending in .png or .svg")


def as_json(data: dict[str, Any]) -> str:
    """Return the object as text; equal objects give equal bytes."""
    return json.dumps(data, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def phase(
    options: ModelOptions,
    *,
    x: str | None,
    y: str | None,
    decay: str | None,
    surface: bool,
    backend: str | None,
    jobs: str | None,
    outputs: Outputs,
    progress: Progress | None = None,
) -> Answer:
    """Answer `phase`: which strata are stable where, and the boundaries between."""
    from equilibria.phase import PhaseDiagram, diagram_lines
    from equilibria.phase.command import PhaseOptions, diagram_of, undecided_cells
    from equilibria.phase.general_text import general_lines

    check_plot(outputs.plot)
    grid = {"x": x, "y": y, "decay": decay, "backend": backend, "jobs": jobs}
    if surface:
        for name, value in grid.items():
            if value is not None:
                raise FormatError(f"--{name} {value}: belongs to the grid, not to --surface")
        return _surface(options, outputs)
    wanted = PhaseOptions(**{name: value for name, value in grid.items() if value is not None})
    diagram = diagram_of(options, wanted, progress=progress)
    write(outputs, diagram.to_json, lambda stream, form: draw_phase(diagram, stream, form))
    lines = diagram_lines(diagram) if isinstance(diagram, PhaseDiagram) else general_lines(diagram)
    return Answer(tuple(lines), diagram.to_json(), decided=not undecided_cells(diagram))


def draw_phase(diagram: PhaseDiagram | GeneralDiagram, stream: IO[bytes], form: str) -> None:
    """Draw a phase diagram."""
    from equilibria.phase import PhaseDiagram
    from equilibria.phase.figure import draw
    from equilibria.phase.general_text import draw_general

    if isinstance(diagram, PhaseDiagram):
        draw(diagram, stream, form)
    else:
        draw_general(diagram, stream, form)


def _surface(options: ModelOptions, outputs: Outputs) -> Answer:
    from equilibria.phase import step_surface, surface_lines

    if outputs.plot is not None:
        raise FormatError("--plot: not available with --surface; use --json")
    for name in ("lr", "momentum", "predictor_lr", "predictor_weight_decay"):
        given = getattr(options, name)
        if given is not None:
            shown = f"--{name.replace('_', '-')} {given}"
            raise FormatError(f"{shown}: --surface answers for all of them, leave the option out")
    model = build_model(options)
    mus = ("0", "9/10", "99/100", "999/1000") if model.procedure == "ema" else ("0",)
    alphas = ("1/10", "1/5", "1/4", "1/2", "1", "2", "10")
    surface = step_surface(model, mus, ("0", "1/2", "9/10"), alphas)
    write(outputs, surface.to_json, None)
    return Answer(tuple(surface_lines(surface)), surface.to_json())


def basin(
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
    outputs: Outputs,
    progress: Progress | None = None,
) -> Answer:
    """Answer `basin`: a mode's boundary, the fate of a start, the endings of random starts."""
    from equilibria.basin import basin_lines
    from equilibria.basin.command import answer_basin, basin_header
    from equilibria.basin.figure import draw_basin

    check_plot(outputs.plot)
    report = answer_basin(
        options,
        mode=mode,
        point=point,
        init=init,
        scale=scale,
        runs=runs,
        seed=seed,
        tolerance=tolerance,
        is_map=is_map,
        progress=progress,
    )
    write(outputs, report.to_json, lambda stream, form: draw_basin(report, stream, form))
    lines = (*basin_header(report), "", *basin_lines(report))
    return Answer(lines, report.to_json(), decided=not report.undecided)


def graph(
    options: ModelOptions,
    *,
    max_components: str,
    order: bool,
    init: str | None,
    start: str | None,
    runs: str | None,
    seed: str | None,
    every: bool,
    outputs: Outputs,
    progress: Progress | None = None,
) -> Answer:
    """Answer `graph`: strata, the orbits between them, and the order in which modes are learned."""
    from equilibria.graph import (
        connection_graph,
        draw_graph,
        graph_json,
        graph_lines,
        learning_order,
        write_graphml,
    )

    check_plot(outputs.plot)
    model = build_model(options)
    number = 0 if seed is None else whole(seed, "--seed", 0, MOST_SEED)
    learned = None
    if order:
        learned = learning_order(
            model,
            init=init or "balanced",
            scale=None if start is None else to_float(quantity(start, "--start")),
            runs=8 if runs is None else whole(runs, "--runs", 1),
            seed=number,
        )
    if learned is not None and not (model.eta and model.eta_p):
        return _order_alone(learned, outputs)
    found = connection_graph(
        model,
        max_components=whole(max_components, "--max-components", 1),
        seed=number,
        order=learned,
        progress=progress,
    )
    write(outputs, lambda: graph_json(found), lambda stream, form: draw_graph(found, stream, form))
    if outputs.graphml is not None:
        write_graphml(found, outputs.graphml)
    return Answer(tuple(graph_lines(found, every=every)), graph_json(found), decided=found.decided)


def _order_alone(learned: LearningOrder, outputs: Outputs) -> Answer:
    """Answer `--order` without weight decay, where strata are families and make no graph."""
    from equilibria.graph import order_lines

    if outputs.plot is not None or outputs.graphml is not None:
        option = "--plot" if outputs.plot is not None else "--graphml"
        raise FormatError(f"{option}: there is no graph without weight decay, only the order")
    data = {"schema": "noncollapse/graph/1", "itinerary": learned.to_json()}
    write(outputs, lambda: data, None)
    arrived = all(run.end is not None for run in learned.runs)
    return Answer(tuple(order_lines(learned)), data, decided=arrived)


def cycles(
    options: ModelOptions,
    *,
    along: str | None,
    search: bool,
    radius: str | None,
    seed: str | None,
    time_limit: str,
    outputs: Outputs,
) -> Answer:
    """Answer `cycles`: unstable foci, limit cycles, Hopf points along a parameter, the search."""
    from equilibria.cycles import report_lines, study
    from equilibria.cycles.command import parse_range
    from equilibria.cycles.figure import draw_cycles

    check_plot(outputs.plot)
    if radius is not None and not search:
        raise FormatError(f"--radius {radius}: belongs to --search")
    report = study(
        build_model(options),
        parameter=None if along is None else parse_range(along),
        search=search,
        radius=1.0 if radius is None else to_float(quantity(radius, "--radius")),
        seed=0 if seed is None else whole(seed, "--seed", 0, MOST_SEED),
        time_limit=float(whole(time_limit, "--time-limit", 1)),
    )
    write(outputs, report.to_json, lambda stream, form: draw_cycles(report, stream, form))
    return Answer(tuple(report_lines(report)), report.to_json(), decided=not report.undecided)
