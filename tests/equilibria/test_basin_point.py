"""Fates and boundaries of one mode against plain integration and brute iteration of the polynomials."""

from __future__ import annotations

import io
import json
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from equilibria.basin import Fate, basin_boundary, basin_lines, basin_point, basin_report
from equilibria.basin.fates import ALIVE, COLLAPSED, crossings, mode_fates, on_slice
from equilibria.basin.figure import basin_figure, draw_basin
from equilibria.basin.mode import mode_problem
from equilibria.commands.basin import OPTIONS, Question, basin_header, report_of
from equilibria.commands.options import question
from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.files.terminal import plain
from equilibria.systems.model import Model
from equilibria.systems.procedures import procedure
from equilibria.varieties.component import How

SMALL = st.fractions(Fraction(1, 5), 2, max_denominator=12)
SOME_E = [Fraction(1, 12), Fraction(3, 16), Fraction(6, 25)]
START = st.fractions(-2, 2, max_denominator=50)


def one_mode(s, m, eta, **options) -> Model:
    moments = Moments.commuting(signal=[m], total=[s])
    return Model(moments=moments, embed_dim=1, weight_decay=eta, **options)


@st.composite
def models(draw, *, name="stop-gradient"):
    """Draw a model of one mode with one of a few E = eta s/m^2 and any sign of m."""
    s, m = draw(SMALL), draw(SMALL) * draw(st.sampled_from([1, -1]))
    E = draw(st.sampled_from(SOME_E))
    return one_mode(
        s,
        m,
        E * m * m / s,
        procedure=name,
        predictor_lr=draw(st.sampled_from(["1", "4", "1/3"])),
        ema=draw(st.sampled_from(["99/100", "1/2"])) if name == "ema" else None,
    )


def integrated(model: Model, point: tuple[float, ...]) -> Fate | None:
    """Return the fate by integrating the polynomial system to rest, None when it is still moving."""
    system = procedure(model.procedure).build(model)
    names = list(system.flow)
    entries = [system.flow[name] for name in names]
    values = dict(zip(("P_1_1", "W_1_1", "T_1_1"), point, strict=False))

    def rhs(t, y):
        state = dict(zip(names, y.tolist(), strict=True))
        return [entry.evaluate(state, float) for entry in entries]

    slowest = min(float(model.eta), float(model.flow_rate) if "T_1_1" in names else np.inf)
    end = solve_ivp(
        rhs,
        (0, 60 / slowest),
        [values[name] for name in names],
        method="LSODA",
        rtol=1e-11,
        atol=1e-15,
    ).y[:, -1]
    if max(abs(v) for v in rhs(0, end)) > 1e-6:
        return None
    w = abs(end[names.index("W_1_1")])
    return Fate.SURVIVES if w * np.sqrt(float(model.alpha)) > float(model.eta) else Fate.COLLAPSES


@given(model=models(), p=START, w=START)
@settings(max_examples=20, deadline=None)
def test_certified_fates_are_those_of_the_polynomial_flow(model, p, w):
    answer = basin_point(model, 1, (p, w))
    assert answer.how is How.CERTIFIED
    assert answer.fate in (Fate.SURVIVES, Fate.COLLAPSES)
    expected = integrated(model, (float(p), float(w)))
    assert expected in (answer.fate, None)
    if answer.margin is not None:
        assert answer.margin.low <= answer.margin.high
        assert (answer.margin.low > 0) == (answer.fate is Fate.SURVIVES)


@given(model=models(), p=START, w=START.filter(bool))
@settings(max_examples=15, deadline=None)
def test_the_critical_factor_separates_the_fates(model, p, w):
    answer = basin_point(model, 1, (p, w))
    if answer.scale is None:
        return
    low, high = Fraction(answer.scale.low), Fraction(answer.scale.high)
    assert basin_point(model, 1, (low * p, low * w)).fate is Fate.COLLAPSES
    assert basin_point(model, 1, (high * p, high * w)).fate is Fate.SURVIVES
    assert high - low < high / 1000


@given(model=models(), p=START, w=START)
@settings(max_examples=20, deadline=None)
def test_a_larger_predictor_rate_is_a_larger_encoder(model, p, w):
    """T0.1, and the two signs of m and of w (T0.4)."""
    m, s = model.moments.signal[0], model.moments.total[0]
    quadrupled = one_mode(s, m, model.eta, predictor_lr=4 * model.alpha)
    mirrored = one_mode(s, -m, model.eta, predictor_lr=model.alpha)
    fate = basin_point(model, 1, (p, w)).fate
    assert basin_point(quadrupled, 1, (p, w / 2)).fate is fate
    assert basin_point(mirrored, 1, (-p, w)).fate is fate
    assert basin_point(model, 1, (p, -w)).fate is fate


@given(model=models(), angle=st.fractions(-1, 1, max_denominator=30), ema=st.booleans())
@settings(max_examples=10, deadline=None)
def test_the_ball_of_local_collapse_collapses(model, angle, ema):
    """T2.5: alpha w^2 + p^2 < eta^2/(4 m^2)."""
    radius = model.eta / (2 * abs(model.moments.signal[0])) * Fraction(99, 100)
    p, size = radius * 2 * angle / (1 + angle**2), radius * (1 - angle**2) / (1 + angle**2)
    w = size / (2 if model.alpha == 4 else 1)  # alpha is 4, 1 or 1/3: inside in every case
    assert basin_point(model, 1, (p, w)).fate is Fate.COLLAPSES
    if ema:
        s, m = model.moments.total[0], model.moments.signal[0]
        slow = one_mode(s, m, model.eta, procedure="ema", predictor_lr=model.alpha)
        assert integrated(slow, (float(p), float(w), float(w))) is Fate.COLLAPSES


@given(model=models(name="ema"), p=START, w=START, t=START)
@settings(max_examples=8, deadline=None)
def test_ema_fates_are_those_of_the_polynomial_flow(model, p, w, t):
    answer = basin_point(model, 1, (p, w, t))
    assert answer.how is How.NUMERIC
    expected = integrated(model, (float(p), float(w), float(t)))
    # A start within 1e-4 of the boundary may tip over through rounding.
    if answer.scale is None or abs(answer.scale.low - 1) > 1e-4:
        assert expected in (answer.fate, None)


def iterated(model: Model, point: tuple[Fraction, ...], steps: int) -> Fate:
    """Return the fate by brute iteration of the polynomial map, one step at a time."""
    system = procedure(model.procedure).build(model)
    entries = list(system.map.items())
    state = {name: 0.0 for name, _ in entries}
    for name, value in zip(("P_1_1", "W_1_1", "T_1_1"), point, strict=False):
        if name in state:
            state[name] = float(value)
    for _ in range(steps):
        state = {name: entry.evaluate(state, float) for name, entry in entries}
        if abs(state["W_1_1"]) > 1e8:
            return Fate.DIVERGES
    alive = abs(state["W_1_1"]) * np.sqrt(float(model.alpha)) > float(model.eta)
    return Fate.SURVIVES if alive else Fate.COLLAPSES


@pytest.mark.parametrize(
    "options",
    [
        {"lr": "1/2"},
        {"lr": "1/2", "momentum": "1/2"},
        {"lr": "1/2", "procedure": "ema", "ema": "9/10"},
        {"lr": "1/2", "procedure": "ema", "ema": "3/4", "momentum": "9/10", "predictor_lr": "2"},
    ],
    ids=str,
)
def test_map_fates_are_those_of_brute_iteration(options):
    model = one_mode("5/4", 1, "1/10", **options)
    points = [("1/10", "3/10"), ("1/10", "1/20"), ("0", "3/10"), ("0", "1/20"), ("3/2", "1/10")]
    fates = set()
    for point in points:
        answer = basin_point(model, 1, point, is_map=True)
        p, w = (Fraction(value) for value in point)
        assert answer.fate is iterated(model, (p, w, w), 1500)
        fates.add(answer.fate)
    assert {Fate.SURVIVES, Fate.COLLAPSES} <= fates
    assert basin_point(model, 1, ("0", "50"), is_map=True).fate is Fate.DIVERGES


@given(
    c=st.floats(-0.4, 0.4),
    p=st.floats(0.0, 1.0),
    t=st.floats(0.0, 1.0),
    more=st.tuples(st.floats(0, 0.5), st.floats(0, 0.5)),
)
@settings(max_examples=40, deadline=None)
def test_survival_is_kept_when_predictor_and_target_grow_at_fixed_balance(c, p, t, more):
    """The order argument of `boundary`: the survival set is closed upwards in (p, t)."""
    problem = mode_problem(one_mode("5/4", 1, "1/10", procedure="ema", ema="9/10"), 1)
    rows = np.array([[p, 0.0, t], [p + more[0], 0.0, t + more[1]]])
    if c + p * p <= 0:
        return
    rows[:, 1] = np.sqrt(c + rows[:, 0] ** 2)
    fates = mode_fates(problem, rows)
    assert not (fates[0] == ALIVE and fates[1] == COLLAPSED)


def test_the_numeric_boundary_of_stop_gradient_is_the_certified_one():
    model = one_mode("5/4", 1, "1/10")
    exact, problem = basin_boundary(model, 1, rows=8), mode_problem(model, 1)
    c = np.array([row[0] for row in exact.rows])
    low = np.where(c < 0, np.sqrt(np.maximum(-c, 0)), -2.0)
    starts = on_slice(problem)
    found = crossings(
        problem, lambda rows, p: starts(c[rows], p), low, np.full_like(c, 2.5), tolerance=1e-6
    )
    for (_, below, above), bracket in zip(exact.rows, found.bracket, strict=True):
        assert bracket[0] - 1e-7 <= below <= above <= bracket[1] + 1e-7


@pytest.mark.parametrize("options", [{"procedure": "ema"}, {"predictor_weight_decay": "1/5"}])
def test_numeric_rows_separate_the_fates(options):
    model = one_mode("5/4", 1, "1/10", **options)
    boundary = basin_boundary(model, 1, rows=6)
    assert boundary.how is How.NUMERIC
    assert len(boundary.rows) >= 4
    problem = mode_problem(model, 1)
    for c, low, high in boundary.rows:
        ends = on_slice(problem)(np.array([c, c]), np.array([low - 1e-4, high + 1e-4]))
        assert mode_fates(problem, ends).tolist() == [COLLAPSED, ALIVE]
    zero = boundary.thresholds["c_zero"]
    w = np.sqrt([zero.low * 0.999, zero.high * 1.001])
    assert mode_fates(problem, np.column_stack([0 * w, w, w])).tolist() == [COLLAPSED, ALIVE]


def test_thresholds_carry_their_units():
    """c scales with (m/s)^2 and p with m/s (T0.2); certified bounds are rounded outwards."""
    plain = basin_boundary(one_mode(1, 1, "1/10"), 1, rows=4)
    scaled = basin_boundary(one_mode(4, 2, "1/10"), 1, rows=4)  # E is the same, m/s = 1/2
    for name, bounds in plain.thresholds.items():
        assert scaled.thresholds[name].low == pytest.approx(bounds.low / 4, rel=1e-12)
        assert bounds.low <= bounds.high
        assert bounds.how is How.CERTIFIED
    assert scaled.roots == pytest.approx([root / 2 for root in plain.roots])


@given(p=START, w=START, m=SMALL, s=SMALL)
@settings(max_examples=25, deadline=None)
def test_without_decay_the_balance_decides(p, w, m, s):
    model = one_mode(s, m, 0)
    answer = basin_point(model, 1, (p, w))
    assert answer.how is How.CERTIFIED
    c = w * w - p * p
    close = abs(c) < Fraction(1, 50) or abs(c + (m / s) ** 2) < Fraction(1, 50)
    if close or not w:
        return

    def rhs(t, y):
        r = y[1] * (float(m) - y[0] * float(s))
        return [r * y[1], y[0] * r]

    end = solve_ivp(rhs, (0, 4000), [float(p), float(w)], method="LSODA", rtol=1e-9, atol=1e-12)
    alive = abs(end.y[1, -1]) > 0.05
    assert answer.fate is (Fate.SURVIVES if alive else Fate.COLLAPSES)


def test_beyond_the_threshold_everything_collapses_and_says_why():
    for name in ("stop-gradient", "ema"):
        model = one_mode(1, 1, "26/100", procedure=name)
        answer = basin_point(model, 1, (1, 1))
        assert answer.fate is Fate.COLLAPSES
        assert answer.how is How.PROVED
        boundary = basin_boundary(model, 1)
        assert boundary.rows == ()
        assert "every start collapses" in boundary.statement


def test_small_decay_falls_back_to_numbers_only_where_it_must():
    model = one_mode(1, 1, "1/1000")
    boundary = basin_boundary(model, 1, rows=6)
    assert boundary.thresholds["c_plus"].how is How.CERTIFIED
    assert boundary.thresholds["c_minus"].how is How.NUMERIC
    assert "numeric" in boundary.notes[0]
    assert basin_point(model, 1, ("1/100", "1/100")).how is How.CERTIFIED
    below = basin_point(model, 1, ("3", "1/10"))
    assert (below.fate, below.how) == (Fate.COLLAPSES, How.NUMERIC)
    assert basin_point(model, 1, ("3/2", "1/100")).fate is Fate.SURVIVES


def test_the_saddle_itself_is_undecided():
    model = one_mode(1, 1, "3/16")  # p- = 1/4
    answer = basin_point(model, 1, ("1/4", "1/4"))
    assert answer.fate is Fate.UNDECIDED
    assert basin_report(model, point=("1/4", "1/4")).undecided


def test_bad_input_is_named():
    model = one_mode(1, 1, "1/10")
    with pytest.raises(FormatError, match="--point: got 3 numbers"):
        basin_point(model, 1, (1, 1, 1))
    with pytest.raises(FormatError, match="--mode 2"):
        basin_point(model, 2, (1, 1))
    with pytest.raises(FormatError, match="--point"):
        basin_point(model, 1, ("x", 1))
    with pytest.raises(ScopeError, match="every start collapses"):
        basin_point(Model(procedure="joint"), 1, (1, 1))
    moments = Moments.dense([[2, 1], [1, 1]], [[1, 0], [0, "1/2"]])
    with pytest.raises(ScopeError, match="do not commute"):
        basin_point(Model(moments=moments), 1, (1, 1))
    with pytest.raises(ScopeError, match="no signal"):
        basin_point(one_mode(1, 0, 0), 1, (1, 1))


@pytest.mark.parametrize(
    "model",
    [one_mode("5/4", -1, "1/20", predictor_lr=4), one_mode(1, 1, 1), one_mode(1, 1, 0)],
    ids=["negative", "collapsed", "no-decay"],
)
def test_text_json_and_figure_are_complete_and_deterministic(model):
    report = basin_report(model, point=("1/10", "1/10"), rows=8)
    lines = basin_lines(report)
    assert max(map(len, lines)) <= 100
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["schema"] == "noncollapse/basin/1"
    assert data["point"]["fate"] == report.point.fate.value
    assert data["flow"]["statement"] == report.boundary.statement
    pages = []
    for _ in range(2):
        stream = io.BytesIO()
        draw_basin(report, stream, "svg")
        pages.append(stream.getvalue())
    assert pages[0] == pages[1]
    assert b'id="start"' in pages[0]
    with pytest.raises(FormatError, match="--plot"):
        draw_basin(report, io.BytesIO(), "pdf")


def test_the_figure_shades_below_the_boundary_and_fills_the_stable_root():
    report = basin_report(one_mode("5/4", 1, "1/20"), point=("1/10", "1/10"), rows=8)
    axes = basin_figure(report).axes[0]
    artists = {line.get_gid(): line for line in axes.lines}
    assert artists["p-"].get_markerfacecolor() == "white"
    assert artists["p+"].get_markerfacecolor() == artists["rank0"].get_color()
    p, w = artists["boundary"].get_data()
    root = report.boundary.roots[1]
    assert np.interp(root, p, w) == pytest.approx(root, rel=1e-2)  # it passes (p-, p-)
    assert {"c_minus", "c_zero", "c_plus"} <= set(artists)


def answered(**words) -> tuple[str, object]:
    report = report_of(question(Question, OPTIONS, words))
    return "\n".join([*basin_header(report), *basin_lines(report)]), report


def test_the_command_answers_in_words_and_in_json():
    text, report = answered(point="1/10,1/20", tolerance="1e-8")
    assert "survives: the mode is learned  [certified, flow]" in text
    assert report.boundary.tolerance == pytest.approx(1e-8)
    data = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert data["point"]["fate"] == "survives"
    assert plain(text).isascii()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"scale": "2"}, "--scale 2: belongs to random starts"),
        ({"init": "xavier"}, "--init xavier"),
        ({"init": "kaiming", "runs": "1/2"}, "--runs 1/2"),
        ({"init": "kaiming", "runs": "1e12"}, "--runs 1e12"),
        ({"mode": "0"}, "--mode 0"),
        ({"mode": "3"}, "--mode 3"),
        ({"point": "1"}, "--point"),
        ({"tolerance": "2"}, "--tolerance 2"),
    ],
)
def test_bad_words_are_named(words, message):
    with pytest.raises(FormatError, match=message):
        answered(**words)
