"""Everything that a claim can ask for, by the name it has in a claims file.

A new kind is a function `(Context, value) -> Finding` and a line here.
"""

from __future__ import annotations

from equilibria.claims.kinds import gradients, orbits, points, rates, runs, starts, symbolic
from equilibria.claims.kinds import verdicts as v
from equilibria.claims.kinds.base import Check, Context
from equilibria.varieties.component import Verdict

KINDS: dict[str, Check] = {
    "stable": v.stable(v.BOTH, Verdict.STABLE, "stable"),
    "stable-flow": v.stable(("flow",), Verdict.STABLE, "stable-flow"),
    "stable-map": v.stable(("map",), Verdict.STABLE, "stable-map"),
    "unstable": v.stable(v.BOTH, Verdict.UNSTABLE, "unstable"),
    "unstable-flow": v.stable(("flow",), Verdict.UNSTABLE, "unstable-flow"),
    "unstable-map": v.stable(("map",), Verdict.UNSTABLE, "unstable-map"),
    "stable-part": v.stable(v.BOTH, Verdict.STABLE, "stable-part", somewhere=True),
    "stable-part-flow": v.stable(("flow",), Verdict.STABLE, "stable-part-flow", somewhere=True),
    "stable-part-map": v.stable(("map",), Verdict.STABLE, "stable-part-map", somewhere=True),
    "stable-exactly": v.stable_exactly,
    "stable-rank": v.stable_rank,
    "top-rank": v.top_rank,
    "only-collapse": v.only_collapse,
    "collapse-stable": v.collapse_stable,
    "all-stable": v.all_stable,
    "exists": v.exists,
    "absent": v.absent,
    "components": v.components,
    "dimension": v.dimension,
    "not-gradient": gradients.not_gradient,
    "gradient": gradients.gradient,
    "metric-witness": gradients.metric_witness,
    "point": points.point,
    "largest-lr": rates.largest_lr,
    "same-stable": rates.same_stable,
    "monotone": rates.monotone,
    "fate": starts.fate,
    "from-init": starts.from_init,
    "thresholds": starts.thresholds,
    "cycle": orbits.cycle,
    "hopf": orbits.hopf,
    "identity": symbolic.identity,
    "experiment": runs.experiment,
    "run": runs.run,
}

__all__ = ["KINDS", "Check", "Context"]
