"""The names that an option of training may have.

Nothing is imported here: the help of `train` shows them and `Settings` holds to them.
"""

from __future__ import annotations

METHODS = ("simsiam", "byol", "direct-pred", "direct-copy", "direct-set", "simclr", "joint")
BACKBONES = ("linear", "mlp", "resnet8", "resnet18", "resnet34", "resnet50")
DATASETS = ("digits", "cifar10", "cifar100", "stl10", "folder", "latent")
CHOICES: dict[str, tuple[str, ...]] = {
    "method": METHODS,
    "predictor": ("linear", "symmetric", "mlp", "none", "fixed"),
    "predictor_update": ("gradient", "direct-pred", "direct-copy", "direct-set"),
    "loss": ("cosine", "squared", "cross-entropy", "infonce"),
    "ema_schedule": ("constant", "cosine"),
    "target_init": ("copy", "independent"),
    "direct_form": ("code", "paper"),
    "backbone": BACKBONES,
    "head_bn": ("none", "hidden", "output"),
    "stem": ("auto", "small", "imagenet"),
    "augment": ("auto", "simsiam", "byol", "digits", "none"),
    "hue": ("hsv", "yiq"),
    "schedule": ("cosine", "constant"),
    "predictor_schedule": ("cosine", "constant"),
    "optimizer": ("sgd", "lars"),
    "device": ("auto", "cpu", "cuda"),
    "precision": ("auto", "fp32", "bf16", "fp64"),
}
