"""What a method, a data set or a backbone changes of the defaults, where nothing else was said."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from equilibria.files.untrusted import Table

_DIRECT = {"predictor": "linear", "ema": 0.99}
BY_METHOD: Mapping[str, Table] = MappingProxyType(
    {
        "simsiam": {},
        "byol": {"ema": 0.99},
        "direct-pred": {**_DIRECT, "predictor_update": "direct-pred", "rho": 0.3, "eps": 0.1},
        "direct-copy": {**_DIRECT, "predictor_update": "direct-copy", "rho": 0.5, "eps": 0.3},
        "direct-set": {**_DIRECT, "predictor_update": "direct-set", "rho": 0.5, "eps": 0.3},
        "simclr": {"predictor": "none", "stop_gradient": False, "loss": "infonce"},
        "joint": {"stop_gradient": False},
    }
)
_CIFAR = {"head": (256, 256), "epochs": 100, "batch_size": 256, "backbone": "resnet18"}
BY_DATASET: Mapping[str, Table] = MappingProxyType(
    {
        "digits": {"epochs": 80, "predictor_dim": 8, "backbone": "mlp"},
        "cifar10": {**_CIFAR, "head": (2048, 2048)},
        "cifar100": {**_CIFAR, "head": (2048, 2048)},
        "stl10": {**_CIFAR, "head": (512, 128)},
        "folder": {**_CIFAR, "head": (2048, 2048, 2048), "image_size": 224},
        "latent": {"epochs": 20, "backbone": "linear", "head": (8,), "head_bn": "none"},
        "FILE": {"head": (128, 64), "epochs": 20},
    }
)
# A linear encoder is compared with the theory: its head is one matrix, without batch norm.
BY_BACKBONE: Mapping[str, Table] = MappingProxyType({"linear": {"head": (8,), "head_bn": "none"}})
