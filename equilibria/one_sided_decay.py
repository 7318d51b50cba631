"""One of the two decays is zero and the other is not: collapse is all there is (commuting moments)."""

from __future__ import annotations

from functools import partial

import numpy as np

from equilibria.errors import ScopeError
from equilibria.inequalities import ZERO, condition, distinct, step_conditions
from equilibria.model import Model
from equilibria.modes import modes_of
from equilibria.rationals import to_float
from equilibria.realspectrum import multipliers
from equilibria.results import (
    Component,
    Conditions,
    How,
    Stability,
    Variety,
    Verdict,
)
from equilibria.transfer import Dynamics
from equilibria.zero_decay_points import CONDITION_LIMIT, Point, detail, roots_of, spectrum_of


def encoder_decay_only(model: Model) -> Variety:
    """Return {W = 0, P arbitrary}: with eta > 0 = eta_P, W^T dW = 0 and R W^T = 0 force W = 0."""
    modes = modes_of(model.moments)
    n, d = model.n, model.d
    flow_dynamics, map_dynamics = Dynamics.of(model, is_map=False), Dynamics.of(model, is_map=True)
    point = Point((), (ZERO,) * n, ())
    blocks = [(model.eta, ZERO)] * (n * d)
    slack = 2 * (1 + model.nu) / model.h - model.eta
    verdicts = (
        Verdict.STABLE,
        Verdict.STABLE if slack > 0 else (Verdict.UNDECIDED if slack == 0 else Verdict.UNSTABLE),
    )
    stabilities = []
    for verdict, dynamics in zip(verdicts, (flow_dynamics, map_dynamics), strict=True):
        values = roots_of(blocks, dynamics)
        size = np.abs(values) if dynamics.is_map else values.real
        extent = float(size.max())
        if dynamics.is_map and model.nu:
            extent = max(extent, to_float(model.nu))
        largest = to_float(2 * (1 + model.nu) / model.eta) if dynamics.is_map else None
        stabilities.append(
            Stability(
                verdict,
                How.CERTIFIED,
                n * n,
                extent,
                largest,
                build_spectrum=partial(spectrum_of, values, model, dynamics),
            )
        )
    conditions: list[str | None] = []
    step: list[str | None] = []
    for i in range(1, n + 1):
        for mode in modes:
            a = [(mode.s, f"P_{i}_{i}**2"), (model.eta, "")]
            b = [(mode.m, f"P_{i}_{i}")]
            conditions.append(condition(ZERO, (1, a), (-1, b)))
            step += step_conditions(model, a, b)
    small = n * d <= CONDITION_LIMIT and model.moments.is_diagonal
    flow_text = distinct(conditions)
    component = Component(
        id="rank0",
        rank=0,
        dimension=n * n,
        collapse="full",
        flow=stabilities[0],
        map=stabilities[1],
        modes=(),
        roots=(),
        stable_where=Conditions(flow_text, (*flow_text, *distinct(step)), "points with P diagonal")
        if small
        else None,
        note="stable at P = 0; the conditions say where else",
        build_detail=partial(detail, model, point),
    )
    return Variety(
        (component,),
        complete=True,
        total=1,
        stable_total=1,
        why="without predictor decay R W^T = 0, so eta W W^T = W R^T P = 0 and W = 0 [proved]",
    )


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
    # Beside the predictor's rate there is the target's, and with momentum the velocities' nu.
    following = model.procedure == "ema"
    undecided = Stability(
        Verdict.UNDECIDED,
        How.CERTIFIED,
        model.n * model.d,
        to_float(max(-model.eta_p, -model.flow_rate) if following else -model.eta_p),
        note="all encoder directions are neutral: the linearisation does not decide; along the "
        "slow set P = alpha W M W^T/eta_P the encoder grows at third order",
    )
    radius = max(abs(z) for z in multipliers(-to_float(model.eta_p), model))
    map_part = Stability(
        Verdict.UNDECIDED,
        How.CERTIFIED,
        model.n * model.d,
        max(radius, to_float(model.nu), to_float(model.mu)),
        note=undecided.note,
    )
    component = Component(
        id="rank0",
        rank=0,
        dimension=0,
        collapse="full",
        flow=undecided,
        map=map_part,
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
