"""How much weight decay the modes of a deep chain bear: the folds of T22.3, and T25.1's warning."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from equilibria.data.units import Unit
from equilibria.exact.enclosed import Enclosed, rational_root
from equilibria.exact.rationals import to_float
from equilibria.systems.depth import Chain
from equilibria.systems.model import Model
from equilibria.varieties.chains.mode_equation import fold_square, gain
from equilibria.varieties.chains.rest import units_of


@dataclass(frozen=True, slots=True)
class Threshold:
    """The effective weight decay above which a mode cannot be learned, and p where its roots meet."""

    mode: str
    weight_decay: float
    text: str
    exact: bool
    p: float
    alive: bool


def thresholds(model: Model) -> tuple[Threshold, ...]:
    """Return the fold of every unit with a signal, in order (T22.3)."""
    units = units_of(model.moments)
    return tuple(_threshold(model.chain, unit) for unit in units if unit.square)


def _threshold(chain: Chain, unit: Unit) -> Threshold:
    square, k = fold_square(chain, unit), chain.predictor
    value, text, exact = root_text(square, 2 * k)
    p = float(gain(unit)) * chain.a / (chain.a + k) / to_float(unit.s)
    alive = chain.effective_power**2 <= square
    return Threshold(unit.name, value, text, exact, p, alive)


def root_text(power: Fraction, degree: int) -> tuple[float, str, bool]:
    """Return the root of a rational as a float, as text, and whether the text is a fraction."""
    root = rational_root(power, degree)
    if root is not None:
        return to_float(root), str(root), True
    return float(Enclosed.of(power).root(degree)), f"({power})**(1/{degree})", False


def effective_decay(model: Model) -> tuple[float, str, bool]:
    """Return eta_eff of T20.2 as a float and as text, and whether the text is a fraction."""
    return root_text(model.chain.effective_power, model.chain.predictor)


def lost_everywhere(model: Model) -> Threshold | None:
    """Return the largest threshold where the decay is above all of them, else None (T21.4, T22.3)."""
    found = thresholds(model)
    if not found or any(threshold.alive for threshold in found):
        return None
    return max(found, key=lambda threshold: threshold.weight_decay)


def decay_lines(model: Model) -> list[str]:
    """Return what weight decay the modes bear, and what the decays of the layers can do."""
    found = thresholds(model)
    if not found or not all(model.chain.decays):
        return []
    value, text, exact = effective_decay(model)
    plain = model.chain.equal_decays and model.alpha == 1
    name = "weight decay" if plain else "effective weight decay"
    bears = ", ".join(_bears(threshold) for threshold in found[:6])
    lines = [f"{name} a mode bears at theta = {model.chain.theta} (T22.3): {bears}"]
    if not plain:
        shown = f"{text} = {value:.6g}" if exact and len(text) < 24 else f"{value:.6g}"
        lines.append(f"effective weight decay of these layers: {shown} (T20.2)")
    if _may_oscillate(model.chain.encoder, model):
        lines.append(
            "the predictor decays less than (1 - 1/L) of the encoder: a mode can be lost by "
            "oscillation before its fold (T25.1)"
        )
    return lines


def _bears(threshold: Threshold) -> str:
    short = threshold.exact and len(threshold.text) <= 8
    value = f"{threshold.text} = " if short else ""
    name = f"modes {threshold.mode}" if "&" in threshold.mode else f"mode {threshold.mode}"
    return f"{name} up to {value}{threshold.weight_decay:.4g}"


def _may_oscillate(layers: int, model: Model) -> bool:
    """Return whether eta_P < (1 - 1/L) eta_W for one decay of all encoder and predictor layers."""
    encoder = set(model.chain.decays[:layers])
    predictor = set(model.chain.decays[layers:])
    if len(encoder) > 1 or len(predictor) > 1:
        return False
    return _least(predictor) < (1 - Fraction(1, layers)) * _least(encoder)


def _least(values: Sequence[Fraction] | set[Fraction]) -> Fraction:
    return min(values)
