"""The ablations of SimSiam as data: settings, the paper's accuracy, and the directions to look for."""

from __future__ import annotations

from dataclasses import dataclass, field

from empirical.experiments.papers.alternation import (
    AffineNorm,
    Both,
    Every,
    Memory,
    OneStep,
    PredictionNorm,
    TwoPairs,
)
from empirical.experiments.papers.trials import Change
from equilibria.files.untrusted import Table

SOURCE = "Chen and He 2021"
BASE = "as published"


@dataclass(frozen=True)
class Variant:
    """One row: what is set differently, and the paper's linear probe on ImageNet in percent."""

    name: str
    paper: float | None
    given: Table = field(default_factory=dict)
    change: Change | None = None


@dataclass(frozen=True)
class Ablation:
    """Rows that belong together; `pairs` names (lower, higher) accuracies of the paper.

    `training` is how long and how fast at the small size: collapse takes a thousand steps.
    """

    name: str
    statement: str
    predicted: str
    variants: tuple[Variant, ...]
    pairs: tuple[tuple[str, str], ...] = ()
    training: Table = field(default_factory=lambda: {"epochs": 40})
    seeds: int = 4


LONG = {"epochs": 240, "lr": 0.2}
FIRST = "after one step"
PLAIN = Variant(BASE, 68.1)
UNTRAINED = Variant(FIRST, None, {}, OneStep())
NO_PREDICTOR = {"predictor": "none"}
SAME = "the same equilibria"

ABLATIONS: dict[str, Ablation] = {
    "stop-gradient": Ablation(
        "stop-gradient",
        "without stop-gradient the loss goes to -1 and the outputs' std to 0 (where batch norm's "
        "scale is trained; else dimensions are lost)",
        "",  # of `equilibria`, see `chen_he_2021.predicted`
        (
            PLAIN,
            Variant("no stop-gradient", 0.1, {"stop_gradient": False}),
            Variant("no stop-gradient, affine", 0.1, {"stop_gradient": False}, AffineNorm()),
            Variant("affine", 68.1, {}, AffineNorm()),
            UNTRAINED,
        ),
        (("no stop-gradient, affine", "affine"),),
        LONG,
    ),
    "no-predictor": Ablation(
        "no-predictor",
        "without a predictor the outputs collapse (where batch norm's scale is trained; else dimensions "
        "are lost)",
        "without a predictor dW = W(M - Sigma) - eta W, and M < Sigma: W goes to 0",
        (
            PLAIN,
            Variant("no predictor", 0.1, NO_PREDICTOR),
            Variant("no predictor, affine", 0.1, NO_PREDICTOR, AffineNorm()),
        ),
        (("no predictor", BASE),),
        LONG,
    ),
    "predictor": Ablation(
        "predictor",
        "with a fixed random predictor the loss stays high and nothing useful is learned; a constant "
        "rate for the predictor is at least as good as a cosine",
        "of a fixed random matrix or of schedules the linear model says nothing that a bounded loss "
        "could show",
        (
            PLAIN,
            Variant("fixed random predictor", 1.5, {"predictor": "fixed"}),
            Variant("cosine rate for predictor", 67.7, {"predictor_schedule": "cosine"}),
        ),
        (("fixed random predictor", BASE),),
        LONG,
        seeds=6,
    ),
    "batch-norm": Ablation(
        "batch-norm",
        "without batch norm in the heads learning is poor but does not collapse; batch norm in hidden "
        "layers is nearly enough; on the predictor's output training is unstable",
        "none: the linear model has no batch norm",
        (
            PLAIN,
            Variant("no batch norm in heads", 34.6, {"head_bn": "none", "predictor_bn": False}),
            Variant("in hidden layers only", 67.4, {"head_bn": "hidden"}),
            Variant("on predictor's output too", None, {}, PredictionNorm()),
        ),
        (("no batch norm in heads", "in hidden layers only"), ("no batch norm in heads", BASE)),
        {"epochs": 160},
    ),
    "batch-size": Ablation(
        "batch-size",
        "with a rate proportional to the batch, sizes over a factor of 8 learn, and lie within 2 points",
        f"{SAME} for every batch; noise proportional to lr/B, which the rate's scaling keeps",
        (
            UNTRAINED,
            Variant("batch 64", 66.1, {"batch_size": 64, "lr": 0.05 / 4}),
            Variant("batch 128", 67.3, {"batch_size": 128, "lr": 0.05 / 2}),
            PLAIN,
            Variant("batch 512", 68.1, {"batch_size": 512, "lr": 0.1}),
        ),
        training={"epochs": 120},
        seeds=8,
    ),
    "similarity": Ablation(
        "similarity",
        "softmax cross-entropy in place of the cosine learns without collapse, less well",
        "the linear model has the squared loss, which it predicts not to collapse; of the others it "
        "says nothing",
        (
            PLAIN,
            UNTRAINED,
            Variant("cross-entropy", 63.2, {"loss": "cross-entropy"}),
            Variant("squared", None, {"loss": "squared", "lr": 0.01}),
        ),
        (("cross-entropy", BASE), (FIRST, "cross-entropy")),
        LONG,
        seeds=12,
    ),
    "symmetrisation": Ablation(
        "symmetrisation",
        "the asymmetric loss learns without collapse, less well; two pairs an image make up for most",
        f"{SAME}: both orders of the views have the same mean gradient; only the noise differs",
        (
            PLAIN,
            Variant("asymmetric", 64.8, {"symmetric_loss": False}),
            Variant("asymmetric, two pairs", 67.3, {"symmetric_loss": False}, TwoPairs()),
        ),
        (("asymmetric", BASE), ("asymmetric", "asymmetric, two pairs")),
        seeds=10,
    ),
    "alternation": Ablation(
        "alternation",
        "targets that are held for 10, 100 steps or an epoch learn as well as those of every step",
        "",
        (
            PLAIN,
            Variant("an epoch", 67.0, {}, Every(0)),
            Variant("10 steps", 68.7, {}, Every(10)),
            Variant("100 steps", 68.9, {}, Every(100)),
        ),
        training=LONG,  # so that 100 steps are not half of it
    ),
    "memory": Ablation(
        "memory",
        "without a predictor a moving average of each image's outputs (momentum 0.8) learns (55.0) "
        "where nothing in its place collapses (0.1), though less well than the predictor (68.1)",
        "collapse in both: the average's mean is W E[x|image], so dW = W(M - Sigma) - eta W as "
        "without it",
        (
            PLAIN,
            Variant("no predictor", 0.1, NO_PREDICTOR),
            Variant("moving average, m = 0.8", 55.0, NO_PREDICTOR, Memory(0.8)),
            Variant("no predictor, affine", 0.1, NO_PREDICTOR, AffineNorm()),
            Variant("m = 0.8, affine", 55.0, NO_PREDICTOR, Both(Memory(0.8), AffineNorm())),
        ),
        (("no predictor", "moving average, m = 0.8"), ("moving average, m = 0.8", BASE)),
        LONG,
        seeds=8,
    ),
}
