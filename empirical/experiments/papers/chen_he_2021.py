"""Chen and He 2021 (SimSiam): the ablations on digits, beside the paper's accuracy on ImageNet.

Each ablation is trained with several seeds; a direction of the paper counts as seen when the paired
difference of the linear probe has its sign with the whole 95 % interval, as not seen when it has the
other sign, and as not decided between. Digits are easy: accuracies lie near 95 %, so that collapse
shows in std and rank, hardly in accuracy. Batch norm at the projector's output without a trained scale
(as in the code that was released) keeps the std from going to 0; with one it can. Start with `ablation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from empirical.experiments.answer import Answer
from empirical.experiments.papers.alternation import one_mode
from empirical.experiments.papers.chen_he_table import ABLATIONS, BASE, FIRST, SOURCE, Ablation
from empirical.experiments.papers.trials import (
    Trial,
    agreed,
    base,
    difference,
    mean,
    means,
    numbers_of,
    trials,
    word,
)
from empirical.experiments.result import ExperimentResult

SPREAD = 0.02
"""The paper's batch sizes 64 to 2048 span two points."""
COLLAPSED = 0.35
"""Below this share of a sphere's std an output counts as collapsed."""
LOWEST = -0.99
"""A collapsed network's loss is below this; the least possible is -1."""

Found = dict[str, list[Trial]]


@dataclass(frozen=True)
class Direction:
    """One direction that the paper reports, and whether it is seen here."""

    says: str
    seen: bool | None
    numbers: str


def ablation(
    name: str,
    *,
    seed: int = 0,
    full: bool = False,
    runs: int = 0,
    data_root: str = "",
    **small: Any,
) -> Answer:
    """Train the rows of an ablation and compare them; `small` shortens the training for tests."""
    asked = ABLATIONS[name]
    seeds = range(seed, seed + (runs or (3 if full else asked.seeds)))
    found: Found = {}
    for variant in asked.variants:
        given = {**({} if full else asked.training), **variant.given}
        if full and "batch_size" in given:
            given["lr"] = 0.05 * given["batch_size"] / 256
        found[variant.name] = trials(
            base(full, data_root, **{**given, **small}), seeds, variant.change
        )
    seen = [*directions(asked, found), *own(name, found)]
    rows = {v.name: {"paper": v.paper, **means(found[v.name])} for v in asked.variants}
    result = ExperimentResult(
        name=f"simsiam-{name}",
        statement=asked.statement,
        source=SOURCE,
        predicted=asked.predicted or predicted(name),
        measured="; ".join(f"{d.says}: {word(d.seen)} ({d.numbers})" for d in seen)
        + ". "
        + "; ".join(f"{key}: {numbers_of(row)}" for key, row in rows.items()),
        holds=agreed([d.seen for d in seen]),
        runs=len(seeds) * len(found),
    )
    told = [{"says": d.says, "seen": d.seen, "numbers": d.numbers} for d in seen]
    return Answer(result, {"rows": rows, "directions": told})


def directions(asked: Ablation, found: Found) -> list[Direction]:
    """Return the directions of the paper's accuracies."""
    made = []
    for low, high in asked.pairs:
        gap = difference(found[low], found[high], "probe")
        made.append(Direction(f"{low} below {high}", gap.seen(-1), f"probe {gap.words()}"))
    return made


def _learns(name: str, found: Found) -> Direction:
    """The probe is above that of features after one step, which are good already on digits."""
    gap = difference(found[name], found[FIRST], "probe")
    return Direction(f"{name} learns", gap.seen(1), f"probe {gap.words()} over one step")


def own(name: str, found: Found) -> list[Direction]:
    """Return what an ablation says beside accuracies."""
    match name:
        case "stop-gradient":
            return [
                _collapses("no stop-gradient, affine", found), _lives("affine", found),
                _loses("no stop-gradient", found), _lives(BASE, found),
            ]  # fmt: skip
        case "no-predictor":
            return [_collapses("no predictor, affine", found), _loses("no predictor", found)]
        case "predictor":
            return _fixed(found)
        case "batch-norm":
            bare, shaken = "no batch norm in heads", "on predictor's output too"
            wobble = difference(found[shaken], found[BASE], "wobble")
            told = f"loss moves {wobble.words(1000, 'thousandths')} more a step"
            return [_lives(bare, found), Direction(f"{shaken}: unstable", wobble.seen(1), told)]
        case "batch-size":
            sizes = [key for key in found if key != FIRST]
            scores = [mean(found[key], "probe") for key in sizes]
            span = max(scores) - min(scores)
            return [
                Direction("all within 2 points", span <= SPREAD, f"span {100 * span:.1f} points"),
                *(_lives(key, found) for key in sizes),
                *(_learns(key, found) for key in sizes),
            ]
        case "similarity":
            return [_lives("cross-entropy", found)]
        case "symmetrisation":
            return [_lives("asymmetric", found)]
        case "alternation":
            return [_no_worse(key, BASE, found) for key in found if key != BASE]
        case _:
            return _remembered(found)


def _fixed(found: Found) -> list[Direction]:
    gap = difference(found["fixed random predictor"], found[BASE], "loss")
    return [
        Direction("fixed random: loss stays above", gap.seen(1), gap.words(1, "", 2)),
        _lives("fixed random predictor", found),
        _no_worse(BASE, "cosine rate for predictor", found),
    ]


def _remembered(found: Found) -> list[Direction]:
    gap = difference(found["moving average, m = 0.8"], found["no predictor"], "rank")
    return [
        Direction("the average keeps more rank", gap.seen(1), gap.words(1, "dimensions")),
        _collapses("no predictor, affine", found),
        _lives("m = 0.8, affine", found), _lives("moving average, m = 0.8", found),
    ]  # fmt: skip


def _collapses(name: str, found: Found) -> Direction:
    std, rank = mean(found[name], "std"), mean(found[name], "rank")
    loss = mean(found[name], "loss")
    seen = all(trial.std < COLLAPSED and trial.loss < LOWEST for trial in found[name])
    return Direction(f"{name} collapses", seen, f"std {std:.2f}, rank {rank:.1f}, loss {loss:.2f}")


def _loses(name: str, found: Found) -> Direction:
    """Without a trained scale batch norm keeps the std up, and dimensions are what collapses."""
    gap = difference(found[name], found[BASE], "rank")
    return Direction(f"{name} loses dimensions", gap.seen(-1), f"rank {gap.words(1, '')}")


def _lives(name: str, found: Found) -> Direction:
    std = mean(found[name], "std")
    return Direction(
        f"{name} does not collapse",
        all(trial.std >= COLLAPSED for trial in found[name]),
        f"std {std:.2f}",
    )


def _no_worse(name: str, other: str, found: Found) -> Direction:
    """The probe of one is not more than 2 points below the other's, with the whole interval."""
    gap = difference(found[name], found[other], "probe")
    seen = True if gap.low > -SPREAD else False if gap.high < -SPREAD else None
    return Direction(f"{name} not 2 points below {other}", seen, f"probe {gap.words()}")


def predicted(name: str) -> str:
    """Return what `equilibria` says where it says something."""
    import equilibria as eq

    if name == "stop-gradient":
        told = [
            f"{word_}: stable are {', '.join(eq.analyze(eq.Model(procedure=procedure)).summary.stable)}"
            for word_, procedure in (("without", "joint"), ("with", "stop-gradient"))
        ]
        return "; ".join(told) + " (two modes, linear)"
    model = eq.Model(moments=eq.Moments.commuting(signal=[1]), embed_dim=1)
    alive = next(c for c in eq.analyze(model).components if c.rank == 1)
    at = ", ".join(f"k = {k}: {one_mode(k)[0]:.6f}" for k in (1, 10, 100))
    return (
        f"holding targets moves no equilibrium, and {alive.id} ({alive.map.verdict.value}) is reached: "
        f"p = w at rest {at}; p+ = {root():.6f}"
    )


def root(s: float = 1.25, m: float = 1.0, eta: float = 0.05) -> float:
    """Return p+, the outer root of s p^2 - m p + eta.

    >>> round(root(), 6)
    0.74641
    """
    return float((m + (m * m - 4 * eta * s) ** 0.5) / (2 * s))
