"""One live mode of commuting moments: p at a root of s p^2 - m p + eta = 0 (T6.3), exactly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from equilibria.exact.surds import Surd, in_common_field
from equilibria.gradient.radicals import surd, surd_entry
from equilibria.systems.model import Model
from equilibria.varieties.component import Entry

ModeData = tuple[int, Fraction, Fraction]


@dataclass(frozen=True, slots=True)
class Active:
    """Mode j (from 0) with data (s, m) at its outer (+) or inner (-) root p."""

    j: int
    root: str
    s: Fraction
    m: Fraction
    p: Surd


def active_modes(model: Model, modes: list[ModeData]) -> Iterator[Active]:
    """Yield the live states of single modes, outer roots first."""
    for j, s, m in modes:
        gap = m * m - 4 * model.eta * s
        if m and gap >= 0:
            outward = 1 if m > 0 else -1
            for root, side in (("+", outward), ("-", -outward)):
                yield Active(j, root, s, m, surd(m / (2 * s), side / (2 * s), gap))


def live_mode(model: Model) -> Active | None:
    """Return the first live mode of diagonal moments at its outer root, for eta, eta_P > 0."""
    total, signal = model.moments.total, model.moments.signal
    if total is None or signal is None or not (model.eta and model.eta_p):
        return None
    modes = list(zip(range(model.d), total, signal, strict=True))
    return next(active_modes(model, modes), None)


def encoder_entry(model: Model, active: Active) -> Surd:
    """Return W_ij = p sqrt(kappa/alpha), the positive multiple of the two (T0.3)."""
    kappa = model.kappa
    assert kappa is not None
    ratio = surd(Fraction(0), Fraction(1), kappa / model.alpha)
    left, right = in_common_field(active.p, ratio)
    return left * right


def state(model: Model, active: Active, row: int = 1) -> dict[str, Entry]:
    """Return P_ii, W_ij (and T_ij) of an active mode in output row `row`."""
    place, w = f"{row}_{active.j + 1}", surd_entry(encoder_entry(model, active))
    values = {f"P_{row}_{row}": surd_entry(active.p), f"W_{place}": w}
    return {**values, f"T_{place}": w} if model.traits.has_target else values
