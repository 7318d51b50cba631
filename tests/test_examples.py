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


SCRIPTS = sorted(
    str(path.relative_to(ROOT / "examples")) for path in (ROOT / "examples").rglob("*.py")
)


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


@pytest.mark.parametrize(
    "words",
    [
        ["03_runs_over_the_prediction.py", "--", "-runs"],
        ["networks/photographs.py", "none.npz", "--plot=-x.png"],
        ["tian2020_hltm.py", "--out=-x"],
        ["linear_claims.py", "--out=-x/y"],
    ],
    ids=" ".join,
)
def test_a_script_writes_nothing_whose_name_reads_as_an_option(
    words: list[str], tmp_path: Path
) -> None:
    script, *rest = words
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / script), *rest],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ")
    assert "would be taken for an option" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("word", ["--plot=-x.png", "--out=-x.json"])
def test_neither_does_a_script_of_the_papers(
    word: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("torch")
    from empirical.experiments.papers.script import run_script

    monkeypatch.chdir(tmp_path)
    assert run_script("words", (), lambda figure, answers: None, arguments=[word]) == 2
    assert "would be taken for an option" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
