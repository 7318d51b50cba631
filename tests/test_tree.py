"""What is in the repository: no name that reads as an option, no large file, no script that guesses."""

from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LARGEST = 400_000
"""Bytes of a tracked file at most; results of runs are made again, not kept."""

SCRIPTS = sorted([*(ROOT / "examples").rglob("*.py"), *(ROOT / "benchmarks").rglob("*.py")])


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a checkout: nothing is tracked here")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    return [Path(name) for name in listed.stdout.decode().split("\0") if name]


def test_no_tracked_name_reads_as_an_option(tracked: list[Path]) -> None:
    assert len(tracked) > 100
    assert [name for name in tracked if any(part.startswith("-") for part in name.parts)] == []


def test_no_tracked_file_is_large(tracked: list[Path]) -> None:
    there = [ROOT / name for name in tracked if (ROOT / name).is_file()]
    sizes = {str(file.relative_to(ROOT)): file.stat().st_size for file in there}
    assert {name: size for name, size in sizes.items() if size > LARGEST} == {}


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda p: str(p.relative_to(ROOT)))
def test_every_script_parses_its_arguments(path: Path) -> None:
    """A script that takes words as they come once took `--help` for the name of a folder."""
    called, read = set(), set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            called.add(getattr(node.func, "id", getattr(node.func, "attr", "")))
        if isinstance(node, ast.Attribute):
            read.add(node.attr)
    assert called & {"parse_args", "run_script"}
    assert "argv" not in read
