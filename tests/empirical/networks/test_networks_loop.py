"""Training: the demo, the map of the theory, going on after a kill, and stopping with a reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("sklearn")

from empirical.images.latent import LatentSource  # noqa: E402
from empirical.networks import Settings, TrainResult, monitor, train  # noqa: E402
from empirical.networks.effective import effective  # noqa: E402
from empirical.networks.loop import Run  # noqa: E402
from empirical.networks.memory import batch_that_fits  # noqa: E402
from empirical.networks.session import train_as_typed  # noqa: E402
from empirical.networks.settings import settings_from  # noqa: E402
from empirical.networks.setup import machine_of  # noqa: E402
from empirical.networks.workers import Workers  # noqa: E402
from empirical.runs.folder import RunFolder  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.errors import FormatError, LimitReached  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402
from equilibria.systems.procedures import procedure  # noqa: E402

ROOT = Path(__file__).parents[3]
QUICK = {"epochs": "2", "curl": "no", "threads": "1"}


def run_of(**given: str) -> Run:
    return Run(machine_of(settings_from(given)).build(Workers()), None)


def state(folder: Path) -> dict[str, Any]:
    found = RunFolder.open(folder).last_checkpoint()
    assert found is not None
    return dict(found.tensors)


def lines(folder: Path) -> list[dict[str, Any]]:
    text = (folder / "metrics.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in text]


def test_the_demo_collapses_without_the_stop_and_not_with_it() -> None:
    kept = train(settings_from({"epochs": "30", "log_every": "75"}))
    lost = train(settings_from({"method": "joint", "epochs": "30", "log_every": "75"}))
    assert kept.data["verdict"] == "no collapse"
    assert kept.data["collapse"]["std"] > 0.8
    assert kept.data["collapse"]["effective_rank"] > 14
    assert kept.data["knn"] > kept.data["initial"]["knn"]
    assert lost.data["collapse"]["std"] < 0.5
    assert lost.data["knn"] < kept.data["knn"] - 0.05
    assert kept.data["curl"] > 0.1
    assert lost.data["curl"] < 1e-10
    said = "\n".join(kept.lines)
    assert "verdict: no collapse" in said
    assert f"std {kept.data['collapse']['std']:.2f}" in said
    assert "compare with random initialisation: kNN" in said
    assert isinstance(kept, TrainResult)
    assert isinstance(kept.settings, Settings)


THEORY = {"simsiam": "stop-gradient", "byol": "ema", "joint": "joint", "direct-pred": "direct-pred"}


def small_images(folder: Path) -> Path:
    """32 random grey images of 2 x 2, so that d = 4."""
    draws = np.random.default_rng(0).integers(0, 256, (40, 2, 2, 1)).astype(np.uint8)
    file = folder / "small.npz"
    np.savez(
        file, x_train=draws[:32], y_train=np.arange(32) % 3, x_test=draws[32:], y_test=np.arange(8)
    )
    return file


@pytest.mark.parametrize("method", THEORY)
def test_a_linear_step_is_the_map_of_the_theory(method: str, tmp_path: Path) -> None:
    run = run_of(
        method=method, dataset=str(small_images(tmp_path)), augment="digits", backbone="linear",
        head="2", predictor="linear", loss="squared", precision="fp64", momentum="0", lr="1/10",
        weight_decay="1/20", predictor_lr="2", predictor_weight_decay="1/5", schedule="constant",
        batch_size="32", steps="5", curl="no", direct_form="paper", rho="0",
        eps="0", ema="0.9" if method == "byol" else "0",
    )  # fmt: skip
    exact: dict[str, Any] = {"lr": "1/10", "weight_decay": "1/20"}
    if method != "direct-pred":
        exact |= {"predictor_lr": "2", "predictor_weight_decay": "1/5"}
    if method == "byol":
        exact["ema"] = "9/10"
    for step in range(3):
        x, y = (view.flatten(1).numpy() for view in run.setup.views(step))
        sigma, m = (x.T @ x + y.T @ y) / 64, (x.T @ y + y.T @ x) / 64
        model = Model(
            procedure=THEORY[method], moments=Moments.dense(sigma, m), embed_dim=2, **exact
        )
        before = weights(run)
        run.one_step()
        after = weights(run)
        if (
            method == "direct-pred"
        ):  # P is set from the outputs before the step, and used in the next
            F = before["W"] @ sigma @ before["W"].T
            np.testing.assert_allclose(after["P"] @ after["P"], F, atol=1e-12)
            names = ["W"]
        else:
            names = list(before)
        wanted = procedure(model.procedure).build(model).evaluate(point(before), "map")
        for name, value in point({name: after[name] for name in names}).items():
            assert value == pytest.approx(wanted[name], rel=1e-11, abs=1e-12), name


def weights(run: Run) -> dict[str, np.ndarray]:
    learner = run.learner
    found = {"W": learner.online.head.last.weight, "P": learner.predictor.weight}
    if learner.target is not None:
        found["T"] = learner.target.head.last.weight
    return {name: value.detach().clone().numpy() for name, value in found.items()}


def point(matrices: dict[str, np.ndarray]) -> dict[str, float]:
    return {
        f"{letter}_{i + 1}_{j + 1}": float(value)
        for letter, matrix in matrices.items()
        for (i, j), value in np.ndenumerate(matrix)
    }


def test_the_latent_source_has_the_moments_that_it_states() -> None:
    source = LatentSource(0, torch.device("cpu"), torch.float64)
    x, y = (view.flatten(1) for view in source.pair(0, 200_000, slice(None)))
    sigma, m = source.moments()
    assert float((x.T @ x / len(x) - sigma).abs().max()) < 0.02
    assert float((y.T @ x / len(x) - m).abs().max()) < 0.02
    first, second = source.pair(0, 8, slice(0, 4)), source.pair(1, 8, slice(0, 4))
    assert not torch.equal(first[0], second[0])
    whole = source.pair(0, 8, slice(None))
    assert torch.equal(whole[1][:4], first[1])


def test_the_trajectory_holds_the_measured_linear_model(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path / "run", {})
    settings = settings_from(
        {"dataset": "latent", "method": "byol", "predictor": "linear", "loss": "squared",
         "head": "3", "steps": "20", "log_every": "10", "precision": "fp64"}
    )  # fmt: skip
    train(settings, folder=folder)
    arrays = folder.trajectory()
    shapes = {name: value.shape for name, value in arrays.items()}
    assert shapes == {
        "step": (3,), "W": (3, 3, 16), "P": (3, 3, 3), "T": (3, 3, 16),
        "Sigma": (3, 16, 16), "M": (3, 16, 16),
    }  # fmt: skip
    last = state(tmp_path / "run")
    np.testing.assert_array_equal(arrays["W"][-1], last["learner.online.head.last.weight"].numpy())
    np.testing.assert_array_equal(arrays["P"][-1], last["learner.predictor.weight"].numpy())
    sigma, _ = LatentSource(0, torch.device("cpu"), torch.float64).moments()
    assert np.abs(arrays["Sigma"][0] - sigma.numpy()).max() < 0.3


@pytest.mark.parametrize("predictor", ["linear", "mlp", "none"])
def test_the_effective_model_is_the_network_on_its_own_data(predictor: str) -> None:
    run = run_of(predictor=predictor, batch_size="64", epochs="1")
    for _ in range(4):
        run.one_step()
    learner = run.learner.train(False)
    assert run.monitor is not None
    found = effective(learner, run.monitor.first, run.monitor.second)
    with torch.no_grad():
        z = torch.cat([learner.online(x) for x in (run.monitor.first, run.monitor.second)]).double()
        predicted = learner.predictor(z.float()).double()
    centred = z - z.mean(0)
    F = centred.T @ centred / len(z)
    torch.testing.assert_close(found.W @ found.Sigma @ found.W.T, F, rtol=1e-4, atol=1e-4)
    if predictor == "linear":
        torch.testing.assert_close(z @ found.P.T, predicted, rtol=1e-4, atol=1e-5)
    if predictor == "none":
        assert torch.equal(found.P, torch.eye(32).double())
    if predictor == "mlp":  # the best linear fit leaves a part, and not all
        left = float((centred @ found.P.T - predicted).norm() / predicted.norm())
        assert 0.01 < left < 1


@pytest.mark.slow
def test_a_killed_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    given = {
        "method": "direct-pred", "freq": "2", "epochs": "14", "checkpoint_every": "7",
        "log_every": "10", "threads": "1",
    }  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train_as_typed(**given, out=str(whole))
    code = (
        f"from empirical.networks.session import train_as_typed; "
        f"train_as_typed(**{given!r}, out={str(killed)!r})"
    )
    process = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
    while process.poll() is None and not list(killed.glob("checkpoint-0000000[2-9]*")):
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (killed / "summary.json").exists(), "the run ended before it could be killed"
    with (killed / "metrics.jsonl").open("a") as stream:
        stream.write('{"step": 1')  # cut in the middle of a line
    train_as_typed(resume=str(killed))
    wanted, found = state(whole), state(killed)
    assert wanted.keys() == found.keys()
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert lines(killed) == lines(whole)
    first, second = (RunFolder.open(f).trajectory() for f in (whole, killed))
    assert all(np.array_equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize(
    "given",
    [
        {"method": "byol", "ema_schedule": "cosine"},
        {"method": "simclr", "optimizer": "lars", "lr": "1"},
        {"backbone": "resnet8", "width": "0.25", "head": "8,4", "train_images": "512"},
    ],
)
def test_half_a_run_and_the_other_half_are_a_whole_run(
    given: dict[str, str], tmp_path: Path
) -> None:
    settings = settings_from({**QUICK, "checkpoint_every": "3", "log_every": "2", **given})
    whole = RunFolder.create(tmp_path / "whole", settings.config())
    train(settings, folder=whole)
    half = RunFolder.create(tmp_path / "half", settings.config())
    run = Run(machine_of(settings).build(Workers()), half)
    run.log()
    while run.step < 3:
        run.one_step()
        if run.step == 2:
            run.log()
    run.save()
    train(settings, folder=half, resume=True)
    wanted, found = state(tmp_path / "whole"), state(tmp_path / "half")
    assert all(torch.equal(wanted[name], found[name]) for name in wanted)
    assert lines(tmp_path / "half") == lines(tmp_path / "whole")


def test_the_seed_decides_everything(tmp_path: Path) -> None:
    for name, seed in (("a", "0"), ("b", "0"), ("c", "1")):
        train_as_typed(**QUICK, seed=seed, log_every="10", out=str(tmp_path / name))
    a, b, c = (state(tmp_path / name) for name in "abc")
    assert all(torch.equal(a[name], b[name]) for name in a)
    assert any(not torch.equal(a[name], c[name]) for name in a)


def test_what_is_not_finite_stops_the_run_with_step_and_tensor(tmp_path: Path) -> None:
    with pytest.raises(LimitReached) as caught:
        train_as_typed(
            **QUICK, lr="1e30", loss="squared", head_bn="none", out=str(tmp_path / "run")
        )
    said = str(caught.value)
    assert said.startswith("step ")
    assert "is not finite; use a smaller --lr than 1e+30" in said
    assert "online." in said or "predictor." in said or "the " in said


def test_the_collapse_alarm_stops_the_run() -> None:
    given = {"method": "joint", "head_bn": "none", "epochs": "200", "log_every": "20", "curl": "no"}
    stopped = train(settings_from({**given, "stop_on_collapse": "yes"}))
    assert stopped.data["stopped"]
    assert stopped.data["steps"] < 400
    assert stopped.data["verdict"] == "complete collapse"
    assert "stopped early" in stopped.lines[0]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"resume": "nowhere"}, "nowhere: not a run folder"),
        (
            {"resume": "nowhere", "lr": "1"},
            "--lr with --resume: a run goes on with its own settings",
        ),
        ({"device": "cuda"}, "--device cuda: no CUDA device here"),
        ({"dataset": "cifar10"}, "needs --data-root DIR"),
    ],
)
def test_a_refusal_leaves_no_folder_behind(
    given: dict[str, str], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(FormatError) as caught:
        train_as_typed(**given, **({} if "resume" in given else {"out": "run"}))
    assert words in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_a_checkpoint_of_another_network_is_refused(tmp_path: Path) -> None:
    train_as_typed(**QUICK, out=str(tmp_path / "run"))
    config = tmp_path / "run" / "config.toml"
    config.write_text(config.read_text().replace("head = [64, 32]", "head = [64, 16]"))
    with pytest.raises(FormatError, match="has shape"):
        train_as_typed(resume=str(tmp_path / "run"))


def test_a_file_gives_the_options_and_the_command_line_wins(tmp_path: Path) -> None:
    file = tmp_path / "run.toml"
    file.write_text('method = "byol"\nepochs = 40\nhead = [16, 8]\ncurl = false\n')
    result = train_as_typed(config=str(file), steps="3", out=str(tmp_path / "run"))
    assert (result.settings.method, result.settings.head) == ("byol", (16, 8))
    assert result.data["steps"] == 3
    assert (tmp_path / "run" / "summary.json").exists()


def test_the_batch_that_would_fit_is_found_from_two_small_ones() -> None:
    def peak(batch: int) -> int:
        return 1000 + 10 * batch

    fits = batch_that_fits(peak, tried=4096, limit=10_000)
    assert fits is not None
    assert fits % 8 == 0
    assert 0.8 * 10_000 < peak(fits) <= 10_000
    assert batch_that_fits(peak, tried=4096, limit=900) is None


def test_tensorboard_events_are_written_on_demand(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    train_as_typed(**QUICK, tensorboard=True, out=str(tmp_path / "run"))
    assert list((tmp_path / "run").glob("events.out.tfevents*"))


PAIR = """
import os, sys
import torch.distributed
if "RANK" in os.environ:
    torch.distributed.init_process_group("gloo")
from empirical.networks.session import train_as_typed
for method in ("byol", "simclr", "direct-pred"):
    train_as_typed(
        method=method, backbone="linear", head="16,8", head_bn="none", predictor_bn=False,
        precision="fp64", steps="4", batch_size="32", curl=False, threads="1",
        out=f"{sys.argv[1]}/{method}",
    )
if "RANK" in os.environ:
    torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_train_what_one_does(tmp_path: Path) -> None:
    one = {**os.environ, "PYTHONPATH": str(ROOT)}
    port = str(20_000 + os.getpid() % 20_000)
    group = {**one, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    commands = [
        (tmp_path / "one", one),
        *((tmp_path / "two", {**group, "RANK": str(k), "LOCAL_RANK": str(k)}) for k in range(2)),
    ]
    started = [
        subprocess.Popen([sys.executable, "-c", PAIR, str(place)], env=env)
        for place, env in commands
    ]
    assert [process.wait(timeout=120) for process in started] == [0, 0, 0]
    for method in ("byol", "simclr", "direct-pred"):
        wanted, found = (state(tmp_path / place / method) for place in ("one", "two"))
        assert wanted.keys() == found.keys()
        for name in wanted:
            torch.testing.assert_close(found[name], wanted[name], rtol=1e-9, atol=1e-11)
        summary = RunFolder.open(tmp_path / "two" / method).summary()
        assert summary["processes"] == 2


@pytest.mark.slow
def test_the_example_on_the_digits_says_what_happens() -> None:
    done = subprocess.run(
        [sys.executable, "examples/networks/digits.py"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert "verdict: no collapse" in done.stdout
    assert "verdict: collapse: all outputs point nearly the same way" in done.stdout
    assert "no gradient step:" in done.stdout
    assert "\ngradient step:" in done.stdout


def arrays_of(folder: Path, shape: tuple[int, ...], labels: int | None = None) -> str:
    """An archive of 40 random images, with three classes, or with one label for all."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 256, (40, *shape)).astype(np.uint8)
    y = np.arange(40) % 3 if labels is None else np.full(40, labels)
    np.savez(folder / "mine.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    return str(folder / "mine.npz")


@pytest.mark.parametrize("augment", ["auto", "digits", "none", "byol"])
@pytest.mark.parametrize(
    ("shape", "size"), [((8, 12, 3), ""), ((12, 8, 1), ""), ((8, 12, 3), "12"), ((1, 3, 1), "")]
)
def test_images_that_are_not_square_are_trained_on(
    augment: str, shape: tuple[int, ...], size: str, tmp_path: Path
) -> None:
    given = {"dataset": arrays_of(tmp_path, shape), "batch_size": "8", "steps": "2", "curl": "no"}
    given |= {"image_size": size} if size else {}
    run = run_of(**given, augment=augment)
    wanted = (shape[2], *((int(size),) * 2 if size else shape[:2]))
    assert run.setup.source.shape == wanted
    first, second = run.setup.source.pair(0, 8, slice(None))
    assert first.shape == second.shape == (8, *wanted)
    assert run.setup.source.labelled("test")[0].shape == (20, *wanted)
    run.train()
    assert run.finish().data["steps"] == 2


@pytest.mark.parametrize("backbone", ["resnet8", "linear"])
def test_backbones_take_images_that_are_not_square(backbone: str, tmp_path: Path) -> None:
    given = {"dataset": arrays_of(tmp_path, (8, 20, 3)), "batch_size": "8", "steps": "1"}
    found = train(settings_from({**given, "backbone": backbone, "curl": "no"}))
    assert found.data["steps"] == 1


def test_without_labels_nothing_is_said_of_classes(tmp_path: Path) -> None:
    file = arrays_of(tmp_path, (8, 8, 1), labels=-1)
    found = train(settings_from({"dataset": file, "batch_size": "8", "steps": "2", "curl": "no"}))
    assert found.data["knn"] is None
    assert found.data["linear_probe"] is None
    assert "no labels" in "\n".join(found.lines)


def test_a_data_set_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from empirical.images import datasets

    reads = []
    read = datasets._read
    monkeypatch.setattr(datasets, "_read", lambda s: reads.append(s) or read(s))
    train_as_typed(**{**QUICK, "epochs": "1"}, out=str(tmp_path / "run"))
    assert len(reads) == 1


def test_a_run_that_goes_on_is_judged_against_its_own_start(tmp_path: Path) -> None:
    out = str(tmp_path / "run")
    given = {**QUICK, "epochs": "4", "log_every": "5", "checkpoint_every": "10"}
    whole = train_as_typed(**given, out=out)
    last = RunFolder.open(out).metrics()[-1]
    again = train_as_typed(resume=out)
    assert again.data["text"] == whole.data["text"] == last["text"]
    assert "at the start" in last["text"]
    assert last["grounds"] == json.loads(json.dumps(dict(whole.data["grounds"])))
    written = lines(tmp_path / "run")
    *_, newest = sorted((tmp_path / "run").glob("checkpoint-*"))
    newest.unlink()  # as if killed between the last two: lines are measured again
    train_as_typed(resume=out)
    assert lines(tmp_path / "run") == written


@pytest.mark.parametrize(("loss", "unit"), [("cross-entropy", 0.1), ("squared", 1.0)])
def test_sizes_are_judged_in_the_unit_of_the_loss(
    loss: str, unit: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def verdict(*_: object, **given: object) -> Any:
        asked.append((given["loss"], given["unit"]))
        return SimpleNamespace(verdict="", kind="", text="", grounds={})

    monkeypatch.setattr(monitor, "verdict_on", verdict)
    settings = SimpleNamespace(loss=loss, temperature=0.1)
    fake: Any = SimpleNamespace(learner=SimpleNamespace(settings=settings), start=None)
    monitor.Monitor._verdict(fake, torch.zeros(1), torch.zeros(1))
    assert asked == [(loss, unit)]


@pytest.mark.parametrize("without", ["train", "test"])
def test_labels_are_needed_in_both_parts(without: str) -> None:
    source: Any = SimpleNamespace(
        probe=lambda _: (0, 0, 0),
        chunks=lambda part, _: iter([(None, [] if part == without else [1])]),
    )
    nothing: Any = None
    found = monitor.Monitor(nothing, source, nothing, torch.device("cpu"))
    assert not found.labelled
    assert found.knn_pixels is None


def test_outputs_that_shrink_with_the_squared_loss_have_collapsed() -> None:
    given = {"loss": "squared", "head_bn": "none", "predictor": "linear", "lr": "0.01"}
    gone = train(settings_from({**given, **QUICK, "weight_decay": "2", "epochs": "40"}))
    assert (gone.data["verdict"], gone.data["kind"]) == ("complete collapse", "shrunk")
    assert "of their size at the start" in gone.lines[1]
