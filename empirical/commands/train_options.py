"""The options of `train`, as data: what the command line adds to its parser and a TOML file may say.

Nothing heavy is imported here. `kind` is "value" (takes text) or "flag" (`--name`, `--no-name`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Option:
    """One option: how it is typed, what it means, and its default in words."""

    name: str
    metavar: str
    help: str
    default: str
    group: str
    kind: Literal["value", "flag"] = "value"

    @property
    def field(self) -> str:
        """The name of the setting: `--weight-decay` is `weight_decay`."""
        return self.name[2:].replace("-", "_")


def _group(group: str, *rows: tuple[str, ...]) -> tuple[Option, ...]:
    return tuple(
        Option(name, metavar, text, default, group, "value" if metavar else "flag")
        for name, metavar, text, default in rows
    )


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

OPTIONS: tuple[Option, ...] = (
    *_group(
        "method",
        ("--method", "NAME", "|".join(METHODS), "simsiam"),
        ("--predictor", "KIND", "linear, symmetric, mlp, none or fixed (random)", "the method's"),
        (
            "--predictor-update",
            "RULE",
            "gradient, or in closed form direct-pred, direct-copy, direct-set",
            "the method's",
        ),
        ("--stop-gradient", "", "no gradient through the target branch", "the method's"),
        ("--symmetric-loss", "", "average over both orders of the views", "yes"),
        ("--loss", "NAME", "cosine, squared, cross-entropy or infonce", "the method's"),
        ("--temperature", "TAU", "of infonce and cross-entropy", "1/2 and 1"),
        ("--ema", "MU", "target momentum, 0 <= MU < 1; 0: the target is the encoder", "by method"),
        ("--ema-schedule", "KIND", "constant, or cosine (rises to 1)", "constant"),
        ("--target-init", "KIND", "copy of the encoder, or independent", "copy"),
        ("--rho", "RHO", "momentum of the correlation (closed-form predictors)", "by method"),
        ("--eps", "EPS", "floor of the predictor's eigenvalues (closed form)", "by method"),
        ("--freq", "N", "closed form every N steps, gradient steps between", "1"),
        ("--power", "A", "exponent of direct-set", "1/2"),
        ("--direct-form", "FORM", "spectrum divided by its maximum (code), or not (paper)", "code"),
    ),
    *_group(
        "network",
        ("--backbone", "NAME", "|".join(BACKBONES), "by data; mlp for digits"),
        ("--width", "F", "factor on the widths of the backbone", "1"),
        ("--stem", "KIND", "auto, small (3x3) or imagenet (7x7, stride 2)", "auto"),
        ("--head", "WIDTHS", "widths of the projector, last is the embedding: 64,32", "by data"),
        ("--head-bn", "WHERE", "batch norm: none, hidden, or output (hidden too)", "output"),
        ("--predictor-dim", "N", "hidden width of the mlp predictor", "a quarter of the embedding"),
        ("--predictor-bn", "", "batch norm in the hidden layer of the mlp predictor", "yes"),
        ("--predictor-bias", "", "bias of the linear predictor", "no"),
    ),
    *_group(
        "data",
        ("--dataset", "NAME", "|".join(DATASETS) + "|FILE.npz", "digits"),
        ("--data-root", "DIR", "where the data set lies", "none"),
        ("--image-size", "S", "side of the views in pixels", "as stored"),
        ("--train-images", "N", "use the first N training images only", "all"),
        ("--augment", "NAME", "simsiam, byol (with blur), digits or none", "by data"),
        ("--hue", "KIND", "hsv as in the papers, or yiq, which is faster", "hsv"),
        ("--min-crop", "AREA", "smallest crop as a fraction of the area", "0.2"),
    ),
    *_group(
        "training",
        ("--epochs", "E", "passes over the data", "by data"),
        ("--steps", "K", "steps, instead of --epochs", "none"),
        ("--batch-size", "B", "images a step, over all processes", "256"),
        ("--lr", "H", "learning rate as used (not scaled by the batch)", "by method"),
        ("--schedule", "KIND", "cosine or constant learning rate", "cosine"),
        ("--warmup", "K", "steps of linear warm-up", "0"),
        ("--weight-decay", "ETA", "decay of every parameter", "5e-4"),
        ("--predictor-lr", "ALPHA", "the predictor's rate over the encoder's", "1"),
        ("--predictor-schedule", "KIND", "cosine or constant for the predictor", "constant"),
        (
            "--predictor-weight-decay",
            "ETA_P",
            "decay of the predictor: P + h (ALPHA (-grad) - ETA_P P)",
            "the weight decay",
        ),
        ("--optimizer", "NAME", "sgd or lars", "sgd"),
        ("--momentum", "NU", "heavy ball", "0.9"),
        ("--seed", "N", "of the initialisation, the order and the augmentation", "0"),
    ),
    *_group(
        "machine",
        ("--device", "NAME", "auto, cpu or cuda", "auto"),
        (
            "--precision",
            "KIND",
            "fp32, bf16 (autocast), fp64, or auto: bf16 on a GPU that has it, fp32 on a CPU",
            "auto",
        ),
        ("--compile", "", "torch.compile the network", "no"),
        ("--threads", "N", "threads of the CPU", "1 for small networks, else torch's"),
    ),
    *_group(
        "record",
        ("--log-every", "K", "steps between two lines of metrics.jsonl", "a twentieth"),
        ("--checkpoint-every", "K", "steps between two checkpoints", "a tenth"),
        ("--stop-on-collapse", "", "stop when the outputs have collapsed", "no"),
        ("--curl", "", "measure at the end whether the step is a gradient step", "yes"),
        ("--tensorboard", "", "write TensorBoard events beside the metrics", "no"),
        ("--name", "NAME", "of the run", "method and data set"),
        ("--out", "DIR", "folder of the run", "runs/<timestamp>-<name>"),
        ("--config", "FILE", "a TOML file with these names; the command line wins", "none"),
        ("--resume", "RUN", "go on from the last checkpoint of a run", "none"),
    ),
)
