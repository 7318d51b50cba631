"""Pairs of frozen features: a network below, a linear model above, and the theory exactly in force.

The backbone is random or taken from a run and no longer trained; two views of every training image go
through it. What trains on these pairs is the linear model, so `simulate --data` and `overlay` can hold
the prediction against it with no assumption left: the features are data with moments of their own,
which do not commute and are not Gaussian.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from empirical.images.datasets import read_images
from empirical.images.dice import generator
from empirical.images.source import ImageSource, image_source
from empirical.networks.evaluate import features_of
from empirical.networks.models import backbone
from empirical.networks.settings import Settings, from_config, settings_from
from empirical.runs.folder import RunFolder
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

BACKBONE = "learner.online.backbone."


def random_features(settings: Settings, *, components: int = 8) -> tuple[Array, Array]:
    """Return x and y (N, components) from a random backbone of `settings`."""
    source, network = _parts(settings)
    return _pairs(source, network, components)


def run_features(run: str | Path, *, components: int = 8) -> tuple[Array, Array]:
    """Return x and y (N, components) from the backbone that a run of `train` ended with.

    Raises `FormatError` when the folder holds no checkpoint of such a network.
    """
    folder = RunFolder.open(run)
    settings = settings_from(from_config(dict(folder.config), str(folder.path)))
    found = folder.last_checkpoint()
    if found is None:
        raise FormatError(f"{folder.path}: no checkpoint; `train` has not come far enough")
    source, network = _parts(settings)
    weights = {
        name.removeprefix(BACKBONE): value
        for name, value in found.tensors.items()
        if name.startswith(BACKBONE)
    }
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        raise FormatError(f"{found.path}: not the backbone of {folder.path}/config.toml") from error
    return _pairs(source, network, components)


def _parts(settings: Settings) -> tuple[ImageSource, nn.Module]:
    source = image_source(read_images(settings), settings, torch.device("cpu"), torch.float32)
    torch.manual_seed(settings.seed)
    network, _ = backbone(settings, source.shape)
    return source, network


@torch.no_grad()
def _pairs(source: ImageSource, network: nn.Module, components: int) -> tuple[Array, Array]:
    """Return centred features on the leading principal axes, the largest variance being 1."""
    _settle_batch_norm(source, network)
    images = source.images["train"]
    views = []
    for k in (1, 2):
        drawn = source.view_images(images, "frozen", k, len(images), slice(None))
        views.append(features_of(network, drawn).double().numpy())
    x, y = (np.asarray(view, np.float64) for view in views)
    mean = (x.mean(axis=0) + y.mean(axis=0)) / 2
    x, y = x - mean, y - mean
    values, vectors = np.linalg.eigh((x.T @ x + y.T @ y) / (2 * len(x)))
    if not 1 <= components <= int((values > 1e-9 * values[-1]).sum()):
        raise FormatError(
            f"components {components}: expected 1 to {int((values > 1e-9 * values[-1]).sum())}, the "
            "dimension of the features"
        )
    basis = vectors[:, ::-1][:, :components] / np.sqrt(values[-1])
    return x @ basis, y @ basis


def _settle_batch_norm(source: ImageSource, network: nn.Module) -> None:
    """Let untouched running statistics see the data: a random network has none of its own."""
    norms = [m for m in network.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    if not norms or any(m.num_batches_tracked for m in norms):
        return
    former = [m.momentum for m in norms]
    for m in norms:
        m.momentum = None  # a plain average
    network.train()
    images = source.images["train"]
    order = torch.randperm(len(images), generator=generator(images.device, source.seed, "settle"))
    for part in torch.split(order, 256):
        if len(part) > 1:
            network(source.still(images[part]))
    network.eval()
    for m, momentum in zip(norms, former, strict=True):
        m.momentum = momentum
