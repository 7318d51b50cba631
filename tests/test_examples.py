"""The examples run and say what they are about."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXPECTED = {
    "01_byol_equilibria.py": "stable for every h below 1.4398",
    "02_why_joint_training_collapses.py": "Only full collapse is stable",
    "03_runs_over_the_prediction.py": "agreement 48 of 48",
}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_example(name: str) -> None:
    done = subprocess.run(
        [sys.executable, f"examples/{name}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert EXPECTED[name] in done.stdout


def test_every_numbered_example_is_tested() -> None:
    assert {path.name for path in (ROOT / "examples").glob("[0-9]*.py")} == set(EXPECTED)


SCRIPTS = sorted(path.name for path in (ROOT / "examples").glob("[!0-9]*.py"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_explains_itself(name: str) -> None:
    """The experiments of the papers take minutes; their functions are tested in tests/empirical."""
    done = subprocess.run(
        [sys.executable, f"examples/{name}", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout
