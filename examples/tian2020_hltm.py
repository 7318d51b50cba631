"""Do hidden units learn latents that they never see? Trees of binary latents, a minute on one core.

    python examples/tian2020_hltm.py [--full] [--seed N] [--out DIR] [--plot F.png]

Positive pairs share the root of the tree; everything below it is drawn anew. Measured is, node by
node, the best |correlation| of a hidden unit with the node's latent, beside the most that the leaves
below the node can tell.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.dual import hltm
from empirical.experiments.dual.hltm_figure import draw
from empirical.experiments.dual.treenet import Training
from empirical.experiments.papers.script import check_places, guarded
from equilibria.files.write import check_name

RANGES = (0.7, 0.8, 0.9)


def main() -> int:
    """Read the options and do what they say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--full", action="store_true", help="25,000 steps, five trees, three ranges of rho: hours"
    )
    parser.add_argument("--seed", type=int, default=0, help="of trees, samples and networks")
    parser.add_argument("--out", type=Path, help="directory for result.json")
    parser.add_argument("--plot", type=Path, help="write the figure there (PNG; rho from 0.8)")
    given = parser.parse_args()
    return guarded(lambda: study(given))


def study(given: argparse.Namespace) -> int:
    """Print statement, prediction and what was measured."""
    check_places(given.plot, None)
    if given.out is not None:
        check_name(given.out, "--out")
    plan = hltm.Plan(
        trees=5 if given.full else 3,
        training=Training(steps=25_000 if given.full else 800),
        variants=("nce", "simp", hltm.CONTROL),
        held_out=64_000 if given.full else 4096,
        seed=given.seed,
    )
    for low in RANGES if given.full else (plan.low,):
        found = hltm.learn(replace(plan, low=low))
        place = given.out / f"rho-{low}" if given.out and given.full else given.out
        answer = hltm.result(found, out=place)
        print("Tian, Yu, Chen, Ganguli 2020:", answer.statement)
        print("Predicted:", answer.predicted)
        print("Measured: ", answer.measured)
        print("Holds:    ", "yes" if answer.holds else "NO")
        steps, hid = plan.training.steps, plan.training.hid
        print(
            f"\n{plan.trees} trees of depth {plan.depth}, |rho| from {low} to 1; {hid} units a node, "
            f"{steps} steps\nof 128 samples; best |correlation| with the latent, mean over nodes:"
        )
        print(*hltm.table(found), sep="\n")
        for name in found.after:
            print(f"{name}: {100 * found.closed(name):.0f} % of the gap to the ceiling closed")
        if given.plot and low == plan.low:
            draw(found, given.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
