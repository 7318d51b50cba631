"""What a training run gave: numbers, and the verdict in words that names its grounds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from empirical.networks.settings import Settings
from equilibria.files.untrusted import Table


@dataclass(frozen=True)
class TrainResult:
    """A finished run: lines for the terminal, data for a program."""

    settings: Settings
    lines: tuple[str, ...]
    data: Table
    """What summary.json holds."""
    folder: Path | None
    decided: bool = True
    """False when the numbers do not tell collapse from health."""


def lines_of(settings: Settings, data: Table, folder: Path | None) -> tuple[str, ...]:
    """Return the answer in words."""
    now, start = data["collapse"], data["initial"]
    lines = [
        headline(settings, data),
        f"verdict: {data['text']}",
        f"std {now['std']:.2f} of 1, mean cosine {now['mean_cosine']:.2f}, effective rank "
        f"{now['effective_rank']:.1f} of {data['grounds']['width']} (random initialisation: std "
        f"{start['std']:.2f}, mean cosine {start['mean_cosine']:.2f}, effective rank "
        f"{start['effective_rank']:.1f})",
        f"CEV-AUC {now['cev_auc']:.2f}, RankMe {now['rankme']:.1f}, alignment "
        f"{now['alignment']:.2f}, uniformity {now['uniformity']:.2f}, loss {_number(data['loss'])}",
    ]
    if data["knn"] is not None:
        lines.append(_accuracy(data))
    else:
        lines.append("no labels among the training or the test images: no kNN, no linear probe")
    lines += [f"data: {note}" for note in data["data_notes"]]
    if data.get("curl") is not None:
        lines.append(curl_line(data["curl"]))
    if data.get("eigen_alignment") is not None:
        lines.append(
            f"predictor: shares eigenvectors with its input's correlation to "
            f"{data['eigen_alignment']:.2f}, asymmetry {data['asymmetry']:.2f}, "
            f"balance off by {data['balance']:.2f}"
        )
    lines.append(
        f"{data['images_per_second']:,.0f} images/s on {data['device']} ({data['precision']})"
    )
    if folder is not None:
        lines.append(f"run folder: {folder}")
    return tuple(lines)


def headline(settings: Settings, data: Table) -> str:
    """Return what was trained, on what, for how long."""
    s = settings
    target = f"target average {s.ema:g}" if s.ema else "target is the encoder"
    stop = "stop-gradient" if s.stop_gradient else "no stop-gradient"
    early = " (stopped early)" if data["stopped"] else ""
    return (
        f"{s.method}: {s.predictor} predictor, {target}, {stop}, {s.loss} loss; "
        f"{s.backbone} on {Path(s.dataset).name}, {data['steps']:,} steps of {s.batch_size}{early}"
    )


def _accuracy(data: Table) -> str:
    start = data["initial"]
    parts = [f"kNN {100 * data['knn']:.1f} %"]
    if data["linear_probe"] is not None:
        parts.append(f"linear probe {100 * data['linear_probe']:.1f} %")
    return (
        f"{', '.join(parts)} (compare with random initialisation: kNN {100 * start['knn']:.1f} %; "
        f"raw pixels: kNN {100 * start['knn_pixels']:.1f} %)"
    )


def curl_line(curl: float) -> str:
    """Return what the asymmetry of the step's Jacobian says; double precision leaves 1e-10."""
    if curl < 1e-8:
        return f"gradient step: the step's Jacobian is symmetric, |Jv - J'v| / |Jv| = {curl:.0e}"
    return f"no gradient step: |Jv - J'v| / |Jv| = {curl:.2g} for the step's Jacobian J"


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:.3f}"
