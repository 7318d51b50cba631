"""`overlay` from a run folder to its three files: what agrees, what does not, what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from empirical.commands.overlay import COMMAND  # noqa: E402
from empirical.linear.simulate import simulate  # noqa: E402
from empirical.overlay import overlay  # noqa: E402
from equilibria.data.moments import Moments  # noqa: E402
from equilibria.errors import FormatError  # noqa: E402
from equilibria.systems.model import Model  # noqa: E402

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def ema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("runs") / "ema"
    model = Model(procedure="ema", ema="9/10")
    simulate(model, runs=10, log_every=20, out=place, seed=0)
    overlay([place])
    return place


def edited(place: Path, target: Path, **changes: object) -> Path:
    """Copy a run folder, some arrays of its trajectory changed (None: left out)."""
    shutil.copytree(place, target)
    with np.load(target / "trajectory.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    for name, change in changes.items():
        if change is None:
            del arrays[name]
        else:
            arrays[name] = change(arrays[name]) if callable(change) else np.asarray(change)
    np.savez(target / "trajectory.npz", **arrays)
    return target


def test_every_run_rests_where_predicted_at_the_predicted_rate(ema: Path) -> None:
    data = json.loads((ema / "overlay.json").read_text())
    assert data["schema"] == "noncollapse/overlay/1"
    assert data["predicted"]["stable_components"] == ["rank2:1+,2+", "rank1:1+", "rank0"]
    assert data["agreement"] == 1.0
    assert {run["stratum_reached"] for run in data["runs"]} >= {"rank2:1+,2+", "rank1:1+"}
    for run in data["runs"]:
        assert run["predicted"] is True
        assert run["distance_final"] < 1e-6 < run["distance_initial"]
        matched = run["contraction_matched"]
        assert np.log(run["contraction_measured"]) == pytest.approx(np.log(matched), rel=0.05)
    names = "run stratum_reached predicted distance_initial distance_final contraction_measured"
    names += " contraction_predicted saddles status note noise"
    assert set(names.split()) <= set(data["runs"][0])


def test_the_text_has_the_table_and_says_what_was_written(ema: Path) -> None:
    answer = COMMAND.asked(runs=[str(ema)])
    text = "\n".join(answer.lines)
    assert "predicted stable: rank2:1+,2+   rank1:1+   rank0" in text
    assert "agreement 10 of 10" in text
    assert "ema#9" in text
    assert f"wrote overlay.json, overlay.png, overlay.html in {ema}" in text
    assert answer.decided
    assert answer.data()["agreement"] == 1.0
    few = COMMAND.asked(runs=[str(ema)], max_runs="3", no_html=True)
    assert "3 runs (the first of 10)" in few.lines[0]
    assert "overlay.html" not in few.lines[-1]
    assert not (ema / "overlay.html").exists()  # it would contradict overlay.json
    overlay([ema])
    with pytest.raises(FormatError, match=r"--max-runs"):
        COMMAND.asked(runs=[str(ema)], max_runs="none")


def test_a_run_near_a_saddle_that_still_moves_has_not_agreed(tmp_path: Path) -> None:
    model = Model()
    start = tmp_path / "start.npz"
    p = 0.6757  # near the saddle rank1:2+, with mode 1 barely alive
    np.savez(start, W=np.array([[0.0, p], [1e-6, 0.0]]), P=np.array([[p, 0.0], [0.0, 0.0]]))
    place = tmp_path / "saddle"
    simulate(model, runs=1, steps=300, log_every=10, init=str(start), out=place)
    result = overlay([place], write=False)
    run = result.folders[0].runs[0]
    assert run.stratum_reached == "rank1:2+"
    assert run.distance_reached < 1e-3
    assert not run.predicted
    assert not result.decided
    assert result.agreement == 0.0
    assert "still moving" in run.note
    assert [saddle.id for saddle in run.saddles] == ["rank1:2+"]
    assert any("not at rest" in line for line in result.lines)


def test_settled_is_checked_and_not_believed(ema: Path, tmp_path: Path) -> None:
    def shifted(W: np.ndarray) -> np.ndarray:
        return W + 1e-3

    place = edited(ema, tmp_path / "ema", final_W=shifted)
    result = overlay([place], write=False)
    assert result.agreement == 0.0
    assert all("recorded as settled, but moves" in run.note for run in result.folders[0].runs)


def test_the_saddle_that_was_passed_is_named(tmp_path: Path) -> None:
    p = 0.6757
    start = tmp_path / "start.npz"
    np.savez(start, W=np.array([[0.0, p], [0.05, 0.0]]), P=np.array([[p, 0.0], [0.0, 0.2]]))
    simulate(Model(), runs=1, log_every=10, init=str(start), out=tmp_path / "one")
    run = overlay([tmp_path / "one"], write=False).folders[0].runs[0]
    assert (
        "rank1:2+" in [saddle.id for saddle in run.saddles] or run.stratum_reached == "rank2:1+,2+"
    )
    assert run.predicted


@pytest.mark.parametrize(
    "extra",
    [
        {"weight_decay": 0},
        {"procedure": "joint"},
        {"procedure": "direct-copy"},
        {"procedure": "contrastive"},
        {"moments": Moments.commuting(signal=[1, 1, "3/4"], noise="1/4"), "embed_dim": 3},
        {"moments": Moments.dense(np.array([[1.3, 0.2], [0.2, 1.1]]), np.diag([0.9, 0.7]))},
    ],
    ids=["no decay", "joint", "direct-copy", "contrastive", "repeated modes", "not commuting"],
)
def test_the_rate_is_predicted_for(extra: dict, tmp_path: Path) -> None:
    simulate(Model(**extra), runs=6, log_every=10, steps=20000, seed=1, out=tmp_path / "run")
    result = overlay([tmp_path / "run"], write=False)
    assert result.agreement == 1.0
    measured = [r.contraction for r in result.folders[0].runs]
    assert all(rate.measured is not None for rate in measured)
    assert sum(rate.matched is not None for rate in measured) >= 5


def test_rates_that_vary_are_predicted_run_by_run(tmp_path: Path) -> None:
    vary = {"lr": ["1/10", "1/20", "5"]}
    simulate(Model(), runs=6, steps=8000, log_every=20, vary=vary, out=tmp_path / "v")
    result = overlay([tmp_path / "v"], html=False)
    runs = result.folders[0].runs
    assert [run.status for run in runs].count("diverged") == 2
    assert all(run.note == "diverged" for run in runs if run.status == "diverged")
    radii = {round(run.contraction.predicted, 5) for run in runs if run.predicted}
    assert len(radii) >= 2
    json.loads((tmp_path / "v" / "overlay.json").read_text())


def test_what_is_no_run_is_refused_in_one_line_and_nothing_is_written(
    ema: Path, tmp_path: Path
) -> None:
    (tmp_path / "empty").mkdir()
    cut = edited(ema, tmp_path / "cut")
    (cut / "trajectory.npz").write_bytes((cut / "trajectory.npz").read_bytes()[:2000])
    missing = edited(ema, tmp_path / "missing")
    (missing / "trajectory.npz").unlink()
    foreign = edited(ema, tmp_path / "foreign")
    (foreign / "config.toml").write_text('command = "knit"\n')
    cases = {
        tmp_path / "nowhere": "no such directory",
        tmp_path / "empty": "no config.toml",
        cut: ".npz file of plain arrays",
        missing: "has not written its trajectory yet",
        foreign: "not a run of `simulate`",
        edited(ema, tmp_path / "less", final_T=None): "no array `final_T`",
        edited(ema, tmp_path / "wide", W=lambda W: W[..., :1]): "shape",
        edited(ema, tmp_path / "runs", status=["settled"]): "status has shape",
    }
    before = {path: path.read_bytes() for path in ema.glob("overlay.*")}
    for place, words in cases.items():
        for file in place.glob("overlay.*"):
            file.unlink()
        with pytest.raises(FormatError, match=re.escape(words)) as error:
            overlay([ema, place])
        assert "\n" not in str(error.value)
        assert list(place.glob("overlay*")) == []
        assert not list(place.glob(".overlay*"))
    assert {path: path.read_bytes() for path in ema.glob("overlay.*")} == before
    with pytest.raises(FormatError, match="at least one"):
        overlay([])


def test_pickled_arrays_are_not_loaded(ema: Path, tmp_path: Path) -> None:
    place = edited(ema, tmp_path / "pickled")
    with np.load(place / "trajectory.npz") as archive:
        arrays = {name: archive[name] for name in archive.files}
    arrays["W"] = np.array([{"a": 1}], dtype=object)
    np.savez(place / "trajectory.npz", **arrays)
    with pytest.raises(FormatError, match="of plain arrays"):
        overlay([place])


def test_the_figure_is_small_and_the_same_twice(ema: Path) -> None:
    overlay([ema])
    first = (ema / "overlay.png").read_bytes()
    assert first.startswith(b"\x89PNG")
    assert 10_000 < len(first) < 200_000
    page = (ema / "overlay.html").read_bytes()
    overlay([ema])
    assert (ema / "overlay.png").read_bytes() == first
    assert (ema / "overlay.html").read_bytes() == page


def test_the_page_loads_nothing_and_names_what_it_shows(ema: Path) -> None:
    page = (ema / "overlay.html").read_text()
    without_namespaces = re.sub(r'xmlns(:\w+)?="[^"]*"', "", page)
    assert "http" not in without_namespaces
    assert "<script" not in page
    assert "<link" not in page
    assert page.count("<svg") == 6
    assert page.count('role="img" aria-label="') == 6
    ids = re.findall(r'\bid="([^"]+)"', page)
    assert len(ids) == len(set(ids))
    referred = re.findall(r'(?:href="#|url\(#)([^")]+)', page)
    assert set(referred) <= set(ids)
    assert "learning rate h" in page


@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium, which is not installed")
def test_the_page_opens_from_disk_in_a_browser_without_a_complaint(
    ema: Path, tmp_path: Path
) -> None:
    done = subprocess.run(
        [str(CHROMIUM), "--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
         "--v=0", f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom",
         (ema / "overlay.html").as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    assert "CONSOLE" not in done.stderr
    assert done.stdout.count("<figure") == 6
    assert done.stdout.count("<path") > 50


def test_names_from_outside_are_escaped(ema: Path, tmp_path: Path) -> None:
    place = edited(ema, tmp_path / "<b>x&y")
    overlay([place], max_runs=2)
    page = (place / "overlay.html").read_text()
    assert "<b>x" not in page
    assert "&lt;b&gt;x&amp;y" in page


def test_an_unwritable_folder_is_one_line(ema: Path, tmp_path: Path) -> None:
    place = edited(ema, tmp_path / "shut")
    for name in ("overlay.json", "overlay.png", "overlay.html"):
        (place / name).unlink()
    (place / "overlay.json").mkdir()
    with pytest.raises(FormatError, match="is a directory"):
        overlay([place], max_runs=2)
    assert not (place / "overlay.png").exists()
