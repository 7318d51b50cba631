"""From a set of modes back to matrices: equations and one point of a stratum in (W, P, T).

In the mode basis an aligned equilibrium is P = sum p_i u_i u_i^T, W = sum (p_i/sqrt a) u_i v_i^T
with a = alpha/kappa, u_i orthonormal. Its O(n)-orbit is given by polynomial equations:

    W^T W = sum (p_i^2/a) v_i v_i^T,      P = W (sum (a/p_i) v_i v_i^T) W^T,      T = W.
"""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction

from equilibria.model import Model
from equilibria.modes import State
from equilibria.rationals import to_float
from equilibria.results import Algebraic, Detail, Entry
from equilibria.strata import Stratum
from equilibria.surds import Surd, radical

ENTRYWISE_LIMIT = 64
ZERO = Fraction(0)
Rows = tuple[tuple[Entry, ...], ...]


def number(value: Surd) -> Entry:
    """Return a surd as an exact rational where it is one, else as an algebraic number."""
    folded = value.folded()
    if not any(folded.parts[1:]):
        return folded.parts[0]
    return Algebraic(float(folded), folded.text())


def stratum_detail(model: Model, stratum: Stratum) -> Detail:
    """Return the equations and a representative of an aligned stratum, eta > 0."""
    scale = model.alpha / (model.kappa or Fraction(1))
    representative = stratum_point(model, stratum, scale)
    if not model.moments.is_diagonal:
        return Detail(_matrix_equations(model, stratum, scale, basis="v"), representative)
    if model.n * model.d + model.n**2 + model.d**2 <= ENTRYWISE_LIMIT:
        return Detail(_entry_equations(model, stratum, scale), representative)
    return Detail(_matrix_equations(model, stratum, scale, basis="e"), representative)


def encoder_weight(state: State, scale: Fraction) -> Surd:
    """Return w = p/sqrt(a) in Q(sqrt(D), sqrt(a))."""
    factor, radicand = radical(1 / scale)
    p = Surd(state.p.x, radicand, state.p.parts)
    if radicand == 1:
        return p * factor
    return p * Surd(p.x, radicand, (ZERO, ZERO, factor, ZERO))


def stratum_point(model: Model, stratum: Stratum, scale: Fraction) -> Mapping[str, Rows]:
    """Return W, P (and T for EMA) with active modes in the first rows, in ascending order."""
    weights = [encoder_weight(state, scale) for state in stratum]
    if model.moments.is_diagonal:
        columns = [state.mode.number - 1 for state in stratum]
        encoder = _sparse(
            model.n,
            model.d,
            {(i, j): number(w) for i, (j, w) in enumerate(zip(columns, weights, strict=True))},
        )
    else:
        basis = model.moments.eigenbasis[2]
        rows = [
            tuple(float(float(w) * x) for x in basis[:, state.mode.number - 1])
            for state, w in zip(stratum, weights, strict=True)
        ]
        encoder = (*rows, *(((ZERO,) * model.d),) * (model.n - len(rows)))
    predictor = _sparse(
        model.n, model.n, {(i, i): number(state.p) for i, state in enumerate(stratum)}
    )
    point: dict[str, Rows] = {"W": encoder, "P": predictor}
    if model.procedure == "ema":
        point["T"] = encoder
    return point


def _sparse(rows: int, columns: int, entries: Mapping[tuple[int, int], Entry]) -> Rows:
    blank: tuple[Entry, ...] = (ZERO,) * columns
    filled: dict[int, list[Entry]] = {}
    for (i, j), value in entries.items():
        filled.setdefault(i, list(blank))[j] = value
    return tuple(tuple(filled[i]) if i in filled else blank for i in range(rows))


def _entry_equations(model: Model, stratum: Stratum, scale: Fraction) -> tuple[str, ...]:
    n, d = model.n, model.d
    gram = {s.mode.number: s.p * s.p * (1 / scale) for s in stratum}
    link = {s.mode.number: s.p.inverse() * scale for s in stratum}
    equations = []
    for i in range(1, d + 1):
        for j in range(i, d + 1):
            dot = " + ".join(_product(f"W_{r}_{i}", f"W_{r}_{j}") for r in range(1, n + 1))
            target = f" - ({gram[i].text()})" if i == j and i in gram else ""
            equations.append(dot + target)
    for i in range(1, n + 1):
        for j in range(1, n + 1):
            terms = [
                f"({c.text()})*{_product(f'W_{i}_{m}', f'W_{j}_{m}')}" for m, c in link.items()
            ]
            equations.append(" - ".join([f"P_{i}_{j}", *terms]))
    if model.procedure == "ema":
        equations += [f"T_{i}_{j} - W_{i}_{j}" for i in range(1, n + 1) for j in range(1, d + 1)]
    return tuple(equations)


def _product(left: str, right: str) -> str:
    return f"{left}**2" if left == right else f"{left}*{right}"


def _matrix_equations(
    model: Model, stratum: Stratum, scale: Fraction, *, basis: str
) -> tuple[str, ...]:
    """Return the same equations in matrix notation, for sizes whose entries would fill pages."""

    def shown(value: Surd) -> str:
        return value.text() if model.moments.is_diagonal else repr(float(value))

    def term(state: State, value: Surd) -> str:
        j = state.mode.number
        return f"({shown(value)})*{basis}_{j}*{basis}_{j}^T"

    gram = " + ".join(term(s, s.p * s.p * (1 / scale)) for s in stratum) or "0"
    link = " + ".join(term(s, s.p.inverse() * scale) for s in stratum) or "0"
    equations = [f"W^T*W = {gram}", f"P = W*({link})*W^T"]
    if model.procedure == "ema":
        equations.append("T = W")
    return tuple(equations)


def entry_float(value: Entry) -> float:
    """Return any entry of a representative as a double."""
    if isinstance(value, Algebraic):
        return value.value
    return to_float(value) if isinstance(value, Fraction) else float(value)
