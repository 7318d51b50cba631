"""A network trained for an experiment: its metrics over time and its effective linear models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import numpy as np

from empirical.images.beside import DATA, IMAGES
from empirical.networks.loop import train
from empirical.networks.settings import Settings, settings_from
from empirical.runs.folder import RunFolder
from equilibria.files.untrusted import Table

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True)
class Trained:
    """`data` is the summary, `metrics` one record a logging step, `arrays` the trajectory."""

    settings: Settings
    data: Table
    metrics: tuple[Table, ...]
    arrays: Mapping[str, Array]

    def line(self, name: str) -> Array:
        """Return one metric over the logging steps."""
        return np.array([record[name] for record in self.metrics], np.float64)


def trained(**given: object) -> Trained:
    """Train with these settings (names as in `Settings`) and return what the run left."""
    settings = settings_from({"curl": False, **given})
    with TemporaryDirectory() as place:
        folder = RunFolder.create(Path(place), settings.config(), overwrite=True)
        result = train(settings, folder=folder)
        return Trained(settings, result.data, tuple(folder.metrics()), folder.trajectory())


PHOTOGRAPHS: Mapping[str, object] = {
    "dataset": str(IMAGES), "backbone": "resnet8", "image_size": 16, "head": (128, 64),
    "batch_size": 128,
}  # fmt: skip
"""A ResNet-8 on the small part of CIFAR-10 at half its side, where the images are."""


def digits(*, full: bool, epochs: int) -> dict[str, object]:
    """Return the settings of the small network, or of the paper's: CIFAR-10, ResNet-18, 100 epochs.

    The full size reads the data set from ../shared/data, wherever `train` looks for `cifar10`.
    """
    if full:
        return {"dataset": "cifar10", "backbone": "resnet18", "head": "512,128", "lr": "0.03",
                "weight_decay": "4e-4", "batch_size": 128, "epochs": 100,
                "data_root": str(DATA / "cifar10")}  # fmt: skip
    return {"dataset": "digits", "backbone": "mlp", "epochs": epochs}
