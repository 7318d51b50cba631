"""Rank-k equilibria by continuation: the non-commuting form of the p_+ branch (theorem T6.8).

For every set J of nonzero canonical correlations exactly one orbit of equilibria grows out of the
balanced point at eta = 0. `rank_k` follows it in eta. If it folds back before eta is reached, the
point can still be looked for along another line: from the commuting parts of (Sigma, M), where p_+
is known in closed form (T6.3), to (Sigma, M) at fixed eta.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from equilibria.varieties.noncommuting.balanced import balanced_point
from equilibria.varieties.noncommuting.core import (
    Array,
    CoreEquilibrium,
    check_moments,
    core_equilibrium,
)
from equilibria.varieties.noncommuting.homotopy import Line, Trace, follow
from equilibria.varieties.noncommuting.reduced import eliminate_predictor


@dataclass(frozen=True, slots=True, eq=False)
class BranchResult:
    """What following one branch to eta found.

    `eta_fold` is the decay at which the branch from eta = 0 turns back, if it does so before eta;
    `route` is the line that reached eta; `reason` says what happened in words.
    """

    equilibrium: CoreEquilibrium | None
    eta_fold: float | None
    route: Literal["eta", "moments"] | None
    reason: str
    steps: int


def rank_k(
    Sigma: Array, M: Array, eta: float, J: Sequence[int], *, fallback: bool = True
) -> BranchResult:
    """The rank-|J| equilibrium at eta > 0 that continues the canonical correlations J.

    J holds indices into the canonical correlations in decreasing order, from 0. With `fallback`,
    a branch that folds before eta is looked for from the commuting parts instead; what that finds
    has the same rank but need not lie on the branch from eta = 0.
    """
    check_moments(Sigma, M, eta)
    if not eta > 0:
        raise ValueError("eta = 0: equilibria form families; see zero_decay.components")
    if not J:
        raise ValueError("J is empty: rank 0 is the collapse, see core.collapse")
    name = "J={" + ",".join(str(j) for j in sorted(J)) + "}"
    _, W = balanced_point(Sigma, M, J)
    trace = follow(Line(Sigma, M, 0.0, Sigma, M, eta), W)
    eta_fold = None if trace.fold is None else trace.fold * eta
    found = _finished(trace, Sigma, M, eta, label=name, origin="continuation in eta")
    if found is not None:
        return BranchResult(found, None, "eta", "reached", trace.steps)
    reason = f"the branch folds at eta = {eta_fold:.10g}" if eta_fold is not None else trace.reason
    if not fallback:
        return BranchResult(None, eta_fold, None, reason, trace.steps)
    first = BranchResult(None, eta_fold, None, reason, trace.steps)
    return _from_commuting(Sigma, M, eta, J, name, first)


def _finished(
    trace: Trace, Sigma: Array, M: Array, eta: float, *, label: str, origin: str
) -> CoreEquilibrium | None:
    if trace.W is None:
        return None
    P = eliminate_predictor(trace.W, Sigma, M, eta)
    return core_equilibrium(P, trace.W, Sigma, M, eta, label=label, origin=origin)


def _from_commuting(
    Sigma: Array, M: Array, eta: float, J: Sequence[int], name: str, first: BranchResult
) -> BranchResult:
    """Try the line from the commuting parts; keep the facts about the first attempt."""
    commuting = _commuting_start(Sigma, M, eta, J)
    if commuting is None:
        reason = f"{first.reason}; the commuting parts have no p_+ for {name} either"
        return BranchResult(None, first.eta_fold, None, reason, first.steps)
    M0, W = commuting
    trace = follow(Line(Sigma, M0, eta, Sigma, M, eta), W)
    label, origin = f"{name} of the commuting parts", "continuation in M"
    found = _finished(trace, Sigma, M, eta, label=label, origin=origin)
    outcome = "reached" if found is not None else f"{trace.reason} as well"
    reason = f"{first.reason}; from the commuting parts: {outcome}"
    route: Literal["moments"] | None = "moments" if found is not None else None
    return BranchResult(found, first.eta_fold, route, reason, first.steps + trace.steps)


def _commuting_start(
    Sigma: Array, M: Array, eta: float, J: Sequence[int]
) -> tuple[Array, Array] | None:
    """(M0, W): the part of M diagonal in the eigenbasis of Sigma, and its aligned p_+ state (T6.3).

    Modes are counted by decreasing m / s, as the canonical correlations are.
    """
    s, V = np.linalg.eigh(Sigma)
    m = np.einsum("ij,ik,kj->j", V, M, V)
    chosen = np.argsort(-m / s, kind="stable")[sorted(J)]
    discriminant = m[chosen] ** 2 - 4 * eta * s[chosen]
    if np.any(discriminant <= 0):
        return None
    p = (m[chosen] + np.sign(m[chosen]) * np.sqrt(discriminant)) / (2 * s[chosen])
    return (V * m) @ V.T, np.abs(p)[:, None] * V[:, chosen].T
