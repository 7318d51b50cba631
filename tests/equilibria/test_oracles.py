"""The worked examples of the theory, to every digit they are given with."""

from __future__ import annotations

from fractions import Fraction as Q

import pytest

import equilibria as eq
from equilibria.varieties.component import Verdict
from tests import dense


def exact_spectrum(component) -> dict[str, int]:
    counts: dict[str, int] = {}
    for e in component.flow.spectrum:
        counts[e.exact] = counts.get(e.exact, 0) + e.multiplicity
    return counts


def stable_ids(report) -> set[str]:
    return {c.id for c in report.components if c.flow.verdict is Verdict.STABLE}


def e7(n: int, **kwargs):
    moments = eq.Moments.isotropic(signal=["7/10", "13/20", "1/2"], variance=1)
    return eq.analyze(eq.Model(moments=moments, embed_dim=n, weight_decay="1/10", **kwargs))


def test_e1_has_a_double_eigenvalue():
    moments = eq.Moments.commuting(signal=["2/3"], total=[1])
    report = eq.analyze(eq.Model(moments=moments, embed_dim=1, weight_decay="1/12"))
    assert exact_spectrum(report.component("rank1:1+")) == {"-1/6": 2}
    assert report.gradient.flow.any_metric.witness.kind == "jordan-block"


def test_e2_unequal_decay_turns():
    moments = eq.Moments.commuting(signal=["2/3"], total=[1])
    model = eq.Model(
        moments=moments,
        embed_dim=1,
        weight_decay="1/12",
        predictor_weight_decay="1/24",
        predictor_lr="1/2",
    )
    values = sorted(e.value.imag for e in eq.analyze(model).component("rank1:1+").flow.spectrum)
    assert values == pytest.approx([-1 / 12, 1 / 12])
    assert eq.gradient_certificate(model).flow.any_metric.witness.kind == "nonreal-eigenvalue"


def test_e4_equilibria_that_are_not_aligned():
    moments = eq.Moments.commuting(signal=[11, "11/29"], total=[2, "1/29"])
    report = eq.analyze(eq.Model(moments=moments, weight_decay=1))
    mixed = [c for c in report.components if c.modes is None]
    assert [c.flow.verdict for c in mixed] == [Verdict.UNSTABLE] * 2
    assert mixed[0].representative["P"] in (
        ((Q(1), Q(2)), (Q(1), Q(5))),
        ((Q(1), Q(-2)), (Q(-1), Q(5))),
    )
    leading = mixed[0].flow.spectrum[0].value
    assert (leading.real, abs(leading.imag)) == pytest.approx((0.3160, 0.6492), abs=1e-4)
    assert report.variety.complete


def test_e3_a_stable_focus_excludes_every_metric():
    moments = eq.Moments.dense([[8, 2], [2, 1]], [[11, 4], [4, 3]])
    report = eq.analyze(eq.Model(moments=moments, weight_decay=1, lr="1/1000"))
    assert report.variety.complete
    focus = report.component("rank2:a")
    assert focus.flow.verdict is Verdict.STABLE
    turning = [e.value for e in focus.flow.spectrum if e.value.imag > 1e-6]
    assert [(v.real, v.imag) for v in turning] == [pytest.approx((-5.8818, 2.6327), abs=1e-4)]
    witness = report.gradient.flow.any_metric.witness
    assert (witness.kind, witness.component) == ("nonreal-eigenvalue", "rank2:a")
    assert witness.residual < 1e-12


@pytest.mark.parametrize("n", [2, 3])
def test_e7_exact_isotropic_spectrum(n):
    report = e7(n)
    top = report.component("rank2:1+,2+")
    expected = {"-31/100": 1, "-1/5": 3, "-3/20": 1, "-21/200": 1, "-1/10": 1, "-3/50": 2, "0": 1}
    if n == 3:
        extra = {"0": 2, "-1/5": 2, "-7/20": 1, "-13/50": 1, "-1/10": 2}
        expected = {key: expected.get(key, 0) + extra.get(key, 0) for key in {*expected, *extra}}
    assert exact_spectrum(top) == expected
    assert stable_ids(report) >= {"rank0", "rank1:1+", "rank2:1+,2+"}


def test_e7_counts_and_stable_chain():
    report = e7(2)
    assert report.variety.total == 9
    assert stable_ids(report) == {"rank0", "rank1:1+", "rank2:1+,2+"}
    assert report.variety.complete


def test_e7_ema_spectrum():
    # beta = (1 - mu)/h = 1
    top = e7(2, procedure="ema", ema="9/10", lr="1/10").component("rank2:1+,2+")
    expected = [
        -1.393644,
        -1.392262,
        -1.323441,
        -1.272862,
        -1.271343,
        -1.210431,
        -0.224200,
        -0.2,
        -0.2,
        -0.2,
        -0.107738,
        -0.078715,
        -0.078657,
        -0.049569,
        -0.047138,
        0,
    ]
    assert sorted(dense.listed(top.flow.spectrum).real) == pytest.approx(sorted(expected), abs=1e-6)


@pytest.mark.parametrize(
    ("options", "step"),
    [
        ({}, 200 / 31),
        ({"momentum": "9/10"}, 380 / 31),
        ({"procedure": "ema", "ema": "99/100"}, 3.286879),
        ({"procedure": "ema", "ema": "99/100", "momentum": "9/10"}, 6.245070),
    ],
)
def test_e7_largest_steps(options, step):
    component = e7(2, **options).component("rank2:1+,2+")
    assert component.map.largest_step == pytest.approx(step, rel=1e-6)


def test_e8_stable_sets_are_not_a_chain():
    moments = eq.Moments.commuting(signal=["1/20", "13/200", "3/10"], total=["1/18", "1/10", 2])
    report = eq.analyze(eq.Model(moments=moments, embed_dim=3, weight_decay="1/100"))
    assert stable_ids(report) == {
        "rank0",
        "rank1:1+",
        "rank1:3+",
        "rank2:1+,3+",
        "rank2:1+,2+",
        "rank3:1+,2+,3+",
    }


def test_e9_an_unbalanced_point_without_decay_is_unstable():
    """E9 lies on the component of modes 1, 2; its conditions must exclude the point."""
    moments = eq.Moments.isotropic(signal=["1/4", "1/2"], variance=1)
    model = eq.Model(moments=moments, weight_decay=0)
    component = eq.analyze(model).component("rank2:1+,2+")
    assert component.stable_where is not None
    point = {"W_1_1": Q(1), "W_2_2": Q(1, 8)}
    signs = [holds(condition, point) for condition in component.stable_where.flow]
    assert not all(signs)
    balanced = {"W_1_1": Q(1, 4), "W_2_2": Q(1, 2)}
    assert all(holds(condition, balanced) for condition in component.stable_where.flow)


def holds(condition: str, point: dict[str, Q]) -> bool:
    from equilibria.exact.grammar import parse
    from equilibria.exact.polynomial import Ring

    text, _ = condition.split(" > ")
    ring = Ring(tuple(point))
    return parse(text, ring).evaluate(point) > 0


def test_e10_pencil():
    moments = eq.Moments.dense([[2, 1], [1, 1]], [[1, "1/4"], ["1/4", "1/2"]])
    sigma_diagonal = eq.Moments.dense([[2, 0], [0, 1]], [[1, "1/4"], ["1/4", "1/2"]])
    assert not moments.commute
    report = eq.analyze(eq.Model(moments=sigma_diagonal, embed_dim=1, weight_decay="1/20"))
    assert report.variety.complete
    values = sorted(c.representative["P"][0][0] for c in report.components if c.rank)
    assert values == pytest.approx([0.0493842, 0.6171722], abs=1e-7)
    stable = next(c for c in report.components if c.rank and c.flow.verdict is Verdict.STABLE)
    spectrum = sorted(e.value.real for e in stable.flow.spectrum)
    assert spectrum == pytest.approx([-0.4778984, -0.3169462, -0.1], abs=1e-7)


def test_e11_direct_pred():
    moments = eq.Moments.commuting(signal=["7/10", "17/20"], total=[1, "3/2"])
    model = eq.Model(procedure="direct-pred", moments=moments, weight_decay="1/10")
    top = eq.analyze(model).component("rank2:1+,2+")
    assert exact_spectrum(top) == {"-3/20": 1, "-7/50": 1, "0": 1, "-157/900": 1}


def test_e12_tian():
    moments = eq.Moments.commuting(signal=[1], total=["3/2"])
    report = eq.analyze(eq.Model(moments=moments, embed_dim=1, weight_decay="3/50"))
    upper, lower = report.component("rank1:1+"), report.component("rank1:1-")
    assert upper.representative["P"] == ((Q(3, 5),),)
    assert lower.representative["P"] == ((Q(1, 15),),)
    assert exact_spectrum(upper) == {"-3/25": 1, "-12/25": 1}
    assert exact_spectrum(lower) == {"-3/25": 1, "4/75": 1}
    beyond = eq.analyze(eq.Model(moments=moments, embed_dim=1, weight_decay="1/5"))
    assert [c.id for c in beyond.components] == ["rank0"]


def test_one_mode_ema_without_decay_has_the_bound_of_the_mock_up():
    moments = eq.Moments.commuting(signal=[1], total=["5/4"])
    model = eq.Model(procedure="ema", moments=moments, embed_dim=1, weight_decay=0)
    report = eq.analyze(model)
    assert report.variety.complete
    where = report.component("rank1:1+").stable_where.map
    bound = Q(76432, 4975)
    for w2, inside in ((bound - Q(1, 1000), True), (bound + Q(1, 1000), False)):
        # The condition is linear in w^2: -5/4 w^2 + 19108/995 > 0.
        assert (Q(-5, 4) * w2 + Q(19108, 995) > 0) is inside
    assert "-5/4*W_1_1**2 + 19108/995 > 0" in where


def test_joint_always_collapses_with_decay_for_all_sizes():
    for n in (1, 2, 3):
        for d in (1, 2, 3):
            moments = eq.Moments.commuting(signal=[Q(1, k + 1) for k in range(d)], noise="1/3")
            report = eq.analyze(eq.Model(procedure="joint", moments=moments, embed_dim=n))
            assert [c.id for c in report.components] == ["rank0"]
            assert report.components[0].flow.how == "proved"
            assert report.variety.complete
            assert not report.summary.avoids_collapse
