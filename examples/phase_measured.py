"""The phase diagram with training on it: every run is a mark on the predicted regions.

    python examples/phase_measured.py [--axes ema-predictor] [--seed N] [--full]
        [--plot F.png] [--out F.json]

Weight decay against learning rate, or EMA momentum against predictor rate; --full: 21 x 17 points of
16 runs in place of 9 x 7 of 9.
Prediction: `phase`. Measured: batched training of linear models from random starts. A run agrees when
it came to rest on a component that is predicted stable at its own rates.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from empirical.experiments.measured_phase import answer, draw_measured
from empirical.experiments.papers.script import run_script
from empirical.experiments.phase_questions import QUESTIONS


def draw(figure, answers):
    """The predicted diagram with a mark for every run."""
    draw_measured(figure, answers[0].drawn["measured"])


def axes() -> argparse.ArgumentParser:
    """Return the option that says which diagram."""
    words = argparse.ArgumentParser(add_help=False)
    words.add_argument("--axes", choices=sorted(QUESTIONS), default="decay-lr", help="(decay-lr)")
    return words


if __name__ == "__main__":
    sys.exit(run_script(__doc__, (answer,), draw, size=(7.4, 5.6), more=axes()))
