"""What a simulation found: how many runs ended on which component, and does that agree?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.linear.settings import Settings
from empirical.runs.trajectories import Arrays
from equilibria.basin.probabilities import clopper_pearson
from equilibria.systems.model import Model
from equilibria.varieties.component import Verdict

if TYPE_CHECKING:
    pass

SCHEMA = "noncollapse/simulate/1"


@dataclass(frozen=True)
class Outcome:
    """The runs that settled on one component, with a 95 % Clopper-Pearson interval of their share.

    `verdict` is what is predicted for the map, None where nothing is known.
    """

    id: str
    rank: int | None
    verdict: Verdict | None
    count: int
    fraction: float
    low: float
    high: float


@dataclass(frozen=True)
class SimulationResult:
    """Counts of a simulation; every run is in exactly one of them.

    `elsewhere` runs rest on no component that is known, `running` ones have not settled, and
    `largest_lr` holds the predicted largest stable learning rate of each component that the flow
    predicts stable. `arrays` has one row a run: final_W, final_P[, final_T], final_step,
    final_change, final_residual, stratum, status.
    """

    model: Model
    settings: Settings
    outcomes: tuple[Outcome, ...]
    elsewhere: int
    running: int
    diverged: int
    steps: int
    largest_lr: tuple[tuple[str, float], ...]
    folder: Path | None
    sha256: str | None
    seconds: float
    device: str
    arrays: Arrays = field(repr=False, compare=False, default_factory=dict)

    @property
    def settled(self) -> int:
        """Return how many runs rest on a component."""
        return sum(outcome.count for outcome in self.outcomes)

    @property
    def on_unstable(self) -> int:
        """Return how many runs rest on a component that is predicted unstable."""
        return sum(o.count for o in self.outcomes if o.verdict is Verdict.UNSTABLE)

    @property
    def agreement(self) -> float | None:
        """Return the share of settled runs on components predicted stable; None without any."""
        judged = [o for o in self.outcomes if o.verdict is not None]
        total = sum(o.count for o in judged) + self.elsewhere
        stable = sum(o.count for o in judged if o.verdict is Verdict.STABLE)
        return stable / total if total else None

    @property
    def collapsed(self) -> Outcome:
        """Return full collapse, with count 0 when no run collapsed."""
        for outcome in self.outcomes:
            if outcome.rank == 0:
                return outcome
        return Outcome("rank0", 0, None, 0, 0.0, *clopper_pearson(0, self.settings.runs))

    @property
    def decided(self) -> bool:
        """Return whether every run has settled or diverged."""
        return self.running == 0

    @property
    def data(self) -> dict[str, object]:
        """Return the JSON object, schema noncollapse/simulate/1."""
        from equilibria.systems.model_json import moments_json, parameters_json

        return {
            "schema": SCHEMA,
            "procedure": self.model.procedure,
            "parameters": parameters_json(self.model),
            "moments": moments_json(self.model),
            "runs": self.settings.runs,
            "init": self.settings.init,
            "scale": self.settings.scale,
            "batch_size": self.settings.batch_size,
            "seed": self.settings.seed,
            "steps": self.steps,
            "endings": [
                {
                    "id": o.id,
                    "rank": o.rank,
                    "predicted": None if o.verdict is None else o.verdict.value,
                    "count": o.count,
                    "fraction": o.fraction,
                    "low": o.low,
                    "high": o.high,
                }
                for o in self.outcomes
            ],
            "elsewhere": self.elsewhere,
            "running": self.running,
            "diverged": self.diverged,
            "agreement": self.agreement,
            "largest_lr": dict(self.largest_lr),
            "run": None if self.folder is None else str(self.folder),
            "sha256": self.sha256,
            "device": self.device,
        }

    @property
    def lines(self) -> tuple[str, ...]:
        """Return the text for the terminal."""
        return tuple(_lines(self))


def _lines(result: SimulationResult) -> list[str]:
    model, settings = result.model, result.settings
    kind = f"batches of {settings.batch_size}" if settings.batch_size else "full batch"
    mu = f"mu = {model.ema}   " if model.ema is not None else ""
    lines = [
        f"{settings.runs} runs of {model.procedure}, {kind}, at most {settings.limit} steps · "
        f"W {model.n}x{model.d} · init {settings.init} x {settings.scale:g}, seed {settings.seed}",
        f"{mu}h = {model.lr}   eta = {model.weight_decay}",
        "",
        _verdict(result),
        "",
        *_table(result),
    ]
    lines += _remarks(result)
    if result.folder is not None:
        lines += ["", f"wrote {result.folder} · next: `overlay {result.folder}`"]
    return lines


def _verdict(result: SimulationResult) -> str:
    if result.agreement is None:
        if result.settled:
            return f"{result.settled} runs settled; nothing is predicted for where they did."
        return "No run settled." + (" All of them diverged." if not result.running else "")
    if result.agreement == 1.0:
        word = "Every run that settled" if result.settled > 1 else "The run that settled"
        return f"{word} did so on a component predicted stable."
    wrong = [f"{result.on_unstable} on components predicted unstable"] if result.on_unstable else []
    wrong += [f"{result.elsewhere} on none that is known"] if result.elsewhere else []
    undecided = sum(o.count for o in result.outcomes if o.verdict is Verdict.UNDECIDED)
    wrong += [f"{undecided} where the prediction is undecided"] if undecided else []
    return f"Not every run settled where predicted: {', '.join(wrong)}."


def _table(result: SimulationResult) -> list[str]:
    head = ("ends on", "predicted", "runs", "share", "95 % interval")
    rows = [
        (
            o.id,
            "-" if o.verdict is None else o.verdict.value,
            str(o.count),
            f"{o.fraction:.4f}",
            f"{o.low:.4f} to {o.high:.4f}",
        )
        for o in result.outcomes
    ]
    others = (
        ("no known component", result.elsewhere),
        ("still running", result.running),
        ("diverged", result.diverged),
    )
    rows += [(name, "", str(count), "", "") for name, count in others if count]
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(5)]
    return [
        "  "
        + "   ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
        for row in (head, *rows)
    ]


def _remarks(result: SimulationResult) -> list[str]:
    lines = []
    if result.running:
        lines += [
            "",
            f"{result.running} runs had not settled after {result.steps} steps: near a saddle or on a "
            "slow stretch is not at rest; give more --steps.",
        ]
    h = float(result.model.h)
    unstable = [name for name, largest in result.largest_lr if h >= largest]
    if result.diverged and not (result.settings.vary or {}).get("lr"):
        largest = max((value for _, value in result.largest_lr), default=None)
        if largest is None:
            why = "no component is predicted stable for this map at any step size"
        elif unstable:
            why = f"h = {h:g} exceeds the largest stable step of {', '.join(unstable)}"
        else:
            why = (
                "every stable component is stable at this h: these starts lie outside their basins"
            )
        lines += ["", f"{result.diverged} runs diverged; {why}."]
    return lines
