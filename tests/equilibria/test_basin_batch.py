"""The batched integrator and the batched maps against one trajectory at a time."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import solve_ivp

from equilibria.basin.mapping import iterate
from equilibria.data.moments import Moments
from equilibria.errors import FormatError
from equilibria.systems.initial_values import INITS, initial_matrices
from equilibria.systems.integrate import PENDING, RUNAWAY, Control, integrate
from equilibria.systems.model import Model
from equilibria.systems.numeric import MatrixDynamics, ModeDynamics, Rates
from equilibria.systems.procedures import procedure

ROTATED = Moments.dense([["5/4", "1/10"], ["1/10", 1]], [[1, "1/5"], ["1/5", "1/2"]])
MODELS = [
    Model(),
    Model(procedure="ema", ema="9/10", predictor_lr=2, lr="1/4"),
    Model(procedure="ema", ema="1/2", momentum="9/10", predictor_weight_decay="1/10"),
    Model(moments=ROTATED, embed_dim=3, momentum="1/3"),
    Model(procedure="ema", moments=Moments.dense([[2, 1], [1, 1]], [[1, 0], [0, "1/2"]])),
]


def never(y, f):
    return np.full(len(y), PENDING)


def named(model: Model, dynamics: MatrixDynamics, row: np.ndarray) -> dict[str, float]:
    """Return a batch row, in the basis of the modes, as a point of the polynomial system."""
    W, P, T = (matrix[0] for matrix in dynamics.unpack(row[None]))
    if dynamics.basis is not None:
        W, T = W @ dynamics.basis.T, T @ dynamics.basis.T
    letters = {"W": W, "P": P} | ({"T": T} if dynamics.ema else {})
    return {
        f"{letter}_{i + 1}_{j + 1}": float(matrix[i, j])
        for letter, matrix in letters.items()
        for i in range(matrix.shape[0])
        for j in range(matrix.shape[1])
    }


def test_the_models_cover_rotated_and_noncommuting_moments():
    assert ROTATED.commute
    assert not ROTATED.is_diagonal
    assert not MODELS[-1].moments.commute


@pytest.mark.parametrize("model", MODELS)
def test_flow_and_map_are_those_of_the_polynomial_system(model):
    dynamics, system = MatrixDynamics(model, 4), procedure(model.procedure).build(model)
    generator = np.random.default_rng(1)
    y = generator.normal(size=(4, dynamics.size))
    out = np.empty_like(y)
    dynamics.flow(y, out)
    for row, derivative in zip(y, out, strict=True):
        expected = system.evaluate(named(model, dynamics, row), "flow")
        got = named(model, dynamics, derivative)
        assert got == pytest.approx(expected, rel=1e-12, abs=1e-12)
    moving = model.n * (model.n + model.d) if model.nu else 0
    velocity, state = generator.normal(size=(4, moving)), y.copy()
    for row in range(4):
        point = named(model, dynamics, y[row])
        if moving:
            padded = np.concatenate([velocity[row], np.zeros(dynamics.size - moving)])
            speeds = named(model, dynamics, padded)
            point |= {f"V{name}": v for name, v in speeds.items() if name[0] in "WP"}
        expected = system.evaluate(point, "map")
        state, speed = y[row : row + 1].copy(), velocity[row : row + 1].copy()
        dynamics.step(state, speed if moving else None, np.empty_like(state))
        got = named(model, dynamics, state[0])
        for name, value in got.items():
            assert value == pytest.approx(expected[name], rel=1e-12, abs=1e-12)


@given(
    s=st.floats(0.2, 3),
    m=st.floats(-2, 2),
    point=st.tuples(*[st.floats(-2, 2)] * 3),
    alpha=st.sampled_from(["1", "1/2", "3"]),
    nu=st.sampled_from(["0", "9/10"]),
)
@settings(deadline=None, max_examples=30)
def test_one_mode_is_the_one_by_one_case_of_the_matrices(s, m, point, alpha, nu):
    model = Model(
        procedure="ema",
        ema="3/4",
        predictor_lr=alpha,
        momentum=nu,
        embed_dim=1,
        moments=Moments.commuting(signal=[Fraction(m)], total=[Fraction(s)]),
    )
    mode, full = ModeDynamics(s, m, Rates.of(model)), MatrixDynamics(model, 1)
    p, w, t = point
    after = np.array([[p, w, t]])
    if model.nu:
        after = np.concatenate([after, [[0.0, 0.0]]], axis=1)
    for _ in range(3):
        after = mode.step(after)
    state, velocity = np.array([[w, p, t]]), np.zeros((1, 2)) if model.nu else None
    for _ in range(3):
        full.step(state, velocity, np.empty_like(state))
    assert state[0] == pytest.approx(after[0, [1, 0, 2]], rel=1e-12, abs=1e-12)


@pytest.mark.parametrize("model", MODELS)
def test_each_trajectory_agrees_with_solve_ivp(model):
    dynamics = MatrixDynamics(model, 6)
    W, P = initial_matrices("normal", model.n, model.d, runs=range(6), seed=3, scale=0.7)
    starts = dynamics.pack(W, P)
    settle_at = 8.0

    def rhs(t, y):
        out = np.empty((1, y.size))
        single.flow(y[None], out)
        return out[0]

    single = MatrixDynamics(model, 1)
    clock = np.zeros((6, 1))

    def timed(y, out):
        dynamics.flow(y[:, :-1], out[:, :-1])  # time as one more variable
        out[:, -1] = 1.0

    def settle(y, f):
        return np.where(y[:, -1] >= settle_at, 0, PENDING)

    ends = integrate(timed, np.hstack([starts, clock]), settle, Control(rtol=1e-9, atol=1e-12))
    assert (ends.code == 0).all()
    for row in range(6):
        assert ends.y[row, -1] == pytest.approx(ends.t[row], rel=1e-12)
        one = solve_ivp(rhs, (0, ends.t[row]), starts[row], rtol=1e-11, atol=1e-13)
        assert ends.y[row, :-1] == pytest.approx(one.y[:, -1], rel=1e-6, abs=1e-7)


def test_the_error_follows_the_tolerance():
    model = Model()
    dynamics = MatrixDynamics(model, 8)
    W, P = initial_matrices("normal", 2, 2, runs=range(8), seed=0, scale=1.0)
    starts = dynamics.pack(W, P)
    ends = [
        integrate(
            dynamics.flow, starts, never, Control(rtol=rtol, atol=rtol, t_max=5.0, check_every=1)
        )
        for rtol in (1e-4, 1e-7, 1e-10)
    ]
    errors = []
    for end in ends:
        worst = 0.0
        for row in range(8):
            one = solve_ivp(
                lambda t, y: _single(dynamics, y),
                (0, end.t[row]),
                starts[row],
                rtol=3e-14,
                atol=1e-15,
                method="DOP853",
            )
            worst = max(worst, float(np.abs(one.y[:, -1] - end.y[row]).max()))
        errors.append(worst)
    assert errors[0] < 1e-2
    assert errors[1] < 1e-5
    assert errors[2] < 1e-8
    assert ends[0].steps.sum() < ends[1].steps.sum() < ends[2].steps.sum()


def _single(dynamics, y):
    out = np.empty((1, y.size))
    dynamics.flow(y[None], out)
    return out[0]


@pytest.mark.parametrize("model", MODELS)
def test_a_run_has_the_same_bits_in_any_batch(model):
    W, P = initial_matrices("kaiming", model.n, model.d, runs=range(11), seed=5, scale=1.0)

    def settle(y, f):
        return np.where(np.abs(f).max(axis=1) < 1e-2, 0, PENDING)

    ends = []
    for width in (1, 4, 11):
        dynamics = MatrixDynamics(model, width)
        starts = dynamics.pack(W, P)
        ends.append(integrate(dynamics.flow, starts, settle, Control(width=width)))
    for other in ends[1:]:
        assert np.array_equal(ends[0].y, other.y)
        assert np.array_equal(ends[0].t, other.t)
        assert np.array_equal(ends[0].steps, other.steps)


def test_what_explodes_is_reported_and_stops():
    def explode(y, out):
        out[:] = y**3

    ends = integrate(explode, np.array([[1.0], [2.0]]), never, Control(t_max=100.0))
    assert (ends.code == RUNAWAY).all()

    def double(y, velocity, scratch):
        y *= 2

    starts = np.array([[1.0], [0.0]])
    mapped = iterate(double, starts, never, velocities=0, max_steps=640)
    assert mapped.code.tolist() == [RUNAWAY, PENDING]
    assert mapped.steps[1] == 640


def test_time_that_runs_out_is_not_settling():
    def decay(y, out):
        out[:] = -y

    ends = integrate(decay, np.ones((3, 2)), never, Control(t_max=2.0))
    assert (ends.code == PENDING).all()
    assert (ends.t >= 2.0).all()
    assert ends.y == pytest.approx(np.exp(-ends.t)[:, None] * np.ones((3, 2)), rel=1e-5)


@pytest.mark.parametrize("init", INITS)
def test_initial_values_depend_on_seed_and_run_alone(init):
    whole = initial_matrices(init, 3, 5, runs=range(10), seed=7, scale=2.0)
    part = initial_matrices(init, 3, 5, runs=range(4, 6), seed=7, scale=2.0)
    other = initial_matrices(init, 3, 5, runs=range(4, 6), seed=8, scale=2.0)
    for all_runs, some, different in zip(whole, part, other, strict=True):
        assert np.array_equal(all_runs[4:6], some)
        assert not np.array_equal(some, different)
    W, P = whole
    if init == "kaiming":
        assert np.abs(W).max() <= 2 / np.sqrt(5)
        assert np.abs(W).max() > 1.9 / np.sqrt(5)
        assert np.abs(P).max() <= 2 / np.sqrt(3)
    if init == "orthogonal":
        assert W @ W.transpose(0, 2, 1) == pytest.approx(np.tile(4 * np.eye(3), (10, 1, 1)))
        assert P @ P.transpose(0, 2, 1) == pytest.approx(np.tile(4 * np.eye(3), (10, 1, 1)))


def test_normal_initial_values_have_variance_one_over_fan_in():
    W, P = initial_matrices("normal", 20, 50, runs=range(40), seed=0, scale=1.0)
    assert W.var() * 50 == pytest.approx(1, rel=0.02)
    assert P.var() * 20 == pytest.approx(1, rel=0.03)


def test_an_unknown_init_is_named():
    with pytest.raises(FormatError, match="--init xavier"):
        initial_matrices("xavier", 2, 2, runs=range(1), seed=0, scale=1.0)
