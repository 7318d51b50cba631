"""The phase diagram of a model over two of its parameters. Start with `phase_diagram`."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from equilibria.errors import FormatError
from equilibria.exact.rationals import to_float
from equilibria.phase.axes import Axis
from equilibria.phase.boundary import KINDS, Boundary, BoundaryPoint
from equilibria.phase.cells import Cells, evaluate, merge
from equilibria.phase.chains import curves, runs
from equilibria.phase.curves import breakpoints, exact_boundaries
from equilibria.phase.diagram import PhaseDiagram, Region
from equilibria.phase.families import outer_roots
from equilibria.phase.isolate import Isolated, isolate
from equilibria.phase.setting import Decay, Setting
from equilibria.phase.spread import Progress, spread
from equilibria.phase.steps import exact_step, top_stratum
from equilibria.phase.strata import modes_in, rank_order, stratum_name
from equilibria.phase.trace import Item, Tracer
from equilibria.systems.model import Model
from equilibria.systems.procedures import Family
from equilibria.varieties.real_spectrum.joint import joint_variety

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

MAX_CELLS = 4_000_000
TASK_CELLS = 8192
WORTH_SPREADING = 3e8
LINES = 49
SEARCHED = 4096
TRACED_STRATA = 12
TRACED_PAIRS = 40
CERTIFIED = 400
CERTIFIED_UNEQUAL = 120
CERTIFIED_MOMENTUM = 40

Key = tuple[str, tuple[str, ...], str, tuple[BoundaryPoint, ...]]


def phase_diagram(
    model: Model,
    x: Axis,
    y: Axis,
    *,
    decay: Decay = "equal",
    backend: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
    with_boundaries: bool = True,
) -> PhaseDiagram:
    """Return which strata are stable over a grid of two parameters, and where that changes.

    `decay` says what the predictor's decay does: `equal` to the weight decay (kappa = 1), `coupled`
    (eta_P = alpha times the weight decay, kappa = alpha), or `fixed` at the model's own value.
    Raises `ScopeError` where the block formulas do not apply.
    """
    start = time.perf_counter()
    setting = _checked(model, x, y, decay)
    cells = _all_cells(setting, x, y, backend, jobs, progress)
    shape = (len(y.values), len(x.values))
    regions, index = _regions(cells)
    steps, notes = _top_steps(setting, x, y, cells.top_step.reshape(shape))
    boundaries: list[Boundary] = []
    if with_boundaries:
        boundaries, more = find_boundaries(setting, x, y, cells)
        notes += more
    return PhaseDiagram(
        setting=setting,
        x=x,
        y=y,
        regions=regions,
        cells=index.reshape(shape),
        on_boundary=cells.boundary.reshape(shape),
        top_step=None if np.isnan(steps).all() else steps,
        boundaries=tuple(boundaries),
        notes=tuple(notes),
        seconds=time.perf_counter() - start,
    )


def _checked(model: Model, x: Axis, y: Axis, decay: Decay) -> Setting:
    """Return the setting of a diagram; raises where there is none, or where it is too large."""
    model.plain("phase")
    setting = Setting(model, x.name, y.name, decay)
    for axis in (x, y):
        setting.check_axis(axis)
    if len(x.values) * len(y.values) > MAX_CELLS:
        raise FormatError(f"--x and --y: more than {MAX_CELLS} points; lower COUNT")
    if setting.family is Family.JOINT:
        joint_variety(setting.model_at(x.low, y.low))  # raises where no data has these moments
    return setting


def _all_cells(
    setting: Setting,
    x: Axis,
    y: Axis,
    backend: str | None,
    jobs: int | None,
    progress: Progress | None,
) -> Cells:
    total = len(x.values) * len(y.values)
    d = len(setting.modes)
    size = TASK_CELLS if backend is None else min(TASK_CELLS, max(512, total // 64))
    tasks = [
        (setting, x.values, y.values, first, min(first + size, total))
        for first in range(0, total, size)
    ]
    cost = total * d * d * (1 if setting.decay == "equal" else 12)
    if backend is None and jobs is None and cost > WORTH_SPREADING:
        jobs = -1
    return merge(spread(evaluate, tasks, backend=backend, jobs=jobs, progress=progress))


def _regions(cells: Cells) -> tuple[tuple[Region, ...], np.ndarray[tuple[int], np.dtype[np.int32]]]:
    """Return the regions by descending size, and the index of each cell's region."""
    counts = np.bincount(cells.index, minlength=len(cells.answers))
    first = np.unique(cells.index, return_index=True)[1]  # every answer occurs in some cell
    order = np.lexsort((first, -counts))
    place = np.empty(order.size, dtype=np.int32)
    place[order] = np.arange(order.size)
    regions = tuple(
        Region(index, *cells.answers[int(old)], cells=int(counts[old]))
        for index, old in enumerate(order)
    )
    return regions, place[cells.index]


def _top_steps(setting: Setting, x: Axis, y: Axis, steps: Array) -> tuple[Array, list[str]]:
    """Return the largest steps; without a closed form they are found one by one, on coarse grids."""
    unequal = setting.family is Family.BOOTSTRAP and (
        setting.decay != "equal" or bool(setting.model.nu and setting.model.traits.has_target)
    )
    if not unequal or not np.isnan(steps).all():
        return steps, []
    columns = [x.low] if x.name == "lr" else x.values  # the step itself is no parameter of h*
    rows = [y.low] if y.name == "lr" else y.values
    if len(columns) * len(rows) * len(setting.modes) ** 2 > SEARCHED:
        return steps, ["largest steps are not given on a grid this fine; see step_surface"]
    across, up = np.meshgrid([to_float(v) for v in columns], [to_float(v) for v in rows])
    points = setting.points(across.ravel(), up.ravel())
    order, exists, _ = outer_roots(points)
    chosen = top_stratum(order, exists.value > 0, points.n)
    places = [(a, b) for b in rows for a in columns]
    high = np.array(
        [
            exact_step(setting.model_at(*place), np.flatnonzero(row).tolist())
            for place, row in zip(places, chosen, strict=True)
        ]
    )
    return np.broadcast_to(high.reshape(len(rows), len(columns)), steps.shape).copy(), []


def find_boundaries(
    setting: Setting, x: Axis, y: Axis, cells: Cells
) -> tuple[list[Boundary], list[str]]:
    """Return all boundaries inside the window, and notes on what was left out."""
    lines = (_lines(setting, x, y), _lines(setting, y, x))
    found = exact_boundaries(setting, x, y, lines)
    items, notes = _items(setting, cells)
    tracer = Tracer(setting, items, *lines)
    crossings = tracer.crossings()
    every = max(1, -(-len(crossings) // _affordable(setting)))
    if every > 1 and setting.model.exact:
        notes.append(f"{len(crossings)} boundary points, one in {every} certified")
    isolated = isolate(tracer, crossings, every=every)
    found += _joined(items, isolated)
    found.sort(key=lambda b: (KINDS.index(b.kind), b.between, b.block, b.strata))
    return found, notes


def _joined(items: Sequence[Item], isolated: Sequence[Isolated]) -> list[Boundary]:
    """Return the crossings as curves; strata that end on the same curve share it."""
    strata: dict[Key, list[str]] = {}
    for place, item in enumerate(items):
        own = [point for point in isolated if point.crossing.item == place]
        for curve in curves(own):
            for run in runs(curve):
                points = tuple(point.point for point in run)
                key = (run[0].kind, run[0].between, run[0].block, points)
                strata.setdefault(key, []).extend([_name(item)] if item.is_map else [])
    return [
        Boundary(kind, between, block, tuple(names), points, formula_of(kind))
        for (kind, between, block, points), names in strata.items()
    ]


def _affordable(setting: Setting) -> int:
    """Return how many points to certify: exact polynomials of unequal decays are slow."""
    if setting.family is not Family.BOOTSTRAP or setting.decay == "equal":
        return CERTIFIED
    slow = setting.model.traits.has_target and setting.model.nu > 0
    return CERTIFIED_MOMENTUM if slow else CERTIFIED_UNEQUAL


def formula_of(kind: str) -> str:
    """Return the condition that vanishes on a boundary that has no closed form in the axes."""
    return {
        "flip": "lr * lambda_max X(phi*) = 2*(1 + momentum); multiplier -1",
        "neimark-sacker": "interior Jury condition; a complex pair of multipliers of modulus 1",
        "hopf": "Hurwitz determinant (SG: c2*c1 = c0); a pair of imaginary eigenvalues",
    }[kind]


def _name(item: Item) -> str:
    return stratum_name(sum(1 << j for j in item.modes))


def _lines(setting: Setting, axis: Axis, other: Axis) -> tuple[Fraction, ...]:
    values: Sequence[Fraction] = axis.resampled(min(LINES, max(3, len(axis.values))))
    return tuple(sorted({*values, *breakpoints(setting, axis, other)}))


def _items(setting: Setting, cells: Cells) -> tuple[list[Item], list[str]]:
    """Return the strata that occur in most cells, and the pairs whose flow can oscillate."""
    weight: Counter[int] = Counter()
    counts = np.bincount(cells.index, minlength=len(cells.answers))
    for (flow, step), cells_there in zip(cells.answers, counts.tolist(), strict=True):
        for strata in (flow, step):
            masks = strata.masks if strata.masks is not None else (0, strata.top or 0)
            for mask in set(masks):
                weight[mask] += cells_there
    ranked = sorted(weight, key=lambda mask: (-weight[mask], rank_order(mask)))
    notes = []
    if len(ranked) > TRACED_STRATA:
        notes.append(
            f"step boundaries of the {TRACED_STRATA} most common of {len(ranked)} strata are traced"
        )
    chosen = sorted(ranked[:TRACED_STRATA], key=rank_order)
    items = [Item(tuple(k - 1 for k in modes_in(mask)), is_map=True) for mask in chosen]
    if setting.family is Family.BOOTSTRAP and setting.decay != "equal":
        d = len(setting.modes)
        pairs = [(i, j) for i in range(d) for j in range(i + 1, d)]
        if len(pairs) > TRACED_PAIRS:
            notes.append(
                f"oscillations of the first {TRACED_PAIRS} of {len(pairs)} pairs are traced"
            )
        items += [Item(pair, is_map=False) for pair in pairs[:TRACED_PAIRS]]
    return items, notes
