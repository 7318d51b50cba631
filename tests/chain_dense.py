"""The independent route for hidden layers: matrix flow and map, differentiated by complex steps.

Nothing here knows of modes, roots, blocks or polynomials.
"""

from __future__ import annotations

import random
from fractions import Fraction

import numpy as np

from equilibria.data.moments import Moments
from equilibria.systems.model import Model
from equilibria.varieties.commuting.representative import entry_float

STEP = 1e-30


def product(factors, size):
    total = np.eye(size, dtype=complex)
    for factor in factors:
        total = factor @ total
    return total


def split(model, state):
    """Return layers, targets and velocities of a flat state."""
    chain = model.chain
    shapes = list(chain.shapes.values())
    targets = shapes[: chain.encoder] if model.traits.has_target else []
    matrices, place = [], 0
    for rows, columns in [*shapes, *targets]:
        matrices.append(state[place : place + rows * columns].reshape(rows, columns))
        place += rows * columns
    return matrices[: chain.depth], matrices[chain.depth :], state[place:]


def force(model, layers, targets):
    chain, (sigma, m) = model.chain, model.moments.matrices()
    d = model.d
    target = product(targets or layers[: chain.encoder], d)
    gap = target @ m - product(layers, d) @ sigma
    moves = []
    for i, layer in enumerate(layers):
        above = product(layers[i + 1 :], chain.widths[i + 1])
        below = product(layers[:i], d)
        rate, decay = float(chain.rates[i]), float(chain.decays[i])
        moves.append(rate * above.T @ gap @ below.T - decay * layer)
    return np.concatenate([move.ravel() for move in moves])


def flow(model, state):
    layers, targets, _ = split(model, state)
    moves = [force(model, layers, targets)]
    beta = float(model.flow_rate)
    moves += [beta * (a - t).ravel() for a, t in zip(layers, targets, strict=False)]
    return np.concatenate(moves)


def step(model, state):
    layers, targets, velocity = split(model, state)
    direction = force(model, layers, targets)
    if model.nu:
        direction = float(model.nu) * velocity + direction
    after = np.concatenate([a.ravel() for a in layers]) + float(model.h) * direction
    parts = [after]
    if targets:
        old = np.concatenate([t.ravel() for t in targets])
        parts.append(float(model.mu) * old + (1 - float(model.mu)) * after[: old.size])
    if model.nu:
        parts.append(direction)
    return np.concatenate(parts)


def jacobian(function, model, state):
    columns = []
    for i in range(state.size):
        moved = state.astype(complex)
        moved[i] += 1j * STEP
        columns.append(function(model, moved).imag / STEP)
    return np.array(columns).T


def state_of(model, component, kind="flow"):
    """Return the representative as a flat state, velocities at rest."""
    names = list(model.chain.names)
    if model.traits.has_target:
        names += [f"T{i}" for i in range(1, model.chain.encoder + 1)]
    point = component.representative
    names = names if model.is_deep else [name[0] for name in names]
    parts = [np.array([[entry_float(x) for x in row] for row in point[n]]).ravel() for n in names]
    if kind == "map" and model.nu:
        parts.append(np.zeros(sum(r * c for r, c in model.chain.shapes.values())))
    return np.concatenate(parts)


def spectrum(model, component, kind):
    function = flow if kind == "flow" else step
    return np.linalg.eigvals(jacobian(function, model, state_of(model, component, kind)))


def same_polynomial(left, right, seed=0):
    """Return the largest relative difference of two characteristic polynomials at random points."""
    rng = np.random.default_rng(seed)
    scale = max(1e-12, np.abs(right).max())
    points = scale * (rng.normal(size=4) + 1j * rng.normal(size=4))
    return max(abs(np.prod((z - left) / (z - right)) - 1) for z in points)


def random_turning(rng: random.Random) -> Model:
    """Return a random exact model whose views turn planes, sometimes a right angle, or equal pairs."""
    signal, total, d = [], [], 0
    while d < 2 or (d < 5 and rng.random() < 0.5):
        re = Fraction(rng.randint(-12, 24), 24)
        im = (
            Fraction(rng.choice([0, rng.randint(1, 24), 7]), 24)
            if d
            else Fraction(rng.randint(1, 24), 24)
        )
        if rng.random() < 0.2 and im:
            re = Fraction(0)
        if signal and rng.random() < 0.15:
            re, im = signal[0]
        signal.append((re, im))
        total.append(abs(re) + abs(im) + Fraction(rng.randint(0, 12), 24) + Fraction(1, 24))
        d += 2 if im else 1
    if rng.random() < 0.4 or (len(signal) > 1 and signal[0] in signal[1:]):
        total = [max(total)] * len(total)
    L, K = rng.choice([(1, 1), (1, 1), (2, 1), (1, 2), (2, 2)])
    more: dict[str, object] = {}
    if rng.random() < 0.6:
        more |= {"procedure": "ema", "ema": rng.choice(["1/10", "1/2", "9/10", "99/100"])}
    if rng.random() < 0.3:
        more["momentum"] = "1/2"
    if rng.random() < 0.3:
        more["predictor_lr"] = Fraction(rng.randint(1, 40), 10)
    return Model(
        moments=Moments.turning(signal=signal, total=total),
        embed_dim=rng.randint(1, 4),
        encoder_layers=L,
        predictor_layers=K,
        weight_decay=Fraction(1, rng.choice([10, 30, 100, 1000, 10**6])),
        lr=rng.choice(["1/100", "1/10", "1", "5"]),
        **more,
    )


def random_model(rng: random.Random) -> Model:
    """Return a random exact model: depths 1 to 3, all signs, repeated modes, extreme rates."""
    L, K = rng.randint(1, 3), rng.randint(1, 3)
    d, n = rng.randint(1, 3), rng.randint(1, 3)
    signal, total = [], []
    for _ in range(d):
        m = Fraction(rng.randint(1, 40), 24) * rng.choice([1, 1, 1, -1])
        signal.append(m)
        total.append(abs(m) + Fraction(rng.randint(0, 30), 24))
    if d > 1 and rng.random() < 0.15:
        signal[1], total[1] = signal[0], total[0]
    if rng.random() < 0.3:
        total = [max(total)] * d
    eta = Fraction(1, rng.choice([10, 20, 50, 100, 1000, 10**6, 10**9]))
    more: dict[str, object] = {}
    if rng.random() < 0.4:
        more["predictor_weight_decay"] = eta * Fraction(rng.randint(1, 30), 10)
    elif rng.random() < 0.3 and L + K > 2:
        more["layer_weight_decays"] = tuple(
            eta * Fraction(rng.randint(1, 30), 10) for _ in range(L + K)
        )
    if rng.random() < 0.3:
        more["predictor_lr"] = Fraction(rng.randint(1, 40), 10)
    if rng.random() < 0.5:
        more |= {"procedure": "ema", "ema": rng.choice(["1/10", "1/2", "9/10", "99/100"])}
    if rng.random() < 0.4:
        more["momentum"] = rng.choice(["1/2", "9/10"])
    widths = tuple(rng.randint(1, 4) for _ in range(L + K - 2))
    return Model(
        moments=Moments.commuting(signal=signal, total=total),
        embed_dim=n,
        encoder_layers=L,
        predictor_layers=K,
        hidden_dims=widths or None,
        weight_decay=eta,
        lr=rng.choice(["1/100", "1/10", "1", "5", "30"]),
        **more,
    )
