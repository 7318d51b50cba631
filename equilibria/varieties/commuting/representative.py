"""From a set of modes back to matrices: equations and one point of a stratum in (W, P, T).

In the mode basis an aligned equilibrium is P = sum p_i u_i u_i^T, W = sum (p_i/sqrt a) u_i v_i^T
with a = alpha/kappa, u_i orthonormal. Its O(n)-orbit is given by polynomial equations:

    W^T W = sum (p_i^2/a) v_i v_i^T,      P = W (sum (a/p_i) v_i v_i^T) W^T,      T = W.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd, radical
from equilibria.systems.model import Model
from equilibria.varieties.commuting.modes import State
from equilibria.varieties.commuting.strata import Stratum
from equilibria.varieties.component import Algebraic, Detail, Entry

ENTRYWISE_LIMIT = 64
ZERO = Fraction(0)
Rows = tuple[tuple[Entry, ...], ...]


def number(value: Surd) -> Entry:
    """Return a surd as an exact rational where it is one, else as an algebraic number."""
    folded = value.folded()
    if not any(folded.parts[1:]):
        return folded.parts[0]
    return Algebraic(float(folded), folded.text())


def encoder_weight(state: State, scale: Fraction) -> Surd:
    """Return w = p/sqrt(a) in Q(sqrt(D), sqrt(a))."""
    factor, radicand = radical(1 / scale)
    p = Surd(state.p.x, radicand, state.p.parts)
    if radicand == 1:
        return p * factor
    return p * Surd(p.x, radicand, (ZERO, ZERO, factor, ZERO))


@dataclass(frozen=True)
class StateForms:
    """What the strata that contain a state have in common, made once."""

    weight: Entry
    predictor: Entry
    gram: str
    link: str


class Lifter:
    """Equations and representatives of the aligned strata of one model, eta > 0."""

    def __init__(self, model: Model) -> None:
        self.model = model
        self.scale = model.alpha / (model.kappa or Fraction(1))
        self._forms: dict[str, StateForms] = {}

    def detail(self, stratum: Stratum) -> Detail:
        """Return the equations and a representative, active modes on the first rows."""
        model = self.model
        size = model.n * model.d + model.n**2 + model.d**2
        if model.moments.is_diagonal and size <= ENTRYWISE_LIMIT:
            return Detail(self._entry_equations(stratum), self.point(stratum))
        return Detail(self._matrix_equations(stratum), self.point(stratum))

    def _form(self, state: State) -> StateForms:
        if state.label not in self._forms:
            gram = state.p * state.p * (1 / self.scale)
            link = state.p.inverse() * self.scale
            exact = self.model.moments.is_diagonal
            self._forms[state.label] = StateForms(
                weight=number(encoder_weight(state, self.scale)),
                predictor=number(state.p),
                gram=gram.text() if exact else repr(float(gram)),
                link=link.text() if exact else repr(float(link)),
            )
        return self._forms[state.label]

    def point(self, stratum: Stratum) -> Mapping[str, Rows]:
        """Return W, P (and T for EMA)."""
        model = self.model
        forms = [self._form(state) for state in stratum]
        encoder = self._encoder(stratum, [form.weight for form in forms])
        predictor = _sparse(
            model.n, model.n, {(i, i): form.predictor for i, form in enumerate(forms)}
        )
        point: dict[str, Rows] = {"W": encoder, "P": predictor}
        if model.traits.has_target:
            point["T"] = encoder
        return point

    def _encoder(self, stratum: Stratum, weights: list[Entry]) -> Rows:
        model = self.model
        if model.moments.is_diagonal:
            columns = [state.mode.number - 1 for state in stratum]
            places = zip(enumerate(columns), weights, strict=True)
            return _sparse(model.n, model.d, dict(places))
        basis = model.moments.eigenbasis[2]
        rows = [
            tuple(entry_float(w) * float(x) for x in basis[:, state.mode.number - 1])
            for state, w in zip(stratum, weights, strict=True)
        ]
        return (*rows, *(((ZERO,) * model.d),) * (model.n - len(rows)))

    def _entry_equations(self, stratum: Stratum) -> tuple[str, ...]:
        n, d = self.model.n, self.model.d
        gram = {s.mode.number: self._form(s).gram for s in stratum}
        link = {s.mode.number: self._form(s).link for s in stratum}
        equations = []
        for i in range(1, d + 1):
            for j in range(i, d + 1):
                dot = " + ".join(_product(f"W_{r}_{i}", f"W_{r}_{j}") for r in range(1, n + 1))
                equations.append(dot + (f" - ({gram[i]})" if i == j and i in gram else ""))
        for i in range(1, n + 1):
            for j in range(1, n + 1):
                terms = [f"({c})*{_product(f'W_{i}_{m}', f'W_{j}_{m}')}" for m, c in link.items()]
                equations.append(" - ".join([f"P_{i}_{j}", *terms]))
        if self.model.traits.has_target:
            pairs = [(i, j) for i in range(1, n + 1) for j in range(1, d + 1)]
            equations += [f"T_{i}_{j} - W_{i}_{j}" for i, j in pairs]
        return tuple(equations)

    def _matrix_equations(self, stratum: Stratum) -> tuple[str, ...]:
        """Return the same equations in matrix notation, for sizes that would fill pages."""
        letter = "e" if self.model.moments.is_diagonal else "v"
        vectors = [f"{letter}_{s.mode.number}*{letter}_{s.mode.number}^T" for s in stratum]
        forms = [self._form(state) for state in stratum]
        pairs = list(zip(forms, vectors, strict=True))
        gram = " + ".join(f"({form.gram})*{v}" for form, v in pairs) or "0"
        link = " + ".join(f"({form.link})*{v}" for form, v in pairs) or "0"
        equations = [f"W^T*W = {gram}", f"P = W*({link})*W^T"]
        if self.model.traits.has_target:
            equations.append("T = W")
        return tuple(equations)


def _sparse(rows: int, columns: int, entries: Mapping[tuple[int, int], Entry]) -> Rows:
    blank: tuple[Entry, ...] = (ZERO,) * columns
    filled: dict[int, list[Entry]] = {}
    for (i, j), value in entries.items():
        filled.setdefault(i, list(blank))[j] = value
    return tuple(tuple(filled[i]) if i in filled else blank for i in range(rows))


def _product(left: str, right: str) -> str:
    return f"{left}**2" if left == right else f"{left}*{right}"


def entry_float(value: Entry) -> float:
    """Return any entry of a representative as a double."""
    if isinstance(value, Algebraic):
        return value.value
    return to_float(value) if isinstance(value, Fraction) else float(value)
