"""A training run from options as text: begun anew or gone on with, in its run folder."""

from __future__ import annotations

import os
import warnings
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from empirical.networks.settings import Settings, from_config, read_config, settings_from
from empirical.runs.folder import RunFolder, default_place
from empirical.runs.trajectories import Arrays
from empirical.runs.whereabouts import described, fingerprint, found_again
from equilibria.errors import FormatError
from equilibria.files.untrusted import Table

if TYPE_CHECKING:
    from empirical.images.datasets import Images
    from empirical.networks.result import TrainResult

WITH_RESUME = ("device", "threads", "resume")
"""What may differ when a run goes on: where, not what."""


def train_as_typed(*, progress: bool = False, **texts: str | bool | None) -> TrainResult:
    """Train as the options say; names are those of `train --help` with underscores.

    Values are text as typed, True or False for flags, None where nothing was said. Raises
    `FormatError` naming the option, and `LimitReached` when training cannot go on.
    """
    given = {name: value for name, value in texts.items() if value is not None}
    resumed = given.get("resume") is not None
    settings, folder, images = _resumed(given) if resumed else _fresh(given)
    from empirical.networks.loop import train

    return train(settings, folder=folder, resume=resumed, progress=progress, images=images)


def _fresh(
    given: Mapping[str, str | bool],
) -> tuple[Settings, RunFolder | None, Images | None]:
    asked: Table = {n: v for n, v in given.items() if n not in ("out", "config")}
    if "config" in given:
        asked = _later_wins(read_config(str(given["config"])), asked)
    settings, images = _possible(settings_from(asked))
    name = settings.name or f"{settings.method}-{Path(settings.dataset).stem}"
    if int(os.environ.get("RANK", "0")) > 0:  # torchrun: one process writes
        return settings, None, images
    place = Path(str(given.get("out") or default_place(name)))
    config = {**settings.config(), "data": _data_config(settings, images, place)}
    return settings, RunFolder.create(place, config), images


def _data_config(settings: Settings, images: Images | None, place: Path) -> dict[str, str] | None:
    """Return what config.toml says of the data: where they lie, and their fingerprint."""
    if images is None:
        return None
    source = _path_of(settings)
    where = {} if source is None else described(source, place)
    digest, scope = fingerprint(_arrays(images))
    return {**where, "fingerprint": digest, "fingerprint-of": scope}


def _path_of(settings: Settings) -> str | None:
    """Return the file or folder that the data come from, None for those that ship with a package."""
    return settings.dataset if settings.dataset.endswith(".npz") else settings.data_root or None


def _arrays(images: Images) -> Arrays:
    names = ("train", "train_labels", "test", "test_labels")
    return {name: getattr(images, name) for name in names}


def _later_wins(config: Table, typed: Table) -> Table:
    """Merge; --steps typed replaces the epochs of the file, and the other way round."""
    left_out = {
        other
        for one, other in (("steps", "epochs"), ("epochs", "steps"))
        if one in typed and other not in typed
    }
    return {name: value for name, value in config.items() if name not in left_out} | dict(typed)


def _possible(settings: Settings) -> tuple[Settings, Images | None]:
    """Find the device and read the data before a folder is made: a refusal leaves nothing behind.

    Returns the settings with the precision that this machine computes in, for config.toml, and the
    images, so that they are decoded once; None for a data set that is drawn.
    """
    from empirical.images.datasets import read_images
    from empirical.networks.setup import machine_of

    machine = machine_of(settings)
    images = None if settings.dataset == "latent" else read_images(settings)
    return replace(settings, precision=machine.precision), images


def _resumed(
    given: Mapping[str, str | bool],
) -> tuple[Settings, RunFolder, Images | None]:
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
    return settings, folder, _same_images(settings, folder)


def _same_images(settings: Settings, folder: RunFolder) -> Images | None:
    """Find and read the data of a run again; raises `FormatError` when they have changed."""
    from empirical.images.datasets import read_images

    if settings.dataset == "latent":
        return None
    record = folder.config.get("data")
    record = record if isinstance(record, dict) else {}
    now = settings
    if "absolute" in record:
        source = found_again(record, folder.path, "--resume")
        named = settings.dataset.endswith(".npz")
        now = replace(settings, dataset=source) if named else replace(settings, data_root=source)
    images = read_images(now)
    if "fingerprint" not in record:
        warnings.warn(
            f"{folder.path}: no fingerprint of its data; whether they changed is not known",
            stacklevel=2,
        )
    elif fingerprint(_arrays(images))[0] != record["fingerprint"]:
        raise FormatError(
            f"--resume {folder.path}: the data at {_path_of(now) or now.dataset} are not those that "
            f"the run began with (compared: {record.get('fingerprint-of')}); put them back or train "
            "anew"
        )
    return images
