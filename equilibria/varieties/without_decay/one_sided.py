"""One of the two decays is zero and the other is not: collapse is all there is (commuting moments)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_tables import critical_phi
from equilibria.varieties.commuting.modes import Mode, modes_of
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.component import Component, Conditions, How, Stability, Variety, Verdict
from equilibria.varieties.real_spectrum.verdict import multipliers
from equilibria.varieties.without_decay.inequalities import (
    ZERO,
    condition,
    distinct,
    step_conditions,
)
from equilibria.varieties.without_decay.points import (
    CONDITION_LIMIT,
    Point,
    detail,
    roots_of,
    spectrum_of,
)


def encoder_decay_only(model: Model) -> Variety:
    """Return {W = 0, P arbitrary}: with eta > 0 = eta_P, W^T dW = 0 and R W^T = 0 force W = 0."""
    modes = modes_of(model.moments)
    n = model.n
    flow_everywhere = all(mode.m * mode.m < 4 * mode.s * model.eta for mode in modes)
    point, kept = _kept_point(model, modes)
    p = point.predictors[0]
    blocks = [(mode.s * p * p + model.eta, p * mode.m) for mode in modes for _ in range(n)]
    flow, step = (
        _kept_stability(
            model, roots_of(blocks, dynamics), dynamics, kept, flow_everywhere=flow_everywhere
        )
        for dynamics in (Dynamics.of(model, is_map=False), Dynamics.of(model, is_map=True))
    )
    component = Component(
        id="rank0",
        rank=0,
        dimension=n * n,
        collapse="full",
        flow=flow,
        map=step,
        modes=(),
        roots=(),
        stable_where=_encoder_conditions(model, modes),
        note=_where(flow_everywhere),
        build_detail=partial(detail, model, point),
    )
    return Variety(
        (component,),
        complete=True,
        total=1,
        stable_total=1,
        why="without predictor decay R W^T = 0, so eta W W^T = W R^T P = 0 and W = 0 [proved]",
    )


def _kept_stability(
    model: Model,
    values: NDArray[np.complex128],
    dynamics: Dynamics,
    kept: Verdict,
    *,
    flow_everywhere: bool,
) -> Stability:
    """Return the verdict on W = 0 from its eigenvalues at one P, of which `kept` is the map's."""
    extent = float((np.abs(values) if dynamics.is_map else values.real).max())
    if dynamics.is_map and model.nu:
        extent = max(extent, to_float(model.nu))
    return Stability(
        kept if dynamics.is_map else Verdict.STABLE,
        How.CERTIFIED,
        model.n * model.n,
        extent,
        note="no point with P diagonal was found that the map keeps at this step size"
        if dynamics.is_map and kept is not Verdict.STABLE
        else "",
        part=dynamics.is_map or not flow_everywhere,
        varies=True,
        build_spectrum=partial(spectrum_of, values, model, dynamics),
    )


def _encoder_conditions(model: Model, modes: Sequence[Mode]) -> Conditions | None:
    """Return where W = 0 is stable among diagonal P; None where that is too long to say."""
    if model.n * model.d > CONDITION_LIMIT or not model.moments.is_diagonal:
        return None
    conditions: list[str | None] = []
    step: list[str | None] = []
    for i in range(1, model.n + 1):
        for mode in modes:
            a = [(mode.s, f"P_{i}_{i}**2"), (model.eta, "")]
            b = [(mode.m, f"P_{i}_{i}")]
            conditions.append(condition(ZERO, (1, a), (-1, b)))
            step += step_conditions(model, a, b)
    flow = distinct(conditions)
    return Conditions(flow, (*flow, *distinct(step)), "points with P diagonal")


def _where(flow_everywhere: bool) -> str:
    """Return in words where W = 0 is stable.

    A column w of W and its target t, with Re lambda >= 0, would need
    beta m w*P^T w = (lambda + beta)(lambda + s |P w|^2 + eta), |w| = 1 (without the target: beta
    gone). The right side is at least beta (s |P w|^2 + eta) > beta (s |P w|^2 + m^2/(4 s)) where
    eta > m^2/(4 s), and that at least beta |m| |P w|: no eigenvalue is there, whatever P is.
    """
    if flow_everywhere:
        return "the flow is stable at every P, the map where P is small; the conditions say where"
    return "stable at the representative; the conditions say where else"


def _kept_point(model: Model, modes: Sequence[Mode]) -> tuple[Point, Verdict]:
    """Return P = 0, or another multiple of the identity that flow and map keep where it is not."""
    phi, bound = critical_phi(model), 2 * (1 + model.nu) / model.h
    slack = bound - model.eta
    first = Verdict.STABLE if slack > 0 else (Verdict.UNDECIDED if slack == 0 else Verdict.UNSTABLE)
    if slack <= 0 and not (model.nu and model.mu):
        for p in (share * mode.m / (2 * mode.s) for mode in modes for share in (1, phi)):
            pairs = [(mode.s * p * p + model.eta, p * mode.m) for mode in modes]
            if all(b < a and a - phi * b < bound for a, b in pairs):
                return Point((), (p,) * model.n, ()), Verdict.STABLE
    return Point((), (ZERO,) * model.n, ()), first


def predictor_decay_only(model: Model) -> Variety:
    """Return collapse for eta = 0 < eta_P: P = 0 and W M W^T = 0, a point when M is definite."""
    modes = modes_of(model.moments)
    definite = all(mode.m > 0 for mode in modes) or all(mode.m < 0 for mode in modes)
    if not definite:
        raise ScopeError(
            "--weight-decay 0 with --predictor-weight-decay above 0: M must be definite, it has "
            "eigenvalues that are zero or of both signs",
            hint="give --weight-decay above 0",
        )
    flow, step = _neutral_encoder(model)
    component = Component(
        id="rank0",
        rank=0,
        dimension=0,
        collapse="full",
        flow=flow,
        map=step,
        modes=(),
        roots=(),
        build_detail=partial(detail, model, Point((), (ZERO,) * model.n, ())),
    )
    return Variety(
        (component,),
        complete=True,
        total=1,
        stable_total=None,
        why="P^T P = 0 at every equilibrium, then W M W^T = 0 and M is definite [proved]",
    )


def _neutral_encoder(model: Model) -> tuple[Stability, Stability]:
    """Return flow and map at P = W = 0 without encoder decay: the linearisation does not decide."""
    # Beside the predictor's rate there is the target's, and with momentum the velocities' nu.
    rate = max(-model.eta_p, -model.flow_rate) if model.traits.has_target else -model.eta_p
    radius = max(abs(z) for z in multipliers(-to_float(model.eta_p), model))
    note = (
        "all encoder directions are neutral: the linearisation does not decide; along the "
        "slow set P = alpha W M W^T/eta_P the encoder grows at third order"
    )
    flow, step = (
        Stability(Verdict.UNDECIDED, How.CERTIFIED, model.n * model.d, extent, note=note)
        for extent in (to_float(rate), max(radius, to_float(model.nu), to_float(model.mu)))
    )
    return flow, step
