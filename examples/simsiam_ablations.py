"""SimSiam's ablations on digits, the paper's number next to ours; twenty minutes on one core.

    python examples/simsiam_ablations.py [--seed N] [--plot F] [--out F]
    python examples/simsiam_ablations.py --full --data-root DIR   # a GPU

Stop-gradient, predictor, batch norm, batch size, similarity, symmetrisation. Four to twelve seeds each
of an MLP, 40 to 240 epochs; a direction of accuracy counts as seen when its whole 95 % interval has the
paper's sign. "Affine": batch norm at the projector's output with its scale trained, as most code has it.
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.answer import Answer
from empirical.experiments.papers.chen_he_2021 import ablation
from empirical.experiments.papers.chen_he_figure import draw, table
from empirical.experiments.papers.script import data_root, run_script

NAMES = (
    "stop-gradient", "no-predictor", "predictor", "batch-norm", "batch-size", "similarity",
    "symmetrisation",
)  # fmt: skip


def main() -> int:
    """Print every ablation, then the one table."""
    done: list[Answer] = []

    def measure(name: str, **options: Any) -> Answer:
        done.append(ablation(name, **options))
        if len(done) == len(NAMES):
            print("\n".join(table(done)), end="\n\n")
        return done[-1]

    measures = [partial(measure, name) for name in NAMES]
    return run_script(__doc__, measures, draw, size=(11.0, 7.5), more=data_root())


if __name__ == "__main__":
    raise SystemExit(main())
