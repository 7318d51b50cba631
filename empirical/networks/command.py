"""What the command `train` does: options as text in, a trained network and its run folder out."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.networks.settings import Settings, from_config, read_config, settings_from
from empirical.runs import RunFolder, default_place
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from empirical.networks.images import Images
    from empirical.networks.result import TrainResult

WITH_RESUME = ("device", "threads", "resume")
"""What may differ when a run goes on: where, not what."""


def train_command(*, progress: bool = False, **texts: str | bool | None) -> TrainResult:
    """Train as the options say; names are those of `options.OPTIONS` with underscores.

    Values are text as typed, True or False for flags, None where nothing was said. Raises
    `FormatError` naming the option, and `LimitReached` when training cannot go on.
    """
    given = {name: value for name, value in texts.items() if value is not None}
    resumed = given.get("resume") is not None
    settings, folder, images = (*_resumed(given), None) if resumed else _fresh(given)
    from empirical.networks.loop import train

    return train(settings, folder=folder, resume=resumed, progress=progress, images=images)


def _fresh(
    given: Mapping[str, str | bool],
) -> tuple[Settings, RunFolder | None, Images | None]:
    asked = {n: v for n, v in given.items() if n not in ("out", "config")}
    if "config" in given:
        asked = _later_wins(read_config(str(given["config"])), asked)
    settings, images = _possible(settings_from(asked))
    name = settings.name or f"{settings.method}-{Path(settings.dataset).stem}"
    if int(os.environ.get("RANK", "0")) > 0:  # torchrun: one process writes
        return settings, None, images
    place = given.get("out") or default_place(name)
    return settings, RunFolder.create(str(place), settings.config()), images


def _later_wins(config: dict[str, Any], typed: dict[str, Any]) -> dict[str, Any]:
    """Merge; --steps typed replaces the epochs of the file, and the other way round."""
    for one, other in (("steps", "epochs"), ("epochs", "steps")):
        if one in typed and other not in typed:
            config.pop(other, None)
    return {**config, **typed}


def _possible(settings: Settings) -> tuple[Settings, Images | None]:
    """Find the device and read the data before a folder is made: a refusal leaves nothing behind.

    Returns the settings with the precision that this machine computes in, for config.toml, and the
    images, so that they are decoded once; None for a data set that is drawn.
    """
    from empirical.networks.images import read_images
    from empirical.networks.setup import machine_of

    machine = machine_of(settings)
    images = None if settings.dataset == "latent" else read_images(settings)
    return replace(settings, precision=machine.precision), images


def _resumed(given: Mapping[str, str | bool]) -> tuple[Settings, RunFolder]:
    others = sorted(name for name in given if name not in WITH_RESUME)
    if others:
        option = "--" + others[0].replace("_", "-")
        raise FormatError(
            f"{option} with --resume: a run goes on with its own settings; leave it out"
        )
    folder = RunFolder.open(str(given["resume"]))
    if "method" not in folder.config:
        raise FormatError(
            f"--resume {folder.path}: not a run of `train` (no method in config.toml)"
        )
    settings = settings_from(from_config(folder.config, str(folder.path / "config.toml")))
    device, threads = given.get("device"), given.get("threads")
    if device is not None:
        settings = replace(settings, device=settings_from({"device": device}).device)
    if threads is not None:
        settings = replace(settings, threads=settings_from({"threads": threads}).threads)
    return settings, folder
