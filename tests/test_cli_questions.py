"""The commands `phase`, `basin` and `graph` through the front door."""

from __future__ import annotations

import json
from fractions import Fraction
from xml.etree import ElementTree

import numpy as np
import pytest

from empirical.commands import program


def run(capsys, *words: str) -> tuple[int, str, str]:
    try:
        code = program.main(list(words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_phase_draws_exact_boundaries(capsys, tmp_path):
    code, out, _ = run(
        capsys,
        "phase",
        "--ema",
        "0.99",
        "--x",
        "weight-decay=0.01:0.3:12",
        "--y",
        "lr=0.1:10:10:log",
        "--json",
        str(tmp_path / "p.json"),
        "--plot",
        str(tmp_path / "p.png"),
    )
    assert code == 0
    # m^2/(4 s) of the two modes.
    assert "1/5" in out
    assert "9/64" in out
    assert "flip" in out
    data = json.loads((tmp_path / "p.json").read_text())
    assert data["schema"] == "noncollapse/phase/1"
    assert (tmp_path / "p.png").read_bytes().startswith(b"\x89PNG")


def test_phase_surface_is_over_three_rates(capsys):
    code, out, _ = run(capsys, "phase", "--ema", "0.99", "--surface", "--json", "-")
    data = json.loads(out)
    assert code == 0
    # T10.1 at mu = 99/100, nu = 0, alpha = 1, as the default report has it.
    i, k = data["ema"].index("99/100"), data["predictor_lr"].index("1")
    assert data["max_lr"][i][data["momentum"].index("0")][k] == pytest.approx(1.4398, abs=1e-4)


def test_basin_of_a_mode_brackets_the_lower_root(capsys, tmp_path):
    figure = tmp_path / "b.png"
    code, out, _ = run(capsys, "basin", "--mode", "1", "--json", "-", "--plot", str(figure))
    data = json.loads(out)
    assert code == 0
    assert data["schema"] == "noncollapse/basin/1"
    assert figure.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("point", "word"),
    [("0.1,0.1", "survives"), ("0.01,0.01", "collapses"), ("0.06,0.06", "survives")],
)
def test_basin_answers_for_one_start(capsys, point, word):
    # On the balanced line w = p the boundary is p- = 0.0536.
    code, out, _ = run(capsys, "basin", "--point", point)
    assert code == 0
    assert word in out.splitlines()[3]
    assert "certified" in out.splitlines()[3]


def test_basin_of_random_starts_sums_to_one(capsys):
    code, out, _ = run(capsys, "basin", "--init", "kaiming", "--runs", "60", "--json", "-")
    data = json.loads(out)
    assert code in (0, 3)
    total = sum(share["fraction"] for share in data["probabilities"])
    assert total + data["undecided"] / 60 == pytest.approx(1)


def test_graph_sinks_are_the_stable_components(capsys, tmp_path):
    files = [tmp_path / name for name in ("g.json", "g.svg", "g.graphml")]
    code, out, _ = run(
        capsys,
        "graph",
        "--json",
        str(files[0]),
        "--plot",
        str(files[1]),
        "--graphml",
        str(files[2]),
    )
    assert code == 0
    data = json.loads(files[0].read_text())
    assert set(data["sinks"]) == {"rank2:1+,2+", "rank1:1+", "rank0"}
    assert "3 attractors among 9 strata" in out
    for path in files[1:]:
        ElementTree.parse(path)


def test_the_order_is_told_once(capsys):
    code, out, _ = run(capsys, "graph", "--order", "--runs", "2")
    assert code == 0
    assert out.count("2 runs from balanced") == 1


def test_order_without_decay_stands_alone(capsys, tmp_path):
    code, out, _ = run(capsys, "graph", "--order", "--weight-decay", "0", "--runs", "2")
    assert code == 0
    assert out
    code, _, err = run(
        capsys, "graph", "--order", "--weight-decay", "0", "--plot", str(tmp_path / "x.png")
    )
    assert code == 2
    assert "--plot" in err


def test_the_limit_cycle_of_e5_is_found_from_the_command_line(capsys, tmp_path):
    """E5 at t = 1/28: period, amplitude and multiplier as the theory gives them."""
    from equilibria.cycles.examples import e5

    moments, decay = e5(Fraction(1, 28))
    sigma, m = moments.matrices()
    path = tmp_path / "e5.npz"
    np.savez(path, Sigma=sigma, M=m)
    code, out, _ = run(
        capsys, "cycles", "--moments", str(path), "--weight-decay", str(decay), "--json", "-"
    )
    assert code == 0
    (cycle,) = json.loads(out)["cycles"]
    assert cycle["verdict"] == "stable"
    assert cycle["period"] == pytest.approx(0.523187, abs=1e-6)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["phase", "--x", "lr"], "--x lr"),
        (["phase", "--x", "speed=1:2"], "--x speed"),
        (["phase", "--x", "lr=2:1"], "--x lr"),
        (["phase", "--decay", "half"], "--decay half"),
        (["phase", "--jobs", "0"], "--jobs 0"),
        (["phase", "--plot", "x.pdf"], "--plot x.pdf"),
        (["phase", "--surface", "--x", "lr=1:2"], "--x lr=1:2: belongs to the grid"),
        (["phase", "--surface", "--y", "lr=1:2"], "--y lr=1:2: belongs to the grid"),
        (["phase", "--surface", "--decay", "equal"], "--decay equal: belongs to the grid"),
        (["phase", "--surface", "--backend", "loky"], "--backend loky: belongs to the grid"),
        (["phase", "--surface", "--jobs", "2"], "--jobs 2: belongs to the grid"),
        (["phase", "--surface", "--lr", "2"], "--lr 2: --surface answers for all"),
        (["phase", "--surface", "--momentum", "0"], "--momentum 0: --surface answers"),
        (["phase", "--surface", "--predictor-lr", "2"], "--predictor-lr 2: --surface"),
        (
            ["phase", "--surface", "--predictor-weight-decay", "0"],
            "--predictor-weight-decay 0: --s",
        ),
        (["basin", "--point", "1"], "--point"),
        (["basin", "--point", "a,b"], "--point"),
        (["basin", "--mode", "7"], "--mode 7"),
        (["basin", "--scale", "2"], "--scale 2: belongs to random starts"),
        (["basin", "--init", "xavier"], "--init xavier"),
        (["graph", "--procedure", "contrastive"], "contrastive"),
        (["graph", "--runs", "0", "--order"], "--runs 0"),
        (["cycles", "--along", "beta"], "--along beta"),
        (["cycles", "--radius", "2"], "--radius 2: belongs to --search"),
    ],
    ids=lambda v: " ".join(v) if isinstance(v, list) else "",
)
def test_bad_questions_are_one_clear_line(capsys, tmp_path, monkeypatch, words, expected):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert expected in err.splitlines()[0]
    assert list(tmp_path.iterdir()) == []
