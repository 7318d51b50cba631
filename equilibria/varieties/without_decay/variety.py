"""Stop-gradient and EMA with a decay that is zero, for commuting moments.

Without any decay the equilibria R = 0 form one component C_J for every set J of at most n modes,
each of dimension n^2 (T4.1); for M positive semidefinite there is nothing else over the reals
(T4.3). At an aligned point, P = diag(p_i) with p_i = c_j = m_j/s_j on the row of mode j and free on
the other rows, w_j the weight of an active mode and 0 otherwise, the normal eigenvalues are those of
n d scalar blocks (T5.2)

    Lambda + a - phi b,   a = s_j (alpha w_j^2 + p_i^2),   b = p_i m_j,   every row i, input j,

so the component is cut into stable and unstable parts by the polynomials a - b > 0 (flow) and
2 (1 + nu)/h - (a - phi* b) > 0 (map), which are returned as its conditions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import combinations, islice
from math import comb

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_tables import critical_phi
from equilibria.varieties.commuting.modes import Mode, modes_of
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.component import (
    Component,
    Conditions,
    Detail,
    Entry,
    How,
    Stability,
    Variety,
    Verdict,
    collapse_grade,
)
from equilibria.varieties.listing import fitting
from equilibria.varieties.without_decay.candidates import candidates, room
from equilibria.varieties.without_decay.inequalities import (
    ZERO,
    condition,
    distinct,
    never,
    step_conditions,
)
from equilibria.varieties.without_decay.one_sided import encoder_decay_only, predictor_decay_only
from equilibria.varieties.without_decay.points import (
    CONDITION_LIMIT,
    Point,
    detail,
    roots_of,
    spectrum_of,
    without_neutral,
)
from equilibria.varieties.without_decay.twisted import stable_point

LISTING_LIMIT = 2_000
MOST_TRIES = 16


def zero_decay_variety(model: Model, *, max_components: int = 64) -> Variety:
    """Return the components when eta = 0 or eta_P = 0 (or both), commuting moments."""
    if model.eta == 0 and model.eta_p == 0:
        return _without_decay(model, max_components)
    if model.eta_p == 0:
        return encoder_decay_only(model)
    return predictor_decay_only(model)


def _without_decay(model: Model, max_components: int) -> Variety:
    modes = modes_of(model.moments)
    classes = _classes(modes)
    total = _total(classes, model.n)
    chosen = (
        _all_sets(classes, model.n)
        if total <= LISTING_LIMIT
        else _leading_sets(modes, model.n, max_components)
    )
    analysis = _Analysis(model, modes, classes)
    components = [analysis.component(active) for active in chosen]
    stable = [c for c in components if c.flow.is_stable]
    rest = [c for c in components if not c.flow.is_stable]
    stable.sort(key=lambda c: (-(c.rank or 0), c.modes or ()))
    rest.sort(key=lambda c: (c.flow.growth, c.modes or ()))
    listed = stable + fitting(rest, max_components - len(stable))
    extra, complete, why = _completeness(model, modes)
    return Variety(
        components=(*listed, *extra),
        complete=complete and len(listed) == total,
        why=why,
        total=total + len(extra),
        stable_total=len(stable) if total <= LISTING_LIMIT else None,
        description="a component is counted stable when it has stable points",
    )


def _classes(modes: Sequence[Mode]) -> list[list[Mode]]:
    """Group modes by canonical correlation c = m/s: equal ones mix freely."""
    classes: dict[Fraction, list[Mode]] = {}
    for mode in modes:
        classes.setdefault(mode.m / mode.s, []).append(mode)
    return list(classes.values())


def _total(classes: Sequence[Sequence[Mode]], n: int) -> int:
    single = sum(1 for members in classes if len(members) == 1)
    counts = [comb(single, rank) for rank in range(min(single, n) + 1)]
    for members in (members for members in classes if len(members) > 1):
        counts = [
            sum(counts[rank - r] for r in range(len(members) + 1) if 0 <= rank - r < len(counts))
            for rank in range(min(len(counts) + len(members), n + 1))
        ]
    return sum(counts)


def _all_sets(classes: Sequence[Sequence[Mode]], n: int) -> list[tuple[Mode, ...]]:
    flat = [(i, place) for i, members in enumerate(classes) for place in range(len(members))]
    found = []
    for rank in range(min(n, len(flat)) + 1):
        for chosen in combinations(flat, rank):
            taken = set(chosen)
            if all(place == 0 or (i, place - 1) in taken for i, place in chosen):
                modes = [classes[i][place] for i, place in chosen]
                found.append(tuple(sorted(modes, key=lambda mode: mode.number)))
    return found


def _leading_sets(modes: Sequence[Mode], n: int, limit: int) -> list[tuple[Mode, ...]]:
    """Return collapse and the sets of largest and most negative correlations, highest rank first."""
    order = sorted(modes, key=lambda mode: -(mode.m / mode.s))
    positive = [mode for mode in order if mode.m > 0]
    negative = [mode for mode in reversed(order) if mode.m < 0]
    pairs = [
        (a, b)
        for a in range(min(n, len(positive)) + 1)
        for b in range(min(n - a, len(negative)) + 1)
    ]
    pairs.sort(key=lambda pair: (-(pair[0] + pair[1]), -pair[0]))
    kept = [(0, 0), *[pair for pair in pairs if pair != (0, 0)][: max(1, limit - 1)]]
    return [
        tuple(sorted((*positive[:a], *negative[:b]), key=lambda mode: mode.number)) for a, b in kept
    ]


def _completeness(model: Model, modes: Sequence[Mode]) -> tuple[tuple[Component, ...], bool, str]:
    if all(mode.m >= 0 for mode in modes) or all(mode.m <= 0 for mode in modes):
        return (), True, "M is semidefinite, so every real equilibrium has R = 0 (T4.3) [proved]"
    if model.n == 1:
        return (
            (_isotropic_row(model, modes),),
            True,
            "one row: R = 0, or p = 0 and w M w^T = 0 (T4.4) [proved]",
        )
    return (), False, "all components of R = 0; M is indefinite, so others with R != 0 exist (T4.4)"


def _isotropic_row(model: Model, modes: Sequence[Mode]) -> Component:
    """Return {p = 0, w M w^T = 0}, n = 1: unstable, lambda^2 + alpha w Sigma w^T lambda < 2 |wM|^2."""
    up = next(mode for mode in modes if mode.m > 0)
    down = next(mode for mode in modes if mode.m < 0)
    ratio = to_float(up.m / -down.m) ** 0.5
    row: list[Entry] = [ZERO] * model.d
    row[up.number - 1], row[down.number - 1] = Fraction(1), ratio
    quadratic = " + ".join(f"({mode.m})*W_1_{mode.number}**2" for mode in modes if mode.m)
    sigma = to_float(up.s) + to_float(down.s) * ratio**2
    push = to_float(up.m) ** 2 + (to_float(down.m) * ratio) ** 2
    alpha = to_float(model.alpha)
    abscissa = (-alpha * sigma + ((alpha * sigma) ** 2 + 8 * alpha * push) ** 0.5) / 2
    point: dict[str, tuple[tuple[Entry, ...], ...]] = {"W": (tuple(row),), "P": ((ZERO,),)}
    equations = ["P_1_1", quadratic]
    if model.traits.has_target:
        point["T"] = (tuple(row),)
        equations += [f"T_1_{j} - W_1_{j}" for j in range(1, model.d + 1)]
    dimension = model.d - 1
    unstable = Stability(
        Verdict.UNSTABLE,
        How.PROVED,
        dimension,
        abscissa,
        note="abscissa of stop-gradient; EMA has the same sign" if model.traits.has_target else "",
    )
    return Component(
        id="rank1:a",
        rank=1,
        dimension=dimension,
        collapse=collapse_grade(1, 1, model.d),
        flow=unstable,
        map=Stability(Verdict.UNSTABLE, How.PROVED, dimension, None),
        note="residual R != 0; degenerate at w = 0, where it meets collapse",
        build_detail=lambda: Detail(tuple(equations), point),
    )


class _Analysis:
    def __init__(
        self, model: Model, modes: Sequence[Mode], classes: Sequence[Sequence[Mode]]
    ) -> None:
        self.model, self.modes = model, modes
        self.class_of = {mode.number: members for members in classes for mode in members}
        self.how = How.CERTIFIED if model.exact else How.NUMERIC
        self.phi = critical_phi(model)
        self.bound = 2 * (1 + model.nu) / model.h

    def component(self, active: tuple[Mode, ...]) -> Component:
        model, k = self.model, len(active)
        dimension = model.n**2 + self._mixing(active)
        point, flow, step = self._chosen(active, dimension)
        if flow.verdict is Verdict.UNSTABLE and flow.part:
            flow, step = self._elsewhere(active, dimension, flow, step)
        name = "rank0" if not k else f"rank{k}:" + ",".join(f"{m.number}+" for m in active)
        return Component(
            id=name,
            rank=k,
            dimension=dimension,
            collapse=collapse_grade(k, model.n, model.d),
            flow=flow,
            map=step,
            modes=tuple(mode.number for mode in active),
            roots=("+",) * k,
            stable_where=self._conditions(active),
            note=self._note(active, flow),
            build_detail=partial(detail, model, point),
        )

    def _mixing(self, active: Sequence[Mode]) -> int:
        """Return sum over repeated correlations of r (multiplicity - r)."""
        counts: dict[int, int] = {}
        for mode in active:
            first = self.class_of[mode.number][0].number
            counts[first] = counts.get(first, 0) + 1
        return sum(r * (len(self.class_of[first]) - r) for first, r in counts.items())

    def _chosen(
        self, active: tuple[Mode, ...], dimension: int
    ) -> tuple[Point, Stability, Stability]:
        """Return the balanced point with its verdicts, or another one where only that is kept."""
        first, *others = islice(candidates(self.model, self.modes, active), self._tries())
        chosen = self._at(first, active, dimension)
        if chosen[1].verdict is not Verdict.STABLE or chosen[2].verdict is Verdict.STABLE:
            return chosen
        for point in others:
            found = self._at(point, active, dimension)
            if found[1].verdict is found[2].verdict is Verdict.STABLE:
                return found
        return chosen

    def _elsewhere(
        self, active: tuple[Mode, ...], dimension: int, flow: Stability, step: Stability
    ) -> tuple[Stability, Stability]:
        """Return the verdicts of a family unstable where it is aligned, with stable points if known."""
        found = stable_point(self.model, self.modes, active, dimension)
        if found is None:
            return flow, step
        words, kept = found
        note = f"stable at {words}"
        return (
            replace(flow, elsewhere=True, note=note),
            replace(step, elsewhere=kept, note=note if kept else step.note),
        )

    def _tries(self) -> int:
        return MOST_TRIES if self.model.n * self.model.d <= CONDITION_LIMIT else 1

    def _at(
        self, point: Point, active: tuple[Mode, ...], dimension: int
    ) -> tuple[Point, Stability, Stability]:
        blocks = self._blocks(point)
        zeros = sum(1 for a, b in blocks if a == b)
        return (point, *self._stabilities(blocks, zeros, dimension, active))

    def _blocks(self, point: Point) -> list[tuple[Fraction, Fraction]]:
        """Return (a, b) of the n d scalar blocks, exactly."""
        weight = {m.number: w for m, w in zip(point.active, point.weights, strict=True)}
        pairs = []
        for p in point.predictors:
            for mode in self.modes:
                w = weight.get(mode.number, ZERO)
                pairs.append((mode.s * (self.model.alpha * w * w + p * p), p * mode.m))
        return pairs

    def _stabilities(
        self,
        blocks: list[tuple[Fraction, Fraction]],
        zeros: int,
        dimension: int,
        active: tuple[Mode, ...],
    ) -> tuple[Stability, Stability]:
        """Return the verdicts at a point, each marked where other points may have another one."""
        neutral = self.model.n**2 + zeros
        degenerate = neutral != dimension
        unstable = any(a < b for a, b in blocks)
        flow_sign = 1 if unstable else (0 if degenerate else -1)
        slack = min(self.bound - self._rate(a, b) for a, b in blocks)
        step_sign = 1 if unstable or slack < 0 else max(flow_sign, 0 if slack == 0 else -1)
        sure = unstable and self._always_unstable(active)
        flow = self._stability(flow_sign, neutral, blocks, Dynamics.of(self.model, is_map=False))
        step = self._stability(step_sign, neutral, blocks, Dynamics.of(self.model, is_map=True))
        kept = sure or (flow_sign < 0 < step_sign and self._never_kept(active))
        if step_sign > 0 and not unstable and not kept:
            note = "no aligned point was found that the map keeps at this step size"
            step = replace(step, note=note)
        return replace(flow, part=not sure), replace(step, part=not kept)

    def _always_unstable(self, active: Sequence[Mode]) -> bool:
        """Return whether instability at an aligned point is that of every point of the component.

        With n modes the block of an inactive one is
        s_j (c_j - P) P^T, whose determinant is the same at all points (T5.4): with an odd number
        of positive factors p (c_j - p) an eigenvalue is positive.
        """
        taken = {mode.number for mode in active}
        correlations = [mode.m / mode.s for mode in active]
        return len(active) == self.model.n and any(
            sum(1 for p in correlations if p * (mode.m / mode.s - p) > 0) % 2
            for mode in self.modes
            if mode.number not in taken
        )

    def _never_kept(self, active: Sequence[Mode]) -> bool:
        """Return whether the map throws off every point that the flow keeps: one row, no free one."""
        if self.model.n > 1 or not active:
            return False
        low, high = room(active[0], (active[0].m / active[0].s,), self.phi, self.bound)
        c, taken = active[0].m / active[0].s, active[0].number
        still = [(m.s * c * c, c * m.m) for m in self.modes if m.number != taken]
        return low >= high or any(self._rate(a, b) >= self.bound for a, b in still)

    def _rate(self, a: Fraction, b: Fraction) -> Fraction:
        """Return the rate that 2 (1 + nu)/h must exceed; see `tables._Steps` for the second one."""
        model = self.model
        flip = a - self.phi * b
        nu, mu = model.nu, model.mu
        if not model.traits.has_target or not nu or not mu:
            return flip
        weight = 2 * (1 + nu) * mu / ((1 - nu) * (1 - mu) * (1 - nu * mu))
        return max(flip, -weight * ((1 - nu) * a + nu * (1 - mu) * b))

    def _stability(
        self,
        sign: int,
        neutral: int,
        blocks: list[tuple[Fraction, Fraction]],
        dynamics: Dynamics,
    ) -> Stability:
        verdict = {-1: Verdict.STABLE, 0: Verdict.UNDECIDED, 1: Verdict.UNSTABLE}[sign]
        values = roots_of(blocks, dynamics)
        leading = without_neutral(values, blocks, dynamics)
        size = np.abs(leading) if dynamics.is_map else leading.real
        extent = float(size.max()) if size.size else None
        if dynamics.is_map and self.model.nu:
            extent = max(extent or 0.0, to_float(self.model.nu))
        return Stability(
            verdict,
            self.how,
            neutral,
            extent,
            note="degenerate at the representative" if sign == 0 else "",
            varies=True,
            build_spectrum=partial(spectrum_of, values, self.model, dynamics),
        )

    def _conditions(self, active: tuple[Mode, ...]) -> Conditions | None:
        if self.model.n * self.model.d > CONDITION_LIMIT or not self.model.moments.is_diagonal:
            return None
        flow, step = [], []
        for i in range(self.model.n):
            for mode in self.modes:
                a, b = self._polynomials(active, i, mode)
                flow.append(condition(ZERO, (1, a), (-1, b)))
                step += step_conditions(self.model, a, b)
        if any(never(text) for text in flow):
            return None
        scope = (
            "aligned points: P diagonal, W_i_j = 0 but for active mode j on its own row"
            if self.model.n > 1 or self.model.d > 1
            else "every point of the component"
        )
        return Conditions(distinct(flow), (*distinct(flow), *distinct(step)), scope)

    def _polynomials(
        self, active: tuple[Mode, ...], i: int, mode: Mode
    ) -> tuple[list[tuple[Fraction, str]], list[tuple[Fraction, str]]]:
        """Return a and b as lists of (coefficient, monomial) in W and the free diagonal of P."""
        row = next((r for r, m in enumerate(active) if m.number == mode.number), None)
        a: list[tuple[Fraction, str]] = []
        if row is not None:
            a.append((mode.s * self.model.alpha, f"W_{row + 1}_{mode.number}**2"))
        if i < len(active):
            c = active[i].m / active[i].s
            return [*a, (mode.s * c * c, "")], [(c * mode.m, "")]
        name = f"P_{i + 1}_{i + 1}"
        return [*a, (mode.s, f"{name}**2")], [(mode.m, name)]

    def _note(self, active: Sequence[Mode], flow: Stability) -> str:
        if flow.verdict is Verdict.STABLE:
            return "stable at the representative; the conditions say where else"
        if flow.verdict is Verdict.UNDECIDED:
            return "degenerate at its aligned points"
        if flow.elsewhere:
            return f"unstable at its aligned points, {flow.note}"
        if flow.part:
            return "unstable at its aligned points; whether others are stable is not decided"
        if self.model.n == 1:
            return "unstable at every point"
        return "unstable at every point (a determinant keeps its sign, T5.4)"
