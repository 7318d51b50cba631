"""Why does SimSiam not collapse? The digits with and without stop-gradient, seconds on one core.

python examples/networks/digits.py
"""

from __future__ import annotations

import argparse
import sys

from empirical.experiments.papers.script import guarded
from empirical.networks import train
from empirical.networks.settings import settings_from


def main(epochs: str) -> int:
    """Train both and print the verdicts with their grounds."""
    for method in ("simsiam", "joint"):
        result = train(settings_from({"method": method, "epochs": epochs}))
        print(*result.lines, sep="\n")
        print()
    return 0


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--epochs", default="80", help="of each of the two (80)")
    given = words.parse_args()
    sys.exit(guarded(lambda: main(given.epochs)))
