"""SimSiam as alternating minimisation: held targets, and a memory in place of the predictor; minutes.

    python examples/simsiam_alternation.py [--seed N] [--plot F] [--out F]
    python examples/simsiam_alternation.py --full --data-root DIR   # a GPU

Targets that are refreshed every k steps only; and no predictor, with a moving average of each image's
outputs as its target.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.papers.chen_he_2021 import ablation
from empirical.experiments.papers.chen_he_figure import draw
from empirical.experiments.papers.script import data_root, run_script


def main() -> int:
    """Print, draw and write both experiments."""
    measures = [partial(ablation, name) for name in ("alternation", "memory")]
    return run_script(__doc__, measures, draw, size=(11.0, 3.6), more=data_root())


if __name__ == "__main__":
    raise SystemExit(main())
