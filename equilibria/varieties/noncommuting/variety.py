"""Stop-gradient and EMA for moments that do not commute: numerical, with error bounds.

Nothing decouples, so equilibria are found one rank at a time on the true system, never on a rounded
one: rank one from the quadratic pencil (all of them, T6.6), higher ranks by continuation in the
weight decay from the balanced point of a set of canonical correlations (T6.8), and for small
sizes by a search from many starts, with exact counts where they exist. Verdicts come from computed
spectra whose error bounds exclude the boundary; otherwise they are undecided.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties import noncommuting as nc
from equilibria.varieties.component import (
    Component,
    Detail,
    Eigenvalue,
    Entry,
    How,
    Stability,
    Variety,
    Verdict,
    collapse_grade,
)
from equilibria.varieties.listing import fitting
from equilibria.varieties.noncommuting.core import CoreEquilibrium
from equilibria.varieties.noncommuting.names import exchanges, letters, order, ranges, rows
from equilibria.varieties.noncommuting.without_decay import balanced_variety

SEARCH_DIMENSION = 4
SEARCH_STARTS = 600
STEP_SIZE_UNKNOWNS = 100
DENSE_UNKNOWNS = 2000
SAME = 1e-6


@dataclass(frozen=True)
class Found:
    """An equilibrium with a word on where it comes from."""

    core: CoreEquilibrium
    note: str


Progress = Callable[[str], None]


def general_variety(
    model: Model, *, max_components: int = 64, progress: Progress | None = None
) -> Variety:
    """Return the equilibria found for moments that do not commute, with numeric verdicts."""
    if model.eta == 0 or model.eta_p == 0:
        return balanced_variety(model, max_components)
    tell = progress or (lambda _: None)
    solver = Solver(model)
    found = list(solver.equilibria(max_components, tell))
    components = [solver.collapse()]
    for rank in sorted({item.core.rank for item in found}, reverse=True):
        same = sorted(
            (item for item in found if item.core.rank == rank),
            key=lambda item: -float(np.linalg.norm(item.core.W)),
        )
        for index, item in enumerate(same):
            tell(f"stability, rank {rank}")
            components.append(solver.component(item, f"rank{rank}:{letters(index)}"))
    components.sort(key=order)
    complete, why = solver.standing(found)
    stable = [c for c in components if c.flow.verdict is Verdict.STABLE]
    listed = stable + fitting(components[len(stable) :], max_components - len(stable))
    return Variety(
        components=tuple(listed),
        complete=complete and len(components) == len(listed),
        why=why,
        total=len(components) if complete else None,
        stable_total=len(stable) if complete else None,
        description=solver.description,
    )


class Solver:
    """Finds the equilibria of one model rank by rank, and says how each is known."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.sigma, self.m = model.moments.matrices()
        self.eta = to_float(model.eta)
        assert model.kappa is not None
        self.kappa = to_float(model.kappa)
        self.scale = to_float(model.alpha / model.kappa)
        self.search: nc.SearchResult | None = None
        self.folds: list[str] = []
        self.correlations = nc.canonical_correlations(self.sigma, self.m)[0]

    @property
    def description(self) -> str:
        """Return the thresholds of the weight decay that hold for any moments."""
        collapse = nc.threshold_collapse(self.sigma, self.m)
        rank_one = nc.threshold_rank_one(self.sigma, self.m)
        return (
            f"weight decay {self.eta:.4g}: rank one exists up to {rank_one:.5g}, everything "
            f"collapses beyond {collapse:.5g}"
        )

    def equilibria(self, limit: int, tell: Progress) -> Iterator[Found]:
        """Yield equilibria of rank 1 and more, at most `limit`."""
        tell("rank 1")
        ones = nc.rank_one(self.sigma, self.m, self.eta)
        ones.sort(key=lambda core: -float(np.linalg.norm(core.W)))
        count = 0
        for core in ones[: max(2, limit // 2)]:
            count += 1
            yield Found(core, f"p = {core.P[0, 0]:.6g}")
        if min(self.model.n, self.model.d) < 2:
            return
        if self.model.d <= SEARCH_DIMENSION:
            yield from self._searched(tell)
            return
        for item in self._continued(tell):
            if count >= limit - 1:
                return
            count += 1
            yield item

    def _searched(self, tell: Progress) -> Iterator[Found]:
        tell("search from many starts")
        self.search = nc.multistart(
            self.sigma, self.m, self.model.n, self.eta, 0, starts=SEARCH_STARTS
        )
        met: list[CoreEquilibrium] = []
        for rank in self.search.ranks:
            if rank.rank > 1:
                met += rank.equilibria
                yield from (Found(core, "") for core in rank.equilibria)
        # Ill-conditioned moments hide the branches that attract from random starts (E6).
        for item in (*self._largest(), *self._continued(tell)):
            if not any(_same(item.core, other) for other in met):
                met.append(item.core)
                yield item

    def _largest(self) -> Iterator[Found]:
        """Yield the largest equilibrium of full rank (T6.7)."""
        if self.model.n >= self.model.d:
            core = nc.maximal_full_rank(self.sigma, self.m, self.eta).equilibrium
            if core is not None:
                yield Found(core, "the largest of full rank (T6.7)")

    def _continued(self, tell: Progress) -> Iterator[Found]:
        """Yield the branches of the leading correlations, and of single exchanges at the top rank.

        The chain top-1, top-2, ... comes first: it holds the attractors in the commuting case.
        """
        growing = [j for j, k in enumerate(self.correlations) if k > 0]
        reached = 0
        for rank in range(2, min(self.model.n, len(growing)) + 1):
            tell(f"continuation, rank {rank}")
            branch = self._branch(tuple(growing[:rank]))
            if branch is None:
                break
            reached = rank
            yield branch
        for out, into in exchanges(reached, len(growing)):
            chosen = tuple(sorted({*growing[:reached], growing[into]} - {growing[out]}))
            branch = self._branch(chosen)
            if branch is not None:
                yield branch

    def _branch(self, chosen: tuple[int, ...]) -> Found | None:
        result = nc.rank_k(self.sigma, self.m, self.eta, chosen, fallback=False)
        names = ranges([j + 1 for j in chosen])
        if result.equilibrium is None:
            fold = f" at weight decay {result.eta_fold:.4g}" if result.eta_fold else ""
            self.folds.append(f"the branch of correlations {names} ends{fold}")
            return None
        return Found(result.equilibrium, f"branch of canonical correlations {names}")

    def collapse(self) -> Component:
        """Return full collapse: its linearisation is -eta_P, -eta exactly, for any moments (T2.5)."""
        core = nc.collapse(self.model.d)
        component = self.component(Found(core, ""), "rank0", with_step=False)
        model = self.model
        rates = [model.eta_p, model.eta]
        flip = 2 * (1 + model.nu) / max(rates)
        slack = flip - model.h
        sign = (
            Verdict.STABLE if slack > 0 else (Verdict.UNDECIDED if slack == 0 else Verdict.UNSTABLE)
        )
        flow, step = component.flow, component.map
        return Component(
            id="rank0",
            rank=0,
            dimension=0,
            collapse="full",
            flow=Stability(
                Verdict.STABLE, How.PROVED, 0, flow.extent, build_spectrum=flow.build_spectrum
            ),
            map=Stability(
                sign,
                How.PROVED,
                0,
                step.extent,
                to_float(flip),
                build_spectrum=step.build_spectrum,
            ),
            build_detail=component.build_detail,
        )

    def component(self, item: Found, name: str, *, with_step: bool = True) -> Component:
        """Return one equilibrium as a component: an O(n)-orbit."""
        model, core = self.model, item.core
        k = core.rank
        ema = model.traits.has_target
        beta = to_float(model.flow_rate) if ema else None
        mu = to_float(model.mu) if ema else None
        nu = to_float(model.nu)
        at = nc.EmbeddedCore(core, self.sigma, self.m, self.eta, model.n, self.kappa)
        flow = nc.flow_spectrum(at, beta=beta)
        step = nc.map_spectrum(at, h=to_float(model.h), mu=mu, nu=nu)
        largest = None
        unknowns = k * k + k * model.d
        small = unknowns <= STEP_SIZE_UNKNOWNS or (mu is None and unknowns <= DENSE_UNKNOWNS)
        if with_step and small and (mu is not None or flow.verdict.verdict == "stable"):
            largest = nc.largest_step(at, mu=mu, nu=nu)
        return Component(
            id=name,
            rank=k,
            dimension=k * (model.n - k) + k * (k - 1) // 2,
            collapse=collapse_grade(k, model.n, model.d),
            flow=_stability(flow, None),
            map=_stability(step, largest),
            note=item.note,
            build_detail=partial(self._detail, core),
        )

    def _detail(self, core: CoreEquilibrium) -> Detail:
        predictor, encoder = core.embedded(self.model.n, alpha=self.scale)
        point: dict[str, tuple[tuple[Entry, ...], ...]] = {
            "W": rows(encoder),
            "P": rows(predictor),
        }
        equations = [
            f"P^T*(W*M - P*W*Sigma) = {self.model.eta}*W",
            f"{self.model.alpha}*(W*M - P*W*Sigma)*W^T = {self.model.eta_p}*P",
        ]
        if self.model.traits.has_target:
            point["T"] = point["W"]
            equations.append("T = W")
        return Detail(tuple(equations), point)

    def standing(self, found: list[Found]) -> tuple[bool, str]:
        """Return whether the list is complete, and why."""
        if min(self.model.n, self.model.d) < 2:
            return True, "rank is at most 1: the pencil p^2 Sigma - p M + eta I has them all (T6.6)"
        if self.search is None:
            return False, self._continuation_standing()
        rarest = min((rank.rarest for rank in self.search.ranks if rank.equilibria), default=0)
        starts = sum(rank.starts for rank in self.search.ranks)
        if self.model.d == 2:
            count = nc.count_full_rank_2x2(self.sigma, self.m, self.eta)
            twos = sum(1 for item in found if item.core.rank == 2)
            if count == twos:
                return True, (
                    f"rank 1 from the pencil (T6.6); {twos} of rank 2, the exact number of real "
                    "solutions of the Gram equation (T6.2) [certified]"
                )
            return False, f"the Gram equation has {count} real solutions, {twos} were found"
        return False, (
            f"{starts} starts; the rarest equilibrium was met {rarest} times; rank 1 is complete"
        )

    def _continuation_standing(self) -> str:
        ends = "; ".join(self.folds[:2])
        return "branches of the leading canonical correlations and single exchanges" + (
            f"; {ends}" if ends else ""
        )


def _same(one: CoreEquilibrium, two: CoreEquilibrium) -> bool:
    """Whether two equilibria lie on one orbit of O(n)."""
    if one.rank != two.rank:
        return False
    marks = [np.concatenate([e.gram, e.W.T @ e.P @ e.W]) for e in (one, two)]
    return bool(np.linalg.norm(marks[0] - marks[1]) <= SAME * np.linalg.norm(marks[1]))


def _stability(spectrum: nc.Spectrum, largest: float | None) -> Stability:
    verdict = spectrum.verdict
    note = ""
    if verdict.verdict == "undecided":
        note = (
            f"an eigenvalue is within {verdict.tolerance:.1g} of the boundary"
            if verdict.neutral_found == verdict.neutral_expected
            else "degenerate: more neutral eigenvalues than the component's dimension"
        )
    extent = float(verdict.extent)
    return Stability(
        Verdict(verdict.verdict),
        How.NUMERIC,
        verdict.neutral_expected,
        extent if np.isfinite(extent) else None,
        largest,
        note=note,
        build_spectrum=partial(_spectrum, spectrum),
    )


def _spectrum(spectrum: nc.Spectrum) -> tuple[Eigenvalue, ...]:
    values = [Eigenvalue(complex(value), 1) for value in spectrum.normal]
    if spectrum.neutral:
        exact = str(int(spectrum.neutral_value))
        values.append(Eigenvalue(complex(spectrum.neutral_value), spectrum.neutral, exact))
    size = abs if spectrum.neutral_value else (lambda value: value.real)
    return tuple(sorted(values, key=lambda e: (-size(e.value), -e.value.imag)))
