"""The names of the procedures, and what a model is where nothing is said.

`Model` and `Moments` read them and `--help` shows them, so nothing is imported here.
"""

from __future__ import annotations

PROCEDURE_NAMES = ("joint", "stop-gradient", "ema", "direct-pred", "direct-copy", "contrastive")
"""In the order in which they are shown; `direct-pred` is the file `procedures/direct_pred.py`."""

LR = "1/10"
WEIGHT_DECAY = "1/20"
PREDICTOR_LR = "1"
MOMENTUM = "0"
EMA = "0.99"
EMBED_DIM = "2"
LAYERS = "1"
NOISE = "1/4"
