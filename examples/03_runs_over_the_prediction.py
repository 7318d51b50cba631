"""Does training end where the equilibria say? Linear EMA runs laid over the predicted stable set.

    python examples/03_runs_over_the_prediction.py [FOLDER]

leaves the run and overlay.html, overlay.png and overlay.json in FOLDER (a temporary one otherwise).
"""

import sys
import tempfile

import equilibria as eq
from empirical.overlay import overlay
from empirical.simulate import simulate


def main(folder: str) -> None:
    model = eq.Model(procedure="ema", ema="9/10")
    simulate(model, runs=48, out=folder, overwrite=True, log_every=20)
    print("\n".join(overlay([folder]).lines))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(sys.argv[1])
    else:
        with tempfile.TemporaryDirectory() as place:
            main(place)
