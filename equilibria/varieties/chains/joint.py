"""Joint minimisation of a deep chain with weight decay: full collapse is the only equilibrium.

With E0 = 1/2 E|P W x - W y|^2 >= 0, quadratic in the first layer, an equilibrium has
2 E0 = <A_1, dE0/dA_1> = -eta_1 |A_1|^2, so A_1 = 0, so W = 0 and no layer is driven: all are 0. For
L = K = 1 this is the argument of T5 for one layer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np

from equilibria.errors import ScopeError
from equilibria.exact.rationals import to_float
from equilibria.systems.model import Model
from equilibria.varieties.chains.representative import ChainLifter
from equilibria.varieties.commuting.block_tables import free_extent
from equilibria.varieties.commuting.modes import modes_of
from equilibria.varieties.commuting.transfer import Dynamics
from equilibria.varieties.component import (
    Component,
    Eigenvalue,
    How,
    Stability,
    Variety,
    Verdict,
)


def joint_chain_variety(model: Model) -> Variety:
    """Return the one component; raises `ScopeError` without decay, or where E0 can be negative."""
    if not all(model.chain.decays):
        raise ScopeError(
            "joint with hidden layers: every weight decay must be above 0; the families without "
            "decay are not listed",
            hint="take a small weight decay, such as 1e-6",
        )
    modes = modes_of(model.moments) if model.moments.commute else ()
    if not modes or any(abs(mode.m) > mode.s for mode in modes):
        raise ScopeError(
            "joint with hidden layers: Sigma and M must commute with |m| <= s in every mode, so that "
            "the loss is not negative"
        )
    rates = _rates(model, [mode.s for mode in modes])
    return Variety(
        components=(_collapse(model, rates),),
        complete=True,
        why="the loss is not negative and quadratic in W_1, so decay leaves no other [proved]",
        total=1,
        stable_total=1,
    )


def _rates(model: Model, variances: Sequence[Fraction]) -> Counter[Fraction]:
    """Return the rates at 0: the decays, and beside them s_j where W is one layer."""
    chain = model.chain
    rates: Counter[Fraction] = Counter()
    for place, decay in enumerate(chain.decays):
        rows, columns = chain.widths[place + 1], chain.widths[place]
        if place == 0 and chain.encoder == 1:
            for variance in variances:
                rates[decay + variance] += rows
        else:
            rates[decay] += rows * columns
    return rates


def _collapse(model: Model, rates: Counter[Fraction]) -> Component:
    step = Dynamics.of(model, is_map=True)
    radius = max(free_extent(step, np.array([to_float(rate) for rate in rates])).tolist())
    slack = 2 * (1 + model.nu) - max(rates) * model.h
    verdict = Verdict.STABLE if slack > 0 else (Verdict.UNSTABLE if slack else Verdict.UNDECIDED)
    return Component(
        id="rank0",
        rank=0,
        dimension=0,
        collapse="full",
        flow=Stability(
            Verdict.STABLE,
            How.PROVED,
            0,
            -to_float(min(rates)),
            build_spectrum=partial(_spectrum, rates),
        ),
        map=Stability(
            verdict,
            How.PROVED,
            0,
            radius,
            to_float(2 * (1 + model.nu) / max(rates)),
            note="" if slack else "a multiplier lies on the unit circle",
        ),
        modes=(),
        roots=(),
        build_detail=partial(ChainLifter(model).detail, ()),
    )


def _spectrum(rates: Counter[Fraction]) -> tuple[Eigenvalue, ...]:
    return tuple(
        Eigenvalue(complex(-to_float(rate)), count, str(-rate))
        for rate, count in sorted(rates.items())
    )
