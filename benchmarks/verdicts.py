"""The verdict on outputs against families whose truth is known, and on short runs of `train`.

Every case is drawn anew: width (8 to 2048), rows (8 to 1024), a random basis, half precision, rows of
any length, heavy tails, a row that is 10^4 times longer; with the outputs at the start or without.

    healthy      Gaussian, a smooth spectrum, a network's bottleneck, clusters; the start of that law
    few          at most a tenth of the directions alive, the rest at 0 to 1 % of them
    constant     one output added that makes up 97 % and more
    shrunk       1e-7 to 1e-4 of the size at the start, squared loss

"wrong" is a healthy case called collapse or a collapsed one called none; "unclear" is no error but says
nothing. The rule that was used before (std of coordinates, effective rank over width) is beside it.

    python benchmarks/verdicts.py [--cases 60] [--seed 0] [--runs]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

import numpy as np
from numpy.typing import NDArray

from empirical.collapse import COMPLETE, LOST, NO, UNCLEAR, diagnose

Array = NDArray[np.float64]
WIDTHS = (8, 16, 32, 64, 128, 256, 512, 2048)
COUNTS = (8, 16, 64, 256, 512, 1024)
WORDS = (NO, LOST, COMPLETE, UNCLEAR)


@dataclass(frozen=True)
class Draw:
    """What a case is drawn with."""

    rng: np.random.Generator
    count: int
    width: int
    kind: int
    """Which law of health."""

    def normal(self, *shape: int) -> Array:
        """Return standard normal numbers."""
        return self.rng.standard_normal(shape)

    def turned(self, z: Array) -> Array:
        """Return outputs in a random basis (a product of reflections, cheap at any width)."""
        for _ in range(4):
            v = self.normal(z.shape[1])
            z = z - 2 * np.outer(z @ v, v) / (v @ v)
        permuted: Array = z[:, self.rng.permutation(z.shape[1])]
        return permuted


def healthy(d: Draw) -> Array:
    """Gaussian, a smooth spectrum, a bottleneck of a quarter of the width, or clusters."""
    kind, z = d.kind, d.normal(d.count, d.width)
    if kind == 1:
        return d.turned(z * np.arange(1, d.width + 1) ** -0.5)
    if kind == 2:
        living = max(4, d.width // 4)
        return d.normal(d.count, living) @ d.normal(living, d.width)
    if kind == 3:
        centres = d.normal(max(6, d.width // 2), d.width)
        return centres[d.rng.integers(len(centres), size=d.count)] + 0.5 * z
    return z


def few(d: Draw) -> Array:
    """At most a tenth of the directions alive (one, where there are few)."""
    living = d.rng.integers(1, max(1, d.width // 10) + 1)
    rest = d.rng.choice([0.0, 1e-4, 1e-2])
    scale = np.where(np.arange(d.width) < living, 1.0, rest * np.sqrt(living / d.width))
    return d.turned(d.normal(d.count, d.width) * scale)


def constant(d: Draw) -> Array:
    """A constant and little beside it."""
    one = d.normal(d.width)
    one /= np.linalg.norm(one)
    share = 1 - d.rng.choice([0.03, 1e-2, 1e-4, 1e-8])
    z = healthy(d)
    z /= np.sqrt((z * z).sum(axis=1).mean())
    return np.sqrt(share) * one + np.sqrt(1 - share) * z


def shrunk(d: Draw) -> Array:
    """Healthy directions, sizes next to nothing."""
    z = healthy(d)
    return z / np.sqrt((z * z).sum(axis=1).mean()) * 10.0 ** d.rng.uniform(-7, -4)


FAMILIES: dict[str, tuple[Callable[[Draw], Array], str]] = {
    "healthy": (healthy, NO),
    "few": (few, LOST),
    "constant": (constant, COMPLETE),
    "shrunk": (shrunk, COMPLETE),
}


def dressed(d: Draw, z: Array, *, loss: str) -> Array:
    """Return outputs with rows of other lengths, outliers, or in half precision."""
    kind = d.rng.integers(5)
    if kind == 1 and loss != "squared":
        z = z * np.exp(2 * d.normal(len(z), 1))
    if kind == 2:
        z = z / np.sqrt(d.rng.chisquare(1.5, (len(z), 1)))  # Student's t, 1.5 degrees of freedom
    if kind == 3:
        z = z.copy()
        z[0] *= 1e4
    if kind == 4 and loss != "squared":  # half precision has no 1e-7
        z = (z / np.abs(z).max()).astype(np.float16).astype(np.float64)
    return z


def former(z: Array) -> str:
    """Return the verdict of the rule before: std of coordinates, and effective rank over width."""
    unit = z / np.linalg.norm(z, axis=1, keepdims=True).clip(1e-12)
    deviation = unit.std(axis=0).mean() * np.sqrt(z.shape[1])
    cosine = (np.square(unit.sum(axis=0)).sum() - len(z)) / (len(z) * (len(z) - 1))
    values = np.linalg.svd(z - z.mean(axis=0), compute_uv=False)
    p = values / max(values.sum(), 1e-12)
    rank = np.exp(-(p * np.log(p.clip(1e-12))).sum())
    if deviation < 0.35 or cosine > 0.95:
        return COMPLETE
    if rank / min(len(z) - 1, z.shape[1]) < 0.2:
        return LOST
    return NO if deviation > 0.8 else UNCLEAR


def is_wrong(truth: str, told: str) -> bool:
    """Return whether health was called collapse, or the other way round."""
    return told != UNCLEAR and (truth == NO) != (told == NO)


def start_of(d: Draw, name: str) -> Array:
    """Return outputs at the start: an own draw of the same law where that is healthy, else Gaussian."""
    if name == "healthy":
        return healthy(Draw(d.rng, d.count, d.width, d.kind))
    return d.normal(max(d.count, 64), d.width)


@dataclass
class Score:
    """Verdicts on the cases of a family, ours and those of the rule before."""

    told: Counter[str]
    before: Counter[str]
    wrong: int = 0
    wrong_before: int = 0


def score(name: str, *, with_start: bool, cases: int, seed: int) -> Score:
    """Draw and judge the cases of a family."""
    family, truth = FAMILIES[name]
    loss = "squared" if name == "shrunk" else "cosine"
    found = Score(Counter(), Counter())
    for case in range(cases):
        rng = np.random.default_rng([seed, list(FAMILIES).index(name), case])
        count, width = int(rng.choice(COUNTS)), int(rng.choice(WIDTHS))
        d = Draw(rng, count, width, int(rng.integers(4)))
        z = dressed(d, family(d), loss=loss)
        start = start_of(d, name) if with_start else None
        told, before = diagnose(z, start=start, loss=loss).verdict, former(z)
        found.told[told] += 1
        found.before[before] += 1
        found.wrong += is_wrong(truth, told)
        found.wrong_before += is_wrong(truth, before)
        if is_wrong(truth, told):
            print(f"  wrong: {name} case {case} {z.shape} start {with_start}: {told}")
    return found


def families(cases: int, seed: int) -> None:
    """Print the table of the families."""
    print(f"{'truth':<28}" + "".join(f"{word:>19}" for word in WORDS))
    wrong = before = 0
    for name in FAMILIES:
        for with_start in (False, True):
            found = score(name, with_start=with_start, cases=cases, seed=seed)
            wrong, before = wrong + found.wrong, before + found.wrong_before
            label = f"{name}, {'with the start' if with_start else 'alone'}"
            print(f"{label:<28}" + "".join(f"{found.told[word]:>19}" for word in WORDS))
            print(f"{'  rule before':<28}" + "".join(f"{found.before[word]:>19}" for word in WORDS))
    print(f"wrong: {wrong} of {2 * cases * len(FAMILIES)} (rule before: {before})")


BARE = {"loss": "squared", "head_bn": "none", "predictor": "linear", "lr": "0.01"}
RUNS: dict[str, tuple[dict[str, str], tuple[str, ...]]] = {
    "SimSiam": ({"epochs": "40"}, (NO,)),
    "SimSiam, 256 outputs": ({"epochs": "40", "head": "64,256"}, (NO,)),
    "SimSiam, 200 epochs": ({"epochs": "200"}, (NO,)),
    "linear predictor": ({"epochs": "160", "predictor": "linear"}, (NO,)),
    "BYOL": ({"epochs": "40", "method": "byol"}, (NO,)),
    "DirectPred": ({"epochs": "40", "method": "direct-pred"}, (NO,)),
    "SimCLR": ({"epochs": "40", "method": "simclr"}, (NO,)),
    "no stop-gradient": ({"epochs": "80", "stop_gradient": "no"}, (COMPLETE,)),
    "decay 0.3": ({"epochs": "40", "weight_decay": "0.3"}, (COMPLETE,)),
    "no predictor, 200 epochs": ({"epochs": "200", "predictor": "none"}, (LOST,)),
    "decay 0.05, 160 epochs": ({"epochs": "160", "weight_decay": "0.05"}, (LOST,)),
    "squared loss, decay 0.3": (
        {"epochs": "200", "weight_decay": "0.3", **BARE}, (COMPLETE,),
    ),
}  # fmt: skip
"""Settings of `train` on the digits, and the verdict that kNN and theory call for."""


def runs() -> None:
    """Train and print what is said of each."""
    from empirical.networks import train
    from empirical.networks.settings import settings_from

    for name, (given, wanted) in RUNS.items():
        data = train(settings_from({"curl": "no", "log_every": "100000", **given})).data
        kept = "as wanted" if data["verdict"] in wanted else f"wanted {', '.join(wanted)}"
        knn = f"kNN {100 * data['initial']['knn']:.1f} -> {100 * data['knn']:.1f} %"
        print(f"{name:<26}{knn:<24}{kept:<12}{data['text']}", flush=True)


def main() -> None:
    """Draw, judge, print."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--cases", type=int, default=60, help="cases a family and question")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--runs", action="store_true", help="train on the digits too (a minute or two)"
    )
    given = parser.parse_args()
    families(given.cases, given.seed)
    if given.runs:
        runs()


if __name__ == "__main__":
    main()
