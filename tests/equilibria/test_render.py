"""LaTeX, figures and HTML of a report: complete, well formed, escaped, and the same every time."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from functools import cache
from html.parser import HTMLParser
from typing import Any

import pytest
from matplotlib.figure import Figure

from equilibria.data.moments import Moments
from equilibria.errors import FormatError
from equilibria.report.analysis import Summary
from equilibria.report.analyze import analyze
from equilibria.report.figure_charts import predictor_eigenvalues
from equilibria.report.figure_marks import drawable
from equilibria.report.figure_spectrum import zoom_radius
from equilibria.report.figures import draw_report, report_figure
from equilibria.report.html import html_page, report_html
from equilibria.report.latex import report_latex
from equilibria.report.latex_text import escape, formula, fraction, polynomial, sentence, surd
from equilibria.report.portrait import Standing, main_component, mode_portrait, split_neutral
from equilibria.report.report import Report
from equilibria.systems.model import Model
from equilibria.systems.procedures import PROCEDURES
from equilibria.varieties.commuting.modes import modes_of, states_of
from equilibria.varieties.component import Component, How, Stability, Variety, Verdict

HOSTILE = "a_b%&#$^~{}\\input<script>数据.npz"
LIMIT = 200_000

TWO = Moments.commuting(signal=[1, "3/4"])
ONE = Moments.commuting(signal=[1])
MODELS = {
    **{name: Model(procedure=name) for name in PROCEDURES},
    "ema-without-decay": Model(procedure="ema", weight_decay=0, moments=ONE, embed_dim=1),
    "stop-gradient-without-decay": Model(weight_decay=0, lr="5/2"),
    "joint-without-decay": Model(
        procedure="joint",
        weight_decay=0,
        moments=Moments.commuting(signal=[1, "1/2"], total=[1, 1]),
    ),
    "direct-copy-without-decay": Model(procedure="direct-copy", weight_decay=0),
    "decay-of-the-encoder": Model(predictor_weight_decay=0),
    "decay-of-the-predictor": Model(weight_decay=0, predictor_weight_decay="1/20"),
    "unequal-decay": Model(predictor_lr=4, predictor_weight_decay="1/10"),
    "indefinite": Model(moments=Moments.commuting(signal=[1, "1/2", "-3/4"], noise=1), embed_dim=3),
    "momentum": Model(procedure="ema", momentum="9/10"),
    "floating": Model(procedure="ema", floating=True),
    "rotated": Model(
        moments=Moments.dense([[2, 1], [1, 2]], [[1, "1/2"], ["1/2", 1]], source=HOSTILE)
    ),
    "rotated-floats": Model(
        moments=Moments.dense([[2.0, 1.0], [1.0, 2.0]], [[1.0, 0.5], [0.5, 1]])
    ),
    "not-commuting": Model(moments=Moments.dense([[2, 1], [1, 3]], [[1, 0], [0, "1/2"]])),
    "fold": Model(moments=Moments.commuting(signal=[1], total=[5]), embed_dim=1),
    "large-step": Model(lr=9),
    "nothing-to-learn": Model(weight_decay=1),
}
# Together these reach every branch of the drawing code.
DRAWN = [
    "ema",
    "joint",
    "direct-pred",
    "contrastive",
    "stop-gradient-without-decay",
    "decay-of-the-encoder",
    "decay-of-the-predictor",
    "momentum",
    "floating",
    "rotated",
    "not-commuting",
]


@cache
def report_of(name: str) -> Report:
    return analyze(MODELS[name])


@cache
def figure_of(name: str) -> Figure:
    return report_figure(report_of(name))


@cache
def picture(name: str, form: str) -> bytes:
    stream = io.BytesIO()
    draw_report(report_of(name), stream, form)
    return stream.getvalue()


def marked(figure: Figure) -> list[Any]:
    """Return the artists that stand for something, in the order in which they were drawn."""
    return figure.findobj(lambda artist: bool(artist.get_gid()))


def drawn_components(figure: Figure) -> Counter[str]:
    """Count the artists of each component; the parts of a curve count once."""
    names = [a.get_gid() for a in marked(figure) if a.get_gid().startswith("component:")]
    curve = re.compile(r"component:(rank\d+(?::\d+[+-])?):(\d+)")
    parts = [(match := curve.fullmatch(name)) and match.groups() for name in names]
    plain = [name.removeprefix("component:") for name in names if not curve.fullmatch(name)]
    return Counter([*plain, *(part[0] for part in parts if part and part[1] == "1")])


def bare_report() -> Report:
    """Return a report of components without modes, points or spectra."""
    unknown = Stability(Verdict.UNDECIDED, How.NUMERIC, 0, None)
    hard = Stability(Verdict.UNSTABLE, How.NUMERIC, 0, 1.25)
    components = tuple(
        Component(f"rank{k}:a", k, 0, None, unknown if k else hard, unknown if k else hard)
        for k in range(3)
    )
    variety = Variety(components, complete=False, why="searched", total=10**30)
    return Report(MODELS["not-commuting"], variety, Summary(False, (), (), "Nothing is known."))


# LaTeX


def assert_balanced(text: str) -> None:
    stripped = re.sub(r"\\[{}\\]", "", text)
    assert stripped.count("{") == stripped.count("}")
    opened: list[str] = []
    for kind, name in re.findall(r"\\(begin|end)\{(\w+\*?)\}", text):
        if kind == "begin":
            opened.append(name)
        else:
            assert opened.pop() == name
    assert not opened
    assert len(re.findall(r"(?<!\\)\$", text)) % 2 == 0


@pytest.mark.parametrize("name", MODELS)
def test_latex_is_balanced_and_names_every_component(name: str) -> None:
    report = report_of(name)
    text = report_latex(report)
    assert_balanced(text)
    for component in report.components:
        assert rf"\texttt{{{component.id}}}" in text
        assert component.map.verdict.value in text
    assert "\\hline" in text
    assert "toprule" not in text
    assert text.isascii()


@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="pdflatex is not installed")
def test_latex_of_every_model_compiles(tmp_path) -> None:
    body = "\n".join(report_latex(report_of(name)) for name in MODELS)
    source = (
        "\\documentclass{article}\n\\usepackage{amsmath}\n\\begin{document}\n%s\\end{document}\n"
    )
    (tmp_path / "all.tex").write_text(source % (body + report_latex(bare_report())))
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout.decode(errors="replace")[-2000:]


def test_latex_states_flow_map_rates_and_moments() -> None:
    text = report_latex(report_of("ema"))
    assert r"R &= T M - P W \Sigma" in text
    assert r"\dot P &= \alpha R W^{\top} - \eta_P P" in text
    assert r"W^+ &= W + h \dot W" in text
    assert r"T^+ &= \mu T + (1 - \mu) W^+" in text
    assert r"\mu = \tfrac{99}{100}" in text
    assert r"\Sigma &= \operatorname{diag}(\tfrac{5}{4}, 1)" in text
    assert r"\dot{W}_{11} &= " in text
    assert r"{W_{11}}^+ &= " in text
    assert r"V_W^+ &= \nu V_W + \dot W" in report_latex(report_of("momentum"))


def test_latex_gives_the_exact_roots_and_the_exact_curl() -> None:
    text = report_latex(report_of("ema"))
    assert r"p_{1}^{+} &= \tfrac{2}{5} + \tfrac{1}{5}\sqrt{3} \approx 0.746410" in text
    assert r"p_{2}^{-} &= \tfrac{3}{8} - \tfrac{1}{40}\sqrt{145}" in text
    curl = (
        r"\frac{\partial f_{T_{11}}}{\partial W_{11}} - \frac{\partial f_{W_{11}}}{\partial T_{11}}"
    )
    assert curl + r" &= -P_{11} + \tfrac{1}{10}" in text


def test_latex_gives_the_conditions_of_a_component_that_is_stable_in_part() -> None:
    text = report_latex(report_of("ema-without-decay"))
    assert r"$\tfrac{5}{4}\,P_{11}^{2} - P_{11} > 0$" in text
    assert r"-\tfrac{5}{4}\,W_{11}^{2} + \tfrac{19108}{995} > 0" in text


def test_latex_of_a_large_model_has_no_entries_and_is_short() -> None:
    signal = [Fraction(100 - i, 100) for i in range(20)]
    model = Model(moments=Moments.commuting(signal=signal), embed_dim=20)
    text = report_latex(analyze(model, max_components=100))
    assert_balanced(text)
    assert "entry by entry" not in text
    assert text.count(r"\begin{tabular}") == 3
    assert len(text) < 40_000


def test_a_hostile_name_is_text() -> None:
    text = report_latex(report_of("rotated"))
    assert r"a\_b\%\&\#\$\textasciicircum{}\textasciitilde{}\{\}" in text
    assert r"\textbackslash{}input$<$script$>$??.npz" in text
    page = html_page(report_of("rotated"))
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert picture("rotated", "png")


def test_escape_covers_every_character_that_latex_reads() -> None:
    assert escape("50% & {x_1} #2 $ ^ ~ \\") == (
        r"50\% \& \{x\_1\} \#2 \$ \textasciicircum{} \textasciitilde{} \textbackslash{}"
    )
    assert escape("a <= b\n\n\\end{document}") == r"a $\le$ b \textbackslash{}end\{document\}"


def test_formulas_are_recognised_and_prose_is_not() -> None:
    assert formula("dW = W M - (W Sigma W^T) W Sigma - eta W") == (
        r"\dot W = W M - ( W \Sigma W^{\top} ) W \Sigma - \eta W"
    )
    assert formula("P symmetric") is None
    assert formula("(W") is None
    assert (
        sentence("A flow with R = 0, so B = W W^T") == "A flow with $R = 0$, so $B = W W^{\\top}$"
    )
    assert sentence("dB/dt = -1/10*B exactly") == r"$\dot B = -\tfrac{1}{10}\,B$ exactly"
    assert polynomial("x_1**2 - 1/2") == r"x_{1}^{2} - \tfrac{1}{2}"
    assert polynomial("not a polynomial") is None


def test_numbers_are_exact_or_say_that_they_are_not() -> None:
    assert fraction(Fraction(-3, 4)) == r"-\tfrac{3}{4}"
    assert fraction(Fraction(10**40 + 1, 10**40)) == "1"
    assert fraction(Fraction(1, 3 * 10**20)) == r"3.3333333\cdot 10^{-21}"
    (outer, _) = states_of(modes_of(TWO)[0], Fraction(1, 20))
    assert surd(outer.p) == r"\tfrac{2}{5} + \tfrac{1}{5}\sqrt{3}"


# Figures


@pytest.mark.parametrize("name", DRAWN)
def test_pictures_are_small_and_well_formed(name: str) -> None:
    vector = picture(name, "svg")
    assert ET.fromstring(vector).tag == "{http://www.w3.org/2000/svg}svg"
    assert len(vector) < LIMIT
    raster = picture(name, "png")
    assert raster.startswith(b"\x89PNG\r\n\x1a\n")
    assert len(raster) < LIMIT


@pytest.mark.parametrize("form", ["png", "svg"])
def test_equal_reports_give_equal_bytes(form: str) -> None:
    stream = io.BytesIO()
    draw_report(analyze(MODELS["ema"]), stream, form)
    assert stream.getvalue() == picture("ema", form)
    assert b"date" not in stream.getvalue().lower().replace(b"update", b"")
    assert b"Software" not in stream.getvalue()


def test_the_user_configuration_changes_nothing() -> None:
    import matplotlib

    with matplotlib.rc_context({"font.size": 30, "lines.linewidth": 9, "text.parse_math": True}):
        before = dict(matplotlib.rcParams)
        stream = io.BytesIO()
        draw_report(report_of("direct-pred"), stream, "svg")
        assert dict(matplotlib.rcParams) == before
    assert stream.getvalue() == picture("direct-pred", "svg")


def test_drawing_loads_no_pyplot() -> None:
    import sys

    code = (
        "import io, sys\n"
        "from equilibria.report.analyze import analyze\n"
        "from equilibria.systems.model import Model\n"
        "from equilibria.report.figures import draw_report\n"
        "assert 'matplotlib' not in sys.modules\n"
        "draw_report(analyze(Model(procedure='contrastive')), io.BytesIO(), 'png')\n"
        "assert 'matplotlib.pyplot' not in sys.modules and 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-W", "error", "-c", code], check=True, timeout=120)


def test_another_format_is_refused() -> None:
    with pytest.raises(FormatError, match="pdf"):
        draw_report(report_of("ema"), io.BytesIO(), "pdf")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("ema", {"rank0", "rank1:1+", "rank1:1-"}),
        ("stop-gradient", {"rank0", "rank1:1+", "rank1:1-"}),
        ("direct-pred", {"rank0", "rank1:1+", "rank1:1-"}),
        ("direct-copy-without-decay", {"rank0", "rank1:1+"}),
        ("contrastive", {"rank0", "rank1:1+"}),
        ("joint", {"rank0"}),
        ("joint-without-decay", {"rank0", "rank1:1+"}),
        ("ema-without-decay", {"rank0", "rank1:1+"}),
        ("decay-of-the-encoder", {"rank0"}),
        ("fold", {"rank0", "rank1:1+"}),
        ("nothing-to-learn", {"rank0"}),
        ("not-commuting", {"rank0", "rank1:a", "rank1:b"}),
    ],
)
def test_every_equilibrium_of_the_mode_is_drawn_once(name: str, expected: set[str]) -> None:
    assert drawn_components(figure_of(name)) == Counter(expected)


def test_filling_carries_the_verdict() -> None:
    marks = {artist.get_gid(): artist for artist in marked(figure_of("large-step"))}
    stable, unstable = marks["component:rank0"], marks["component:rank1:1-"]
    assert stable.get_markerfacecolor() != "white"
    assert unstable.get_markerfacecolor() == "white"
    assert marks["component:rank1:1+"].get_fillstyle() == "left"


def test_curves_change_their_dashes_exactly_where_the_verdict_changes() -> None:
    portrait = mode_portrait(report_of("ema-without-decay"))
    assert portrait is not None
    collapse = [segment for segment in portrait.segments if segment.name == "rank0"]
    assert [segment.standing for segment in collapse] == [
        Standing.STABLE,
        Standing.UNSTABLE,
        Standing.STABLE,
    ]
    assert [segment.p[1] for segment in collapse[:2]] == [0.0, pytest.approx(0.8)]
    alive = {segment.standing for segment in portrait.segments if segment.name == "rank1:1+"}
    assert alive == {Standing.STABLE}
    lines = {artist.get_gid(): artist for artist in marked(figure_of("ema-without-decay"))}
    assert lines["component:rank0:1"].get_linestyle() == "-"
    assert lines["component:rank0:2"].get_linestyle() == "--"


def test_a_large_step_cuts_the_stable_curve() -> None:
    portrait = mode_portrait(report_of("stop-gradient-without-decay"))
    assert portrait is not None
    alive = [segment for segment in portrait.segments if segment.name == "rank1:1+"]
    assert [segment.standing for segment in alive][-1] is Standing.FLOW_ONLY
    # 2/h > s alpha w^2 + s p^2 - m p at p = m/s: w^2 < 2/(h s) - 0 = 16/25.
    assert alive[-1].w[0] == pytest.approx(0.8)


def test_a_mode_that_is_stable_alone_says_what_it_is_with_the_others() -> None:
    portrait = mode_portrait(report_of("contrastive"))
    assert portrait is not None
    spots = {spot.name: spot for spot in portrait.spots}
    assert spots["rank1:1+"].standing is Standing.STABLE
    assert spots["rank1:1+"].whole is Verdict.UNSTABLE
    assert spots["rank0"].whole is None


def test_the_portrait_shows_the_leading_mode_of_the_main_component() -> None:
    report = report_of("indefinite")
    main = main_component(report)
    assert main is not None
    assert main.id == "rank1:1+"
    portrait = mode_portrait(report)
    assert portrait is not None
    assert portrait.mode.number == 1
    assert {spot.name for spot in portrait.spots} == {"rank0", "rank1:1+", "rank1:1-"}


@pytest.mark.parametrize("name", ["ema", "joint", "unequal-decay", "indefinite", "momentum"])
def test_the_drawn_points_are_at_rest_and_inside_the_window(name: str) -> None:
    import numpy as np

    portrait = mode_portrait(report_of(name))
    assert portrait is not None
    for spot in portrait.spots:
        rates = portrait.velocity(np.array([spot.p]), np.array([spot.w]))
        assert max(abs(float(rate[0])) for rate in rates) < 1e-12
        assert portrait.p_window[0] < spot.p < portrait.p_window[1]
        assert portrait.w_window[0] < spot.w < portrait.w_window[1]


@pytest.mark.parametrize("name", ["direct-pred", "direct-copy"])
def test_the_growth_rate_vanishes_where_the_mode_rests(name: str) -> None:
    import numpy as np

    portrait = mode_portrait(report_of(name))
    assert portrait is not None
    alive = np.array([spot.w for spot in portrait.spots if spot.w])
    assert np.abs(portrait.growth(alive)).max() < 1e-12
    assert float(portrait.growth(np.array([0.0]))[0]) == -0.05


def test_without_modes_the_predictors_are_drawn() -> None:
    report = report_of("not-commuting")
    assert mode_portrait(report) is None
    values = predictor_eigenvalues(report.component("rank1:a"))
    assert len(values) == 2
    assert values[0] == pytest.approx(0.0, abs=1e-12)
    assert values[1] > 0.5


def test_without_points_or_spectra_there_is_still_a_figure() -> None:
    report = bare_report()
    assert drawn_components(report_figure(report)) == Counter(["rank0:a"])
    empty = replace(report, variety=replace(report.variety, components=()))
    assert len(report_figure(empty).axes) == 2
    assert_balanced(report_latex(report))
    assert "rank2:a" in report_html(report)


def test_the_spectrum_splits_into_normal_and_neutral() -> None:
    stability = report_of("ema").component("rank2:1+,2+").map
    normal, neutral = split_neutral(stability, centre=1.0)
    assert (len(normal), neutral) == (11, [1.0])
    circle, strip = figure_of("ema").axes[1:]
    counts = {line.get_gid(): len(line.get_xdata()) for line in circle.lines if line.get_gid()}
    assert (counts["inside"], counts["neutral"]) == (11, 1)
    left, right = strip.get_xlim()
    assert 0.98 < left < 0.99
    assert 1 < right < 1.01


def test_the_zoom_shows_the_slow_multipliers() -> None:
    assert zoom_radius([0.995, 0.99, 0.9, 0.85]) == pytest.approx(0.01)
    assert zoom_radius([0.9, 0.95]) == pytest.approx(0.1)
    assert zoom_radius([0.5, -0.5]) is None
    assert zoom_radius([]) is None


def test_titles_hold_only_what_the_font_can_draw() -> None:
    assert drawable("Σ = diag(1, 数据)\n") == "Σ = diag(1, ??)\\n"
    assert len(drawable("x" * 300, 30)) == 30


# HTML


class Tags(HTMLParser):
    """Checks that every tag is closed; remembers the text."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.seen: Counter[str] = Counter()
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen[tag] += 1
        if tag not in ("br", "meta"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def parsed(text: str) -> Tags:
    tags = Tags()
    tags.feed(text)
    tags.close()
    assert not tags.open
    return tags


@pytest.mark.parametrize("name", MODELS)
def test_html_is_well_formed_and_names_every_component(name: str) -> None:
    report = report_of(name)
    tags = parsed(report_html(report))
    for component in report.components:
        assert component.id in tags.text
    assert report.summary.text in tags.text
    assert tags.seen["script"] == 0


def test_a_page_is_one_file() -> None:
    page = html_page(report_of("contrastive"))
    tags = parsed(page)
    assert page.startswith("<!DOCTYPE html>")
    assert tags.seen["svg"] == 1
    assert not tags.seen.keys() & {"script", "link", "img", "iframe"}
    assert not re.search(r"(?:src|href)=\"(?!#)", page)
    assert len(page) < LIMIT


def test_a_notebook_shows_the_report() -> None:
    report = report_of("ema")
    assert report._repr_html_() == report_html(report)
    assert report._repr_latex_() == report_latex(report)
