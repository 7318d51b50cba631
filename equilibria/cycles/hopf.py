"""Hopf and Neimark-Sacker points along a parameter (T9.2, E5, E6).

The equilibrium is followed by Newton's method from value to value, its complex pairs are matched
from one value to the next, and wherever the margin of a pair changes sign the crossing is found
with Brent's method, the equilibrium solved anew at every value tried. Double crossings inside one
interval of the scan are looked for where a margin has an extremum next to zero.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import numpy as np
from scipy.optimize import brentq, linear_sum_assignment, minimize_scalar

from equilibria.cycles.crossing import Branch, HopfPoint
from equilibria.cycles.normal_form import first_lyapunov
from equilibria.cycles.pairs import complex_pairs, frequency, margin, nearest_pair, others_unstable
from equilibria.cycles.setting import Path, Setting
from equilibria.varieties.noncommuting.core import Array, ComplexArray, CoreEquilibrium

Scale = Literal["linear", "log"]
POINTS = 60
TRACKED = 6  # pairs followed, leading ones first
RELATIVE_TOLERANCE = 1e-13
PAIR_TOLERANCE = 1e-8  # margin left at an accepted crossing, relative to the frequency


def hopf_points(
    path: Path,
    low: float,
    high: float,
    *,
    start: CoreEquilibrium | None = None,
    scale: Scale | None = None,
    points: int = POINTS,
) -> Branch:
    """Follow the equilibrium from `low` to `high` and locate its Hopf points.

    `path` maps a value to a `Setting` (see `along`); `start` is the equilibrium at `low`, by default
    the most learned one of full rank. `scale` is how the values scanned are spaced, by default
    logarithmic where low > 0 and high > 10 low.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise ValueError(f"range {low} to {high}: expected two finite numbers in increasing order")
    scale = scale or ("log" if low > 0 and high > 10 * low else "linear")
    if scale == "log" and low <= 0:
        raise ValueError(f"range {low} to {high}: a logarithmic scale needs low > 0")
    spaced = np.geomspace if scale == "log" else np.linspace
    core = start or path(low).largest()
    if core is None:
        raise ValueError(f"there is no full-rank equilibrium at {low}")
    values = spaced(low, high, points)
    values[0], values[-1] = low, high
    return _Follower(path).branch(values, core)


class _Follower:
    """One equilibrium along one path; remembers the encoder at the values it has been at."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.known: list[tuple[float, Array]] = []

    def at(self, value: float) -> tuple[Setting, CoreEquilibrium]:
        """The setting and the equilibrium at a value, by Newton from the nearest known one."""
        setting = self.path(value)
        W = min(self.known, key=lambda item: abs(item[0] - value))[1]
        core = setting.near(W)
        if core is None or np.linalg.norm(core.gram - W.T @ W) > 0.5 * np.linalg.norm(W.T @ W):
            raise np.linalg.LinAlgError(f"the equilibrium cannot be followed to {value:.8g}")
        return setting, core

    def branch(self, values: Array, core: CoreEquilibrium) -> Branch:
        self.known = [(float(values[0]), core.W)]
        reached: list[float] = []
        spectra: list[ComplexArray] = []
        stopped = ""
        for value in values:
            try:
                setting, core = self.at(float(value))
            except (np.linalg.LinAlgError, ValueError) as problem:
                stopped = str(problem)
                break
            self.known.append((float(value), core.W))
            reached.append(float(value))
            spectra.append(complex_pairs(setting, core)[:TRACKED])
        setting = self.path(reached[0]) if reached else self.path(float(values[0]))
        leading = np.array([s[0] if s.size else np.nan for s in spectra], dtype=np.complex128)
        found = [self._point(a, b, guess) for a, b, guess in self._brackets(reached, spectra)]
        kept = sorted((p for p in found if p is not None), key=lambda p: p.value)
        unique = [
            p
            for i, p in enumerate(kept)
            if i == 0 or p.value - kept[i - 1].value > 1e-9 * abs(p.value)
        ]
        margins = margin(setting, leading)
        return Branch(np.array(reached), leading, margins, tuple(unique), stopped)

    def _brackets(
        self, values: list[float], spectra: list[ComplexArray]
    ) -> Iterator[tuple[float, float, Callable[[float], complex]]]:
        """Intervals with a sign change of the margin of a matched pair, and a guess of that pair."""
        at = self.path(values[0]) if values else None
        for i in range(len(values) - 1):
            assert at is not None
            for one, two in _matched(spectra[i], spectra[i + 1]):
                a, b = values[i], values[i + 1]
                ends = margin(at, np.array([one, two]))
                if (ends[0] < 0) != (ends[1] < 0):
                    yield a, b, _interpolated(a, b, one, two)
                elif i + 2 < len(values):
                    yield from self._hidden(values[i : i + 3], spectra[i : i + 3], one, two)

    def _hidden(
        self, values: list[float], spectra: list[ComplexArray], one: complex, two: complex
    ) -> Iterator[tuple[float, float, Callable[[float], complex]]]:
        """Two crossings around an extremum of the margin between three values of one sign."""
        third = dict(_matched(spectra[1], spectra[2])).get(two)
        setting = self.path(values[0])
        if third is None:
            return
        m = margin(setting, np.array([one, two, third]))
        sign = np.sign(m[1])
        if not (np.all(np.sign(m) == sign) and abs(m[1]) < min(abs(m[0]), abs(m[2]))):
            return
        a, c = values[0], values[2]
        guess = _interpolated(a, values[1], one, two), _interpolated(values[1], c, two, third)

        def size(value: float) -> float:
            pair = self.pair(value, guess[0](value) if value < values[1] else guess[1](value))
            return float(sign * margin(setting, np.array([pair]))[0])

        best = minimize_scalar(size, bounds=(a, c), method="bounded", options={"maxiter": 40})
        if best.fun < 0:
            middle = float(best.x)
            near = guess[0](middle) if middle < values[1] else guess[1](middle)
            peak = self.pair(middle, near)
            yield a, middle, _interpolated(a, middle, one, peak)
            yield middle, c, _interpolated(middle, c, peak, third)

    def pair(self, value: float, guess: complex) -> complex:
        """The pair nearest to a guess; the guess itself flattened to the real line if none is."""
        setting, core = self.at(value)
        found = nearest_pair(setting, core, guess)
        return found if found is not None else complex(guess.real)

    def _point(self, a: float, b: float, guess: Callable[[float], complex]) -> HopfPoint | None:
        setting = self.path(a)

        def size(value: float) -> float:
            return float(margin(setting_at(value), np.array([self.pair(value, guess(value))]))[0])

        def setting_at(_: float) -> Setting:
            return setting

        try:
            if (size(a) < 0) == (size(b) < 0):
                return None
            tolerance = RELATIVE_TOLERANCE * max(abs(a), abs(b))
            value = float(brentq(size, a, b, xtol=tolerance, rtol=RELATIVE_TOLERANCE))
            setting, core = self.at(value)
            pair = nearest_pair(setting, core, guess(value))
        except np.linalg.LinAlgError:
            return None
        if pair is None:
            return None
        turning = abs(np.angle(pair)) if setting.is_map else abs(pair.imag)
        if abs(margin(setting, np.array([pair]))[0]) > PAIR_TOLERANCE * turning:
            return None
        return HopfPoint(
            value=value,
            pair=pair,
            frequency=frequency(setting, pair),
            speed=self._speed(value, pair, b - a),
            others=others_unstable(setting, core, pair),
            lyapunov=first_lyapunov(setting, core, pair),
            kind="Neimark-Sacker" if setting.is_map else "Hopf",
            core=core,
        )

    def _speed(self, value: float, pair: complex, width: float) -> float:
        """Central difference of the margin, extrapolated once."""
        setting = self.path(value)

        def slope(step: float) -> float:
            ends = [self.pair(value + s * step, pair) for s in (1, -1)]
            above, below = margin(setting, np.array(ends))
            return float((above - below) / (2 * step))

        step = 1e-3 * min(width, abs(value) or width)
        return (4 * slope(step) - slope(2 * step)) / 3


def _matched(left: ComplexArray, right: ComplexArray) -> list[tuple[complex, complex]]:
    """The assignment of pairs to pairs with the least total distance."""
    if not (left.size and right.size):
        return []
    rows, columns = linear_sum_assignment(np.abs(left[:, None] - right[None, :]))
    return [(complex(left[i]), complex(right[j])) for i, j in zip(rows, columns, strict=True)]


def _interpolated(a: float, b: float, one: complex, two: complex) -> Callable[[float], complex]:
    return lambda value: one + (two - one) * (value - a) / (b - a)
