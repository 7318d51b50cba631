"""Does training end where the equilibria say? Linear EMA runs laid over the predicted stable set.

    python examples/03_runs_over_the_prediction.py [FOLDER]

leaves the run and overlay.html, overlay.png and overlay.json in FOLDER (a temporary one otherwise).
"""

import argparse
import sys
import tempfile

import equilibria as eq
from empirical.experiments.papers.script import guarded
from empirical.linear.simulate import simulate
from empirical.overlay import overlay


def main(folder: str) -> int:
    model = eq.Model(procedure="ema", ema="9/10")
    simulate(model, runs=48, out=folder, overwrite=True, log_every=20)
    print("\n".join(overlay([folder]).lines))
    return 0


if __name__ == "__main__":
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument("folder", metavar="FOLDER", nargs="?", help="where the run stays")
    given = words.parse_args()
    if given.folder is not None:
        sys.exit(guarded(lambda: main(given.folder)))
    with tempfile.TemporaryDirectory() as place:
        main(place)
