"""48 runs of BYOL's linear model from random starts, laid over what is predicted for them.

    python examples/run_overlay_linear.py

takes about a minute, leaves the run folder runs/overlay-linear and the figure examples/overlay.png.
"""

import shutil
from pathlib import Path

from empirical.overlay import overlay
from empirical.simulate import simulate
from equilibria import Model

HERE = Path(__file__).resolve().parent
RUN = Path("runs") / "overlay-linear"


def main() -> None:
    model = Model(procedure="ema")  # n = d = 2, mu = 0.99, h = 0.1, eta = 0.05
    simulate(model, runs=48, seed=0, out=RUN, overwrite=True, log_every=20)
    result = overlay([RUN])
    print("\n".join(result.lines))
    shutil.copyfile(RUN / "overlay.png", HERE / "overlay.png")


if __name__ == "__main__":
    main()
