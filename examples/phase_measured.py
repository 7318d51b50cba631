"""The phase diagram with training on it: every run is a mark on the predicted regions.

    python examples/phase_measured.py                          weight decay against learning rate
    python examples/phase_measured.py --axes ema-predictor     EMA momentum against predictor rate
    python examples/phase_measured.py --full                   more cells, more runs

Prediction: `phase`. Measured: batched training of linear models from random starts. A run agrees when
it came to rest on a component that is predicted stable at its own rates.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.measured_phase import draw_measured, measure_question
from empirical.phase_questions import QUESTIONS
from equilibria.files import atomic, write_text


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    words.add_argument("--axes", choices=sorted(QUESTIONS), default="decay-lr")
    words.add_argument("--full", action="store_true", help="21 x 17 cells of 16 runs")
    words.add_argument("--seed", type=int, default=0)
    words.add_argument("--plot", metavar="F", help="write the figure, .png or .svg")
    words.add_argument("--out", metavar="F.json", help="write the numbers")
    options = words.parse_args()
    measured = measure_question(QUESTIONS[options.axes], seed=options.seed, full=options.full)
    right = measured.settled - measured.disagreeing
    share = 0.0 if measured.agreement is None else 100 * measured.agreement
    print(f"{measured.x.name} x {measured.y.name}: {measured.ranks.size} runs")
    print("  " + ", ".join(f"{count} {word}" for word, count in measured.counts.items()))
    print(
        f"  agreement {share:.1f} %: {right} of {measured.settled} settled runs rest where predicted"
    )
    if options.plot:
        with atomic(options.plot, "--plot", binary=True) as stream:
            draw_measured(measured, stream, Path(options.plot).suffix[1:])
    if options.out:
        found = {"axes": options.axes, "counts": measured.counts, "agreement": measured.agreement}
        write_text(options.out, json.dumps(found, indent=1) + "\n", "--out")


if __name__ == "__main__":
    main()
