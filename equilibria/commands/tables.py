"""The options that several commands share."""

from __future__ import annotations

from equilibria import defaults
from equilibria.commands.options import OUTPUT, Option, Words, flag, grouped, seed, whole

MODEL = grouped(
    "model (numbers may be 0.99, 99/100 or 1e-3; all are exact)",
    Option(
        "--procedure",
        "NAME",
        f"{', '.join(defaults.PROCEDURE_NAMES)}, or a system file",
        Words("default: ema when --ema is given, else stop-gradient"),
    ),
    Option("--ema", "MU", "EMA momentum of the target, 0 <= MU < 1", Words(defaults.EMA)),
    Option("--lr", "H", "step size", Words(defaults.LR)),
    Option("--weight-decay", "ETA", "weight decay", Words(defaults.WEIGHT_DECAY)),
    Option(
        "--predictor-lr",
        "ALPHA",
        "predictor learning rate over the encoder's",
        Words(defaults.PREDICTOR_LR),
    ),
    Option(
        "--predictor-weight-decay", "ETA_P", "decay of the predictor", Words("the weight decay")
    ),
    Option("--momentum", "NU", "heavy ball, as SGD's momentum", Words(defaults.MOMENTUM)),
    Option("--embed-dim", "N", "rows of the encoder, n", Words(defaults.EMBED_DIM)),
    Option("--input-dim", "D", "data dimension, d", Words("2, or what the moments say")),
    Option("--signal", "M1,M2,...", "eigenvalues of M, one a mode", Words("1,3/4,9/16,...")),
    Option("--total", "S1,S2,...", "eigenvalues of Sigma"),
    Option("--noise", "V", "Sigma = M + V I", Words(defaults.NOISE)),
    Option("--isotropic", "S", "Sigma = S I"),
    Option("--moments", "FILE.npz", "arrays Sigma and M, commuting or not"),
    flag("--float", "decide signs in floating point"),
)
"""Read by `equilibria.systems.model_options`, which tells what was said from what was not."""

DEPTH = grouped(
    "depth (W = W_L ... W_1, P = P_K ... P_1, linear)",
    Option("--encoder-layers", "L", "layers of the encoder", Words(defaults.LAYERS)),
    Option("--predictor-layers", "K", "layers of the predictor", Words(defaults.LAYERS)),
    Option(
        "--hidden-dim",
        "N1,N2,...",
        "widths of the hidden layers, or one for all",
        Words("the embed dim"),
    ),
    Option(
        "--layer-weight-decay",
        "E1,E2,...",
        "decays layer by layer, the encoder's first",
        Words("the weight decays"),
    ),
)
"""Read like the model's options, by commands that know hidden layers."""

JSON = Option("--json", "F", "write JSON; `-` writes it to stdout alone")
PLOT = Option("--plot", "F", "write a figure, .png or .svg")
ASCII = flag("--ascii", "write eta instead of its letter")
FILES = grouped(OUTPUT, JSON, PLOT, ASCII)


def seed_of(what: str) -> Option:
    """Return `--seed` with a word on what it is for."""
    return Option("--seed", "SEED", f"seed of {what}", "0", seed)


def time_limit(text: str) -> Option:
    """Return `--time-limit`, a minute where nothing is said."""
    return Option("--time-limit", "S", text, "60", whole(1))


MAX_COMPONENTS = Option("--max-components", "N", "list at most N", "64", whole(1))
