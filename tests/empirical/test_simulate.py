"""Many runs at once: the same as one at a time, classified by where they rest, killed and resumed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from empirical.commands.simulate import OPTIONS, Question, simulated  # noqa: E402
from empirical.linear.classify import places_of  # noqa: E402
from empirical.linear.model import LinearTraining  # noqa: E402
from empirical.linear.objectives import moment_pairs  # noqa: E402
from empirical.linear.outcome import SimulationResult  # noqa: E402
from empirical.linear.simulate import resume, simulate  # noqa: E402
from empirical.runs.folder import RunFolder  # noqa: E402
from equilibria.basin.probabilities import Sample, basin_probabilities  # noqa: E402
from equilibria.commands.options import question  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.errors import FormatError  # noqa: E402
from equilibria.systems.initial_values import initial_matrices  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402
from equilibria.varieties.commuting.representative import entry_float  # noqa: E402
from equilibria.varieties.component import Verdict  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
ROTATED = Moments.dense(
    np.array([[1.1, 0.2], [0.2, 1.4]]), np.array([[0.9, 0.2], [0.2, 1.2]]) - 0.05 * np.eye(2)
)


def matrix(rows) -> np.ndarray:
    return np.array([[entry_float(value) for value in row] for row in rows])


def test_a_run_is_what_sgd_does_with_the_same_start() -> None:
    model = Model(procedure="ema", moments=ROTATED, momentum="1/2", lr="1/20")
    result = simulate(model, runs=3, steps=100, seed=4)
    W, P = initial_matrices("kaiming", 2, 2, runs=range(3), seed=4, scale=1.0)
    pairs = moment_pairs(*ROTATED.matrices())
    for run in range(3):
        training = LinearTraining(model, W[run], P[run])
        for _ in range(100):
            training.step(pairs)
        for letter, value in training.state.items():
            np.testing.assert_allclose(result.arrays[f"final_{letter}"][run], value, atol=1e-10)


@pytest.mark.parametrize("batch_size", [0, 16])
def test_splitting_the_runs_changes_no_bit(batch_size: int) -> None:
    model = Model(procedure="ema", ema="9/10")
    steps = 300 if batch_size else None
    whole = simulate(model, runs=80, batch_size=batch_size, steps=steps)
    part = simulate(model, runs=11, batch_size=batch_size, steps=steps)
    for name, value in part.arrays.items():
        np.testing.assert_array_equal(value, whole.arrays[name][:11], err_msg=name)


def test_waves_that_bound_the_memory_change_no_bit(monkeypatch) -> None:
    model = Model()
    whole = simulate(model, runs=40)
    monkeypatch.setattr("empirical.linear.simulation.WAVE_BYTES", {"cpu": 1})
    monkeypatch.setattr("empirical.linear.record.TRACKED_BYTES", 200_000)
    waves = simulate(model, runs=40)
    for name, value in waves.arrays.items():
        np.testing.assert_array_equal(value, whole.arrays[name], err_msg=name)


def test_each_run_can_have_rates_of_its_own() -> None:
    decays = ["1/20", "1/10", "1/3"]
    mixed = simulate(
        Model(), runs=6, vary={"weight_decay": decays, "lr": ["1/10", "1/5"]}, steps=500
    )
    for run, (decay, lr) in enumerate(zip(decays * 2, ["1/10", "1/5"] * 3, strict=True)):
        alone = simulate(Model(weight_decay=decay, lr=lr), runs=6, steps=500)
        np.testing.assert_allclose(
            mixed.arrays["final_W"][run], alone.arrays["final_W"][run], atol=1e-14
        )
    # 1/3 is beyond m^2/(4 s) = 1/5 for both modes: only collapse is left.
    slow = simulate(Model(), runs=6, vary={"weight_decay": decays})
    assert slow.arrays["stratum"][2] == slow.arrays["stratum"][5] == "rank0"


@pytest.mark.parametrize(
    "name", ["stop-gradient", "ema", "direct-pred", "direct-copy", "contrastive"]
)
def test_runs_end_on_components_predicted_stable(name: str) -> None:
    model = Model(procedure=name, **({"ema": "9/10"} if name == "ema" else {}))
    result = simulate(model, runs=64)
    assert result.agreement == 1.0
    assert result.decided
    assert sum(o.count for o in result.outcomes) == 64
    assert max(result.arrays["final_residual"]) < 1e-8


def test_joint_collapses() -> None:
    assert simulate(Model(procedure="joint"), runs=64).collapsed.count == 64


def test_a_run_that_waits_at_a_saddle_is_running_and_one_on_it_never_arrives(
    tmp_path: Path,
) -> None:
    from equilibria.report.analyze import analyze

    saddle = analyze(Model()).component("rank1:2+").representative
    W, P = matrix(saddle["W"]), matrix(saddle["P"])
    near = np.random.default_rng(0).normal(size=(5, 2, 2)) * 1e-6
    np.savez(tmp_path / "start.npz", W=W + near, P=np.broadcast_to(P, (5, 2, 2)))
    waiting = simulate(Model(), runs=5, init=str(tmp_path / "start.npz"), steps=192)
    assert (waiting.running, waiting.settled) == (5, 0)
    assert set(waiting.arrays["stratum"]) == {"rank1:2+"}  # where it is, not where it ends
    assert "near a saddle" in "\n".join(waiting.lines)
    arrived = simulate(Model(), runs=5, init=str(tmp_path / "start.npz"))
    assert arrived.settled == 5
    assert not {"rank1:2+"} & set(arrived.arrays["stratum"])


def test_where_runs_rest_is_not_decided_by_the_prediction(tmp_path: Path) -> None:
    """Starts on the stable manifold of a saddle do end there, and are reported as doing so."""
    W, P = np.zeros((2, 2)), np.zeros((2, 2))
    W[0, 1] = P[0, 0] = 0.6  # mode 1 is exactly absent, and stays so
    np.savez(tmp_path / "start.npz", W=W, P=P)
    result = simulate(Model(), runs=2, init=str(tmp_path / "start.npz"))
    assert result.on_unstable == 2
    assert result.agreement == 0.0
    assert "2 on components predicted unstable" in "\n".join(result.lines)


def test_too_large_a_step_diverges_and_is_compared_with_the_prediction() -> None:
    result = simulate(Model(lr=8), runs=32)
    assert result.diverged > 25
    assert dict(result.largest_lr)["rank1:1+"] < 8
    assert f"{result.diverged} runs diverged; h = 8 exceeds" in "\n".join(result.lines)
    diverged = result.arrays["status"] == "diverged"
    assert np.isnan(result.arrays["final_W"][diverged]).all()
    json.dumps(result.data, allow_nan=False)


@pytest.mark.parametrize(("factor", "holds"), [(0.98, True), (1.05, False)])
def test_the_largest_stable_step_is_where_training_loses_the_component(
    factor: float, holds: bool, tmp_path: Path
) -> None:
    from equilibria.report.analyze import analyze

    component = analyze(Model()).component("rank2:1+,2+")
    h = factor * component.map.largest_step
    W, P = matrix(component.representative["W"]), matrix(component.representative["P"])
    noise = np.random.default_rng(0).normal(size=(2, 8, 2, 2)) * 1e-3
    np.savez(tmp_path / "start.npz", W=W + noise[0], P=P + noise[1])
    result = simulate(Model(lr=str(h)), runs=8, init=str(tmp_path / "start.npz"), steps=20_000)
    on_it = result.arrays["stratum"] == "rank2:1+,2+"
    assert ((result.arrays["status"] == "settled") & on_it).all() == holds
    assert on_it.any() == holds


def test_moments_that_do_not_commute_are_classified_by_the_listed_components() -> None:
    moments = Moments.dense([["2", "0"], ["0", "1"]], [["1", "1/4"], ["1/4", "1/2"]])
    result = simulate(Model(moments=moments, weight_decay="1/50"), runs=64)
    assert result.agreement == 1.0
    assert {o.rank for o in result.outcomes} >= {1, 2}


def test_the_distance_divides_the_symmetry_out() -> None:
    from scipy.stats import ortho_group

    from equilibria.report.analyze import analyze

    model = Model(procedure="ema", moments=Moments.commuting(signal=[1, "3/4", "1/2"]), embed_dim=3)
    places = places_of(model)
    Q = ortho_group.rvs(3, random_state=0)
    for component in analyze(model).components:
        W, P = matrix(component.representative["W"]), matrix(component.representative["P"])
        ending = places.endings((Q @ W)[None], (Q @ P @ Q.T)[None], (Q @ W)[None])[0]
        assert (ending.id, ending.near) == (component.id, True)
        assert ending.distance < 1e-12


def test_equal_modes_are_one_component_however_they_are_mixed() -> None:
    model = Model(moments=Moments.isotropic(signal=["1", "1", "1/2"], variance="3/2"), embed_dim=2)
    result = simulate(model, runs=48, seed=3)
    assert result.agreement == 1.0
    assert result.elsewhere == 0


def test_counts_agree_with_the_basins_of_the_map() -> None:
    model = Model(procedure="stop-gradient")
    expected = basin_probabilities(model, Sample("kaiming", 1.0, 128, 5), is_map=True)
    found = simulate(model, runs=128, seed=5)
    assert {s.id: s.count for s in expected.shares} == {o.id: o.count for o in found.outcomes}


def test_mini_batches_settle_around_a_component_and_say_so() -> None:
    result = simulate(Model(procedure="stop-gradient"), runs=32, batch_size=256, steps=6000, seed=2)
    assert result.settled >= 20
    assert result.on_unstable == 0
    learned = (result.arrays["status"] == "settled") & (result.arrays["stratum"] != "rank0")
    assert result.arrays["final_residual"][learned].min() > 1e-4  # it is noise, not rest


def test_batches_of_real_pairs_have_the_moments_of_the_pairs(tmp_path: Path) -> None:
    g = np.random.default_rng(0)
    x = g.normal(size=(500, 3)) * [1.5, 1.0, 0.7]
    np.savez(tmp_path / "pairs.npz", x=x, y=x + 0.4 * g.normal(size=x.shape))
    result = simulate(
        Model(procedure="ema"), runs=16, batch_size=64, data=tmp_path / "pairs.npz", steps=200,
        out=tmp_path / "run",
    )  # fmt: skip
    assert result.model.d == 3
    assert resume(tmp_path / "run").sha256 == result.sha256
    np.savez(tmp_path / "pairs.npz", x=x, y=x)
    with pytest.raises(FormatError, match="changed since the run began"):
        resume(tmp_path / "run")


def test_the_run_folder_holds_everything(tmp_path: Path) -> None:
    result = simulate(Model(procedure="ema"), runs=20, steps=500, out=tmp_path / "run")
    run = RunFolder.open(tmp_path / "run")
    assert run.config["ema"] == "99/100"
    assert run.summary()["running"] == result.running
    arrays = run.trajectory()
    assert arrays["W"].shape == (len(arrays["step"]), 20, 2, 2)
    assert (arrays["step"][0], arrays["step"][-1]) == (0, 500)
    np.testing.assert_array_equal(
        arrays["W"][0], initial_matrices("kaiming", 2, 2, runs=range(20), seed=0, scale=1.0)[0]
    )
    np.testing.assert_array_equal(arrays["W"][-1], arrays["final_W"])
    assert set(arrays["status"]) <= {"settled", "running", "diverged"}
    assert run.metrics()[-1]["step"] == 500


def test_snapshots_are_bounded_whatever_is_asked(monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setattr("empirical.linear.record.MOST_SNAPSHOTS", 16)
    simulate(Model(), runs=2, steps=400, log_every=1, out=tmp_path / "run")
    step = RunFolder.open(tmp_path / "run").trajectory()["step"]
    assert len(step) <= 16
    assert (step[0], step[-1]) == (0, 400)


# --- killed and resumed --------------------------------------------------------------------------

CHILD = """
import sys, torch
torch.set_num_threads(1)
from empirical.linear.simulate import resume, simulate
from equilibria.systems.model import Model
folder, begin, batch = sys.argv[1], sys.argv[2] == "begin", int(sys.argv[3])
print("ready", flush=True)
if begin:
    model = Model(procedure="ema", ema="9/10", momentum="1/2")
    simulate(model, runs=300, steps=1500, batch_size=batch, out=folder, checkpoint_seconds=0)
else:
    resume(folder, checkpoint_seconds=0)
"""


@contextmanager
def child(folder: Path, how: str, batch: int) -> Iterator[subprocess.Popen]:
    """Start a simulation in a process of its own and wait until it is about to begin."""
    command = [sys.executable, "-c", CHILD, str(folder), how, str(batch)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        yield process


def contents(folder: Path) -> dict[str, bytes]:
    names = ("config.toml", "metrics.jsonl", "trajectory.npz", "summary.json")
    return {name: (folder / name).read_bytes() for name in names}


@pytest.mark.slow
@pytest.mark.parametrize("batch", [0, 32])
def test_killed_at_twenty_random_moments_and_resumed_is_the_same_bit_for_bit(
    tmp_path: Path, batch: int
) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    start = time.monotonic()
    with child(straight, "begin", batch) as process:
        assert process.wait() == 0
    length = time.monotonic() - start
    rng, kills = random.Random(batch), 0
    while kills < 20:
        how = "resume" if (killed / "config.toml").exists() else "begin"
        with child(killed, how, batch) as process:
            time.sleep(rng.uniform(0, length / 8))
            process.send_signal(signal.SIGKILL)
            if process.wait() != -signal.SIGKILL:
                break  # it was done before the signal came
        kills += 1
    with child(killed, "resume", batch) as process:
        assert process.wait() == 0
    assert kills >= 5
    assert contents(killed) == contents(straight)


def test_resuming_from_every_kind_of_checkpoint_gives_the_same_files(tmp_path: Path) -> None:
    """The same in one process and seconds: stop after each checkpoint in turn, then go on."""
    model = Model(procedure="ema", ema="9/10", momentum="1/2")
    simulate(model, runs=40, steps=700, out=tmp_path / "straight")
    expected = contents(tmp_path / "straight")

    class Killed(Exception):
        pass

    real = RunFolder.save_checkpoint
    for after in range(1, 21):
        folder, count = tmp_path / f"killed{after}", 0

        def save(self, *args, _after=after, **kwargs):
            nonlocal count
            real(self, *args, **kwargs)
            count += 1
            if count == _after:
                raise Killed

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(RunFolder, "save_checkpoint", save)
            with pytest.raises(Killed):
                simulate(model, runs=40, steps=700, out=folder, checkpoint_seconds=0)
        resume(folder)
        assert contents(folder) == expected


def test_a_damaged_last_checkpoint_costs_only_the_steps_since_the_one_before(
    tmp_path: Path,
) -> None:
    result = simulate(Model(), runs=30, steps=500, out=tmp_path / "run", checkpoint_seconds=0)
    last = sorted((tmp_path / "run").glob("checkpoint-*"))[-1]
    last.write_bytes(last.read_bytes()[:100])
    with pytest.warns(UserWarning, match=last.name):
        assert resume(tmp_path / "run").sha256 == result.sha256


def test_a_checkpoint_of_something_else_is_refused(tmp_path: Path) -> None:
    simulate(Model(), runs=3, steps=100, out=tmp_path / "run")
    for old in (tmp_path / "run").glob("checkpoint-*"):
        old.unlink()
    RunFolder.open(tmp_path / "run").save_checkpoint(5, {"x": np.zeros(2)})
    with pytest.raises(FormatError, match="not a checkpoint of `simulate`"):
        resume(tmp_path / "run")


def test_a_full_disk_stops_with_one_line_and_the_run_can_go_on(tmp_path: Path, monkeypatch) -> None:
    expected = simulate(Model(), runs=30, steps=500, out=tmp_path / "straight")
    import os

    real, calls = os.fsync, 0

    def full(descriptor: int) -> None:
        nonlocal calls
        calls += 1
        if calls > 6:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(FormatError, match="No space left on device"):
        simulate(Model(), runs=30, steps=500, out=tmp_path / "run", checkpoint_seconds=0)
    monkeypatch.undo()
    assert resume(tmp_path / "run").sha256 == expected.sha256


# --- the command ---------------------------------------------------------------------------------


def asked(**texts: str) -> SimulationResult:
    return simulated(question(Question, OPTIONS, texts))


def test_the_command_writes_where_it_is_told_and_answers(tmp_path: Path) -> None:
    answer = asked(ema="0.9", runs="16", out=str(tmp_path / "run"))
    assert answer.decided
    assert answer.lines[0].startswith("16 runs of ema")
    assert (
        json.loads(json.dumps(answer.data, allow_nan=False))["schema"] == "noncollapse/simulate/1"
    )
    again = asked(resume=str(tmp_path / "run"))
    assert again.sha256 == answer.sha256


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        ({"runs": "0"}, "--runs 0"),
        ({"init": "zeros"}, "--init zeros"),
        ({"init": "none.npz"}, r"--init none\.npz"),
        ({"device": "tpu"}, "--device tpu"),
        ({"dtype": "float16"}, "--dtype float16"),
        ({"data": "x.npz"}, "--data: needs a --batch-size"),
        ({"data": "x.npz", "batch_size": "4"}, r"--data x\.npz"),
        ({"name": "../x"}, r"--name \.\./x"),
        ({"resume": "nowhere"}, "nowhere: not a run folder"),
        ({"resume": "nowhere", "runs": "4"}, "--runs: the run that --resume"),
        ({"scale": "0"}, "--scale"),
    ],
)
def test_what_is_wrong_is_named(
    texts: dict[str, str], message: str, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=message):
        asked(**texts)
    assert list(tmp_path.iterdir()) == []


def test_predicted_verdicts_come_with_the_endings() -> None:
    result = simulate(Model(), runs=8)
    assert all(outcome.verdict is Verdict.STABLE for outcome in result.outcomes)


def test_snapshots_go_on_late_in_a_run(tmp_path: Path) -> None:
    """Settling is looked at every 64 steps; that must not disturb the steps that are recorded."""
    folder = tmp_path / "run"
    simulate(Model(procedure="ema"), runs=4, steps=6000, out=folder)
    steps = RunFolder.open(folder).trajectory()["step"].tolist()
    late = [step for step in steps if step >= 1000]
    assert len(late) >= 20
    assert max(b / a for a, b in pairwise(late)) < 1.1
