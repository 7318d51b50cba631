"""The components of moments that do not commute, along the weight decay.

Of all the axes of a phase diagram only the weight decay moves equilibria: learning rate, momentum of
the target and the predictor's rate decide how they are approached (T0.1, T7.0). So every component
is followed along one line, by Newton's method from value to value, and where it cannot be followed
further it has folded: the value is bisected.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction

import numpy as np

from equilibria.cycles.setting import Setting, core_of, of_model
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting.core import CoreEquilibrium
from equilibria.varieties.noncommuting.names import letters
from equilibria.varieties.noncommuting.variety import general_variety

JUMP = 0.3  # relative change of G that one step of Newton's method may make
SPLITS = 7  # halvings of a step before the branch counts as ended
SAME = 1e-6
FOLD_STEPS = 40
FOLD_TOLERANCE = 1e-9
SHORT = 1e-3  # how far before a fold, relative to the last step, its branch is looked at again
SEEDS = 3  # values of the weight decay at which all components are looked for


@dataclass(eq=False)
class Branch:
    """One component at the values of the weight decay where it is known; None is full collapse."""

    id: str
    rank: int
    known: dict[float, CoreEquilibrium | None] = field(default_factory=dict)
    ends: list[float] = field(default_factory=list)
    """Values of the weight decay shortly before its folds."""

    def at(self, setting: Setting) -> CoreEquilibrium | None:
        """The equilibrium at the setting's weight decay, from the nearest value known."""
        eta = setting.eta
        if eta not in self.known:
            start = min(self.known, key=lambda value: abs(value - eta))
            origin = self.known[start]
            assert origin is not None
            found = _walked(setting, origin, start, eta)
            if found is None:
                return None
            self.known[eta] = found
        return self.known[eta]

    def exists(self, eta: float) -> bool:
        """Whether it exists at one of the values followed."""
        return not self.rank or eta in self.known


@dataclass(frozen=True, slots=True)
class Fold:
    """Where a component ends: between the decay at which it was found and the one where not."""

    id: str
    found: float
    lost: float


def follow_branches(
    model: Model, values: Sequence[Fraction]
) -> tuple[list[Branch], list[Fold], tuple[str, ...]]:
    """Follow every component over ascending weight decays; return branches, folds and notes.

    All components are looked for at the first, the middle and the last value, and what is found is
    followed both ways; a component that exists only between those is missed.
    """
    etas = [to_float(value) for value in values]
    setting = of_model(model)
    branches = [Branch("rank0", 0, dict.fromkeys(etas))]
    folds: list[Fold] = []
    notes: list[str] = []
    for place in sorted({round(k * (len(etas) - 1) / (SEEDS - 1)) for k in range(SEEDS)}):
        at = replace(model, weight_decay=values[place], predictor_weight_decay=values[place])
        variety = general_variety(at)
        if not variety.complete and not notes:
            notes.append(f"not all equilibria may be listed: {variety.why}")
        for component in variety.components:
            if component.rank:
                core = core_of(at, component, replace(setting, eta=etas[place]))
                if not any(_same(core, b.known.get(etas[place])) for b in branches):
                    branch, ends = _followed(setting, core, etas, place)
                    branches.append(_named(branch, component.id, branches))
                    folds += [replace(end, id=branches[-1].id) for end in ends]
    return branches, folds, tuple(notes)


def _named(branch: Branch, name: str, others: Sequence[Branch]) -> Branch:
    """Give the branch the id that `equilibria` gives it where it was found, or the next one free."""
    taken = {other.id for other in others}
    number = sum(other.rank == branch.rank for other in others)
    while name in taken:
        name = f"rank{branch.rank}:{letters(number)}"
        number += 1
    branch.id = name
    return branch


def _followed(
    setting: Setting, core: CoreEquilibrium, etas: Sequence[float], place: int
) -> tuple[Branch, list[Fold]]:
    branch = Branch("", core.rank, {etas[place]: core})
    folds = []
    for way in (range(place + 1, len(etas)), range(place - 1, -1, -1)):
        last = etas[place]
        for j in way:
            here = branch.known[last]
            assert here is not None
            found = _walked(setting, here, last, etas[j])
            if found is None:
                end, nearest = _fold(setting, here, last, etas[j])
                folds.append(end)
                # Not at the fold itself, where an eigenvalue is zero and nothing is decided.
                before = end.found - SHORT * (end.found - last)
                inside = _walked(setting, nearest, end.found, before)
                if inside is not None:
                    branch.known[before] = inside
                    branch.ends.append(before)
                break
            branch.known[etas[j]] = found
            last = etas[j]
    return branch, folds


def _walked(
    setting: Setting, core: CoreEquilibrium, start: float, stop: float
) -> CoreEquilibrium | None:
    """The equilibrium at `stop` that continues the one at `start`, in as many steps as it takes."""
    at, step = start, stop - start
    least = abs(step) / 2**SPLITS
    while at != stop:
        target = stop if abs(stop - at) <= abs(step) * (1 + 1e-12) else at + step
        found = _stepped(replace(setting, eta=target), core)
        if found is None:
            step /= 2
            if abs(step) < least:
                return None
            continue
        at, core = target, found
    return core


def _stepped(setting: Setting, core: CoreEquilibrium) -> CoreEquilibrium | None:
    found = setting.near(core.W)
    if found is None or found.rank != core.rank:
        return None
    change = float(np.linalg.norm(found.gram - core.gram))
    return found if change <= JUMP * float(np.linalg.norm(core.gram)) else None


def _fold(
    setting: Setting, core: CoreEquilibrium, found: float, lost: float
) -> tuple[Fold, CoreEquilibrium]:
    """Bisect the end of a branch; each half starts from the last equilibrium that was found."""
    for _ in range(FOLD_STEPS):
        if abs(lost - found) <= FOLD_TOLERANCE * abs(found):
            break
        middle = (found + lost) / 2
        there = _walked(setting, core, found, middle)
        if there is None:
            lost = middle
        else:
            core, found = there, middle
    return Fold("", found, lost), core


def _same(one: CoreEquilibrium, two: CoreEquilibrium | None) -> bool:
    if two is None or one.rank != two.rank:
        return False
    marks = [np.concatenate([e.gram, e.W.T @ e.P @ e.W]) for e in (one, two)]
    return bool(np.linalg.norm(marks[0] - marks[1]) <= SAME * np.linalg.norm(marks[1]))
