"""Small models inside a large one.

With W and T supported on the input columns J and on the first k outputs, and P on these outputs,
the equations of these variables are those of the model with k outputs and the principal blocks
Sigma_JJ, M_JJ: R W^T and P^T R only meet these entries. So the pullback of the one-form g f to that
coordinate subspace is the one-form of the small model, for moments of any kind, and a non-zero curl
or three-form of the small model is one of the large model. For k < n and all columns the subspace
is invariant under the flow; for diagonal moments every set of columns is.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import combinations

from equilibria.data.moments import Moments
from equilibria.errors import LimitReached
from equilibria.exact.polynomial import Polynomial
from equilibria.gradient.forms import OneForm, one_form, rename
from equilibria.systems.model import Model
from equilibria.systems.polynomial_system import PolynomialSystem

SEARCH_LIMIT = 64


@dataclass(frozen=True)
class SubModel:
    """The model on the first `rows` outputs and on the input `columns` (from 0)."""

    model: Model
    columns: tuple[int, ...]

    @property
    def system(self) -> PolynomialSystem:
        """Return its equations, in its own variable names."""
        return self.model.traits.system(self.model)

    def form(self, *, mapped: bool = False) -> OneForm:
        """Return g f, or g (map - identity)/h, in the variable names of the large model."""
        step = self.model.h if mapped else None
        form = one_form(self.system, lambda name: weight(self.model, name), step=step)
        return OneForm(
            {self.outer(name): self.lifted(entry) for name, entry in form.entries.items()}
        )

    def lifted(self, polynomial: Polynomial) -> Polynomial:
        """Return the polynomial in the variable names of the large model."""
        return rename(polynomial, {name: self.outer(name) for name in polynomial.ring.names})

    def outer(self, name: str) -> str:
        """Return the name that a variable has in the large model."""
        letter, row, column = name.split("_")
        if letter.endswith("P"):
            return name
        return f"{letter}_{row}_{self.columns[int(column) - 1] + 1}"


def submodel(model: Model, rows: int, columns: Sequence[int]) -> SubModel:
    """Return the model with `rows` outputs and the principal blocks of the moments."""
    sigma, m = (
        [[entry(model.moments, which, i, j) for j in columns] for i in columns]
        for which in ("Sigma", "M")
    )
    moments = Moments.dense(sigma, m, source="submodel")
    return SubModel(replace(model, moments=moments, embed_dim=rows), tuple(columns))


def weight(model: Model, name: str) -> Fraction:
    """Return the entry of g = |dP|^2/alpha + |dW|^2 + |dT|^2 that belongs to a variable."""
    return 1 / model.alpha if name.startswith("P") else Fraction(1)


def metric_text(model: Model) -> str:
    """Return the metric g in words."""
    if not model.traits.learns_predictor:
        return "|dW|^2"
    predictor = "|dP|^2" if model.alpha == 1 else f"|dP|^2/({model.alpha})"
    return " + ".join(
        [predictor, *(f"|d{letter}|^2" for letter in model.traits.letters if letter != "P")]
    )


def entry(moments: Moments, which: str, i: int, j: int) -> Fraction:
    """Return one entry of Sigma or M exactly, without writing out the matrix."""
    index = 0 if which == "Sigma" else 1
    if moments.total is not None and moments.signal is not None:
        return (moments.total, moments.signal)[index][i] if i == j else Fraction(0)
    if moments.exact is not None:
        return moments.exact[index][i][j]
    assert moments.arrays is not None
    return Fraction(float(moments.arrays[index][i, j]))


def leading_entry(moments: Moments) -> tuple[int, int] | None:
    """Return the first (i, j) with M_ij != 0, a diagonal one if possible; None when M = 0."""
    size = range(moments.dimension)
    for i in size:
        if entry(moments, "M", i, i):
            return i, i
    if moments.is_diagonal:
        return None
    return next(((i, j) for i in size for j in size if entry(moments, "M", i, j)), None)


def row_of_signal(moments: Moments, i: int) -> dict[int, Fraction]:
    """Return the non-zero entries of row i of M."""
    columns = (i,) if moments.is_diagonal else range(moments.dimension)
    row = {j: entry(moments, "M", i, j) for j in columns}
    return {j: value for j, value in row.items() if value}


def disproportionate_pair(moments: Moments, *, decay: bool = False) -> tuple[int, int] | None:
    """Return columns (i, j) whose block has M_JJ not a multiple of Sigma_JJ, None if M = c Sigma.

    With `decay` a block with M_JJ not a multiple of I counts too. All two-column blocks decide:
    each fixes c = M_jj/Sigma_jj, and the blocks overlap. Raises `LimitReached` for large dense
    moments that look proportional in floating point.
    """
    found = next((pair for pair in _pairs(moments) if _bent(moments, pair, decay=decay)), None)
    if found is None and not moments.is_diagonal and moments.dimension > SEARCH_LIMIT:
        raise LimitReached(
            "whether M is a multiple of Sigma is not decided for dense moments above "
            f"d = {SEARCH_LIMIT}"
        )
    return found


def _pairs(moments: Moments) -> Iterator[tuple[int, int]]:
    """Yield pairs of columns: enough to decide, or the most promising ones of a large matrix."""
    size = moments.dimension
    if moments.is_diagonal:
        yield from ((0, j) for j in range(1, size))
    elif size <= SEARCH_LIMIT:
        yield from combinations(range(size), 2)
    else:
        import numpy as np

        sigma, m = moments.matrices()
        gap = np.abs(m * sigma[0, 0] - sigma * m[0, 0])
        i, j = sorted(int(index) for index in np.unravel_index(int(gap.argmax()), gap.shape))
        yield from sorted({pair for pair in ((0, i), (0, j), (i, j)) if pair[0] < pair[1]})


def _bent(moments: Moments, pair: tuple[int, int], *, decay: bool) -> bool:
    (s11, s12, s22), (m11, m12, m22) = (
        (
            entry(moments, which, pair[0], pair[0]),
            entry(moments, which, pair[0], pair[1]),
            entry(moments, which, pair[1], pair[1]),
        )
        for which in ("Sigma", "M")
    )
    if s11 * m22 != s22 * m11 or s11 * m12 != s12 * m11:
        return True
    return decay and (bool(m12) or m11 != m22)
