"""The options of `train`, as data; a TOML file may say the same names.

A default is that of `Settings`; where the method or the data set decides, words say so.
"""

from __future__ import annotations

from empirical.networks.choices import BACKBONES, DATASETS, METHODS
from equilibria.commands.options import Option, Words, grouped, switch
from equilibria.commands.tables import JSON

OPTIONS = (
    *grouped(
        "method",
        Option("--method", "NAME", "|".join(METHODS), "simsiam"),
        Option(
            "--predictor",
            "KIND",
            "linear, symmetric, mlp, none or fixed (random)",
            Words("the method's"),
        ),
        Option(
            "--predictor-update",
            "RULE",
            "gradient, or in closed form direct-pred, direct-copy, direct-set",
            Words("the method's"),
        ),
        switch("--stop-gradient", "no gradient through the target branch", Words("the method's")),
        switch("--symmetric-loss", "average over both orders of the views", "yes"),
        Option(
            "--loss", "NAME", "cosine, squared, cross-entropy or infonce", Words("the method's")
        ),
        Option("--temperature", "TAU", "of infonce and cross-entropy", Words("1/2 and 1")),
        Option(
            "--ema",
            "MU",
            "target momentum, 0 <= MU < 1; 0: the target is the encoder",
            Words("by method"),
        ),
        Option("--ema-schedule", "KIND", "constant, or cosine (rises to 1)", "constant"),
        Option("--target-init", "KIND", "copy of the encoder, or independent", "copy"),
        Option(
            "--rho",
            "RHO",
            "momentum of the correlation (closed-form predictors)",
            Words("by method"),
        ),
        Option(
            "--eps", "EPS", "floor of the predictor's eigenvalues (closed form)", Words("by method")
        ),
        Option("--freq", "N", "closed form every N steps, gradient steps between", "1"),
        Option("--power", "A", "exponent of direct-set", "1/2"),
        Option(
            "--direct-form",
            "FORM",
            "spectrum divided by its maximum (code), or not (paper)",
            "code",
        ),
    ),
    *grouped(
        "network",
        Option("--backbone", "NAME", "|".join(BACKBONES), Words("by data; mlp for digits")),
        Option("--width", "F", "factor on the widths of the backbone", "1"),
        Option("--stem", "KIND", "auto, small (3x3) or imagenet (7x7, stride 2)", "auto"),
        Option(
            "--head",
            "WIDTHS",
            "widths of the projector, last is the embedding: 64,32",
            Words("by data"),
        ),
        Option("--head-bn", "WHERE", "batch norm: none, hidden, or output (hidden too)", "output"),
        Option(
            "--predictor-dim",
            "N",
            "hidden width of the mlp predictor",
            Words("a quarter of the embedding"),
        ),
        switch("--predictor-bn", "batch norm in the hidden layer of the mlp predictor", "yes"),
        switch("--predictor-bias", "bias of the linear predictor", "no"),
    ),
    *grouped(
        "data",
        Option("--dataset", "NAME", "|".join(DATASETS) + "|FILE.npz", "digits"),
        Option("--data-root", "DIR", "where the data set lies", Words("none")),
        Option("--image-size", "S", "side of the views in pixels", Words("as stored")),
        Option("--train-images", "N", "use the first N training images only", Words("all")),
        Option("--augment", "NAME", "simsiam, byol (with blur), digits or none", Words("by data")),
        Option("--hue", "KIND", "hsv as in the papers, or yiq, which is faster", "hsv"),
        Option("--min-crop", "AREA", "smallest crop as a fraction of the area", "0.2"),
    ),
    *grouped(
        "training",
        Option("--epochs", "E", "passes over the data", Words("by data")),
        Option("--steps", "K", "steps, instead of --epochs", Words("none")),
        Option("--batch-size", "B", "images a step, over all processes", "256"),
        Option("--lr", "H", "learning rate as used (not scaled by the batch)", Words("by method")),
        Option("--schedule", "KIND", "cosine or constant learning rate", "cosine"),
        Option("--warmup", "K", "steps of linear warm-up", "0"),
        Option("--weight-decay", "ETA", "decay of every parameter", "5e-4"),
        Option("--predictor-lr", "ALPHA", "the predictor's rate over the encoder's", "1"),
        Option("--predictor-schedule", "KIND", "cosine or constant for the predictor", "constant"),
        Option(
            "--predictor-weight-decay",
            "ETA_P",
            "decay of the predictor: P + h (ALPHA (-grad) - ETA_P P)",
            Words("the weight decay"),
        ),
        Option("--optimizer", "NAME", "sgd or lars", "sgd"),
        Option("--momentum", "NU", "heavy ball", "0.9"),
        Option("--seed", "N", "of the initialisation, the order and the augmentation", "0"),
    ),
    *grouped(
        "machine",
        Option("--device", "NAME", "auto, cpu or cuda", "auto"),
        Option(
            "--precision",
            "KIND",
            "fp32, bf16 (autocast), fp64, or auto: bf16 on a GPU that has it, fp32 on a CPU",
            "auto",
        ),
        switch("--compile", "torch.compile the network", "no"),
        Option("--threads", "N", "threads of the CPU", Words("1 for small networks, else torch's")),
    ),
    *grouped(
        "record",
        Option(
            "--log-every", "K", "steps between two lines of metrics.jsonl", Words("a twentieth")
        ),
        Option("--checkpoint-every", "K", "steps between two checkpoints", Words("a tenth")),
        switch("--stop-on-collapse", "stop when the outputs have collapsed", "no"),
        switch("--curl", "measure at the end whether the step is a gradient step", "yes"),
        switch("--tensorboard", "write TensorBoard events beside the metrics", "no"),
        Option("--name", "NAME", "of the run", Words("method and data set")),
        Option("--out", "DIR", "folder of the run", Words("runs/<timestamp>-<name>")),
        Option(
            "--config", "FILE", "a TOML file with these names; the command line wins", Words("none")
        ),
        Option("--resume", "RUN", "go on from the last checkpoint of a run", Words("none")),
    ),
    *grouped("output", JSON),
)
