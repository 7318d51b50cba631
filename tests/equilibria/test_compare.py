"""A certificate beside options and reports: the first difference is named."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import equilibria as eq
from empirical.commands.program import main
from equilibria.certificates import certificate, write_certificate
from equilibria.certificates.compare import difference_from_model, difference_from_report
from equilibria.errors import FormatError

MODEL = eq.Model(procedure="ema")


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    folder = tmp_path_factory.mktemp("certificate")
    write_certificate(folder / "c.json", MODEL)
    (folder / "r.json").write_text(json.dumps(eq.analyze(MODEL).to_json()), encoding="utf-8")
    return str(folder / "c.json"), str(folder / "r.json")


CHANGES: list[tuple[str, dict[str, Any]]] = [
    ("lr is 1/10 in the certificate, the options say 1/1000", {"lr": "1/1000"}),
    ("ema is 99/100 in the certificate, the options say 1/2", {"ema": "1/2"}),
    ("predictor_lr is 1 in", {"predictor_lr": 2}),
    ("predictor_weight_decay is 1/20 in", {"predictor_weight_decay": 1}),
    ("momentum is 0 in", {"momentum": "1/2"}),
    ("embed_dim is 2 in", {"embed_dim": 3}),
    (
        "Sigma is 5/4 in the certificate, the options say 6/5",
        {"moments": eq.Moments.commuting(signal=[1, "3/4"], noise="1/5")},
    ),
    (
        "M is 3/4 in the certificate, the options say 1/2",
        {"moments": eq.Moments.commuting(signal=[1, "1/2"], total=["5/4", 1])},
    ),
]


@pytest.mark.parametrize(("words", "change"), CHANGES)
def test_every_rate_and_moment_is_compared(words: str, change: dict[str, Any]) -> None:
    data = certificate(MODEL)["model"]
    assert difference_from_model(data, MODEL) is None
    found = difference_from_model(data, replace(MODEL, **change))
    assert found is not None
    assert found.startswith(words)


def test_another_procedure_is_named_first() -> None:
    data = certificate(MODEL)["model"]
    found = difference_from_model(data, eq.Model(lr="1/7"))
    assert found == "procedure is ema in the certificate, the options say stop-gradient"


def test_the_command_compares_and_exits_with_1(
    written: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    path, report = written
    assert main(["verify", path, "--ema", "0.99", "--report", report]) == 0
    out = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in out] == ["holds", "about"]
    for words in (["--lr", "1/1000", "--ema", "0.99"], ["--embed-dim", "2"], ["--signal", "1,1/2"]):
        assert main(["verify", path, *words]) == 1
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith("fails: the certificate is of another model: ")


def entry(report: Any, index: int, *path: str) -> Any:
    target = report["components"][index]
    for step in path:
        target = target[step]
    return target


def test_reports_are_compared_component_by_component(
    written: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, report = written
    honest = Path(report).read_text(encoding="utf-8")
    changes: dict[str, Any] = {
        "rank2:1+,2+: flow verdict is stable in": lambda r: entry(r, 0, "flow").update(
            verdict="unstable"
        ),
        "rank2:1+,2+: map verdict is stable in": lambda r: entry(r, 0, "map").update(
            verdict="undecided"
        ),
        "rank2:1+,2+: dimension is 1 in": lambda r: entry(r, 0).update(dimension=2),
        "rank2:1+,2+: collapse is none in": lambda r: entry(r, 0).update(collapse="full"),
        "rank2:1+,2+ is in the certificate, not in": lambda r: r["components"].pop(0),
        "rank2:9+ is in ": lambda r: r["components"].append({**entry(r, 0), "id": "rank2:9+"}),
        "lr is 1/10 in the certificate": lambda r: r["parameters"].update(lr="1/20"),
        "ema is in the certificate": lambda r: r["parameters"].pop("ema"),
        "M is 1 in": lambda r: r["moments"].update(M=[["2", "0"], ["0", "3/4"]]),
    }
    for words, change in changes.items():
        data = json.loads(honest)
        change(data)
        other = tmp_path / "other.json"
        other.write_text(json.dumps(data), encoding="utf-8")
        assert main(["verify", path, "--report", str(other)]) == 1
        (line,) = capsys.readouterr().out.splitlines()
        assert line.startswith(f"fails: the certificate is of another model: {words}"), line


def test_reports_of_many_inputs_hold_only_diagonals(tmp_path: Path) -> None:
    model = eq.Model(moments=eq.Moments.commuting(signal=[1, 1], total=[2, 3]), embed_dim=1)
    data, report = certificate(model), eq.analyze(model).to_json()
    path = tmp_path / "r.json"
    for diagonal, words in ((["2", "3"], None), (["2", "4"], "Sigma is 3 in the certificate")):
        moments = {"Sigma": None, "M": None, "Sigma_diagonal": diagonal, "M_diagonal": ["1", "1"]}
        path.write_text(json.dumps({**report, "moments": moments}), encoding="utf-8")
        found = difference_from_report(data["model"], data["components"], str(path))
        assert (found or "").startswith(words or "")
        assert (found is None) == (words is None)


def test_no_such_report_is_one_line() -> None:
    data = certificate(MODEL)
    with pytest.raises(FormatError, match=r"--report none\.json: no such file"):
        difference_from_report(data["model"], data["components"], "none.json")


@pytest.mark.parametrize(
    "text", ["[]", "{", '{"schema": "noncollapse/equilibria/1"}', "\x00", "1e999"]
)
def test_what_is_no_report_is_one_line(text: str, tmp_path: Path) -> None:
    path = tmp_path / "r.json"
    path.write_text(text, encoding="utf-8")
    data = certificate(MODEL)
    with pytest.raises(FormatError, match="--report"):
        difference_from_report(data["model"], data["components"], str(path))


def test_a_verdict_at_a_point_is_no_difference_from_a_family_stable_in_part(tmp_path: Path) -> None:
    model = eq.Model(procedure="ema", weight_decay=0)
    data, report = certificate(model), eq.analyze(model).to_json()
    verdicts = {c["id"]: c["flow"]["verdict"] for c in data["components"]}
    assert verdicts["rank1:2+"] == "unstable"
    path = tmp_path / "r.json"
    path.write_text(json.dumps(report), encoding="utf-8")
    assert difference_from_report(data["model"], data["components"], str(path)) is None
    report["components"][0]["flow"]["verdict"] = "unstable"
    path.write_text(json.dumps(report), encoding="utf-8")
    found = difference_from_report(data["model"], data["components"], str(path))
    assert found is not None
    assert "flow verdict is stable in the certificate" in found
