"""Real images that lie beside the project, not in it; what needs them says so where they are absent."""

from __future__ import annotations

from pathlib import Path

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
IMAGES = DATA / "cifar10" / "cifar10_small.npz"
