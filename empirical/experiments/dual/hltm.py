"""Do the hidden units of a network come to follow the latents of the tree, which it never sees?

Pairs share the root and nothing else. The theory says that the covariance operator at every node is
then that of the root's value, and amplifies the units that by chance follow the node's latent. Laid
beside the measured correlations is the most that any function of the leaves below the node can reach
(belief propagation). Control: positives that share nothing, where the operator is zero.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from empirical.experiments.dual.result import SOURCE, finish, rounded
from empirical.experiments.dual.tree import HELD_OUT, ceilings, grow, sample
from empirical.experiments.dual.treenet import Training, build, correlations, train
from empirical.experiments.result import ExperimentResult

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

NAME = "hidden-units-learn-latents"
CONTROL = "control"
CLOSED, IDLE = 0.5, 0.2
"""Training must close more than CLOSED of the gap to the ceiling, the control less than IDLE."""
ABOVE = 0.02
"""A correlation on a finite sample may exceed the estimated ceiling by this much."""


@dataclass(frozen=True)
class Plan:
    """Trees and training; the paper's are depth 5, 2 children, 10 units and 25,000 steps."""

    trees: int = 2
    depth: int = 5
    low: float = 0.8
    training: Training = field(default_factory=lambda: Training(steps=500))
    variants: tuple[str, ...] = ("nce", CONTROL)
    held_out: int = 4096
    seed: int = 0

    def variant(self, name: str) -> Training:
        """Return the training of a variant: a loss, or the control."""
        match name:
            case "simp":
                return replace(self.training, loss="simp")
            case "control":
                return replace(self.training, share_root=False)
            case _:
                return replace(self.training, loss="nce")


@dataclass(frozen=True)
class Learned:
    """Best |correlation| of each node with its latent: arrays (trees, nodes), the root first."""

    plan: Plan
    ceiling: tuple[Array, ...]
    before: tuple[Array, ...]
    after: dict[str, tuple[Array, ...]]

    def closed(self, name: str) -> float:
        """Return the part of the gap to the ceiling that training closed, over all nodes."""
        gap = sum(float((c - b).sum()) for c, b in zip(self.ceiling, self.before, strict=True))
        won = sum(float((a - b).sum()) for a, b in zip(self.after[name], self.before, strict=True))
        return won / gap

    def by_level(self, values: tuple[Array, ...]) -> list[float]:
        """Return means over the nodes of a level, the root first."""
        return [float(level.mean()) for level in values]


def learn(plan: Plan) -> Learned:
    """Train one network a tree for each variant, all from the same weights and on the same draws."""
    trees = [grow(plan.depth, low=plan.low, seed=plan.seed + i) for i in range(plan.trees)]
    start = build(trees, plan.training.hid, seed=plan.seed)
    most = [ceilings(tree, sample(tree, 0, plan.held_out, stream=HELD_OUT)) for tree in trees]
    return Learned(
        plan=plan,
        ceiling=tuple(np.stack(level) for level in zip(*most, strict=True)),
        before=correlations(trees, start, plan.held_out),
        after={
            name: correlations(trees, train(trees, start, plan.variant(name)), plan.held_out)
            for name in plan.variants
        },
    )


def result(found: Learned, *, out: Path | None = None) -> ExperimentResult:
    """Return the answer; `nce` and the control must be among the variants."""
    before, after, most = (
        found.by_level(values) for values in (found.before, found.after["nce"], found.ceiling)
    )
    above = max(
        float((a - c).max()) for a, c in zip(found.after["nce"], found.ceiling, strict=True)
    )
    closed, idle = found.closed("nce"), found.closed(CONTROL)
    rises = all(a > b for a, b in zip(after[:-1], before[:-1], strict=True))
    told = ExperimentResult(
        NAME,
        source=SOURCE,
        statement="trained on pairs that share only the root of a latent tree, the hidden units of "
        "every level come to follow the latents of that level",
        predicted=f"best |correlation| rises at every level above the lowest, towards the most that "
        f"the leaves can tell (root {most[0]:.2f}); not when pairs share nothing",
        measured=f"root {before[0]:.2f} to {after[0]:.2f}, all levels {np.mean(before):.2f} to "
        f"{np.mean(after):.2f}: {100 * closed:.0f} % of the gap closed; {100 * idle:.0f} % when "
        "pairs share nothing",
        holds=bool(rises and closed > CLOSED and idle < IDLE and above < ABOVE),
        runs=found.plan.trees,
    )
    return finish(
        told,
        seed=found.plan.seed,
        numbers={
            "ceiling": [rounded(x) for x in most],
            "before": [rounded(x) for x in before],
            "after": {
                name: [rounded(x) for x in found.by_level(values)]
                for name, values in found.after.items()
            },
            "gap_closed": {name: rounded(found.closed(name)) for name in found.after},
            "steps": found.plan.training.steps,
            "units": found.plan.training.hid,
            "rho_low": found.plan.low,
        },
        out=out,
    )


def hltm_experiment(
    *, runs: int = 2, seed: int = 0, out: Path | None = None, steps: int = 500
) -> ExperimentResult:
    """Hidden units come to follow the latents of a tree; `runs` trees, each with its network."""
    plan = Plan(trees=runs, seed=seed, training=Training(steps=steps))
    return result(learn(plan), out=out)


def table(found: Learned) -> list[str]:
    """Return lines: for each level the mean best correlation before, after, and the ceiling."""
    names = list(found.after)
    lines = [f"{'level':>10} nodes   before" + "".join(f"{n:>10}" for n in names) + "   ceiling"]
    for level, (before, most) in enumerate(zip(found.before, found.ceiling, strict=True)):
        after = "".join(f"{found.after[n][level].mean():>10.3f}" for n in names)
        word = f"{level} (root)" if level == 0 else str(level)
        lines.append(
            f"{word:>10} {before.shape[1]:>5}   {before.mean():>6.3f}{after}   {most.mean():>7.3f}"
        )
    return lines
