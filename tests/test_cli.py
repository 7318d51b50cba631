"""Every command, every exit code, every message a user can meet."""

from __future__ import annotations

import json
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from empirical.commands import program

ROOT = Path(__file__).resolve().parent.parent


def run(capsys, *words: str) -> tuple[int, str, str]:
    try:
        code = program.main(list(words))
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def report(capsys, *words: str) -> dict:
    code, out, _ = run(capsys, "equilibria", *words, "--json", "-")
    assert code in (0, 3)
    return json.loads(out)


def test_default_table_says_the_answer_first(capsys):
    code, out, err = run(capsys, "equilibria", "--ema", "0.99")
    assert code == 0
    assert "3 of 9 components are stable" in out
    assert out.index("Learning is stable") < out.index("rank2:1+,2+")
    assert "1.4398" in out
    assert "0.99579" in out
    assert "certified" in out
    assert "error" not in err
    assert max(len(line) for line in out.splitlines()) <= 100


@pytest.mark.parametrize("width", [72, 80, 100, 140])
def test_the_table_never_cuts_a_number(width):
    """A narrow terminal folds names and drops a column; verdicts and numbers stay whole."""
    from io import StringIO

    from rich.console import Console

    import equilibria as eq
    from equilibria.report.text import print_report

    stream = StringIO()
    model = eq.Model(procedure="ema", moments=eq.Moments.commuting(signal=[1, "3/4"]))
    print_report(eq.analyze(model), Console(file=stream, width=width))
    text = stream.getvalue()
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= width
    for whole in ("-0.0419", "0.99579", "1.4398", "unstable", "certified"):
        assert whole in text


def test_json_has_the_schema_of_the_contract(capsys):
    data = report(capsys, "--ema", "0.99")
    assert data["schema"] == "noncollapse/equilibria/1"
    assert data["parameters"]["ema"] == "99/100"
    assert data["moments"]["Sigma"] == [["5/4", "0"], ["0", "1"]]
    assert data["moments"]["commute"] is True
    assert data["system"]["variables"][0] == "W_1_1"
    assert set(data["system"]["flow"]) == set(data["system"]["variables"])
    assert data["system"]["degree"] == 3
    assert data["system"]["symmetry"] == "O(2)"
    assert data["strata_total"] == 9
    first = data["components"][0]
    for key in ("id", "rank", "modes", "roots", "collapse", "dimension", "equations"):
        assert key in first
    assert set(first["representative"]) == {"W", "P", "T"}
    assert {"verdict", "how", "neutral", "abscissa", "spectrum"} <= set(first["flow"])
    assert {"verdict", "how", "neutral", "radius", "max_lr"} <= set(first["map"])
    field = data["gradient_field"]
    assert field["flow"]["is_gradient"] is False
    assert field["flow"]["how"] == "proved"
    assert {"variables", "curl", "point", "value"} <= set(field["flow"]["witness"])
    assert Fraction(field["flow"]["witness"]["value"]) != 0
    assert field["potential"] is None
    assert data["verdict"]["avoids_collapse"] is True
    assert data["verdict"]["stable_components"] == ["rank2:1+,2+", "rank1:1+", "rank0"]


def test_json_dash_writes_nothing_else_to_stdout(capsys):
    code, out, _ = run(capsys, "equilibria", "--json", "-")
    assert code == 0
    assert json.loads(out)["procedure"] == "stop-gradient"


def test_equal_settings_give_equal_bytes(capsys):
    first = run(capsys, "equilibria", "--ema", "0.9", "--json", "-")[1]
    second = run(capsys, "equilibria", "--ema", "9/10", "--json", "-")[1]
    assert first == second


def test_ascii_output_is_ascii(capsys):
    _, out, _ = run(capsys, "equilibria", "--ema", "0.99", "--ascii")
    assert out.isascii()
    assert "eta = 1/20" in out


def test_negative_lists_are_values_not_options(capsys):
    data = report(capsys, "--signal", "-1,1/2", "--noise", "3")
    assert data["moments"]["M"] == [["-1", "0"], ["0", "1/2"]]


def test_noise_and_total_and_isotropic_define_sigma(capsys):
    assert report(capsys, "--noise", "1/2")["moments"]["Sigma"] == [["3/2", "0"], ["0", "5/4"]]
    assert report(capsys, "--total", "2,3")["moments"]["Sigma"] == [["2", "0"], ["0", "3"]]
    assert report(capsys, "--isotropic", "2")["moments"]["Sigma"] == [["2", "0"], ["0", "2"]]


def test_too_much_decay_is_explained(capsys):
    _, out, _ = run(capsys, "equilibria", "--weight-decay", "1/2")
    assert "Only full collapse is stable" in out
    assert "1/5" in out


def test_too_large_a_step_is_explained(capsys):
    _, out, _ = run(capsys, "equilibria", "--ema", "0.99", "--lr", "39")
    assert "learning needs --lr below 1.4398." in out


def test_a_fold_is_undecided_and_exits_with_3(capsys):
    # m^2 = 4 eta s exactly: the two roots are one.
    code, out, _ = run(
        capsys,
        "equilibria",
        "--signal",
        "1",
        "--total",
        "1",
        "--weight-decay",
        "1/4",
        "--embed-dim",
        "1",
    )
    assert code == 3
    assert "Only full collapse is known to be stable. Undecided: rank1:1" in out
    assert "degenerate" in out


def test_the_boundary_step_size_is_undecided(capsys):
    # E7: h* = 200/31 exactly for stop-gradient.
    options = ["--isotropic", "1", "--signal", "7/10,13/20,1/2", "--weight-decay", "1/10"]
    code, out, _ = run(capsys, "equilibria", *options, "--lr", "200/31", "--json", "-")
    data = json.loads(out)
    top = next(c for c in data["components"] if c["id"] == "rank2:1+,2+")
    assert top["flow"]["verdict"] == "stable"
    assert top["map"]["verdict"] == "undecided"
    assert code == 3


BAD = [
    (["--ema", "1.0"], "--ema 1.0: the momentum must satisfy 0 <= MU < 1"),
    (["--ema", "-0.1"], "--ema -0.1"),
    (["--ema", "nan"], "--ema nan"),
    (["--lr", "0"], "--lr 0: must be above 0"),
    (["--lr", "1e999999"], "--lr 1e999999"),
    (["--lr", "1/0"], "division by zero"),
    (["--weight-decay", "-1"], "--weight-decay -1: must not be negative"),
    (["--momentum", "1"], "--momentum 1"),
    (["--predictor-lr", "0"], "--predictor-lr 0"),
    (["--embed-dim", "0"], "--embed-dim 0"),
    (["--embed-dim", "2.5"], "--embed-dim 2.5"),
    (["--embed-dim", "10000000"], "--embed-dim 10000000"),
    (["--input-dim", "3", "--signal", "1,1/2"], "--input-dim 3: --signal has d = 2"),
    (["--signal", "1,,2"], "--signal"),
    (["--signal", "1,x"], "--signal x"),
    (["--signal", "1,1/2", "--total", "1"], "--total has 1 values and --signal has 2"),
    (["--total", "1,0", "--signal", "1,1"], "not positive definite"),
    (["--noise", "-2"], "not positive definite"),
    (["--total", "1,1", "--noise", "1"], "--total and --noise"),
    (["--total", "1,1", "--isotropic", "1"], "--total and --isotropic"),
    (["--noise", "1", "--isotropic", "1"], "--noise and --isotropic"),
    (["--total", "1,1", "--noise", "1", "--isotropic", "1"], "--total and --noise"),
    (["--moments", "x.npz", "--total", "1"], "--moments and --total"),
    (["--moments", "x.npz", "--noise", "1"], "--moments and --noise"),
    (["--moments", "x.npz", "--isotropic", "1"], "--moments and --isotropic"),
    (["--isotropic", "-1"], "--isotropic -1"),
    (["--moments", "missing.npz"], "--moments missing.npz: no such file"),
    (["--moments", "x.npz", "--signal", "1"], "--moments and --signal"),
    (["--procedure", "byol2"], "--procedure byol2: expected one of"),
    (["--procedure", "joint", "--ema", "0.9"], "joint has no moving-average target"),
    (["--procedure", "missing.toml"], "missing.toml"),
    (["--max-components", "0"], "--max-components 0"),
    (["--plot", "figure.pdf"], "--plot figure.pdf: expected a file name ending in"),
    (["--json", "no/such/folder/out.json"], "--json no/such/folder/out.json"),
    (["--procedure", "joint", "--signal", "2", "--total", "1"], "canonical correlations reach 2"),
    (["--frobnicate"], "--frobnicate"),
    (["--embed"], "--embed"),
]


@pytest.mark.parametrize(("words", "expected"), BAD, ids=[" ".join(w) for w, _ in BAD])
def test_bad_input_is_one_clear_line_and_exit_code_2(
    capsys, tmp_path, monkeypatch, words, expected
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, "equilibria", *words)
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert expected in err.splitlines()[0]
    assert "Traceback" not in err
    assert list(tmp_path.iterdir()) == []


def bad_archives():
    eye = np.eye(2)
    yield (
        "asymmetric",
        {"Sigma": np.array([[1.0, 0.5], [0.0, 1.0]]), "M": eye},
        "Sigma is not symmetric",
    )
    yield "indefinite", {"Sigma": np.diag([1.0, -1.0]), "M": eye}, "Sigma is not positive definite"
    yield "nan", {"Sigma": eye, "M": np.array([[np.nan, 0], [0, 1.0]])}, "M is nan at (0, 0)"
    yield "shapes", {"Sigma": eye, "M": np.eye(3)}, "shape"
    yield "missing", {"Sigma": eye}, "no array `M`"
    yield "text", {"Sigma": np.array(["a"]), "M": eye}, "element type"
    yield "vector", {"Sigma": np.ones(2), "M": eye}, "expected (d, d)"
    yield "objects", {"Sigma": np.array([[eye]], dtype=object), "M": eye}, "not a NumPy .npz"


@pytest.mark.parametrize(
    ("name", "arrays", "expected"), list(bad_archives()), ids=lambda v: str(v)[:12]
)
def test_bad_moment_files_are_one_clear_line(capsys, tmp_path, name, arrays, expected):
    path = tmp_path / f"{name}.npz"
    np.savez(path, **arrays)
    code, out, err = run(capsys, "equilibria", "--moments", str(path))
    assert (code, out) == (2, "")
    assert expected in err.splitlines()[0]
    assert str(path) in err


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + b"\x00" * 40])
def test_files_that_are_no_archives_are_refused(capsys, tmp_path, content):
    path = tmp_path / "m.npz"
    path.write_bytes(content)
    code, _, err = run(capsys, "equilibria", "--moments", str(path))
    assert code == 2
    assert "not a NumPy .npz" in err


def test_outputs_are_written_whole(capsys, tmp_path):
    names = {"--json": "r.json", "--latex": "r.tex", "--plot": "r.png"}
    words = [w for option, name in names.items() for w in (option, str(tmp_path / name))]
    code, _, _ = run(capsys, "equilibria", "--ema", "0.99", *words)
    assert code == 0
    assert sorted(p.name for p in tmp_path.iterdir()) == ["r.json", "r.png", "r.tex"]
    assert json.loads((tmp_path / "r.json").read_text())["procedure"] == "ema"
    assert (tmp_path / "r.png").read_bytes().startswith(b"\x89PNG")
    assert r"\begin{tabular}" in (tmp_path / "r.tex").read_text()


def test_moments_command_and_its_use(capsys, tmp_path):
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(200, 6, 6), dtype=np.uint8)
    np.savez(tmp_path / "images.npz", x_train=images)
    out = tmp_path / "m.npz"
    code, text, _ = run(
        capsys,
        "moments",
        "--images",
        str(tmp_path / "images.npz"),
        "--size",
        "3",
        "--augment",
        "noise=0.1,flip",
        "--views",
        "4",
        "--out",
        str(out),
    )
    assert code == 0
    assert "relative commutator" in text
    data = report(capsys, "--ema", "0.99", "--moments", str(out), "--weight-decay", "1/100")
    assert data["parameters"]["input_dim"] == 9
    assert all(c["flow"]["how"] in ("numeric", "proved") for c in data["components"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--images", "missing.npz"], "missing.npz"),
        (["--images", "IMAGES", "--augment", "wobble=3"], "--augment"),
        (["--images", "IMAGES", "--views", "1"], "--views 1"),
        (["--images", "IMAGES", "--normalize", "x"], "--normalize x"),
        (["--images", "IMAGES:nokey"], "nokey"),
    ],
)
def test_bad_moments_input(capsys, tmp_path, words, expected):
    np.savez(tmp_path / "images.npz", x=np.zeros((50, 4, 4), dtype=np.uint8))
    words = [w.replace("IMAGES", str(tmp_path / "images.npz")) for w in words]
    target = tmp_path / "out.npz"
    code, out, err = run(capsys, "moments", *words, "--out", str(target))
    assert (code, out) == (2, "")
    assert expected in err.splitlines()[0]
    assert not target.exists()


def test_an_internal_error_is_exit_code_4(capsys, monkeypatch):
    def broken(_name, _typed):
        raise RuntimeError("two routes disagree")

    monkeypatch.setattr(program, "_asked", broken)
    code, out, err = run(capsys, "equilibria")
    assert (code, out) == (4, "")
    assert err.startswith("bug: RuntimeError: two routes disagree")
    with pytest.raises(RuntimeError):
        program.main(["equilibria", "--debug"])


def test_an_interrupt_is_exit_code_130(capsys, monkeypatch):
    def interrupted(_name, _typed):
        raise KeyboardInterrupt

    monkeypatch.setattr(program, "_asked", interrupted)
    assert run(capsys, "equilibria")[0] == 130


@pytest.mark.parametrize("words", [["--help"], ["equilibria", "--help"], ["moments", "--help"]])
def test_help_has_examples(capsys, words):
    code, out, _ = run(capsys, *words)
    assert code == 0
    assert "equilibria" in out or "moments" in out
    if len(words) > 1:
        assert "examples:" in out


def test_the_script_runs_as_a_process():
    done = subprocess.run(
        [sys.executable, "cli.py", "equilibria", "--ema", "0.99"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0
    assert "3 of 9" in done.stdout


@pytest.mark.data
def test_real_images_end_to_end(capsys, tmp_path, cifar_small):
    out = tmp_path / "m.npz"
    code, text, _ = run(
        capsys,
        "moments",
        "--images",
        f"{cifar_small}:x_train",
        "--size",
        "8",
        "--gray",
        "--augment",
        "shift=2,flip,noise=0.1,brightness=0.2",
        "--views",
        "4",
        "--out",
        str(out),
    )
    assert code == 0
    assert "do not commute" in text
    data = report(capsys, "--ema", "0.99", "--moments", str(out), "--embed-dim", "16")
    assert data["moments"]["commute"] is False
    assert data["moments"]["commutator"] > 0.01
    ranks = {c["rank"] for c in data["components"] if c["map"]["verdict"] == "stable"}
    assert {0, 1} <= ranks


@pytest.mark.parametrize(
    ("option", "value"),
    [("--momentum", "9/10"), ("--ema", "9/10"), ("--weight-decay", "1/9"), ("--embed-dim", "3"),
     ("--predictor-lr", "2"), ("--signal", "1,1/2"), ("--noise", "1/3"), ("--input-dim", "2"),
     ("--predictor-weight-decay", "1/9"), ("--total", "1"), ("--isotropic", "1")],
)  # fmt: skip
def test_model_options_beside_a_system_file_are_refused(capsys, tmp_path, option, value):
    file = tmp_path / "line.toml"
    file.write_text('variables = ["x"]\n[flow]\nx = "-x"\n')
    code, out, err = run(capsys, "equilibria", "--procedure", str(file), option, value)
    assert (code, out) == (2, "")
    assert f"{option} {value}: does not apply to a system file" in err


@pytest.mark.parametrize(
    "words",
    [
        ["equilibria", "--json=-x.json"],
        ["equilibria", "--latex", "-"],
        ["equilibria", "--plot=--help"],
        ["equilibria", "--certificate=-c.json"],
        ["moments", "--images", "none.npz", "--out=-m.npz"],
        ["moments", "--images", "none.npz", "--out=m.npz", "--pairs=-p.npz"],
        ["phase", "--plot=-1.png"],
        ["basin", "--json=-b.json"],
        ["graph", "--graphml=-g"],
        ["cycles", "--json=-c"],
        ["check", "--junit=-j.xml"],
        ["check", "--markdown=-m"],
        ["simulate", "--out=-runs/one"],
        ["train", "--out=--help"],
        ["overlay", "run", "--json=-o"],
    ],
    ids=" ".join,
)
def test_an_output_whose_name_reads_as_an_option_is_refused(
    capsys, tmp_path, monkeypatch, words: list[str]
):
    monkeypatch.chdir(tmp_path)
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    option = next(w for w in reversed(words) if w.startswith("--") and w != "-").split("=")[0]
    assert err.startswith(f"error: {option} -")
    assert "would be taken for an option" in err
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_there_may_have_any_name(tmp_path, monkeypatch):
    from equilibria.errors import FormatError
    from equilibria.files.write import check_name, write_text

    monkeypatch.chdir(tmp_path)
    (tmp_path / "-old").mkdir()
    write_text("-old/a.json", "1", "--json")
    check_name("a-b/c--/d-.json", "--out")
    for name in ("-old", "./-new", "-new/a", "a/-b/c", "-"):
        with pytest.raises(FormatError, match="would be taken for an option"):
            check_name(name, "--out")
