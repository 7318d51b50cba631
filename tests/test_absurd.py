"""Command lines nobody would type end with an answer or one line: 0, 2, 3, never a trace or half a file.

`absurd` makes the lines. The quick suite runs some hundred in this process, `--slow` thousands.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from empirical.commands import program
from tests import absurd

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = sorted(absurd.BASES)
QUICK = {"equilibria": 60, "basin": 12, "graph": 8, "cycles": 8, "phase": 12, "train": 12,
         "simulate": 12, "check": 12}  # fmt: skip
MEASURED = ("simulate", "train", "overlay")
JUDGES = ("check", "verify")  # whose exit code 1 means that something does not hold


@pytest.fixture(scope="module")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished")
    absurd.furnish(folder)
    return folder


def attack(
    command: str, count: int, seed: int, furnished: Path, work: Path, capsys: pytest.CaptureFixture
) -> None:
    source = random.Random(f"{command} {seed}")
    absurd.copy(furnished, work)
    before = absurd.listing(work)
    for number, line in zip(range(count), absurd.lines(command, source), strict=False):
        code = program.main(list(line))
        printed = capsys.readouterr()
        told = f"{command}, line {number}: {line!r:.400}\n{printed.err[:400]}"
        assert code in ((0, 1, 2, 3) if command in JUDGES else (0, 2, 3)), told
        assert "Traceback" not in printed.err, told
        after = absurd.listing(work)
        if code == 2:
            errors = [x for x in printed.err.splitlines() if x.startswith("error: ")]
            assert len(errors) == 1, told
            assert printed.out == "", told
            assert after == before, told
        hidden = {name for name in map(Path, after) if name.name.startswith(".")}
        assert {name.name for name in hidden} <= {".lock"}, told  # nothing half-written stays
        if after != before:
            absurd.clear(work)
            absurd.copy(furnished, work)


def needs(command: str) -> None:
    if command in MEASURED:
        pytest.importorskip("torch")


@pytest.mark.parametrize("command", COMMANDS)
def test_absurd_lines_end_with_an_answer_or_one_line(
    command: str,
    furnished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    needs(command)
    monkeypatch.chdir(tmp_path)
    attack(command, QUICK.get(command, 25), 0, furnished, tmp_path, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("command", COMMANDS)
def test_thousands_of_absurd_lines(
    command: str,
    furnished: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
) -> None:
    needs(command)
    monkeypatch.chdir(tmp_path)
    attack(command, 10 * QUICK.get(command, 25), 1, furnished, tmp_path, capsys)


BOUNDS = [
    ("1e400", "expected 0 or a size from 1e-30 to 1e30"),
    ("1e-400", "expected 0 or a size from 1e-30 to 1e30"),
    ("1e31", "expected 0 or a size from 1e-30 to 1e30"),
    ("1/1" + "0" * 31, "expected 0 or a size from 1e-30 to 1e30"),
    ("0." + "3" * 61, "more than 60 digits"),
    ("1e401", "exponents beyond 400"),
    ("1" * 4001, "more than 4000 characters"),
]
RATES = ("lr", "weight-decay", "predictor-lr", "signal", "total", "noise", "isotropic")


@pytest.mark.parametrize("option", RATES)
@pytest.mark.parametrize(("value", "expected"), BOUNDS, ids=[v[:12] for v, _ in BOUNDS])
def test_numbers_are_bounded_where_they_are_read(
    capsys: pytest.CaptureFixture, option: str, value: str, expected: str
) -> None:
    assert program.main(["equilibria", f"--{option}={value}"]) == 2
    first = capsys.readouterr().err.splitlines()[0]
    assert first.startswith(f"error: --{option} {value[:12]}")
    assert expected in first
    assert len(first) < 200


@pytest.mark.parametrize(
    "text",
    ["1e30", "-1e30", "1e-30", "-1e-30", "9" * 30, "0", "-0.0", "0." + "3" * 59, "1/" + "7" * 30],
)
def test_numbers_at_their_bounds_are_read_as_they_are(text: str) -> None:
    from fractions import Fraction

    from equilibria.exact.rationals import quantity

    assert quantity(text, "x") == Fraction(text)
    assert quantity(Fraction(text), "x") == Fraction(text)


def test_numbers_just_beyond_their_bounds_are_refused() -> None:
    from fractions import Fraction

    from equilibria.errors import FormatError
    from equilibria.exact.rationals import quantity

    tiny = Fraction(1, 10**29)
    assert quantity(10**30 - tiny, "x") == 10**30 - tiny
    digits = 10**59 + 1  # 60 of them
    for accepted in (Fraction(10 * digits - 11, 10**40), Fraction(10**30 + 1, 10**60 - 1)):
        assert quantity(accepted, "x") == accepted
    for refused, words in (
        (10**30 + 1, "from 1e-30 to 1e30"),
        (-(10**30) - tiny, "from 1e-30 to 1e30"),
        (Fraction(1, 10**30 + 1), "from 1e-30 to 1e30"),
        (Fraction(10**60, 10**30 + 1), "more than 60 digits"),
        (-Fraction(10**60, 10**30 + 1), "more than 60 digits"),
        (Fraction(10**30 + 1, 10**60), "more than 60 digits"),
    ):
        with pytest.raises(FormatError, match=words):
            quantity(refused, "x")


@pytest.mark.parametrize("power", [-28, 28])
def test_verdicts_do_not_depend_on_units_up_to_the_bounds(power: int) -> None:
    """(Sigma, M, eta, 1/h) -> c (Sigma, M, eta, 1/h) is a change of the unit of time alone."""
    from fractions import Fraction

    import equilibria as eq

    def verdicts(c: Fraction) -> list[tuple[str, str, str]]:
        moments = eq.Moments.commuting(signal=[c, Fraction(3, 4) * c], noise=c / 4)
        report = eq.analyze(
            eq.Model(
                procedure="ema",
                moments=moments,
                lr=1 / (10 * c),
                weight_decay=c / 20,
                ema="99/100",
            )
        )
        return [(x.id, x.flow.verdict.value, x.map.verdict.value) for x in report.components]

    unit = verdicts(Fraction(1))
    assert len(unit) == 9
    assert sorted(verdicts(Fraction(10) ** power)) == sorted(unit)


def process(words: list[str], **options: object) -> subprocess.CompletedProcess:
    command = [sys.executable, str(ROOT / "cli.py"), *words]
    return subprocess.run(command, stderr=subprocess.PIPE, check=False, **options)  # type: ignore


def test_an_ascii_stream_needs_no_option(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = process(["equilibria", "--ema", "0.99"], stdout=subprocess.PIPE, env=environment)
    text = done.stdout.decode("ascii")
    assert done.returncode == 0
    assert "eta = 1/20" in text
    assert max(map(len, text.splitlines())) <= 100
    done = process(["basin"], stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 0
    assert "alpha w^2" in done.stdout.decode("ascii")


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_is_the_same_on_any_stream(encoding: str, tmp_path: Path) -> None:
    import json

    environment = {**os.environ, "PYTHONIOENCODING": encoding}
    words = ["equilibria", "--embed-dim", "1", "--json", "-"]
    done = process(words, stdout=subprocess.PIPE, env=environment)
    assert done.returncode == 0
    told = json.loads(done.stdout.decode(encoding))
    assert program.main([*words[:-1], str(tmp_path / "r.json")]) == 0
    assert told == json.loads((tmp_path / "r.json").read_text(encoding="utf-8"))


def test_a_reader_that_leaves_ends_the_program_as_it_ends_others() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = process(["equilibria"], stdout=writing)
    os.close(writing)
    assert done.returncode == 141
    assert b"error" not in done.stderr
    assert b"Traceback" not in done.stderr


@pytest.mark.parametrize(
    "words", [["equilibria"], ["--help"], ["--version"], ["basin", "--json=-"]]
)
def test_a_full_device_is_one_line(words: list[str]) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")
    with open("/dev/full", "wb") as full:
        done = process(words, stdout=full)
    lines = done.stderr.decode().splitlines()
    assert done.returncode == 2
    assert "error: standard output: cannot be written (No space left on device)" in lines
    assert "Traceback" not in done.stderr.decode()


def test_closed_streams_are_refused_or_left_alone(tmp_path: Path) -> None:
    words = ["equilibria", "--json", str(tmp_path / "r.json")]
    done = process(words, preexec_fn=lambda: os.close(1))
    assert done.returncode == 2
    assert done.stderr.startswith(b"error: standard output is closed")
    assert list(tmp_path.iterdir()) == []  # refused before anything was done
    command = [sys.executable, str(ROOT / "cli.py"), "equilibria"]
    quiet = subprocess.run(
        command, stdout=subprocess.PIPE, check=False, preexec_fn=lambda: os.close(2)
    )
    assert quiet.returncode == 0
    assert b" s\n" not in quiet.stdout[-8:]  # the time belongs to the stream that is not there


def test_only_regular_files_pass_and_others_are_told_apart(tmp_path: Path) -> None:
    from equilibria.errors import FormatError
    from equilibria.files.untrusted import check_file

    regular, fifo, loop = (tmp_path / name for name in ("a.npz", "fifo", "loop"))
    regular.write_bytes(b"")
    os.mkfifo(fifo)
    loop.symlink_to("loop")
    (tmp_path / "link").symlink_to("a.npz")
    check_file(regular, "--data")
    check_file(tmp_path / "link", "--data")
    for path, words in (
        (fifo, "--data: not a regular file"),
        (tmp_path, "--data: not a regular file"),
        (Path("/dev/null"), "--data: not a regular file"),
        (tmp_path / "none", "--data: no such file"),
        (loop, "--data: "),
        ("n" * 5000, "--data: cannot be read (File name too long)"),
        ("a\0b", "--data: "),
    ):
        with pytest.raises(FormatError) as caught:
            check_file(path, "--data", "numbers")
        assert str(caught.value).startswith(words)
        assert str(caught.value).endswith("; expected numbers")


@pytest.fixture
def fifo(tmp_path: Path) -> Path:
    path = tmp_path / "fifo.toml"
    os.mkfifo(path)
    return path


@pytest.mark.parametrize("place", ["fifo", "/dev/zero", "folder"])
@pytest.mark.parametrize(
    "words",
    [
        ["equilibria", "--procedure", "PLACE"],
        ["equilibria", "--moments", "PLACE"],
        ["moments", "--out", "o.npz", "--images", "PLACE"],
        ["check", "PLACE"],
        ["verify", "PLACE"],
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_what_is_no_regular_file_is_refused(
    fifo: Path, tmp_path: Path, capsys: pytest.CaptureFixture, place: str, words: list[str]
) -> None:
    named = {"fifo": str(fifo), "folder": str(tmp_path)}.get(place, place)
    assert program.main([word.replace("PLACE", named) for word in words]) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_outputs_are_checked_before_the_first_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for second in ("no/such/r.tex", "n" * 300, "r.json"):
        assert program.main(["equilibria", "--json", "r.json", "--latex", second]) == 2
        assert "--latex" in capsys.readouterr().err
        assert list(tmp_path.iterdir()) == []


def test_a_name_that_is_not_utf8_is_written_and_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    name = str(tmp_path / "m\udcff.npz")
    (tmp_path / "out").mkdir()
    absurd.furnish(tmp_path / "out")
    Path(name).write_bytes((tmp_path / "out" / "dense.npz").read_bytes())
    json_file, latex = tmp_path / "r.json", tmp_path / "r.tex"
    words = ["equilibria", "--moments", name, "--json", str(json_file), "--latex", str(latex)]
    assert program.main(words) in (0, 3)
    assert r"\udcff" in json_file.read_text(encoding="utf-8")
    assert program.main(["equilibria", "--moments", name + "x"]) == 2
    assert len(capsys.readouterr().err.splitlines()) in (2, 3)
