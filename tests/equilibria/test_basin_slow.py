"""Basins at small decay: the implicit route against certified barriers and plain iteration."""

from __future__ import annotations

import json

import numpy as np
import pytest
from scipy.integrate import solve_ivp

from empirical.commands import program
from equilibria.basin import Fate, basin_boundary, basin_point, fates, stiff
from equilibria.basin.fates import ALIVE, COLLAPSED, crossings, mode_fates
from equilibria.basin.mode import mode_problem
from equilibria.basin.polar import PolarMode
from equilibria.basin.probabilities import LEAST_STEPS, MOST_STEPS, work_limit
from equilibria.data.moments import Moments
from equilibria.systems.integrate import PENDING, RUNAWAY
from equilibria.systems.model import Model

CODES = {Fate.COLLAPSES: COLLAPSED, Fate.SURVIVES: ALIVE}


def one_mode(eta: str, m: str = "1", **options: str) -> Model:
    moments = Moments.commuting(signal=[m], total=["5/4"])
    return Model(moments=moments, embed_dim=1, weight_decay=eta, **options)  # type: ignore[arg-type]


def starts(count: int, *, target: bool = False, seed: int = 0) -> np.ndarray:
    """Return rows (p, w, t) with four digits, so that they are short rationals too."""
    rows = np.random.default_rng(seed).uniform(-2, 2, (count, 3)).round(4)
    if not target:
        rows[:, 2] = rows[:, 1]
    return rows


@pytest.mark.parametrize("m", ["1", "-1"])
@pytest.mark.parametrize("eta", ["1/10", "1/1000", "1/100000", "1/1000000000"])
def test_the_flow_at_any_decay_ends_where_the_barriers_say(eta: str, m: str) -> None:
    """Among the starts are some whose w shrinks to e^-(1/eta) and grows again (T12.2)."""
    model = one_mode(eta, m)
    rows = starts(24)
    found = mode_fates(mode_problem(model, 1), rows)
    for row, code in zip(rows.tolist(), found.tolist(), strict=True):
        answer = basin_point(model, 1, [str(value) for value in row[:2]])
        if answer.fate is not Fate.UNDECIDED:
            assert code == CODES[answer.fate], row
    assert {COLLAPSED, ALIVE} <= set(found.tolist())


def iterated(model: Model, start: list[float]) -> int:
    """Iterate the map as its definition reads, one step at a time, in plain floats."""
    h, eta, eta_p = float(model.h), float(model.eta), float(model.eta_p)
    alpha, nu, mu = float(model.alpha), float(model.nu), float(model.mu)
    s, m = float(model.moments.total[0]), float(model.moments.signal[0])
    upper = (m + (m * m - 4 * s * eta) ** 0.5) / (2 * s)
    p, w, t = start
    v = u = 0.0
    for _ in range(2_000_000):
        r = (t if model.procedure == "ema" else w) * m - p * w * s
        v, u = nu * v + alpha * r * w - eta_p * p, nu * u + p * r - eta * w
        p, w = p + h * v, w + h * u
        t = mu * t + (1 - mu) * w
        if not abs(p) + abs(w) < 1e9:
            return RUNAWAY
        if abs(p - upper) < 0.02 and abs((alpha * eta / eta_p) ** 0.5 * abs(w) - upper) < 0.02:
            return ALIVE
        if p * p + alpha * (w * w + t * t) < (eta / (2 * m)) ** 2:
            return COLLAPSED
    return PENDING


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"procedure": "ema", "ema": "9/10"},
        {"predictor_lr": "3"},
        {"momentum": "1/2"},
        {"predictor_weight_decay": "1/50"},
        {"procedure": "ema", "ema": "1/2", "momentum": "1/4"},
    ],
    ids=str,
)
def test_leaps_of_the_map_end_where_its_iteration_does(
    options: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model = one_mode("1/50", **{"lr": "1/200", **options})
    rows = starts(5, target="ema" in options, seed=3)
    leapt = 0
    step = stiff._step

    def counted(*arguments):
        nonlocal leapt
        after, following, taken = step(*arguments)
        leapt += int(taken.sum())
        return after, following, taken

    monkeypatch.setattr(stiff, "_step", counted)
    found = mode_fates(mode_problem(model, 1, is_map=True), rows)
    assert leapt > 20
    assert found.tolist() == [iterated(model, row) for row in rows.tolist()]


@pytest.mark.parametrize("eta", ["1/10000", "1/100000000"])
def test_a_small_step_of_the_map_is_the_flow(eta: str) -> None:
    rows = starts(6, seed=5)
    flow = mode_fates(mode_problem(one_mode(eta), 1), rows)
    small = mode_fates(mode_problem(one_mode(eta, lr="1/50"), 1, is_map=True), rows)
    assert (flow == small).all()


def test_a_step_that_is_too_large_diverges_at_any_decay() -> None:
    model = one_mode("1/1000000", lr="4")
    codes = mode_fates(mode_problem(model, 1, is_map=True), np.array([[1.5, 1.5, 1.5]]))
    assert codes.tolist() == [RUNAWAY]


@pytest.mark.parametrize(
    ("lr", "momentum", "expected"),
    [
        ("1/10", "0", COLLAPSED),
        ("41", "0", RUNAWAY),
        ("40", "0", PENDING),
        ("41", "1/2", COLLAPSED),
    ],
)
def test_without_encoder_and_target_only_p_moves(lr: str, momentum: str, expected: int) -> None:
    """p+ = (1 - h eta_P) p, and with heavy ball 0 < h eta_P < 2 (1 + nu)."""
    model = one_mode("1/20", lr=lr, momentum=momentum)
    codes = mode_fates(mode_problem(model, 1, is_map=True), np.array([[0.5, 0.0, 0.0]]))
    assert codes.tolist() == [expected]


def test_increments_are_those_of_the_map() -> None:
    model = one_mode("1/20", procedure="ema", ema="9/10", momentum="1/2")
    mode = PolarMode(mode_problem(model, 1).dynamics, True)
    rows = starts(6, target=True)
    y = mode.start(rows)
    for _ in range(3):
        y = y + mode.increment(y)
    got = mode.points(y)
    p, w, t = rows.T.copy()
    v = u = np.zeros(6)
    for _ in range(3):
        r = t * 1.0 - p * w * 1.25
        v, u = 0.5 * v + r * w - 0.05 * p, 0.5 * u + p * r - 0.05 * w
        p, w = p + 0.1 * v, w + 0.1 * u
        t = 0.9 * t + 0.1 * w
    assert np.allclose(np.abs(got), np.abs(np.column_stack([p, w, t])), rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("options", [{}, {"procedure": "ema", "ema": "9/10"}], ids=str)
def test_one_implicit_step_has_the_order_that_it_says(options: dict[str, str]) -> None:
    model = one_mode("1/20", predictor_weight_decay="1/30", predictor_lr="3", **options)
    mode = PolarMode(mode_problem(model, 1).dynamics, False)
    beta = mode.dynamics.rates.beta or 0.0
    start = np.array([[0.3, 0.8, -0.2 if beta else 0.8]])

    def field(_: float, z: np.ndarray) -> list[float]:
        p, w, t = z
        r = (t if beta else w) * 1.0 - p * w * 1.25
        return [3 * r * w - p / 30, p * r - w / 20, beta * (w - t)]

    errors = []
    for length in (0.5, 0.125):
        after, _, taken = stiff._step(mode, mode.start(start), np.array([length]), 1.0, 1e300)
        assert taken.all()
        exact = solve_ivp(field, (0, length), start[0], method="DOP853", rtol=1e-13, atol=1e-15)
        columns = slice(0, 3 if beta else 2)
        off = np.abs(mode.points(after)[0]) - np.abs(exact.y[:, -1])
        errors.append(np.abs(off[columns]).max())
    assert errors[0] < 1e-4
    assert errors[1] < errors[0] / 1000  # a fourth of the length: 4^5 from order 4 on, 4^8 at most


def test_the_generator_of_the_map_is_its_logarithm_to_third_order() -> None:
    """Without encoder p+ = (1 - c) p, and log(1 - c) = -c - c^2/2 - c^3/3 - ..."""
    mode = PolarMode(mode_problem(one_mode("1/20", lr="1"), 1).dynamics, True)
    y, c = np.array([[0.7, 1.0, -1e4]]), 0.05
    assert mode.generator(y)[0, 0] == pytest.approx(-0.7 * (c + c**2 / 2 + c**3 / 3), rel=1e-13)
    assert mode.tail(y)[0, 0] == pytest.approx(0.7 * c**3 / 3, rel=1e-9)


@pytest.mark.parametrize(("lr", "lost"), [("1/10", True), ("39", True), ("41", False)])
def test_a_mode_dies_only_where_the_map_shrinks_it_all_the_way(lr: str, lost: bool) -> None:
    """At p = 0 the encoder is multiplied by 1 - h eta, below -1 for h > 40."""
    dynamics = mode_problem(one_mode("1/20", lr=lr), 1).dynamics
    y = np.array([[0.01, 1.0, -200.0], [0.01, 1.0, -1.0], [0.2, 1.0, -200.0]])
    assert PolarMode(dynamics, True).dying(y, 0.05).tolist() == [lost, False, False]
    assert PolarMode(dynamics, False).dying(y, 0.05).tolist() == [True, False, False]


def test_no_leap_is_longer_than_the_series_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    model = one_mode("1/1000", lr="1/50")
    step, ratios = stiff._step, []

    def watched(mode, y, stride, scale, rtol):
        one = mode.increment(y)
        two = mode.increment(y + one)
        three = mode.increment(y + one + two)
        third = np.abs(three - 2 * two + one) / 3
        weights = np.column_stack([np.abs(y[:, 0]) + scale, np.ones(len(y)), 1 + np.abs(y[:, -1])])
        ratios.extend((stride * (third / weights).max(axis=1)).tolist())
        return step(mode, y, stride, scale, rtol)

    monkeypatch.setattr(stiff, "_step", watched)
    mode_fates(mode_problem(model, 1, is_map=True), starts(8, seed=3))
    assert len(ratios) > 50
    assert 0.5e-8 < max(ratios) < 1.001e-8  # met, and not exceeded
    mode = PolarMode(mode_problem(model, 1).dynamics, True)
    y = mode.start(np.array([[0.5, 1e-3, 1e-3], [0.4, 1e-6, 1e-6]]))
    ratios.clear()
    with np.errstate(all="ignore"):
        stiff._leap(mode, y, np.full(2, 1e12), 1.0, 1e-9)  # however long the last steps were
    assert ratios == pytest.approx([1e-8, 1e-8])


def test_what_did_not_settle_is_undecided_and_never_a_boundary(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(stiff, "ATTEMPTS", 3)
    model = one_mode("1/1000")
    answer = basin_point(model, 1, ("0.1", "0.2"), is_map=True)
    assert answer.fate is Fate.UNDECIDED
    assert answer.scale is None
    assert "not settled" in answer.why
    boundary = basin_boundary(model, 1, is_map=True, rows=4)
    assert boundary.undecided > 0
    assert all(high - low > 0.1 for _, low, high in boundary.rows)  # both ends are known
    assert "undecided" in boundary.notes[0]
    words = ["basin", "--map", "--weight-decay", "1/1000", "--json", "-"]
    assert program.main(words) == 3
    assert json.loads(capsys.readouterr().out)["map"]["undecided"] > 0


def test_an_undecided_start_inside_a_bracket_stops_the_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The bracket keeps both of its ends on starts whose fate is known."""

    def known(problem, points, *, rtol=1e-9):
        p = points[:, 0]
        return np.where(p < 0.5, COLLAPSED, np.where(p < 0.6, PENDING, ALIVE))

    monkeypatch.setattr(fates, "mode_fates", known)
    found = crossings(
        mode_problem(one_mode("1/20"), 1),
        lambda rows, p: np.column_stack([p, p, p]),
        np.array([0.0]),
        np.array([1.0]),
        tolerance=1e-6,
    )
    (low, high) = found.bracket[0]
    assert found.undecided.tolist() == [True]
    assert 0 <= low < 0.5
    assert 0.6 <= high <= 1


def test_the_work_of_random_starts_is_bounded_whatever_the_machine() -> None:
    assert work_limit(1) == MOST_STEPS
    assert work_limit(1000) == 30_000
    assert work_limit(10_000_000) == LEAST_STEPS


def test_random_starts_that_do_not_settle_leave_out_the_scales(
    capsys: pytest.CaptureFixture,
) -> None:
    words = ["basin", "--init", "kaiming", "--runs", "4", "--map", "--lr", "1e-9", "--json", "-"]
    assert program.main(words) == 3
    data = json.loads(capsys.readouterr().out)
    assert data["undecided"] == 4
    assert data["critical_scales"] is None
