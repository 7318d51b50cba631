"""Constant metrics: is there a constant positive definite G with G f a gradient?

G f is closed exactly when G J(x) is symmetric for all x, which is a linear system over the
rationals for the entries of G, degree by degree in x. Restriction helps: if G works and N is an
invariant subspace, then the block of G on N works for the flow on N.

The bootstrap flows (T3.3 for all n, d). N: one output row, with P = p, W = w, T = t in R^d. Write G
in blocks a (p, p), b (p, w), C (w, w) and let (G f)_k be the part of degree k in x.

- Stop-gradient, M != 0. Degree 2: C M = 2 a alpha M. Degree 3: C Sigma = a alpha Sigma, so
  C = a alpha I and a alpha M = 2 a alpha M: M = 0.
- EMA, M != 0. The terms with p in the (w, t) curl of degree 2 are p C M alone: C M = 0 with C
  positive definite, so M = 0.
- EMA, M = 0. The (w, t) curl of degree 3 forces the (w, t) block D of G to be 0; that of degree 1
  says beta E = (eta - beta) D for the (t, t) block E: E = 0.

The direct flows, M no multiple of Sigma. N: one output row w, p = q^a, q = w Sigma w^T. The part of
top degree, -p^2 G Sigma w, has the curl p^2/q times 4a (u u^T G - G u u^T) + q (Sigma G - G Sigma),
up to sign, with u = Sigma w. In the eigenbasis of G its (i, j) entry at u = e_i is q times that of
Sigma G - G Sigma, so this is 0, and then u_i u_j (g_i - g_j) = 0: G = g I. The middle part p M w is
closed only if M is a multiple of Sigma.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from itertools import combinations, combinations_with_replacement

from equilibria.exact.polynomial import Monomial, Polynomial
from equilibria.gradient.report import ConstantMetric
from equilibria.gradient.submodel import leading_entry, submodel
from equilibria.systems.model import Model
from equilibria.varieties.component import How

Pair = tuple[str, str]
Gram = dict[Pair, Fraction]

NO_CONSTANT = "No constant metric (positive definite) makes it a gradient field, on any open set"
EXACT_COLUMNS = 3

OWN_TARGET = (
    "one output row: degree 2 of G f gives C M = 2 a alpha M, degree 3 gives C Sigma = "
    "a alpha Sigma, together M = 0 (T3.3)"
)
AVERAGED = "one output row: degree 2 of G f gives C M = 0 with C positive definite: M = 0 (T3.3)"
AVERAGED_WITHOUT_SIGNAL = (
    "one output row: degree 3 of G f makes the (W, T) block of G zero, and degree 1 then the "
    "(T, T) block"
)
DIRECT = (
    "one output row: the part of top degree makes G a multiple of the identity; the part with "
    "M is then closed only if M is a multiple of Sigma"
)


def bootstrap_constant_metric(model: Model) -> ConstantMetric:
    """Return the refutation for stop-gradient with M != 0 and for EMA, and check it by elimination.

    The check solves for all constant G on an invariant subspace: one mode for diagonal moments, one
    output row for dense ones with d <= 3.
    """
    place = leading_entry(model.moments)
    argument = OWN_TARGET
    if model.traits.has_target:
        argument = AVERAGED if place is not None else AVERAGED_WITHOUT_SIGNAL
    checked = "by the argument alone"
    columns = (place[0] if place else 0,) if model.moments.is_diagonal else tuple(range(model.d))
    if len(columns) <= EXACT_COLUMNS:
        small = submodel(model, 1, columns)
        flow = small.form().entries
        metrics = constant_metrics(small.system.flow)
        blocked = missing_direction(metrics, small.system.variables)
        if blocked is None:  # pragma: no cover - contradicts the proof above
            return ConstantMetric(None, None, "not decided", argument)
        checked = f"exact elimination on the invariant subspace ({', '.join(flow)}): " + (
            f"{len(metrics)} independent symmetric solutions, none positive at "
            f"{small.outer(blocked)}"
            if metrics
            else "G = 0 is the only symmetric solution"
        )
    return ConstantMetric(False, How.PROVED, NO_CONSTANT, argument, checked)


def constant_metrics(flow: Mapping[str, Polynomial]) -> list[Gram]:
    """Return a basis of all constant symmetric G, definite or not, with G f closed."""
    names = tuple(flow)
    unknowns = list(combinations_with_replacement(names, 2))
    index = {pair: k for k, pair in enumerate(unknowns)}
    derivative = {(k, x): flow[k].diff(x) for k in names for x in flow[k].variables()}
    equations: list[dict[int, Fraction]] = []
    for i, j in combinations(names, 2):
        rows: dict[Monomial, dict[int, Fraction]] = {}
        for sign, row, column in ((1, i, j), (-1, j, i)):
            for k in names:
                unknown = index[(row, k) if (row, k) in index else (k, row)]
                entry = derivative.get((k, column))
                for key, value in entry.terms.items() if entry is not None else ():
                    target = rows.setdefault(key, {})
                    target[unknown] = target.get(unknown, Fraction(0)) + sign * value
        equations.extend(rows.values())
    basis = nullspace(equations, len(unknowns))
    return [{unknowns[k]: value for k, value in vector.items()} for vector in basis]


def missing_direction(metrics: Iterable[Gram], names: Iterable[str]) -> str | None:
    """Return a variable x that shows that no combination is positive definite, None if none does.

    G(x, x) is 0 for all of them; or all diagonals are multiples of one, on which the entry of x is
    not positive while another one is.
    """
    grams, variables = list(metrics), list(names)
    diagonals = [[gram.get((x, x), Fraction(0)) for x in variables] for gram in grams]
    diagonals = [row for row in diagonals if any(row)]
    for k, x in enumerate(variables):
        if not any(row[k] for row in diagonals):
            return x
    first = diagonals[0]
    multiples = all(
        row[j] * first[k] == row[k] * first[j]
        for row in diagonals
        for j, k in combinations(range(len(first)), 2)
    )
    opposite = (x for x, value in zip(variables, first, strict=True) if value * first[0] < 0)
    return next(opposite, None) if multiples else None


def definite_member(metrics: list[Gram], names: tuple[str, ...]) -> Gram | None:
    """Return a positive definite combination if one of the obvious candidates is one."""
    diagonal = [gram for gram in metrics if any(gram.get((x, x)) for x in names)]
    total: Gram = {}
    for gram in diagonal:
        for pair, value in gram.items():
            total[pair] = total.get(pair, Fraction(0)) + value
    candidates = [total, *metrics]
    for gram in candidates:
        for sign in (1, -1):
            signed = {pair: sign * value for pair, value in gram.items() if value}
            if _positive_definite(signed, names):
                return signed
    return None


def nullspace(equations: list[dict[int, Fraction]], size: int) -> list[dict[int, Fraction]]:
    """Return a basis of the solutions of sparse homogeneous equations in `size` unknowns."""
    pivots: dict[int, dict[int, Fraction]] = {}
    for equation in equations:
        row = {k: value for k, value in equation.items() if value}
        for pivot, known in pivots.items():
            _subtract(row, row.get(pivot, Fraction(0)), known)
        if row:
            lead = min(row)
            scale = row[lead]
            row = {k: value / scale for k, value in row.items()}
            for known in pivots.values():
                _subtract(known, known.get(lead, Fraction(0)), row)
            pivots[lead] = row
    basis = []
    for free in (k for k in range(size) if k not in pivots):
        vector = {free: Fraction(1)}
        vector.update({pivot: -row[free] for pivot, row in pivots.items() if row.get(free)})
        basis.append(vector)
    return basis


def _subtract(row: dict[int, Fraction], factor: Fraction, other: dict[int, Fraction]) -> None:
    if factor:
        for k, value in other.items():
            left = row.get(k, Fraction(0)) - factor * value
            if left:
                row[k] = left
            else:
                row.pop(k, None)


def _positive_definite(gram: Gram, names: tuple[str, ...]) -> bool:
    zero = Fraction(0)
    rows = [[gram.get((a, b), gram.get((b, a), zero)) for b in names] for a in names]
    for i, pivot_row in enumerate(rows):
        if pivot_row[i] <= 0:
            return False
        for row in rows[i + 1 :]:
            factor = row[i] / pivot_row[i]
            for column in range(i, len(rows)):
                row[column] -= factor * pivot_row[column]
    return True
