"""Numbers beside verdicts: none is rounded onto the boundary that it lies beyond."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

import equilibria as eq
from equilibria.report.html import report_html
from equilibria.report.latex import report_latex
from equilibria.report.latex_text import decimal as latex
from equilibria.report.numbers import decimal, extent, significant
from equilibria.report.text import print_report
from equilibria.varieties.component import How, Stability, Verdict


def stability(verdict: str, value: float | None, **more: object) -> Stability:
    return Stability(Verdict(verdict), How.CERTIFIED, 0, value, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("verdict", "value", "shown"),
    [
        ("stable", -0.0419, "-0.0419"),
        ("stable", -5e-4, "-0.0005"),
        ("stable", -4.9e-4, "-4.90e-04"),
        ("unstable", 1e9, "+1.00e+09"),
        ("stable", 0.0, "< 0"),
        ("stable", 1e-20, "< 0"),
        ("unstable", -1e-20, "> 0"),
        ("undecided", 0.0, "+0.0000"),
        ("undecided", 1e-20, "+1.00e-20"),
        ("stable", None, "-"),
        ("unstable", float("inf"), "-"),
    ],
)
def test_an_abscissa_is_on_its_side_of_zero(verdict: str, value: float, shown: str) -> None:
    assert extent(stability(verdict, value), "flow") == shown


@pytest.mark.parametrize(
    ("verdict", "value", "shown"),
    [
        ("stable", 0.99579, "0.99579"),
        ("stable", 1 - 2**-13, "0.99988"),
        ("stable", 1 - 2**-14, "1-6.10e-05"),
        ("unstable", 1 + 2**-30, "1+9.31e-10"),
        ("unstable", 1 + 2**-40, "1+9e-13"),
        ("stable", 1 - 2**-50, "< 1"),
        ("unstable", 1 + 2**-50, "> 1"),
        ("stable", 1.0, "< 1"),
        ("unstable", 0.5, "> 1"),
        ("undecided", 1.0, "1.00000"),
        ("unstable", 1e9, "1.00e+09"),
        ("unstable", float("nan"), "-"),
    ],
)
def test_a_radius_is_on_its_side_of_one(verdict: str, value: float, shown: str) -> None:
    assert extent(stability(verdict, value), "map") == shown


def test_what_differs_from_point_to_point_is_left_out() -> None:
    assert extent(stability("stable", 0.5, varies=True), "map") == "-"


def test_small_numbers_keep_their_digits_in_latex_too() -> None:
    assert significant(0.7464, 4) == "0.7464"
    assert significant(0.01, 4) == "0.0100"
    assert significant(5.0000001e-10, 4) == "5e-10"
    assert significant(-1.23456e-3, 4) == "-0.001235"
    assert significant(0.0, 4) == "0.0000"
    assert significant(1.5e-10, 6, latex) == r"1.5\cdot 10^{-10}"
    assert extent(stability("stable", 1 - 2**-30), "map", latex) == r"1-9.31\cdot 10^{-10}"
    assert decimal(40.0, ".5g") == "40"
    assert decimal(None, ".5g") == decimal(float("inf"), ".5g") == "-"


@pytest.mark.parametrize("procedure", ["stop-gradient", "ema"])
@pytest.mark.parametrize(("width", "decay"), [(80, "5e-10"), (100, "1e-20")])
def test_a_report_at_tiny_rates_has_no_number_of_zeros(
    procedure: str, width: int, decay: str
) -> None:
    moments = eq.Moments.commuting(signal=[1, "3/4"])
    report = eq.analyze(
        eq.Model(procedure=procedure, moments=moments, lr="1e-9", weight_decay=decay)
    )
    stream = io.StringIO()
    print_report(report, Console(file=stream, width=width))
    text = stream.getvalue()
    assert "upper root" in text
    assert max(map(len, text.splitlines())) <= width
    for shown in (text, report_html(report), report_latex(report)):
        assert "0.0000" not in shown
        assert "1.00000" not in shown


def test_every_page_has_the_radius_of_the_map() -> None:
    moments = eq.Moments.commuting(signal=[1, "3/4"])
    report = eq.analyze(eq.Model(procedure="ema", moments=moments))
    assert '<td style="text-align:right">0.99579</td>' in report_html(report)
    assert "$0.99579$" in report_latex(report)
    assert "+0.9958" not in report_html(report) + report_latex(report)
