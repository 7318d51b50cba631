"""The commands that leave something behind: certificates and runs, through the front door."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from empirical.commands import program


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    try:
        code = program.main(list(words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_certificate_is_written_and_holds(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "ema.json"
    code, _, _ = run(capsys, "equilibria", "--ema", "0.99", "--certificate", str(path))
    assert code == 0
    code, out, _ = run(capsys, "verify", str(path))
    assert code == 0
    assert out.startswith("holds: 9 components, 18 verdicts")
    path.write_text(path.read_text().replace('"unstable"', '"stable"', 1), encoding="utf-8")
    code, out, _ = run(capsys, "verify", str(path))
    assert code == 1
    assert out.startswith("fails: components[")
    assert out.count("\n") == 1


def test_verify_refuses_what_is_no_certificate(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert run(capsys, "verify", str(tmp_path / "none.json"))[0] == 2
    path = tmp_path / "other.json"
    path.write_text("[1, 2", encoding="utf-8")
    code, out, _ = run(capsys, "verify", str(path))
    assert code == 1
    assert out.startswith("fails:")


def test_a_certificate_of_a_system_file_is_refused(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    system, path = "examples/systems/conic.toml", tmp_path / "c.json"
    code, _, err = run(capsys, "equilibria", "--procedure", system, "--certificate", str(path))
    assert code == 2
    assert "--certificate" in err
    assert not path.exists()


def test_simulate_and_overlay_agree_with_the_prediction(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    folder = tmp_path / "run"
    words = (
        "--ema",
        "0.9",
        "--runs",
        "24",
        "--out",
        str(folder),
        "--json",
        str(tmp_path / "s.json"),
    )
    code, out, _ = run(capsys, "simulate", *words)
    assert code == 0, out
    assert "predicted stable" in out
    assert json.loads((tmp_path / "s.json").read_text())["agreement"] == 1.0
    code, out, err = run(capsys, "overlay", str(folder))
    assert code == 0, out + err
    overlay = json.loads((folder / "overlay.json").read_text())
    assert overlay["schema"] == "noncollapse/overlay/1"
    assert overlay["agreement"] == 1.0
    assert (folder / "overlay.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "overlay.html").read_text(encoding="utf-8")


def test_a_run_folder_is_not_overwritten(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torch")
    words = ("simulate", "--runs", "2", "--steps", "3", "--out", str(tmp_path / "run"))
    run(capsys, *words)
    code, _, err = run(capsys, *words)
    assert code == 2
    assert "already holds a run" in err


def test_overlay_of_something_else_is_one_line(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    code, _, err = run(capsys, "overlay", str(tmp_path / "nothing"))
    assert code == 2
    assert err.count("\n") <= 3


def test_train_on_digits_says_what_became_of_the_run(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("sklearn")
    words = (
        "--backbone",
        "mlp",
        "--epochs",
        "2",
        "--device",
        "cpu",
        "--out",
        str(tmp_path / "run"),
    )
    code, out, err = run(capsys, "train", *words)
    assert code in (0, 3), out + err
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["schema"] == "noncollapse/run/1"
    assert summary["dataset"] == "digits"


@pytest.mark.parametrize("command", ["simulate", "train"])
def test_without_pytorch_the_fix_is_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *a: None if name == "torch" else found(name, *a)
    )
    code, _, err = run(capsys, command)
    assert code == 2
    assert f"{command}: needs torch" in err
    assert "pip install" in err
