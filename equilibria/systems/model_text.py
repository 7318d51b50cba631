"""A model in a line of text."""

from __future__ import annotations

from fractions import Fraction

from equilibria.data.units import Unit
from equilibria.systems.chain_system import symmetry_text
from equilibria.systems.model import Model

SHOWN_LAYERS = 6


def moments_line(model: Model) -> str:
    """Return Sigma and M in a few words."""
    moments = model.moments
    if moments.total is not None and moments.signal is not None:
        return f"Σ = {_diagonal(moments.total)}   M = {_diagonal(moments.signal)}"
    if moments.units is not None:
        variances = _diagonal(tuple(unit.s for unit in moments.units for _ in unit.columns))
        return f"Σ = {variances}   M = {', '.join(_turned(unit) for unit in moments.units[:4])}"
    if moments.lopsided:
        source = f" from {moments.source}" if moments.source not in ("", "moments") else ""
        return f"Σ, M {model.d}x{model.d}{source} (M not symmetric: {moments.asymmetry:.2g})"
    kind = "commute" if moments.commute else f"relative commutator {moments.commutator:.2g}"
    source = f" from {moments.source}" if moments.source not in ("", "moments") else ""
    return f"Σ, M {model.d}x{model.d}{source} ({kind})"


def _widths(widths: tuple[int, ...]) -> str:
    """Return the widths of consecutive layers, the middle ones left out where there are many."""
    if len(widths) <= SHOWN_LAYERS + 1:
        return "-".join(map(str, widths))
    return f"{widths[0]}-{widths[1]}-...-{widths[-1]} ({len(widths) - 1} layers)"


def _turned(unit: Unit) -> str:
    """Return a mode's number, or a pair's two complex ones."""
    if not unit.im:
        return _short(unit.re)
    real = f"{_short(unit.re)} " if unit.re else ""
    return f"{real}± {_short(unit.im)}i"


def sizes_text(model: Model) -> str:
    """Return the sizes of the matrices, how many variables they have, and the symmetry."""
    letters, chain = model.traits.letters, model.chain
    sizes = f"encoder {model.n}x{model.d}"
    if "P" in letters:
        sizes += f", predictor {model.n}x{model.n}"
    symmetry = f"O({model.n})"
    if model.is_deep:
        encoder = _widths(chain.widths[: chain.encoder + 1])
        predictor = _widths(chain.widths[chain.encoder :])
        sizes = f"encoder {encoder}, predictor {predictor}"
        symmetry = symmetry_text(chain)
        if chain.depth > SHOWN_LAYERS:
            symmetry = f"O(width) in {chain.depth - 1} spaces between layers"
    shapes = [rows * columns for rows, columns in chain.shapes.values()]
    count = sum(shapes[: chain.encoder]) * (2 if "T" in letters else 1)
    count += sum(shapes[chain.encoder :]) if "P" in letters else 0
    return f"{sizes} · {count} variables, symmetry {symmetry}"


def _diagonal(values: tuple[Fraction, ...]) -> str:
    shown = [_short(value) for value in values[:4]]
    if len(values) > 4:
        shown.append(f"... {len(values)} in all")
    if len(set(values)) == 1 and len(values) > 1:
        return f"{_short(values[0])} I"
    return f"diag({', '.join(shown)})"


def _short(value: Fraction) -> str:
    text = str(value)
    return text if len(text) <= 12 else f"{float(value):.6g}"
