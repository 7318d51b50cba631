"""Attractors of a model that are not equilibria: where they are born, where they are, how near.

`study` answers for a model: which cycles does a run find, from every unstable focus and from random
starts; with a parameter and a range, where does an equilibrium lose its stability through a pair,
and what becomes of the cycles born there; and, if asked, how far the nearest such parameters are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from equilibria.cycles.cycle import LimitCycle, same_cycle
from equilibria.cycles.dynamics import Dynamics
from equilibria.cycles.follow import CycleBranch, cycle_from_hopf, follow_cycle
from equilibria.cycles.hopf import hopf_points
from equilibria.cycles.pairs import leading_pair
from equilibria.cycles.parameter_range import Range
from equilibria.cycles.report import Along, CyclesReport, Focus
from equilibria.cycles.search import search_oscillation
from equilibria.cycles.setting import Setting, along, of_model
from equilibria.cycles.settling import Settled, kicked, settle
from equilibria.errors import ScopeError
from equilibria.systems.model import Model
from equilibria.varieties.noncommuting.core import CoreEquilibrium
from equilibria.varieties.noncommuting.search import multistart

RANDOM_STARTS = 3
SEARCHED_UP_TO = 2  # data dimension up to which all full-rank equilibria are looked for
MULTISTARTS = 60
CHUNKS = 25
PERIODS = 10
FOLLOWED = 80  # cycles on one branch

Progress = Callable[[str], None]


def study(
    model: Model,
    *,
    parameter: Range | None = None,
    search: bool = False,
    radius: float = 1.0,
    seed: int = 0,
    time_limit: float = 60.0,
    progress: Progress | None = None,
) -> CyclesReport:
    """Return what is known about cycles of the model; everything in it is numeric.

    `parameter` is (name, low, high) with a name of `setting.Parameter`: beta and eta of the flow, h
    and ema of the map. `time_limit` (seconds) holds for each branch of cycles and for the search.
    """
    begun = time.monotonic()
    model.plain("cycles")
    tell = progress or (lambda _: None)
    setting = of_model(model)
    rank = min(model.n, model.d)
    _check_outputs(model, setting)
    foci = [_focus(setting, core) for core in _equilibria(setting, rank)]
    cycles, endings = _settled(setting, foci, seed, tell)
    followed = None if parameter is None else _along(model, parameter, rank, time_limit, tell)
    found = None
    if search:
        tell("search")
        found = search_oscillation(
            model.moments, model, radius=radius, seed=seed, time_limit=time_limit
        )
    return CyclesReport(
        model=model,
        foci=tuple(foci),
        cycles=tuple(cycles),
        endings=endings,
        along=followed,
        search=found,
        seconds=time.monotonic() - begun,
    )


def _check_outputs(model: Model, setting: Setting) -> None:
    """Raise `ScopeError` where idle outputs have rates of their own."""
    if model.n > model.d and setting.kappa != 1:
        raise ScopeError(
            "--predictor-weight-decay: cycles with more outputs than inputs need it equal"
        )


def _settled(
    setting: Setting, foci: list[Focus], seed: int, tell: Progress
) -> tuple[list[LimitCycle], dict[str, int]]:
    """Return the cycles that runs settle on, and how many runs end in which way."""
    cycles: list[LimitCycle] = []
    endings = {"rest": 0, "cycle": 0, "unsettled": 0}
    for run in _runs(setting, foci, seed, tell):
        endings[run.ending] += 1
        _keep(run, cycles)
    return cycles, endings


def find_cycles(model: Model, *, seed: int = 0) -> tuple[LimitCycle, ...]:
    """The cycles that runs settle on: from unstable foci, or else from random starts."""
    model.plain("cycles")
    setting = of_model(model)
    foci = [_focus(setting, core) for core in _equilibria(setting, min(model.n, model.d))]
    cycles: list[LimitCycle] = []
    unstable = sum(1 for focus in foci if focus.spirals_out)
    for number, run in enumerate(_runs(setting, foci, seed, lambda _: None)):
        _keep(run, cycles)
        if cycles and number + 1 >= unstable:
            break
    return tuple(cycles)


def _keep(run: Settled, cycles: list[LimitCycle]) -> None:
    """Add the cycle of a run unless it is known."""
    if run.cycle is not None and not any(same_cycle(run.cycle, c) for c in cycles):
        cycles.append(run.cycle)


def _equilibria(setting: Setting, rank: int) -> list[CoreEquilibrium]:
    """The most learned equilibrium and, for small sizes, all of that rank that many starts meet."""
    found = []
    largest = setting.largest(rank)
    if largest is not None:
        found.append(largest)
    if setting.d <= SEARCHED_UP_TO and rank > 1 and setting.kappa == 1:
        everything = multistart(setting.Sigma, setting.M, rank, setting.eta, 0, starts=MULTISTARTS)
        for item in everything.ranks:
            if item.rank == rank:
                found += [core for core in item.equilibria if not _known(core, found)]
    return found


def _known(core: CoreEquilibrium, found: list[CoreEquilibrium]) -> bool:
    return any(np.allclose(core.gram, other.gram, rtol=1e-6, atol=1e-9) for other in found)


def _focus(setting: Setting, core: CoreEquilibrium) -> Focus:
    pair = leading_pair(setting, core)
    J = setting.system.matrix(setting.linearised(core))
    unstable = int(np.sum(np.linalg.eigvals(J).real > 1e-7 * np.abs(J).max()))
    return Focus(core, pair, unstable)


def _runs(setting: Setting, foci: list[Focus], seed: int, tell: Progress) -> Iterator[Settled]:
    """Runs from beside every unstable focus, and from random starts if there is any focus."""
    spirals = [focus for focus in foci if focus.pair is not None]
    for number, focus in enumerate(f for f in foci if f.spirals_out):
        tell(f"run from unstable focus {number + 1}")
        x, period = kicked(setting, focus.core)
        yield settle(setting, x, PERIODS * period, chunks=CHUNKS)
    if not spirals:
        return
    rng = np.random.default_rng(seed)
    core = spirals[0].core
    assert spirals[0].pair is not None
    span = PERIODS * 2 * np.pi / spirals[0].pair.imag
    dynamics = Dynamics(setting, core.rank)
    size = float(np.linalg.norm(core.W)) / np.sqrt(core.W.size)
    for number in range(RANDOM_STARTS):
        tell(f"random start {number + 1} of {RANDOM_STARTS}")
        P = size * rng.standard_normal(core.P.shape)
        W = size * rng.standard_normal(core.W.shape)
        yield settle(setting, dynamics.at_rest(P, W), span, chunks=CHUNKS)


def _along(model: Model, parameter: Range, rank: int, time_limit: float, tell: Progress) -> Along:
    """Hopf points in the range and the cycles born there."""
    name, low, high = parameter
    is_map = name in ("h", "ema")
    setting = of_model(model, is_map=is_map)
    if name in ("beta", "ema") and not setting.averaged:
        setting = replace(setting, mu=low) if is_map else replace(setting, beta=low)
    path = along(setting, name)
    tell(f"following the equilibrium along {name}")
    start = path(low).largest(rank)
    if start is None:
        raise ScopeError(
            f"--along {name}={low}:{high}: there is no equilibrium of rank {rank} there"
        )
    branch = hopf_points(path, low, high, start=start)
    followed: list[CycleBranch] = []
    for point in () if is_map else branch.points:
        tell(f"the cycle born at {name} = {point.value:.6g}")
        born = cycle_from_hopf(path, point, within=(low, high))
        if born is None:
            continue
        value, cycle = born
        stop = high if value > point.value else low
        followed.append(
            follow_cycle(
                path,
                cycle,
                value,
                stop,
                first=abs(value - point.value),
                most=FOLLOWED,
                time_limit=time_limit,
            )
        )
    return Along(name, branch, tuple(followed))
