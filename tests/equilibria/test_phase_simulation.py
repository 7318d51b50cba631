"""Phase verdicts, growth rates and frequencies against the polynomial map itself, iterated.

Nothing here uses blocks: the map P+, W+, T+ with its velocities (and, for Hopf, its flow by
Runge-Kutta) is iterated from perturbed equilibria on both sides of every kind of boundary. The
symmetry's directions are taken out, and the leading multiplier is read off the trajectory's
coordinate along the left eigenvector of the iteration's own Jacobian.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from fractions import Fraction
from math import ceil, log

import numpy as np
import pytest

from equilibria.data.moments import Moments
from equilibria.phase.cells import evaluate
from equilibria.phase.curves import exchange
from equilibria.phase.growth import leading as leading_of
from equilibria.phase.growth import normal_spectrum
from equilibria.phase.setting import Setting
from equilibria.phase.steps import largest_steps
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import modes_of, states_of

TOLERANCE = 1e-3
RATE_ERROR = 0.01


@dataclass(frozen=True)
class Case:
    """A model, the active modes of the stratum to start from, and which boundary is near."""

    kind: str
    model: Model
    active: tuple[int, ...]
    flow: bool = False


def verdict(case: Case) -> bool:
    """Return whether the phase analysis calls the stratum stable."""
    setting = Setting(case.model, "lr", "weight-decay", "fixed")
    cells = evaluate(setting, [case.model.h], [case.model.eta], 0, 1)
    flow, step = cells.answers[cells.index[0]]
    masks = (flow if case.flow else step).masks
    assert masks is not None
    assert cells.boundary[0] == 0
    return sum(1 << j for j in case.active) in masks


def predicted(case: Case) -> tuple[float, np.ndarray]:
    """Return the extent and the spectrum of the stratum from its blocks."""
    numbers = [j + 1 for j in case.active]
    first = leading_of(case.model, numbers, is_map=not case.flow)
    return first.extent, normal_spectrum(case.model, numbers, is_map=not case.flow)


# The polynomial map, for a batch of models of one size.


class Batch:
    """Parameters with a leading batch axis, and the state x = (P, W, T, velocities) at rest."""

    def __init__(self, cases: list[Case]) -> None:
        models = [case.model for case in cases]
        self.n, self.d = models[0].n, models[0].d

        def column(values) -> np.ndarray:
            return np.array([float(v) for v in values])[:, None, None]

        self.sigma = np.stack([model.moments.matrices()[0] for model in models])
        self.m = np.stack([model.moments.matrices()[1] for model in models])
        self.h, self.mu = column(m.h for m in models), column(m.mu for m in models)
        self.eta, self.nu = column(m.eta for m in models), column(m.nu for m in models)
        self.eta_p, self.alpha = column(m.eta_p for m in models), column(m.alpha for m in models)
        self.ema = models[0].procedure == "ema"
        self.beta = (1 - self.mu) / self.h
        P = np.zeros((len(cases), self.n, self.n))
        W = np.zeros((len(cases), self.n, self.d))
        for b, case in enumerate(cases):
            model, modes = case.model, modes_of(case.model.moments)
            weight = float(model.eta_p / (model.alpha * model.eta)) ** 0.5
            for row, j in enumerate(case.active):
                p = root(float(modes[j].s), float(modes[j].m), float(model.eta))
                P[b, row, row] = p
                W[b, row, j] = p * weight
        self.rest = (P, W, W.copy(), np.zeros_like(P), np.zeros_like(W))

    def forces(self, P, W, T):
        R = T @ self.m - P @ W @ self.sigma
        return (
            self.alpha * R @ W.transpose(0, 2, 1) - self.eta_p * P,
            P.transpose(0, 2, 1) @ R - self.eta * W,
        )

    def step(self, state):
        P, W, T, VP, VW = state
        FP, FW = self.forces(P, W, T if self.ema else W)
        VP, VW = self.nu * VP + FP, self.nu * VW + FW
        P, W = P + self.h * VP, W + self.h * VW
        T = self.mu * T + (1 - self.mu) * W if self.ema else W
        return P, W, T, VP, VW

    def flow_step(self, state, dt: float):
        def field(x):
            P, W, T = x
            FP, FW = self.forces(P, W, T if self.ema else W)
            return FP, FW, self.beta * (W - T) if self.ema else FW

        def moved(x, k, size):
            return tuple(a + size * b for a, b in zip(x, k, strict=True))

        x = state[:3]
        k1 = field(x)
        k2 = field(moved(x, k1, dt / 2))
        k3 = field(moved(x, k2, dt / 2))
        k4 = field(moved(x, k3, dt))
        total = tuple(a + 2 * b + 2 * c + d for a, b, c, d in zip(k1, k2, k3, k4, strict=True))
        return (*moved(x, total, dt / 6), state[3], state[4])

    def flat(self, state) -> np.ndarray:
        parts = state if self.ema else (state[0], state[1], state[3], state[4])
        return np.concatenate([part.reshape(part.shape[0], -1) for part in parts], axis=1)

    def start(self, cases: list[Case], rng, size: float, dt: float | None):
        """Return states displaced along the map's own leading direction, and a little along all."""
        used = range(5) if self.ema else (0, 1, 3, 4)
        moved = [part.copy() for part in self.rest]
        for b, case in enumerate(cases):
            values, vectors = normal_eigen(case, dt)
            first = vectors[:, np.abs(values).argmax()].real
            place = 0
            for k in used:
                count = moved[k][b].size
                part = first[place : place + count]
                place += count
                if part.size:
                    noise = 0.1 * rng.standard_normal(moved[k][b].shape)
                    moved[k][b] += size * (part.reshape(moved[k][b].shape) + noise)
        if not self.ema:
            moved[2] = moved[1]
        return tuple(moved)

    def across(self, history: np.ndarray, b: int) -> np.ndarray:
        """Return displacements from the nearest equilibrium of the orbit, one row per time.

        The rotation nearest to each state is found to first order and undone, so what is left
        along the orbit is of second order, and that is projected out.
        """
        rest = [part[b] for part in self.rest]
        if not self.ema:
            rest.pop(2)
        shapes = [part.shape for part in rest]
        centre = np.concatenate([part.ravel() for part in rest])
        turns = [np.zeros((self.n, self.n)) for _ in range(self.n * (self.n - 1) // 2)]
        for turn, (i, j) in zip(turns, zip(*np.tril_indices(self.n, -1), strict=True), strict=True):
            turn[i, j], turn[j, i] = 1.0, -1.0
        square = [shape[1] == self.n and k in (0, len(rest) - 2) for k, shape in enumerate(shapes)]
        tangent = np.array(
            [
                np.concatenate(
                    [
                        (Om @ X - (X @ Om if two_sided else 0)).ravel()
                        for X, two_sided in zip(rest, square, strict=True)
                    ]
                )
                for Om in turns
            ]
        )
        if not turns or not tangent.any():
            return history - centre
        u, s, v = np.linalg.svd(tangent, full_matrices=False)
        keep = s > 1e-9
        angles = (history - centre) @ v[keep].T / s[keep] @ u[:, keep].T
        Om = np.einsum("kg,gij->kij", angles, np.array(turns))
        eye = np.eye(self.n)
        back = np.linalg.solve(eye + Om / 2, eye - Om / 2)  # Cayley's rotation by -Om
        parts, start = [], 0
        for shape, two_sided in zip(shapes, square, strict=True):
            size = shape[0] * shape[1]
            X = back @ history[:, start : start + size].reshape(-1, *shape)
            parts.append((X @ back.transpose(0, 2, 1) if two_sided else X).reshape(-1, size))
            start += size
        moved = np.concatenate(parts, axis=1) - centre
        return moved - moved @ v[keep].T @ v[keep]


def normal_eigen(
    case: Case, dt: float | None = None, *, left: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Return the multipliers of the map (or of a flow step) across the orbit, and their vectors.

    The Jacobian of the iteration is taken with complex steps, so it is exact to rounding; the
    target of stop-gradient is the encoder and no state of its own.
    """
    batch = Batch([case])
    shapes = [part.shape for part in batch.rest]
    used = range(5) if batch.ema else (0, 1, 3, 4)
    x = np.concatenate([batch.rest[k].ravel() for k in used]).astype(complex)
    J = np.empty((x.size, x.size))
    for column in range(x.size):
        moved = x.copy()
        moved[column] += 1e-30j
        state, start = [None] * 5, 0
        for k in used:
            size = int(np.prod(shapes[k]))
            state[k] = moved[start : start + size].reshape(shapes[k])
            start += size
        if not batch.ema:
            state[2] = state[1]
        after = batch.step(tuple(state)) if dt is None else batch.flow_step(tuple(state), dt)
        J[:, column] = np.concatenate([after[k].ravel() for k in used]).imag / 1e-30
    if dt is not None:  # a flow has no velocities
        size = x.size - shapes[3][1] * shapes[3][2] - shapes[4][1] * shapes[4][2]
        J = J[:size, :size]
    values, vectors = np.linalg.eig(J.T if left else J)
    k = len(case.active)
    neutral = k * (k - 1) // 2 + k * (batch.n - k)
    normal = np.abs(values - 1).argsort()[neutral:]
    return values[normal], vectors[:, normal]


def multipliers(case: Case) -> np.ndarray:
    """Return the multipliers of the polynomial map at the equilibrium, the neutral ones left out."""
    return normal_eigen(case)[0]


def root(s: float, m: float, eta: float) -> float:
    return (m + np.copysign(np.sqrt(m * m - 4 * eta * s), m)) / (2 * s)


def trajectories(cases: list[Case], steps: int, rng, size: float, dt: float | None):
    """Return the displacements, rotations projected out, shape (batch, steps + 1, dimension)."""
    batch = Batch(cases)
    state = batch.start(cases, rng, size, dt)
    centre = batch.flat(batch.rest)
    history = np.empty((steps + 1, *centre.shape))
    for k in range(steps + 1):
        history[k] = batch.flat(state)
        near = (np.abs(history[k] - centre).max(axis=1) < 1e-2)[
            :, None, None
        ]  # the others have left
        moved = batch.step(state) if dt is None else batch.flow_step(state, dt)
        state = tuple(np.where(near, new, old) for new, old in zip(moved, state, strict=True))
    return [batch.across(history[:, b], b) for b in range(len(cases))]


def observed(case: Case, path: np.ndarray, dt: float | None) -> tuple[bool, complex]:
    """Return whether a trajectory came back, and the multiplier at which its leading part moved.

    The leading part is the coordinate along the left eigenvector of the iteration's own Jacobian;
    in it no other direction takes part, so its ratios are the multiplier.
    """
    scale = np.linalg.norm(path, axis=1)
    values, left = normal_eigen(case, dt, left=True)
    part = path[:, : left.shape[0]] @ left[:, np.abs(values).argmax()]
    size = np.abs(part)
    floor = 1e-12 if scale[0] > 1e-8 else 0.0  # unstable runs start lower, and only grow
    lost = np.flatnonzero((scale > 1e-4) | (size < floor))
    end = int(lost[0]) - 1 if lost.size else size.size - 1
    begin = end // 4
    modulus = (size[end] / size[begin]) ** (1 / (end - begin))
    turn = np.median(np.abs(np.angle(part[begin + 1 : end + 1] / part[begin:end])))
    return bool(scale[-1] < scale[0]), modulus * np.exp(1j * turn)


# Random models on both sides of every kind of boundary.


def fraction(rng, low: float, high: float) -> Fraction:
    return Fraction(int(rng.integers(int(low * 1000), int(high * 1000) + 1)), 1000)


def sided(rng) -> Fraction:
    """Return 1 + delta with 3 % <= |delta| <= 25 %."""
    return 1 + fraction(rng, 0.03, 0.25) * int(rng.choice([-1, 1]))


def base(rng, *, d: int, n: int, ema: bool, kappa: Fraction = Fraction(1), **rates) -> Model:
    signal = sorted((fraction(rng, 0.3, 1.2) for _ in range(d)), reverse=True)
    total = [m + fraction(rng, 0.05, 0.6) for m in signal]
    eta = min(m * m / (4 * s) for m, s in zip(signal, total, strict=True))
    eta = eta * fraction(rng, 0.2, 0.8)
    alpha = fraction(rng, 0.3, 2)
    values = {"lr": Fraction(1, 2), "momentum": Fraction(0), **rates}
    return Model(
        procedure="ema" if ema else "stop-gradient",
        moments=Moments.commuting(signal=signal, total=total),
        embed_dim=n,
        weight_decay=eta,
        predictor_lr=alpha,
        predictor_weight_decay=kappa * eta,
        ema=rng.choice([Fraction(1, 2), Fraction(9, 10)]) if ema else None,
        **values,
    )


def top(model: Model) -> tuple[int, ...]:
    sizes = [
        (-abs(states_of(mode, model.eta)[0].value), j)
        for j, mode in enumerate(modes_of(model.moments))
        if states_of(mode, model.eta)
    ]
    return tuple(sorted(j for _, j in sorted(sizes)[: model.n]))


def largest(model: Model, active: tuple[int, ...]) -> float:
    setting = Setting(model, "lr", "weight-decay", "fixed")
    points = setting.points(np.array([float(model.h)]), np.array([float(model.eta)]))
    chosen = np.zeros((1, model.d), dtype=bool)
    chosen[0, list(active)] = True
    return float(largest_steps(points, chosen)[1][0])


def near_flip(rng) -> Case | None:
    n = int(rng.integers(1, 3))
    nu = rng.choice([Fraction(0), Fraction(1, 2), Fraction(9, 10)])
    model = base(rng, d=2, n=n, ema=bool(rng.random() < 0.5), momentum=nu)
    active = top(model)
    step = Fraction(largest(model, active)).limit_denominator(10**6)
    return Case("flip", replace(model, lr=step * sided(rng)), active)


def near_neimark_sacker(rng) -> Case | None:
    """Two modes with p ratio near 1/2 and a slow predictor: kappa across its critical value."""
    case = slow_predictor(rng, ema=bool(rng.random() < 0.5))
    return _at_critical_kappa(case, rng) if case else None


def near_hopf(rng) -> Case | None:
    case = slow_predictor(rng, ema=bool(rng.random() < 0.3))
    return _at_critical_kappa(replace(case, kind="hopf", flow=True), rng) if case else None


def near_large_step_pair(rng) -> Case | None:
    """Heavy ball and a predictor just fast enough: a complex pair leaves at the largest step."""
    nu = rng.choice([Fraction(1, 2), Fraction(9, 10)])
    case = slow_predictor(rng, ema=False)
    assert case is not None
    model = replace(
        case.model,
        momentum=nu,
        predictor_weight_decay=case.model.eta * fraction(rng, 0.26, 0.34),
    )
    step = largest(model, case.active)
    if not step > 0:
        return None
    lr = Fraction(step).limit_denominator(10**6) * sided(rng)
    return Case("neimark-sacker", replace(model, lr=lr), case.active)


def slow_predictor(rng, *, ema: bool) -> Case | None:
    ratio = fraction(rng, 0.42, 0.58)
    s = [fraction(rng, 0.8, 1.2) for _ in range(2)]
    model = Model(
        procedure="ema" if ema else "stop-gradient",
        moments=Moments.commuting(signal=[s[0], ratio * s[1]], total=s),
        embed_dim=2,
        lr=Fraction(1, 2) if not ema else Fraction(1, 5),
        weight_decay=fraction(rng, 0.002, 0.012),
        ema=Fraction(1, 2) if ema else None,
    )
    return Case("neimark-sacker", model, (0, 1))


def _at_critical_kappa(case: Case, rng) -> Case | None:
    def at(kappa: Fraction) -> Case:
        model = replace(case.model, predictor_weight_decay=kappa * case.model.eta)
        return replace(case, model=model)

    # At a coupled decay kappa is alpha, so one row of cells shows where stability begins.
    kappas = [Fraction(k, 100) for k in range(2, 50)]
    setting = Setting(case.model, "predictor-lr", "lr", "coupled")
    cells = evaluate(setting, kappas, [case.model.h], 0, len(kappas), with_steps=False)
    stable = [3 in cells.answers[k][0 if case.flow else 1].masks for k in cells.index]
    if stable[0] or not stable[-1]:
        return None
    critical = kappas[max(k for k, good in enumerate(stable) if not good)]
    return at(critical * (1 + 3 * (sided(rng) - 1)))


def near_transcritical(rng) -> Case | None:
    model = base(rng, d=2, n=2, ema=bool(rng.random() < 0.5), lr=Fraction(1))
    modes = modes_of(model.moments)
    for i, j in ((0, 1), (1, 0)):
        found = exchange(modes[i], modes[j])
        if found is None:
            continue
        eta = found[0] * sided(rng)
        if 4 * eta * modes[i].s < modes[i].m ** 2:
            changed = replace(model, weight_decay=eta, predictor_weight_decay=eta)
            return Case("transcritical", changed, (i,))
    return None


def near_fold(rng) -> Case | None:
    """Just inside the fold: the state at p+ attracts slowly. Outside: see the collapse test."""
    model = base(rng, d=1, n=1, ema=bool(rng.random() < 0.5))
    mode = modes_of(model.moments)[0]
    eta = mode.m**2 / (4 * mode.s) * (1 - fraction(rng, 0.03, 0.25))
    return Case("fold", replace(model, weight_decay=eta, predictor_weight_decay=eta), (0,))


MAKERS = {
    "fold": near_fold,
    "transcritical": near_transcritical,
    "flip": near_flip,
    "neimark-sacker": near_neimark_sacker,
    "neimark-sacker at large steps": near_large_step_pair,
    "hopf": near_hopf,
}


def draw_cases(rng, each: int) -> list[Case]:
    cases = []
    for maker in MAKERS.values():
        wanted = max(1, each // 3) if maker is near_large_step_pair else each  # a slow search
        own: list[Case] = []
        for _ in range(60 * each):
            case = maker(rng)
            if case is not None:
                own.append(case)
            if len(own) == wanted:
                break
        assert len(own) == wanted, maker.__name__
        cases += own
    return cases


def examine(cases: list[Case], rng) -> tuple[Counter, list[str]]:
    """Return how many points of each kind and side were tried, and what disagreed."""
    tried: Counter = Counter()
    wrong: list[str] = []
    groups: dict[tuple, list[tuple[Case, float, np.ndarray]]] = {}
    for case in cases:
        extent, values = predicted(case)
        rate = extent * DT if case.flow else log(extent)
        if abs(rate) < TOLERANCE:
            tried[case.kind, "within tolerance"] += 1
            continue
        steps = 64 * ceil(min(9 / abs(rate), 8000) / 64)
        model = case.model
        key = (model.procedure, model.n, model.d, case.flow, rate < 0, steps)
        groups.setdefault(key, []).append((case, rate, values))
    for key, members in groups.items():
        dt = DT if key[3] else None
        size = 1e-7 if key[4] else 1e-9
        paths = trajectories([case for case, _, _ in members], key[5], rng, size, dt)
        for (case, rate, values), path in zip(members, paths, strict=True):
            _compare(case, rate, values, observed(case, path, dt), tried, wrong)
    return tried, wrong


DT = 0.5


def _compare(case, rate, values, seen, tried, wrong) -> None:
    stable = verdict(case)
    came_back, measured = seen
    tried[case.kind, "stable" if stable else "unstable"] += 1
    where = f"{case.kind} {case.model}"
    if came_back != stable:
        wrong.append(f"verdict: {where}")
    if abs(log(abs(measured)) - rate) > RATE_ERROR * abs(rate):
        wrong.append(f"rate {log(abs(measured))} for {rate}: {where}")
    # The frequency, where one complex pair leads.
    logs = (values * DT if case.flow else np.log(values.astype(complex) + 1e-300)).ravel()
    near = logs[np.abs(logs.real - rate) < 1e-6 + 1e-3 * abs(rate)]
    if near.size == 2 and np.abs(near.imag).min() > 1e-3:
        tried[case.kind, "frequency"] += 1
        expected = abs(near[0].imag)
        if abs(np.angle(measured) - expected) > RATE_ERROR * expected:
            wrong.append(f"frequency {np.angle(measured)} for {expected}: {where}")


def run(seed: int, each: int) -> Counter:
    rng = np.random.default_rng(seed)
    tried, wrong = examine(draw_cases(rng, each), rng)
    print(f"\n{sum(v for (_, side), v in tried.items() if side in SIDES)} points simulated")
    for (kind, side), count in sorted(tried.items()):
        print(f"  {kind:<16} {side:<18} {count}")
    print(f"disagreements: {len(wrong)}")
    assert wrong == []
    return tried


SIDES = ("stable", "unstable")


def test_verdicts_rates_and_frequencies_hold_on_both_sides_of_every_boundary():
    tried = run(seed=7, each=16)
    for kind in ("transcritical", "flip", "neimark-sacker", "hopf"):
        assert min(tried[kind, side] for side in SIDES) >= 4, kind
    assert tried["fold", "stable"] >= 10
    assert sum(n for (_, what), n in tried.items() if what == "frequency") >= 5


def test_beyond_the_fold_every_start_collapses():
    rng = np.random.default_rng(3)
    for _ in range(12):
        case = near_fold(rng)
        mode = modes_of(case.model.moments)[0]
        eta = mode.m**2 / (4 * mode.s) * (1 + fraction(rng, 0.03, 0.25))
        model = replace(case.model, weight_decay=eta, predictor_weight_decay=eta)
        cells = evaluate(Setting(model, "lr", "weight-decay"), [model.h], [eta], 0, 1)
        assert cells.answers[0][1].masks == (0,)
        inside = Case("fold", replace(case.model, weight_decay=eta / 2), (0,))
        batch = Batch([inside])
        start = batch.rest
        batch.eta[:], batch.eta_p[:] = float(eta), float(eta)
        for _ in range(6000):
            start = batch.step(start)
        assert abs(start[1]).max() < 1e-6


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4))
def test_verdicts_hold_at_many_more_points(seed):
    run(seed=100 + seed, each=64)
