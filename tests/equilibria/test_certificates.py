"""Certificates of random exact models, of the worked examples, and what cannot be certified."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equilibria as eq
from equilibria.certificates import certificate, certificate_text, write_certificate
from equilibria.errors import AnalysisError, LimitReached, ScopeError
from equilibria.verify import verify
from tests.equilibria.mutations import numbers

RATE = st.sampled_from(["1/10", "1/2", "3/2", "1/100", "1"])


def checked(model: eq.Model) -> Any:
    """Return the certificate of a model after a round trip through JSON; it must hold."""
    document = json.loads(json.dumps(certificate(model)))
    found = verify(document)
    assert found.holds, found.line
    return document


@st.composite
def models(draw: st.DrawFn, most: int = 2) -> eq.Model:
    """Return exact models of every procedure, with and without decay and momentum."""
    n, d = draw(st.integers(1, most)), draw(st.integers(1, most))
    procedure = draw(
        st.sampled_from(
            ["joint", "stop-gradient", "ema", "direct-pred", "direct-copy", "contrastive"]
        )
    )
    number = st.fractions(min_value=Fraction(1, 3), max_value=6, max_denominator=5)
    s = draw(st.lists(number, min_size=d, max_size=d))
    if draw(st.booleans()):
        s = [s[0]] * d
    m = [x * draw(st.fractions(min_value=-1, max_value=1, max_denominator=4)) for x in s]
    options: dict[str, Any] = {"lr": draw(RATE)}
    options["weight_decay"] = draw(st.sampled_from(["0", "1/20", "1/50", "1/7"]))
    options["momentum"] = draw(st.sampled_from(["0", "0", "1/2", "9/10"]))
    if procedure in ("joint", "stop-gradient", "ema"):
        options["predictor_lr"] = draw(st.sampled_from(["1", "2", "9/4", "1/3"]))
        if draw(st.booleans()):
            options["predictor_weight_decay"] = draw(st.sampled_from(["0", "1/10", "1/100"]))
    if procedure == "ema":
        options["ema"] = draw(st.sampled_from(["0", "1/2", "99/100", "0.996"]))
    moments = eq.Moments.commuting(signal=m, total=s)
    return eq.Model(procedure=procedure, moments=moments, embed_dim=n, **options)


@settings(max_examples=40)
@given(model=models())
def test_certificates_of_random_models_hold(model: eq.Model) -> None:
    try:
        document = certificate(model)
    except AnalysisError:
        return
    found = verify(json.loads(json.dumps(document)))
    assert found.holds, found.line


@pytest.mark.parametrize("embed_dim", [1, 2, 3])
def test_contrastive_modes_of_one_correlation_are_one_family(embed_dim: int) -> None:
    """(m - eta) / s agrees for both modes, so rows turn between them although s and m differ."""
    moments = eq.Moments.commuting(signal=["1/3", "2/3", "1/2"], total=["1/3", "2/3", "2"])
    model = eq.Model(
        procedure="contrastive", moments=moments, embed_dim=embed_dim, weight_decay="0"
    )
    assert eq.analyze(model).components[0].dimension >= 1
    found = verify(json.loads(json.dumps(certificate(model))))
    assert found.holds, found.line


@pytest.mark.slow
@settings(max_examples=400)
@given(model=models(most=3))
def test_certificates_of_many_random_models_hold(model: eq.Model) -> None:
    try:
        document = certificate(model)
    except AnalysisError:
        return
    found = verify(json.loads(json.dumps(document)))
    assert found.holds, found.line


def test_all_verdicts_of_the_analysis_are_in_the_certificate() -> None:
    report = eq.analyze(eq.Model(procedure="ema"))
    document = checked(report.model)
    listed = {c["id"]: (c["flow"]["verdict"], c["map"]["verdict"]) for c in document["components"]}
    assert listed == {c.id: (c.flow.verdict, c.map.verdict) for c in report.components}


def test_degenerate_components_are_listed_as_undecided() -> None:
    moments = eq.Moments.commuting(signal=[1], total=[5])
    document = checked(eq.Model(moments=moments, embed_dim=1, weight_decay="1/20"))
    fold = document["components"][-1]
    assert (fold["id"], fold["flow"]["verdict"]) == ("rank1:1+", "undecided")
    assert document["counts"] == {"components": "2", "verdicts": "2", "undecided": "2"}


def test_two_modes_that_mix_are_certified_with_their_cofactors() -> None:
    moments = eq.Moments.commuting(signal=[11, "11/29"], total=[2, "1/29"])
    document = checked(eq.Model(moments=moments, weight_decay=1, lr="1/100"))
    assert document["completeness"]["theorem"] == "T6.5"
    assert Fraction(document["completeness"]["evidence"]["y_squared"]) > 0
    mixed = [c for c in document["components"] if c["id"] in ("rank2:a", "rank2:b")]
    assert [c["flow"]["verdict"] for c in mixed] == ["unstable", "unstable"]
    assert document["gradient_field"]["any_metric"]["kind"] == "nonreal-eigenvalue"


def test_a_jordan_block_is_a_witness_against_every_metric() -> None:
    moments = eq.Moments.commuting(signal=["2/3"], total=[1])
    document = checked(eq.Model(moments=moments, embed_dim=1, weight_decay="1/12"))
    witness = document["gradient_field"]["any_metric"]
    assert (witness["kind"], witness["eigenvalue"]) == ("jordan-block", "-1/6")


@pytest.mark.parametrize("procedure", ["stop-gradient", "ema"])
@pytest.mark.parametrize("signal", [["1", "3/4"], ["1", "0"], ["1", "-1/2"], ["1", "1"]])
def test_without_decay_the_conditions_of_stability_are_certified(
    procedure: str, signal: list[str]
) -> None:
    moments = eq.Moments.commuting(signal=signal, total=["5/4", "5/4"])
    model = eq.Model(procedure=procedure, moments=moments, weight_decay=0)
    document = checked(model)
    given = [c["stable_where"] for c in document["components"]]
    assert any(entry != "none" for entry in given)
    component = document["components"][0]
    component["stable_where"] = component["stable_where"][:-1]
    assert verify(document).line.startswith("fails: components[0].stable_where")


FOCUS = eq.Moments.dense([[8, 2], [2, 1]], [[11, 4], [4, 3]])
HOPF = eq.Moments.dense([[16, 0], [0, 2056]], [["141/28", "-449/7"], ["-449/7", "10798/7"]])


@pytest.mark.slow
@pytest.mark.parametrize("procedure", ["stop-gradient", "ema"])
@pytest.mark.parametrize(("moments", "decay"), [(FOCUS, "1"), (HOPF, "1/16")])
def test_equilibria_of_moments_that_do_not_commute_are_isolated(
    procedure: str, moments: eq.Moments, decay: str
) -> None:
    model = eq.Model(procedure=procedure, moments=moments, weight_decay=decay, lr="1/100")
    report = eq.analyze(model)
    document = json.loads(json.dumps(certificate(report)))
    found = verify(document)
    assert found.holds, found.line
    assert document["completeness"]["claim"] == "open"


def test_the_unstable_focus_of_hopf_type_is_certified_number_by_number() -> None:
    model = eq.Model(moments=HOPF, weight_decay="1/16", lr="1/100")
    document = json.loads(json.dumps(certificate(only(model, "rank2:a"))))
    component = next(c for c in document["components"] if c["id"] == "rank2:a")
    assert (component["flow"]["verdict"], component["flow"]["unstable"]) == ("unstable", "2")
    assert verify(document).holds
    changed = [(path, other) for path, other in numbers(document) if path[0] == "components"]
    assert len(changed) > 12
    assert [path for path, other in changed if verify(other).holds] == []


@pytest.mark.slow
@pytest.mark.parametrize(("procedure", "unstable"), [("stop-gradient", "0"), ("ema", "2")])
def test_a_target_of_medium_speed_destabilises_a_stable_equilibrium(
    procedure: str, unstable: str
) -> None:
    sigma = [[1, 0, 0], [0, 3, 0], [0, 0, 1154]]
    m = [["0.11", "0.157", "2.41"], ["0.157", "0.4455", "7.4"], ["2.41", "7.4", 631]]
    options: dict[str, Any] = {"lr": "1/100", "weight_decay": "1/1000", "embed_dim": 3}
    if procedure == "ema":
        options["ema"] = "0.87"
    model = eq.Model(procedure=procedure, moments=eq.Moments.dense(sigma, m), **options)
    document = checked_report(only(model, "rank3:a"))
    focus = next(c for c in document["components"] if c["id"] == "rank3:a")
    assert focus["flow"]["unstable"] == unstable


def checked_report(report: eq.Report) -> Any:
    document = json.loads(json.dumps(certificate(report)))
    found = verify(document)
    assert found.holds, found.line
    return document


def only(model: eq.Model, name: str) -> eq.Report:
    """Return the report with one component and collapse."""
    report = eq.analyze(model)
    kept = tuple(c for c in report.components if c.id in (name, "rank0"))
    return replace(report, variety=replace(report.variety, components=kept, complete=False))


def test_what_has_no_exact_evidence_is_declined_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ScopeError, match="leave --float out"):
        certificate(eq.Model(floating=True))
    with pytest.raises(ScopeError, match="system file"):
        certificate("system.toml")  # type: ignore[arg-type]
    with pytest.raises(LimitReached, match="lower --embed-dim"):
        certificate(eq.Model(embed_dim=7))
    measured = eq.Moments.dense([[1.0, 0.1], [0.1, 1.0]], [[0.5, 0.0], [0.0, 0.4]])
    path = tmp_path / "c.json"
    with pytest.raises(ScopeError, match="floating point"):
        write_certificate(path, eq.Model(moments=measured))
    assert not path.exists()


def test_equal_models_give_equal_bytes_without_floats() -> None:
    first, second = (certificate_text(eq.Model(procedure="ema")) for _ in range(2))
    assert first == second
    assert "." not in first.replace("T6.5", "")


def test_joint_is_certified_up_to_six() -> None:
    for n, d in ((1, 6), (6, 1), (4, 4)):
        moments = eq.Moments.commuting(signal=[Fraction(1, k + 1) for k in range(d)])
        document = checked(eq.Model(procedure="joint", moments=moments, embed_dim=n))
        assert document["completeness"]["theorem"] == "T1.1"


@pytest.mark.parametrize("momentum", ["0", "9/10"])
@pytest.mark.parametrize(
    "procedure", ["stop-gradient", "ema", "direct-pred", "direct-copy", "contrastive"]
)
def test_largest_steps_are_certified_as_the_report_says_them(procedure: str, momentum: str) -> None:
    model = eq.Model(procedure=procedure, momentum=momentum)
    report = eq.analyze(model)
    document = checked_report(report)
    count = 0
    for component, entry in zip(report.components, document["components"], strict=True):
        step = component.map.largest_step
        if component.flow.verdict != "stable":
            assert entry["largest_h"] == "none"
            continue
        assert step is not None
        unit = Fraction(2) ** (int(entry["largest_h"]["exponent"]) - 23)
        low, high = (Fraction(7 * int(entry["largest_h"]["cell"]) + k, 7) * unit for k in (-1, 6))
        assert low <= Fraction(step) < high
        count += 1
    assert count
    assert f"largest h of {count}" in verify(document).line


def test_unequal_decays_have_the_largest_step_that_the_equations_have() -> None:
    """8.45299 and 45.49: a complex pair leaves the circle, not a flip."""
    for (total, decay, predictor), step in {
        ("5/4", "1/20", "1/40"): 8.45299,
        ("5/4", "1/100", "1/1000"): 45.49,
    }.items():
        moments = eq.Moments.commuting(signal=[1], total=[total])
        model = eq.Model(
            moments=moments, embed_dim=1, weight_decay=decay, predictor_weight_decay=predictor
        )
        document = checked(model)
        entry = next(c for c in document["components"] if c["id"] == "rank1:1+")["largest_h"]
        found = int(entry["cell"]) * 2.0 ** (int(entry["exponent"]) - 23)
        assert found == pytest.approx(step, rel=1e-4)


def test_what_the_kernel_cannot_prove_of_steps_is_not_in_the_certificate() -> None:
    document = checked(eq.Model(procedure="ema", moments=FOCUS, weight_decay=1, lr="1/100"))
    with_step = {c["id"] for c in document["components"] if "largest_h" in c}
    assert with_step == {"rank0"}
    assert "largest h of 1, of 2 stable not" in verify(document).line
