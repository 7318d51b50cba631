"""Is a step of contrastive learning a covariance operator times the weights? Seconds on one core.

    python examples/tian2020_covariance_operator.py [--full] [--seed N] [--out DIR] [--plot F.png]

A deep ReLU network, a finite data set with a finite list of augmentations, and the loss over every
draw of anchor, positive and negatives: nothing is sampled, so a prediction can be exact.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.dual import covariance
from empirical.experiments.dual.contrast import WORDS
from empirical.experiments.dual.covariance_figure import draw
from empirical.experiments.papers.script import check_places, guarded
from equilibria.files.write import check_name


def main() -> int:
    """Read the options and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--full", action="store_true", help="wider networks, more data: minutes")
    parser.add_argument("--seed", type=int, default=0, help="of networks and data")
    parser.add_argument("--out", type=Path, help="directory for result.json")
    parser.add_argument("--plot", type=Path, help="write the figure there (PNG)")
    given = parser.parse_args()
    return guarded(lambda: study(given))


def study(given: argparse.Namespace) -> int:
    """Print statement, prediction and what was measured."""
    check_places(given.plot, None)
    if given.out is not None:
        check_name(given.out, "--out")
    size = covariance.FULL if given.full else covariance.Size()
    found = covariance.study(seed=given.seed, size=size)
    answer = covariance.result(found, out=given.out)

    print("Tian, Yu, Chen, Ganguli 2020:", answer.statement)
    print("Predicted:", answer.predicted)
    print("Measured: ", answer.measured)
    print("Holds:    ", "yes" if answer.holds else "NO")
    for title, part in (
        ("Gaussian data, Gaussian augmentation of 0.3 standard deviations", found.gaussian),
        ("Handwritten digits, shifted by at most a pixel", found.digits),
    ):
        print(f"\n{title}: distance of the step to what is said of it")
        print(*covariance.table({WORDS[name]: rows for name, rows in part.items()}), sep="\n")
    print()
    for name in found.residues:
        fits = ", ".join(f"{value:.2f}" for value in found.slopes(name))
        print(f"{WORDS[name]}: residue grows with the augmentation variance to the power {fits}")
    print(f"L_simp: a minibatch's step is off by B to the power {found.minibatch_slope:.2f}")
    print(
        "So the operator is the whole step for L_simp, and the leading term for the other losses\n"
        "when augmentations are small; on digits shifted by a pixel they are not, and the residue\n"
        "is larger than the operator's own term."
    )
    if given.plot:
        draw(found, given.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
