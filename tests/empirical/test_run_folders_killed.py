"""Processes killed at random moments, two in one folder, data that move and data that change."""

from __future__ import annotations

import errno
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest

from empirical.runs import whereabouts
from empirical.runs.folder import RunFolder
from empirical.runs.locks import LOCK, local_only, locked
from empirical.runs.whereabouts import described, fingerprint, found_again
from equilibria.errors import FormatError

ROOT = Path(__file__).resolve().parents[2]

# --- folders that are being made -----------------------------------------------------------------

MAKER = """
import sys
from pathlib import Path
from empirical.runs.folder import RunFolder
print("ready", flush=True)
for i in range(10**6):
    RunFolder.create(Path(sys.argv[1]) / f"run-{i}", {"seed": i}, files={"moments.npz": b"x" * 4096})
"""


def killed_after(code: str, seconds: float, *arguments: str) -> None:
    command = [sys.executable, "-c", code, *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        time.sleep(seconds)
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL


def test_a_folder_is_whole_or_not_there_whenever_its_maker_is_killed(tmp_path: Path) -> None:
    rng = random.Random(0)
    for attempt in range(6):
        place = tmp_path / str(attempt)
        killed_after(MAKER, rng.uniform(0.0, 0.1), str(place))
        made = [p for p in place.iterdir() if not p.name.startswith(".")] if place.exists() else []
        for run in made:
            assert RunFolder.open(run).config["seed"] == int(run.name[4:])
            assert (run / "moments.npz").read_bytes() == b"x" * 4096
        again = RunFolder.create(place / f"run-{len(made)}", {"seed": 1})
        assert again.config["seed"] == 1


def test_what_a_killed_maker_left_goes_and_that_of_a_living_one_stays(
    tmp_path: Path, monkeypatch
) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()

    def left(process: int) -> Path:
        monkeypatch.setattr("os.getpid", lambda: process)
        with monkeypatch.context() as patch:
            patch.setattr("shutil.rmtree", lambda *_, **__: None)  # as after a kill
            patch.setattr("os.rename", lambda *_: (_ for _ in ()).throw(OSError(errno.EEXIST, "")))
            with pytest.raises(FileNotFoundError):
                RunFolder.create(tmp_path / "run", {})
        (found,) = tmp_path.glob(f".run.*.{process}.*")
        return found

    gone, kept = left(dead.pid), left(os.getppid())
    RunFolder.create(tmp_path / "run", {})
    assert not gone.exists()
    assert kept.exists()


@pytest.mark.parametrize("name", [".config.toml.x8", "moments.npz", ".moments.npz.abc", LOCK])
def test_a_folder_left_half_made_is_no_obstacle(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"half")
    run = RunFolder.create(tmp_path, {"seed": 3}, files={"starts.npz": b"whole"})
    assert run.config["seed"] == 3
    names = {entry.name for entry in tmp_path.iterdir()}
    assert names == {"config.toml", "starts.npz", LOCK}


def test_a_file_of_somebody_else_is_an_obstacle(tmp_path: Path) -> None:
    (tmp_path / "moments.npz").write_bytes(b"half")
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(FormatError, match="already holds"):
        RunFolder.create(tmp_path, {})
    assert (tmp_path / "moments.npz").read_bytes() == b"half"


# --- two processes -------------------------------------------------------------------------------

HOLDER = """
import sys, time
from pathlib import Path
from empirical.runs.locks import locked
with locked(Path(sys.argv[1])):
    print("ready", flush=True)
    time.sleep(600)
"""


def test_a_second_writer_is_refused_by_name_until_the_first_is_killed(tmp_path: Path) -> None:
    run = RunFolder.create(tmp_path / "run", {})
    command = [sys.executable, "-c", HOLDER, str(run.path)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            words = f"process {process.pid} on .* is writing"
            with pytest.raises(FormatError, match=words), run.locked():
                pass
            with pytest.raises(FormatError, match="is writing"):
                RunFolder.create(run.path, {}, overwrite=True)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        with run.locked():
            pass


def test_a_lock_is_taken_and_given_back(tmp_path: Path) -> None:
    for _ in range(2):
        with locked(tmp_path):
            with pytest.raises(FormatError, match="is writing"), locked(tmp_path):
                pass
            with pytest.raises(FormatError, match="is writing"), locked(tmp_path):
                pass  # who was refused has not taken it away
    with suppress(KeyError), locked(tmp_path):
        raise KeyError
    with locked(tmp_path):
        pass


def test_a_file_system_without_locks_is_named_and_does_not_stop_a_run(
    tmp_path: Path, monkeypatch
) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.warns(UserWarning, match="takes no locks"), locked(tmp_path):
        pass


MOUNTS = (
    "/dev/a / ext4 rw 0 0\n"
    "srv:/home /home nfs4 rw,vers=4.2,local_lock=none 0 0\n"
    "srv:/old /old nfs rw,nolock,vers=3 0 0\n"
    "srv:/my\\040old /my\\040old nfs rw,local_lock=all 0 0\n"
    "me@srv: /home/me/away fuse.sshfs rw 0 0\n"
)


@pytest.mark.parametrize(
    ("place", "kind"),
    [
        ("/data/run", None),
        ("/home/me/run", None),
        ("/old/run", "nfs"),
        ("/older", None),
        ("/my old/run", "nfs"),
        ("/home/me/away/run", "fuse.sshfs"),
    ],
)
def test_locks_that_hold_on_one_computer_alone_are_told_by_the_mount(
    place: str, kind: str | None
) -> None:
    assert local_only(Path(place), MOUNTS) == kind
    turned = "\n".join(MOUNTS.splitlines()[::-1])
    assert local_only(Path(place), turned) == kind  # the deepest mount counts, not the last


def test_a_lock_that_others_do_not_see_warns(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr("empirical.runs.locks.local_only", lambda _: "nfs")
    with pytest.warns(UserWarning, match="nfs keeps locks on this computer"), locked(tmp_path):
        pass


# --- data ----------------------------------------------------------------------------------------


def test_data_are_found_from_anywhere_and_after_a_move(tmp_path: Path, monkeypatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    (old / "data").mkdir(parents=True)
    (old / "data" / "x.npz").write_bytes(b"x")
    monkeypatch.chdir(old)
    record = described("data/x.npz", Path("runs/a"))
    monkeypatch.chdir(tmp_path)
    assert found_again(record, old / "runs" / "a", "--resume") == str(old / "data" / "x.npz")
    old.rename(new)
    assert found_again(record, new / "runs" / "a", "--resume") == str(new / "data" / "x.npz")
    (new / "data" / "x.npz").unlink()
    with pytest.raises(FormatError, match=r"--resume: the data of this run are not at .*x\.npz"):
        found_again(record, new / "runs" / "a", "--resume")


def test_a_fingerprint_sees_every_byte_of_small_data_and_says_what_it_sees_of_large(
    monkeypatch,
) -> None:
    rng = np.random.default_rng(0)
    arrays = {"train": rng.integers(0, 256, (5000, 8, 8, 1), np.uint8), "labels": np.arange(5000)}
    whole, scope = fingerprint(arrays)
    assert scope == "every byte"
    for row in (0, 1234, 4999):
        changed = {name: value.copy() for name, value in arrays.items()}
        changed["train"][row, 3, 3, 0] ^= 1
        assert fingerprint(changed)[0] != whole
    assert fingerprint({**arrays, "labels": arrays["labels"][::-1]})[0] != whole
    assert fingerprint({**arrays, "train": arrays["train"].reshape(5000, 4, 16, 1)})[0] != whole
    with monkeypatch.context() as patch:  # in however many pieces it is read
        patch.setattr(whereabouts, "CHUNK", 1 << 12)
        assert fingerprint(arrays) == (whole, "every byte")
    monkeypatch.setattr(whereabouts, "WHOLE", 1 << 17)
    monkeypatch.setattr(whereabouts, "SAMPLE", 1 << 16)
    monkeypatch.setattr(whereabouts, "CHUNK", 1 << 16)
    sampled, scope = fingerprint(arrays)
    rows = int(scope.split(" train")[0].split()[-3].replace(",", ""))
    assert scope.startswith("shapes and ")
    assert 100 < rows < 5000
    for row in (0, 4999):  # the ends are always among them
        changed = {name: value.copy() for name, value in arrays.items()}
        changed["train"][row] ^= 1
        assert fingerprint(changed)[0] != sampled
    shuffled = {**arrays, "train": arrays["train"][rng.permutation(5000)]}
    assert fingerprint(shuffled)[0] != sampled
    assert fingerprint({**arrays, "train": arrays["train"][:-1]})[0] != sampled


# --- simulate ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("first", "then"), [(7, 16), (16, 7), (7, 3)])
def test_waves_of_another_size_lose_no_run(
    tmp_path: Path, monkeypatch, first: int, then: int
) -> None:
    pytest.importorskip("torch")
    from empirical.linear.simulate import resume, simulate
    from empirical.linear.simulation import Simulation
    from equilibria.systems.model import Model

    model = Model(embed_dim=2)
    size = 8 * 24 * (2 * model.n * model.d + model.n**2)
    monkeypatch.setattr("empirical.linear.record.TRACKED_BYTES", 1)

    def waves(runs: int) -> None:
        monkeypatch.setattr(
            "empirical.linear.simulation.WAVE_BYTES", {"cpu": runs * size, "cuda": size}
        )

    class Killed(Exception):
        pass

    waves(1000)
    whole = simulate(model, runs=40, steps=300, device="cpu")
    for after in (1, 5, 14):
        place, count = tmp_path / str(after), 0

        def save(self: Simulation, real=Simulation.save, after: int = after) -> None:
            nonlocal count
            real(self)
            count += 1
            if count == after:
                raise Killed

        waves(first)
        with monkeypatch.context() as patch:
            patch.setattr(Simulation, "save", save)
            with pytest.raises(Killed):
                simulate(model, runs=40, steps=300, out=place, device="cpu", checkpoint_seconds=0)
        waves(then)
        found = resume(place)
        for name in ("final_W", "final_P", "final_step", "status", "stratum"):
            np.testing.assert_array_equal(found.arrays[name], whole.arrays[name])


def test_a_simulation_holds_the_lock_while_it_runs(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("torch")
    from empirical.linear.simulate import resume, simulate
    from empirical.linear.simulation import Simulation
    from equilibria.systems.model import Model

    runs = 0

    def run(self: Simulation, *arguments: object, real=Simulation.run) -> None:
        nonlocal runs
        runs += 1
        with pytest.raises(FormatError, match="is writing to this run"), locked(tmp_path / "run"):
            pass
        real(self, *arguments)

    monkeypatch.setattr(Simulation, "run", run)
    simulate(Model(), runs=2, steps=20, out=tmp_path / "run", device="cpu")
    resume(tmp_path / "run")
    assert runs == 2
    with locked(tmp_path / "run"), pytest.raises(FormatError, match="is writing to this run"):
        resume(tmp_path / "run")


def test_a_simulation_on_data_goes_on_from_another_directory(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("torch")
    from empirical.linear.simulate import resume, simulate
    from equilibria.systems.model import Model

    rng = np.random.default_rng(0)
    x = rng.normal(size=(64, 2))
    np.savez(tmp_path / "pairs.npz", x=x, y=x + 0.3 * rng.normal(size=(64, 2)))
    monkeypatch.chdir(tmp_path)
    options = {"runs": 3, "steps": 40, "batch_size": 8, "data": "pairs.npz", "device": "cpu"}
    done = simulate(Model(), out="run", **options)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    np.testing.assert_array_equal(resume("../run").arrays["final_W"], done.arrays["final_W"])
    np.savez(tmp_path / "pairs.npz", x=x, y=x)
    with pytest.raises(FormatError, match="changed since the run began"):
        resume("../run")


# --- train ---------------------------------------------------------------------------------------


def images(place: Path, seed: int = 0) -> None:
    rng = np.random.default_rng(seed)
    arrays = {}
    for part, count in (("train", 96), ("test", 48)):
        arrays[f"x_{part}"] = rng.integers(0, 256, (count, 8, 8, 1), np.uint8)
        arrays[f"y_{part}"] = np.arange(count) % 4
    np.savez(place, **arrays)


TRAIN = {
    "steps": "12", "batch_size": "32", "curl": "no", "threads": "1", "log_every": "4",
    "checkpoint_every": "4", "backbone": "linear", "head": "4", "device": "cpu",
}  # fmt: skip


def test_a_run_of_train_knows_its_data_and_its_writer(tmp_path: Path, monkeypatch) -> None:
    pytest.importorskip("torch")
    from empirical.networks.session import train_as_typed

    images(tmp_path / "data.npz")
    monkeypatch.chdir(tmp_path)
    train_as_typed(**TRAIN, dataset="data.npz", out="run")
    run = RunFolder.open("run")
    assert run.config["data"]["fingerprint-of"] == "every byte"
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    before = run.config
    (tmp_path / "run" / "summary.json").unlink()
    again = train_as_typed(resume="../run")
    assert again.data["dataset"] == "data.npz"
    assert RunFolder.open("../run").config == before
    with locked(tmp_path / "run"), pytest.raises(FormatError, match="is writing to this run"):
        train_as_typed(resume="../run")
    metrics = (tmp_path / "run" / "metrics.jsonl").read_bytes()
    images(tmp_path / "data.npz", seed=1)
    with pytest.raises(FormatError, match="are not those that the run began with"):
        train_as_typed(resume="../run")
    assert (tmp_path / "run" / "metrics.jsonl").read_bytes() == metrics


def test_a_run_killed_before_its_first_checkpoint_begins_again(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    pytest.importorskip("sklearn")
    from empirical.networks.session import train_as_typed

    train_as_typed(**TRAIN, dataset="latent", out=str(tmp_path / "whole"))
    train_as_typed(**TRAIN, dataset="latent", out=str(tmp_path / "run"))
    for file in (tmp_path / "run").iterdir():
        if file.name not in ("config.toml", "metrics.jsonl"):
            file.unlink()
    train_as_typed(resume=str(tmp_path / "run"))
    first, second = (RunFolder.open(tmp_path / n).trajectory() for n in ("whole", "run"))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
    assert [line["step"] for line in RunFolder.open(tmp_path / "run").metrics()] == [0, 4, 8, 12]


TRAINER = """
import sys
from empirical.networks.session import train_as_typed
how, place, data = sys.argv[1:4]
print("ready", flush=True)
if how == "begin":
    train_as_typed(steps="300", batch_size="32", curl="no", threads="1", log_every="5",
                  checkpoint_every="7", backbone="linear", head="4", device="cpu",
                  dataset=data, out=place)
else:
    train_as_typed(resume=place)
"""


@pytest.mark.slow
def test_train_killed_at_random_moments_ends_as_if_it_had_not_been(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    images(tmp_path / "data.npz")
    data = str(tmp_path / "data.npz")

    def started(how: str, place: Path) -> subprocess.Popen:
        command = [sys.executable, "-c", TRAINER, how, str(place), data]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        return process

    begun = time.monotonic()
    with started("begin", tmp_path / "whole") as process:
        assert process.wait() == 0
    length, rng, kills = time.monotonic() - begun, random.Random(1), 0
    place = tmp_path / "killed"
    for _ in range(40):
        with started("resume" if place.exists() else "begin", place) as process:
            try:
                assert process.wait(rng.uniform(0, 0.7 * length)) == 0
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                kills += process.wait() == -signal.SIGKILL
    else:
        with started("resume", place) as process:
            assert process.wait() == 0
    assert kills >= 2
    first, second = (RunFolder.open(tmp_path / n).trajectory() for n in ("whole", "killed"))
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
