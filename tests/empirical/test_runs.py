"""Run folders: nothing half-written, nothing lost, every problem one line that names the file."""

from __future__ import annotations

import json
import tomllib
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from empirical.runs.folder import RunFolder, default_place
from empirical.runs.toml import toml_text
from equilibria.errors import FormatError

MOMENTS = {"Sigma": np.eye(3), "M": np.eye(3) / 2}


def made(tmp_path: Path, **config: object) -> RunFolder:
    return RunFolder.create(tmp_path / "run", {"procedure": "ema", "seed": 7, **config})


def test_a_configuration_reads_back_as_it_was_written(tmp_path: Path) -> None:
    config = {
        "lr": Fraction(1, 10), "name": 'quote " \\ \n \x7f é', "signal": ["1", "3/4"],
        "scale": 1e-5, "whole": 2.0, "on": True, "none": None, "strange name": [[1, 2], [3, 4]],
    }  # fmt: skip
    run = made(tmp_path, **config)
    read = dict(RunFolder.open(run.path).config)
    assert read.pop("versions")["noncollapse"]
    expected = {**config, "lr": "1/10", "procedure": "ema", "seed": 7}
    del expected["none"]
    assert read == expected


def test_toml_of_any_text_is_read_back(tmp_path: Path) -> None:
    text = "".join(map(chr, range(1, 256)))
    assert tomllib.loads(toml_text({"text": text}))["text"] == text


def test_a_value_that_toml_cannot_hold_is_refused() -> None:
    with pytest.raises(FormatError, match="config x: object"):
        toml_text({"x": object()})


def test_a_directory_with_something_in_it_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FormatError, match=r"already holds 'thesis.tex', which is no run"):
        RunFolder.create(tmp_path, {"seed": 0})
    assert [p.name for p in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_run_is_not_overwritten_unless_told(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.log({"step": 1})
    (run.path / "notes.txt").write_text("mine")
    with pytest.raises(FormatError, match="already holds a run") as caught:
        made(tmp_path)
    assert "--resume" in (caught.value.hint or "")
    again = RunFolder.create(run.path, {"procedure": "joint", "seed": 1}, overwrite=True)
    assert again.config["procedure"] == "joint"
    assert again.metrics() == []
    assert (run.path / "notes.txt").read_text() == "mine"


def test_a_place_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FormatError, match=r"--out .*file/run: cannot make that directory"):
        RunFolder.create(tmp_path / "file" / "run", {})


@pytest.mark.parametrize("text", [None, "not = = toml"])
def test_opening_what_is_no_run_names_it(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "config.toml").write_text(text)
    with pytest.raises(FormatError, match=str(tmp_path)):
        RunFolder.open(tmp_path)


def test_metrics_hold_no_nan_and_survive_a_cut_line(tmp_path: Path) -> None:
    run = made(tmp_path)
    run.log({"step": 1, "loss": float("nan"), "std": np.float64(0.5), "w": np.ones(2)})
    run.log({"step": 2, "loss": float("inf")})
    with open(run.path / "metrics.jsonl", "a") as stream:
        stream.write('{"step": 3, "lo')
    assert [r["step"] for r in run.metrics()] == [1, 2]
    assert run.metrics()[0] == {"step": 1, "loss": None, "std": 0.5, "w": [1.0, 1.0]}
    run.truncate_metrics(1)
    run.log({"step": 2, "loss": 0.25})
    lines = (run.path / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line)["step"] for line in lines] == [1, 2]
    assert run.metrics()[1]["loss"] == 0.25


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path: Path) -> None:
    run = made(tmp_path)
    (run.path / "metrics.jsonl").write_text('{"step": 1}\n{"st\n{"step": 3}\n')
    with pytest.raises(FormatError, match="line 2"):
        run.metrics()


def test_a_full_disk_takes_the_line_back_whole(tmp_path: Path, monkeypatch) -> None:
    run = made(tmp_path)
    run.log({"step": 1})
    before = (run.path / "metrics.jsonl").read_bytes()
    import builtins

    real = builtins.open

    class Full:
        def __init__(self, stream) -> None:
            self.stream = stream

        def __enter__(self):
            return self

        def __exit__(self, *_) -> None:
            self.stream.close()

        def write(self, data: bytes) -> int:
            return self.stream.write(data[:5])  # the disk took five bytes

        def __getattr__(self, name: str):
            return getattr(self.stream, name)

    monkeypatch.setattr(builtins, "open", lambda *a, **k: Full(real(*a, **k)))
    with pytest.raises(FormatError, match=r"metrics.jsonl: cannot write there .*--resume"):
        run.log({"step": 2})
    monkeypatch.undo()
    assert (run.path / "metrics.jsonl").read_bytes() == before


def test_a_trajectory_comes_back_in_double_precision(tmp_path: Path) -> None:
    run = made(tmp_path)
    W = np.arange(24, dtype=np.float32).reshape(2, 2, 2, 3)
    run.save_trajectory(step=np.array([0, 9]), W=W, P=np.zeros((2, 2, 2, 2)), **MOMENTS)
    read = run.trajectory()
    assert read["W"].dtype == np.float64
    np.testing.assert_array_equal(read["W"], W)


def test_moments_may_move_and_one_run_needs_no_axis(tmp_path: Path) -> None:
    run = made(tmp_path)
    moving = {name: np.stack([value, value]) for name, value in MOMENTS.items()}
    run.save_trajectory(
        step=np.array([0, 1]), W=np.zeros((2, 2, 3)), P=np.zeros((2, 2, 2)), **moving
    )
    assert run.trajectory()["Sigma"].shape == (2, 3, 3)


@pytest.mark.parametrize(
    ("name", "value"),
    [("P", np.zeros((2, 3, 3))), ("step", np.zeros(3)), ("Sigma", np.eye(2)), ("W", np.zeros(3))],
)
def test_shapes_that_disagree_are_refused(tmp_path: Path, name: str, value: np.ndarray) -> None:
    run = made(tmp_path)
    arrays = {"step": np.arange(2), "W": np.zeros((2, 2, 3)), "P": np.zeros((2, 2, 2)), **MOMENTS}
    with pytest.raises(FormatError, match=f"{name} has shape"):
        run.save_trajectory(**{**arrays, name: value})
    assert not (run.path / "trajectory.npz").exists()


@pytest.mark.parametrize("damage", ["cut", "pickle", "text", "absent"])
def test_a_trajectory_that_is_none_is_named(tmp_path: Path, damage: str) -> None:
    run = made(tmp_path)
    file = run.path / "trajectory.npz"
    if damage == "cut":
        run.save_trajectory(
            step=np.arange(2), W=np.zeros((2, 2, 3)), P=np.zeros((2, 2, 2)), **MOMENTS
        )
        file.write_bytes(file.read_bytes()[:200])
    elif damage == "pickle":
        np.savez(file, step=np.array([{}], dtype=object))
    elif damage == "text":
        file.write_text("hello")
    with pytest.raises(FormatError, match=r"trajectory\.npz"):
        run.trajectory()


def test_the_last_two_checkpoints_are_kept(tmp_path: Path) -> None:
    run = made(tmp_path)
    for step in (5, 10, 1000):
        run.save_checkpoint(step, {"W": np.full((2, 3), float(step)), "n": np.array(step)})
    names = sorted(p.name for p in run.path.glob("checkpoint-*"))
    assert names == ["checkpoint-000000010.safetensors", "checkpoint-000001000.safetensors"]
    last = run.last_checkpoint(framework="np")
    assert last is not None
    assert (last.step, int(last.tensors["n"])) == (1000, 1000)


@pytest.mark.parametrize("damage", ["cut", "bit", "empty"])
def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    tmp_path: Path, damage: str
) -> None:
    run = made(tmp_path)
    run.save_checkpoint(1, {"W": np.ones((4, 4))})
    path = run.save_checkpoint(2, {"W": np.full((4, 4), 2.0)})
    data = bytearray(path.read_bytes())
    data = data[:-5] if damage == "cut" else bytearray() if damage == "empty" else data
    if damage == "bit":
        data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.warns(
        UserWarning, match=r"checkpoint-000000002.safetensors.*the checkpoint before"
    ):
        last = run.last_checkpoint(framework="np")
    assert last is not None
    assert last.step == 1


def test_torch_tensors_come_back_bit_for_bit(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    run = made(tmp_path)
    base = torch.randn(6, 4, dtype=torch.float64)
    tensors = {
        "turned": base.T,
        "part": base[:2],
        "half": base.to(torch.bfloat16),
        "n": torch.tensor(3),
    }
    run.save_checkpoint(4, tensors, {"epoch": "2"})
    last = run.last_checkpoint()
    assert last is not None
    assert last.metadata["epoch"] == "2"
    assert all(torch.equal(last.tensors[name], value) for name, value in tensors.items())


def test_a_run_without_summary_says_how_to_go_on(tmp_path: Path) -> None:
    run = made(tmp_path)
    with pytest.raises(FormatError, match="--resume"):
        run.summary()
    run.write_summary({"procedure": "ema", "knn": float("nan")})
    assert run.summary() == {"schema": "noncollapse/run/1", "procedure": "ema", "knn": None}


def test_the_hash_changes_with_the_trajectory_alone(tmp_path: Path) -> None:
    run = made(tmp_path)
    first = run.digest()
    run.log({"step": 1, "seconds": 0.1})
    assert run.digest() == first
    run.save_trajectory(step=np.arange(2), W=np.zeros((2, 2, 3)), P=np.zeros((2, 2, 2)), **MOMENTS)
    assert run.digest() != first


def test_leftovers_of_a_killed_writer_are_removed(tmp_path: Path) -> None:
    run = made(tmp_path)
    (run.path / ".checkpoint-000000002.safetensors.x8s7").write_bytes(b"half")
    run.clear_leftovers()
    assert [p.name for p in run.path.iterdir()] == ["config.toml"]


def test_the_default_place_carries_the_name(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda _: "20260102-030405")
    for name in ("ema", "ema-2", "ema-3"):
        place = default_place("ema")
        assert place == Path("runs") / f"20260102-030405-{name}"
        place.mkdir(parents=True)


def test_importing_the_measured_half_loads_no_torch() -> None:
    import subprocess
    import sys

    code = "import sys, empirical, empirical.runs.folder; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
