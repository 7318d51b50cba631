"""The worked examples E5 and E6 of the theory note, exactly."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from equilibria.cycles.setting import Setting
from equilibria.data.moments import Moments
from equilibria.exact.rationals import Number, rational, to_float
from equilibria.varieties.noncommuting.core import Array


def e5(t: Number = Fraction(1, 28)) -> tuple[Moments, Fraction]:
    """(moments, eta) of E5: a stop-gradient flow (n = d = 2) with an attracting limit cycle."""
    t = rational(t, "t")
    sigma = [[16, 0], [0, 16 * (128 + 14 * t)]]
    m = [[5 + t, -64 - 4 * t], [-64 - 4 * t, 1536 + 184 * t]]
    return Moments.dense(sigma, m, source="E5"), 7 * t / 4


def e6() -> tuple[Moments, Fraction]:
    """(moments, eta) of E6 (n = d = 3): only a moving average of 1.7733 < beta < 30.179 oscillates."""
    sigma = [["1", "0", "0"], ["0", "3", "0"], ["0", "0", "1154"]]
    m = [["0.11", "0.157", "2.41"], ["0.157", "0.4455", "7.4"], ["2.41", "7.4", "631"]]
    return Moments.dense(sigma, m, source="E6"), Fraction(1, 1000)


def e5_setting(t: float, *, beta: float | None = None) -> Setting:
    """E5 as a flow, at any real t."""
    Sigma = 16 * np.diag([1.0, 128 + 14 * t])
    M: Array = np.array([[5 + t, -64 - 4 * t], [-64 - 4 * t, 1536 + 184 * t]])
    return Setting(Sigma, M, 7 * t / 4, beta=beta)


def setting_of(moments: Moments, eta: Number, *, beta: float | None = None) -> Setting:
    """The flow of these moments."""
    sigma, m = moments.matrices()
    return Setting(np.array(sigma), np.array(m), to_float(rational(eta, "eta")), beta=beta)
