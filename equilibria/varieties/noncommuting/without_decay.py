"""Components without decay for moments that do not commute: numerical, at their balanced points."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from equilibria.errors import ScopeError
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
from equilibria.varieties.noncommuting.names import exchanges, letters, order, ranges, rows
from equilibria.varieties.noncommuting.zero_decay import residual_map


def balanced_variety(model: Model, max_components: int) -> Variety:
    """Return the components without decay, seen at their balanced points.

    W and the free rows of P grow without bound along them: however small the step, the map throws
    points off, and for the flow other points were not looked at.
    """
    if model.eta == 0 and model.eta_p == 0:
        found = _balanced_components(model, max_components)
        return replace(found, components=tuple(_at_one_point(c) for c in found.components))
    raise ScopeError(
        "--weight-decay and --predictor-weight-decay: exactly one of them is 0, which is only "
        "supported for moments that commute",
        hint="give both a value above 0, or set both to 0",
    )


def _at_one_point(component: Component) -> Component:
    parts = (component.flow, component.map)
    flow, step = (replace(part, part=True, varies=True) for part in parts)
    return replace(component, flow=flow, map=step)


def _balanced_components(model: Model, max_components: int) -> Variety:
    if model.nu:
        raise ScopeError("--momentum with --weight-decay 0: moments must commute for this")
    sigma, m = model.moments.matrices()
    correlations, _ = nc.canonical_correlations(sigma, m)
    growing = [j for j, k in enumerate(correlations) if k > 0]
    top = min(model.n, len(growing))
    subsets = [tuple(growing[:rank]) for rank in range(top, -1, -1)]
    for out, into in exchanges(top, len(growing)):
        subsets.append(tuple(sorted({*growing[:top], growing[into]} - {growing[out]})))
    beta = to_float(model.flow_rate) if model.traits.has_target else None
    free = 2 * float(correlations[0]) if growing else 1.0  # beyond every correlation: it attracts
    found = nc.components(sigma, m, model.n, beta=beta, free=free, subsets=subsets[:max_components])
    components = []
    seen: dict[int, int] = {}
    for item in found:
        rank = len(item.J)
        index = seen[rank] = seen.get(rank, -1) + 1
        components.append(_balanced_component(model, item, f"rank{rank}:{letters(index)}"))
    components.sort(key=order)
    return Variety(
        tuple(components),
        complete=False,
        why="components of the leading canonical correlations, each seen at one point: balanced, and "
        f"P = {free:.4g} on the rows that W leaves free",
    )


def _balanced_component(model: Model, item: nc.ZeroDecayComponent, name: str) -> Component:
    rank = len(item.J)
    encoder = item.W / to_float(model.alpha) ** 0.5
    point: dict[str, tuple[tuple[Entry, ...], ...]] = {"W": rows(encoder), "P": rows(item.P)}
    if model.traits.has_target:
        point["T"] = point["W"]
    spectrum = (
        *(Eigenvalue(complex(value), 1) for value in item.normal),
        Eigenvalue(0j, item.tangent, "0"),
    )
    verdict = item.verdict
    flow = Stability(
        Verdict(verdict.verdict),
        How.NUMERIC,
        item.tangent,
        float(verdict.extent),
        note="degenerate at this point" if verdict.verdict == "undecided" else "",
        build_spectrum=lambda: spectrum,
    )
    return Component(
        id="rank0" if not rank else name,
        rank=rank,
        dimension=model.n**2,
        collapse=collapse_grade(rank, model.n, model.d),
        flow=flow,
        map=_euler(model, item, flow),
        note="at the balanced point of canonical correlations " + ranges([j + 1 for j in item.J])
        if rank
        else "",
        build_detail=lambda: Detail(("P*W*Sigma = W*M", f"rank W = {rank}"), point),
    )


def _euler(model: Model, item: nc.ZeroDecayComponent, flow: Stability) -> Stability:
    """Return the map's stability: multipliers 1 + h lambda for stop-gradient, without neutral ones."""
    h = to_float(model.h)
    values = 1 + h * item.normal
    if model.traits.has_target:
        sigma, m = model.moments.matrices()
        update = residual_map(item.P, item.W, sigma, m, h=h, mu=to_float(model.mu))
        values = np.asarray(np.linalg.eigvals(update), dtype=np.complex128)
    radius = float(np.abs(values).max(initial=0.0))
    verdict = flow.verdict
    if verdict is Verdict.STABLE or model.traits.has_target:
        inside, outside = radius < 1 - 1e-9, radius > 1 + 1e-9
        verdict = Verdict.UNSTABLE if outside else Verdict.UNDECIDED
        verdict = Verdict.STABLE if inside else verdict
    return Stability(verdict, How.NUMERIC, flow.neutral, radius, note=flow.note)
