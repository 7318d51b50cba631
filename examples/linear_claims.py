"""Try every claim that needs linear runs, and print what was predicted and what was measured.

    python examples/linear_claims.py [--runs 1000] [--out runs/claims] [NAME ...]

Minutes on one core. With --out the run folders stay, and their hashes are those printed.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.linear_runs import EXPERIMENTS, experiment
from empirical.experiments.papers.script import guarded
from equilibria.files.write import check_name

OWN_SIZE = {"limit-cycle-in-training", "ema-window-in-training"}


def main() -> int:
    """Run, print, and return 1 when a claim fails."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("names", nargs="*", default=list(EXPERIMENTS), metavar="NAME")
    parser.add_argument(
        "--runs", type=int, help="random starts (default: each its own, 1000 or more)"
    )
    parser.add_argument("--out", type=Path, help="where run folders go")
    options = parser.parse_args()
    return guarded(lambda: tried(options))


def tried(options: argparse.Namespace) -> int:
    """Run the claims; return 1 when one fails."""
    if options.out is not None:
        check_name(options.out, "--out")
    worst = 0
    for name in options.names:
        sized = options.runs is not None and name not in OWN_SIZE
        result = experiment(name, out=options.out, **({"runs": options.runs} if sized else {}))
        word = {True: "holds", False: "FAILS", None: "not tried"}[result.holds]
        print(f"{word:10}{name}: {result.statement}")
        print(f"{'':10}predicted  {result.predicted}")
        print(f"{'':10}measured   {result.measured}")
        if result.sha256 is not None:
            print(f"{'':10}run        {result.sha256}")
        worst |= result.holds is False
    return worst


if __name__ == "__main__":
    raise SystemExit(main())
