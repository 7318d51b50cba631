"""The ledger asks for experiments that exist, and the registry is read without torch."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from empirical.experiments.registry import ALL
from equilibria.claims import ledger_files, read_claims

ROOT = Path(__file__).resolve().parents[2]


def test_every_experiment_of_the_ledger_is_there() -> None:
    names = {c.holds["experiment"] for c in read_claims(ledger_files()) if c.empirical}
    assert names <= set(ALL)
    assert len(names) >= 20


def test_the_registry_does_not_load_torch() -> None:
    code = "import sys, empirical.experiments.registry; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "False"
