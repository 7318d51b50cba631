"""What summary.json says of a finished run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from empirical.networks import diagnose
from empirical.networks.curl import step_curl
from empirical.networks.monitor import Monitor

if TYPE_CHECKING:
    from empirical.networks.loop import Run

CURL_LIMIT = 3_000_000
"""Weights up to which the curl is measured: it takes some passes in double precision."""
OF_THE_PREDICTOR = ("eigen_alignment", "asymmetry", "commutator", "balance")


def summary_of(run: Run, monitor: Monitor) -> dict[str, Any]:
    """Measure the trained network a last time and return everything worth keeping."""
    s = run.settings
    start, last = run.record.metrics[0], run.record.metrics[-1]
    return {
        "procedure": s.method,
        "backbone": s.backbone,
        "dataset": s.dataset,
        "data_notes": list(run.setup.source.notes),
        "steps": run.step,
        "stopped": run.stopped,
        **{name: last[name] for name in ("verdict", "kind", "text", "grounds")},
        "collapse": {name: last[name] for name in diagnose.NAMES},
        "initial": {name: start[name] for name in (*diagnose.NAMES, "knn", "knn_pixels")},
        "loss": last["loss"],
        "knn": monitor.knn(final=True),
        "linear_probe": monitor.probe(),
        "curl": _curl(run, monitor),
        **{name: last.get(name) for name in OF_THE_PREDICTOR},
        "images_per_second": run.trained / run.seconds if run.seconds else 0.0,
        "seconds": run.seconds,
        "device": run.setup.device_words(),
        "precision": run.setup.precision,
        "processes": run.workers.count,
        "trajectory": {"kept": len(run.record.points), "logged": len(run.record.metrics)},
    }


def _curl(run: Run, monitor: Monitor) -> float | None:
    weights = sum(p.numel() for p in run.learner.parameters())
    if not run.settings.curl or weights > CURL_LIMIT:
        return None
    return step_curl(run.learner, monitor.first, monitor.second, seed=run.settings.seed)
