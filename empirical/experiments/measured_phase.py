"""A phase diagram with the runs on it: what is predicted stable, and where training ended.

Every cell of a coarse grid over two rates gets some runs from random starts; all of them train in one
batched program. A run agrees when it came to rest on a component that is predicted stable at its own
rates. Diverged runs are counted and say nothing: the start may lie outside every basin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.answer import Answer
from empirical.experiments.phase_questions import QUESTIONS, Question
from empirical.experiments.result import ExperimentResult
from equilibria.phase.axes import Axis
from equilibria.phase.diagram import PhaseDiagram
from equilibria.phase.strata import StableStrata
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch
    from numpy.typing import NDArray

    from empirical.linear.outcome import SimulationResult

RATES = {
    "lr": "lr",
    "weight-decay": "weight_decay",
    "ema": "ema",
    "predictor-lr": "predictor_lr",
}
DIVERGED, RUNNING = -1, -2
MARKS = ("x", "o", "s", "^", "D", "P", "*")
COLOURS = ("#000000", "#E69F00", "#009E73", "#0072B2", "#CC79A7", "#56B4E9", "#F0E442")


@dataclass(frozen=True)
class MeasuredPhase:
    """Runs on a grid: `ranks` (cells_y, cells_x, runs) holds the rank reached, -1 diverged, -2 running.

    Of the `settled` runs `agreeing` rest on a component predicted stable and `disagreeing` on one
    predicted unstable or on none; the others rest where the prediction is undecided.
    """

    diagram: PhaseDiagram
    x: Axis
    y: Axis
    ranks: NDArray[np.int64]
    settled: int
    agreeing: int
    disagreeing: int
    sha256: str | None

    @property
    def agreement(self) -> float | None:
        """Return the share of settled runs that agree; None where none settled."""
        return self.agreeing / self.settled if self.settled else None

    @property
    def holds(self) -> bool | None:
        """Return whether all settled runs agree; None where none settled or some are undecided."""
        if self.disagreeing:
            return False
        return True if self.settled and self.agreeing == self.settled else None

    @property
    def counts(self) -> dict[str, int]:
        """Return how many runs reached each rank, diverged or were still running."""
        values, numbers = np.unique(self.ranks, return_counts=True)
        words = {DIVERGED: "diverged", RUNNING: "still running"}
        return {
            words.get(int(value), f"rank {int(value)}"): int(number)
            for value, number in zip(values, numbers, strict=True)
        }


def measure_phase(
    model: Model,
    x: Axis,
    y: Axis,
    *,
    fine: tuple[Axis, Axis] | None = None,
    runs: int = 8,
    steps: int = 200_000,
    seed: int = 0,
) -> MeasuredPhase:
    """Train `runs` models at every point of the grid x times y and compare with `phase`.

    `fine` are the axes of the predicted diagram (by default x and y themselves). Rates are those of
    `RATES`; with `weight-decay` the predictor's decay follows. Raises `FormatError` for others.
    """
    from empirical.linear.simulate import simulate
    from equilibria.errors import FormatError
    from equilibria.phase import phase_diagram

    for axis in (x, y):
        if axis.name not in RATES:
            raise FormatError(f"axis {axis.name}: runs vary {', '.join(RATES)}")
    points = [(u, v) for v in y.values for u in x.values for _ in range(runs)]
    vary = {RATES[x.name]: [u for u, _ in points], RATES[y.name]: [v for _, v in points]}
    result = simulate(model, runs=len(points), steps=steps, init="kaiming", seed=seed, vary=vary)
    ranks = _ranks(result).reshape(len(y.values), len(x.values), runs)
    across, up = fine or (x, y)
    return MeasuredPhase(
        diagram=phase_diagram(model, across, up),
        x=x,
        y=y,
        ranks=ranks,
        settled=result.settled + result.elsewhere,
        agreeing=sum(o.count for o in result.outcomes if o.verdict is Verdict.STABLE),
        disagreeing=result.on_unstable + result.elsewhere,
        sha256=result.sha256,
    )


def _ranks(result: SimulationResult) -> NDArray[np.int64]:
    """Return the rank that each run reached, from the component's name."""
    ranks = np.full(result.settings.runs, RUNNING, np.int64)
    for run, (name, status) in enumerate(
        zip(result.arrays["stratum"].tolist(), result.arrays["status"].tolist(), strict=True)
    ):
        if status == "diverged":
            ranks[run] = DIVERGED
        elif status == "settled" and name.startswith("rank"):
            ranks[run] = int(name[4:].split(":")[0])
    return ranks


def draw_measured(figure: Figure, measured: MeasuredPhase) -> None:
    """Draw the predicted diagram with a mark for every run; the ranks are told by shape and colour."""
    from equilibria.phase.figure import draw_on

    axes = figure.add_subplot()
    draw_on(axes, measured.diagram)
    _marks(axes, measured)
    axes.legend(
        handles=[*axes.get_legend_handles_labels()[0], *region_patches(measured.diagram)],
        loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=4, frameon=False, fontsize=8,
    )  # fmt: skip


def region_patches(diagram: PhaseDiagram) -> list[Patch]:
    """Return legend handles that name the regions' colours."""
    from matplotlib.patches import Patch

    from equilibria.phase.figure import colour_of

    named: dict[str, str] = {}
    for region in diagram.regions:
        named[_stable(region.map)] = colour_of(region, diagram)
    return [Patch(color=named[word], label=f"predicted: {word}") for word in sorted(named)]


def _stable(strata: StableStrata) -> str:
    if strata.top is None:
        return "nothing stable" if strata.masks == () else "not known"
    return f"rank {strata.top.bit_count()} stable" if strata.top else "only collapse"


def _marks(axes: Axes, measured: MeasuredPhase) -> None:
    values = [[float(v) for v in axis.values] for axis in (measured.x, measured.y)]
    logs = (measured.x.log, measured.y.log)
    spread = [_spread(line, log) for line, log in zip(values, logs, strict=True)]
    drawn: dict[int, list[tuple[float, float]]] = {}
    count = measured.ranks.shape[2]
    side = int(np.ceil(np.sqrt(count)))
    for j, i, run in np.ndindex(measured.ranks.shape):
        offset = ((run % side) - (side - 1) / 2, (run // side) - (side - 1) / 2)
        place = tuple(
            _moved(line[k], gap * off / (side + 1.8), log)
            for line, k, gap, off, log in zip(values, (i, j), spread, offset, logs, strict=True)
        )
        drawn.setdefault(int(measured.ranks[j, i, run]), []).append((place[0], place[1]))
    for rank in sorted(drawn):
        label, mark, colour = _style(rank)
        xs, ys = zip(*drawn[rank], strict=True)
        axes.scatter(xs, ys, s=9, marker=mark, c=colour, linewidths=0.7, label=label, zorder=5)


def _style(rank: int) -> tuple[str, str, str]:
    if rank == DIVERGED:
        return "run diverged", "+", "#D55E00"
    if rank == RUNNING:
        return "run not at rest", "|", "#777777"
    word = "run collapsed" if rank == 0 else f"run reached rank {rank}"
    return word, MARKS[rank % len(MARKS)], COLOURS[rank % len(COLOURS)]


def _spread(line: Sequence[float], log: bool) -> float:
    scaled = np.log(line) if log else np.asarray(line)
    return float(np.min(np.diff(scaled))) if len(line) > 1 else 1.0


def _moved(value: float, shift: float, log: bool) -> float:
    return float(value * np.exp(shift)) if log else value + shift


def answer(*, axes: str, seed: int = 0, full: bool = False) -> Answer:
    """Measure one of `QUESTIONS` and say what was found."""
    measured = measure_question(QUESTIONS[axes], seed=seed, full=full)
    share = 0.0 if measured.agreement is None else 100 * measured.agreement
    told = ", ".join(f"{count} {word}" for word, count in measured.counts.items())
    result = ExperimentResult(
        name=f"phase-runs-{axes}",
        statement="batched linear training comes to rest on components that `phase` predicts stable",
        source="T6.3, T7, T9",
        predicted="every run at rest lies on a component that the map leaves stable at its rates",
        measured=f"agreement {share:.1f} %: {measured.agreeing} of {measured.settled} settled runs "
        f"rest where predicted ({told})",
        holds=measured.holds,
        runs=measured.ranks.size,
    )
    numbers = {"counts": measured.counts, "agreement": measured.agreement}
    return Answer(result, numbers, drawn={"measured": measured})


def measure_question(question: Question, *, seed: int = 0, full: bool = False) -> MeasuredPhase:
    """Measure one of `QUESTIONS`: 9 x 7 points of 9 runs, or 21 x 17 of 16."""
    size, runs = ((21, 17), 16) if full else ((9, 7), 9)
    model = Model(procedure="ema", **question.fixed)
    return measure_phase(model, *question.grid(*size), fine=question.drawn, runs=runs, seed=seed)
