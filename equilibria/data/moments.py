"""Data moments: Sigma = E[x x^T] of one view and M = E[y x^T] of two views of the same image.

When Sigma and M commute, the data split into modes with eigenvalues (s_j, m_j) and everything
later decouples. Moments given by eigenvalues or as diagonal matrices stay exact rationals. Dense
matrices are kept as they came (exact rationals or doubles, which are exact dyadic rationals) and
are diagonalised in floating point when they commute.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, SupportsFloat

from equilibria import defaults
from equilibria.data.units import Unit, numbered, units_in
from equilibria.data.units import matrices as matrices_of
from equilibria.errors import FormatError
from equilibria.exact.rationals import MAX_POWER, Number, rational, to_float
from equilibria.files.untrusted import read_arrays

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

Matrix = tuple[tuple[Fraction, ...], ...]

SYMMETRY_TOLERANCE = 1e-9
COMMUTATOR_TOLERANCE = 1e-12
EXACT_DENSE_LIMIT = 8
MAX_DIMENSION = 8192


# What zipfile and NumPy raise on damaged or hostile files.
@dataclass(frozen=True, eq=False)
class Moments:
    """Second moments of the data; use `commuting`, `isotropic`, `dense` or `load` to make one.

    `total` and `signal` are the exact eigenvalues (s_j) and (m_j), in the order in which the modes
    are numbered, and are set exactly when both matrices are diagonal as given. Otherwise `exact`
    (matrices of rationals) or `arrays` (float64) hold Sigma and M. `units` is set where views are not
    exchangeable and M turns planes of the coordinates given; `lopsided` where it is not symmetric and
    no such planes are known.
    """

    total: tuple[Fraction, ...] | None = None
    signal: tuple[Fraction, ...] | None = None
    exact: tuple[Matrix, Matrix] | None = None
    arrays: tuple[Array, Array] | None = field(default=None, repr=False)
    source: str = ""
    units: tuple[Unit, ...] | None = None
    lopsided: bool = False

    @classmethod
    def commuting(
        cls,
        *,
        signal: Sequence[Number],
        total: Sequence[Number] | None = None,
        noise: Number | None = None,
    ) -> Moments:
        """Return moments with M = diag(signal) and Sigma = diag(total) or M + noise I.

        Raises `FormatError` when the lists disagree in length or Sigma is not positive definite.
        """
        m = tuple(rational(value, "--signal") for value in signal)
        if not m:
            raise FormatError("--signal: at least one mode is needed")
        if total is not None and noise is not None:
            raise FormatError("--total and --noise: give one of the two, both define Sigma")
        if total is not None:
            s = tuple(rational(value, "--total") for value in total)
        else:
            v = rational(defaults.NOISE if noise is None else noise, "--noise")
            s = tuple(value + v for value in m)
        return cls._diagonal(s, m)

    @classmethod
    def turning(
        cls, *, signal: Sequence[tuple[Fraction, Fraction]], total: Sequence[Number]
    ) -> Moments:
        """Return moments whose M turns planes: `signal` holds (re, im), a pair where im is not 0.

        Without a pair these are commuting moments. Raises `FormatError` as `commuting` does.
        """
        variances = tuple(rational(value, "--total") for value in total)
        units = numbered(signal, variances)
        if not any(unit.im for unit in units):
            return cls._diagonal(variances, tuple(unit.re for unit in units))
        return cls(exact=matrices_of(units), units=units)

    @classmethod
    def isotropic(cls, *, signal: Sequence[Number], variance: Number) -> Moments:
        """Return moments with Sigma = variance * I and M = diag(signal)."""
        m = tuple(rational(value, "--signal") for value in signal)
        s = rational(variance, "--isotropic")
        if s <= 0:
            raise FormatError(
                f"--isotropic {variance}: Sigma must be positive definite, give s > 0"
            )
        return cls._diagonal((s,) * len(m), m)

    @classmethod
    def _diagonal(cls, s: tuple[Fraction, ...], m: tuple[Fraction, ...]) -> Moments:
        if len(s) != len(m):
            raise FormatError(
                f"--total has {len(s)} values and --signal has {len(m)}: give one of each per mode"
            )
        for index, value in enumerate(s):
            if value <= 0:
                raise FormatError(
                    f"Sigma is not positive definite: mode {index + 1} has total variance "
                    f"{value}; --total or --signal plus --noise must be above 0"
                )
        return cls(total=s, signal=m)

    @classmethod
    def dense(cls, sigma: object, m: object, *, source: str = "moments") -> Moments:
        """Return moments from two d x d matrices, as nested sequences of numbers or float arrays.

        Rationals (integers, fractions, text) stay exact. Diagonal pairs become exact modes. Raises
        `FormatError` when shapes disagree, or Sigma is not symmetric and positive definite.
        """
        if _holds_floats(sigma) or _holds_floats(m):
            return cls._from_arrays(
                _float_array(sigma, source, "Sigma"), _float_array(m, source, "M"), source
            )
        left, right = _exact_matrix(sigma, source, "Sigma"), _exact_matrix(m, source, "M")
        if len(left) != len(right):
            raise FormatError(
                f"{source}: Sigma is {len(left)} x {len(left)} but M is {len(right)} x {len(right)}"
            )
        _check_exact_symmetry(left, source, "Sigma")
        if not _is_symmetric(right):
            return cls._lopsided(left, right, source)
        if _is_diagonal(left) and _is_diagonal(right):
            return cls._diagonal(_diagonal_of(left), _diagonal_of(right))
        if not _positive_definite(left):
            raise FormatError(f"{source}: Sigma is not positive definite")
        return cls(exact=(left, right), source=source)

    @classmethod
    def _lopsided(cls, sigma: Matrix, m: Matrix, source: str) -> Moments:
        """Return moments whose M is not symmetric, with its planes where coordinates show them."""
        if not _positive_definite(sigma):
            raise FormatError(f"{source}: Sigma is not positive definite")
        units = units_in(sigma, m)
        if units is not None:
            return cls(exact=(sigma, m), units=units, source=source)
        return cls(exact=(sigma, m), source=source, lopsided=True)

    @classmethod
    def _from_arrays(cls, sigma: Array, m: Array, source: str) -> Moments:
        import numpy as np

        if sigma.shape != m.shape:
            raise FormatError(f"{source}: Sigma has shape {sigma.shape} but M has shape {m.shape}")
        sigma, skew = _symmetrised(sigma, source, "Sigma"), _asymmetry(m)
        m = m if skew > SYMMETRY_TOLERANCE else _symmetrised(m, source, "M")
        lowest = float(np.linalg.eigvalsh(sigma)[0])
        if lowest <= sigma.shape[0] * np.finfo(float).eps * float(np.abs(sigma).max()):
            raise FormatError(
                f"{source}: Sigma is not positive definite, smallest eigenvalue {lowest:.3g}",
                hint="measure the moments on fewer components (`moments --components K`) or add noise",
            )
        if skew > SYMMETRY_TOLERANCE:
            return cls(arrays=(sigma, m), source=source, lopsided=True)
        if not (np.any(sigma - np.diag(np.diag(sigma))) or np.any(m - np.diag(np.diag(m)))):
            return cls._diagonal(_dyadic(np.diag(sigma)), _dyadic(np.diag(m)))
        return cls(arrays=(sigma, m), source=source)

    @classmethod
    def load(cls, path: str | Path) -> Moments:
        """Return the moments in an `.npz` file with float arrays `Sigma` and `M`.

        Nothing in the file is unpickled. Raises `FormatError` when it is not such a file.
        """
        largest = 2 * (8 * MAX_DIMENSION**2 + 4096)
        found = read_arrays(path, ("Sigma", "M"), option="--moments", largest=largest)
        return cls._from_arrays(
            _float_array(found["Sigma"], str(path), "Sigma"),
            _float_array(found["M"], str(path), "M"),
            str(path),
        )

    @property
    def dimension(self) -> int:
        """Return d."""
        if self.total is not None:
            return len(self.total)
        if self.exact is not None:
            return len(self.exact[0])
        assert self.arrays is not None
        return int(self.arrays[0].shape[0])

    @property
    def symmetric(self) -> bool:
        """Return whether M is symmetric: the two views of a pair are exchangeable."""
        return self.units is None and not self.lopsided

    @cached_property
    def asymmetry(self) -> float:
        """Return |M - M^T|/|M| in Frobenius norms."""
        if self.symmetric:
            return 0.0
        import numpy as np

        m = self.matrices()[1]
        return float(np.linalg.norm(m - m.T) / np.linalg.norm(m))

    @property
    def is_diagonal(self) -> bool:
        """Return whether both matrices are diagonal, with exact entries."""
        return self.total is not None

    @property
    def has_modes(self) -> bool:
        """Return whether modes, or pairs, are known with exact numbers."""
        return self.is_diagonal or self.units is not None

    @property
    def is_exact(self) -> bool:
        """Return whether the entries came as rationals rather than as doubles."""
        return self.arrays is None

    @cached_property
    def commutator(self) -> float:
        """Return |Sigma M - M Sigma| / (|Sigma| |M|) in Frobenius norms; 0.0 means exactly 0."""
        if self.is_diagonal or self.units is not None:
            return 0.0
        import numpy as np

        if self.exact is not None and self._commutes_exactly():
            return 0.0
        sigma, m = self.matrices()
        scale = float(np.linalg.norm(sigma) * np.linalg.norm(m))
        return float(np.linalg.norm(sigma @ m - m @ sigma)) / scale if scale else 0.0

    @property
    def commute(self) -> bool:
        """Return whether Sigma and M commute (doubles: to a relative 1e-12)."""
        if self.units is not None or self.lopsided:
            return self.units is not None
        if self.exact is not None:
            return self._commutes_exactly()
        return self.commutator <= COMMUTATOR_TOLERANCE

    def _commutes_exactly(self) -> bool:
        assert self.exact is not None
        sigma, m = self.exact
        size = range(len(sigma))
        # Sigma and M are symmetric, so they commute exactly when Sigma M is symmetric.
        product = [
            [sum((sigma[i][k] * m[k][j] for k in size), Fraction(0)) for j in size] for i in size
        ]
        return all(product[i][j] == product[j][i] for i in size for j in range(i))

    def matrices(self) -> tuple[Array, Array]:
        """Return (Sigma, M) as float64 arrays of shape (d, d)."""
        import numpy as np

        if self.arrays is not None:
            return self.arrays
        if self.total is not None and self.signal is not None:
            return (
                np.diag([to_float(value) for value in self.total]),
                np.diag([to_float(value) for value in self.signal]),
            )
        assert self.exact is not None
        sigma, m = self.exact
        return (
            np.array([[to_float(value) for value in row] for row in sigma]),
            np.array([[to_float(value) for value in row] for row in m]),
        )

    def rational_matrices(self) -> tuple[Matrix, Matrix]:
        """Return (Sigma, M) as exact rationals; doubles are the dyadic rationals that they are."""
        if self.exact is not None:
            return self.exact
        if self.total is not None and self.signal is not None:
            return _diagonal_matrix(self.total), _diagonal_matrix(self.signal)
        assert self.arrays is not None
        return _matrix_of(self.arrays[0]), _matrix_of(self.arrays[1])

    @cached_property
    def eigenbasis(self) -> tuple[Array, Array, Array]:
        """Return (s, m, V): common eigenvalues, shape (d,), and orthonormal eigenvectors in columns.

        Only for commuting symmetric moments. Modes of diagonal moments keep their order; otherwise
        they are sorted by descending m, then s.
        """
        assert self.symmetric
        import numpy as np

        sigma, m = self.matrices()
        if self.is_diagonal:
            return np.diag(sigma).copy(), np.diag(m).copy(), np.eye(self.dimension)
        basis = _joint_eigenbasis(sigma, m)
        s_values = np.einsum("ij,ik,kj->j", basis, sigma, basis)
        m_values = np.einsum("ij,ik,kj->j", basis, m, basis)
        order = np.lexsort((-s_values, -m_values))
        return s_values[order], m_values[order], basis[:, order]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Moments):
            return NotImplemented
        if self.dimension != other.dimension:
            return False
        return self.rational_matrices() == other.rational_matrices()

    def __hash__(self) -> int:
        return hash(self.dimension)


def _joint_eigenbasis(sigma: Array, m: Array) -> Array:
    """Diagonalise commuting symmetric matrices through one generic combination of the two."""
    import numpy as np

    # sqrt(2)-like weights keep different (s, m) pairs apart, whatever the units of the data.
    weight = (
        0.7548776662466927 * float(np.linalg.norm(sigma)) / max(float(np.linalg.norm(m)), 1e-300)
    )
    return np.asarray(np.linalg.eigh(sigma + weight * m)[1], dtype=np.float64)


def _holds_floats(matrix: Any) -> bool:
    dtype = getattr(matrix, "dtype", None)
    if dtype is not None:
        return bool(dtype.kind == "f")
    return any(isinstance(value, float) for row in matrix for value in row)


def _float_array(matrix: object, source: str, name: str) -> Array:
    import numpy as np

    array = np.asarray(matrix)
    if array.dtype.kind not in "iuf":
        raise FormatError(f"{source}: {name} has element type {array.dtype}, expected real numbers")
    if array.ndim != 2 or array.shape[0] != array.shape[1] or array.shape[0] == 0:
        raise FormatError(f"{source}: {name} has shape {array.shape}, expected (d, d)")
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(array))[0])
        raise FormatError(f"{source}: {name} is {array[place]} at {place}, expected finite numbers")
    largest = float(np.abs(array).max())
    if largest and not 10.0**-MAX_POWER <= largest <= 10.0**MAX_POWER:
        raise FormatError(
            f"{source}: the largest entry of {name} is {largest:.3g}, expected a size from "
            f"1e-{MAX_POWER} to 1e{MAX_POWER}; choose other units"
        )
    return array


def _asymmetry(array: Array) -> float:
    import numpy as np

    return float(np.abs(array - array.T).max() / max(float(np.abs(array).max()), 1e-300))


def _is_symmetric(matrix: Matrix) -> bool:
    return all(matrix[i][j] == matrix[j][i] for i in range(len(matrix)) for j in range(i))


def _symmetrised(array: Array, source: str, name: str) -> Array:
    import numpy as np

    gap = np.abs(array - array.T)
    largest = float(gap.max())
    if largest > SYMMETRY_TOLERANCE * max(float(np.abs(array).max()), 1e-300):
        place = tuple(int(index) for index in np.unravel_index(int(gap.argmax()), gap.shape))
        raise FormatError(
            f"{source}: {name} is not symmetric, largest difference {largest:.2g} at {place}"
        )
    return np.asarray((array + array.T) / 2)


def _exact_matrix(matrix: Any, source: str, name: str) -> Matrix:
    rows = tuple(tuple(rational(value, f"{source}, {name}") for value in row) for row in matrix)
    if not rows or any(len(row) != len(rows) for row in rows):
        raise FormatError(f"{source}: {name} is not a square matrix")
    return rows


def _check_exact_symmetry(matrix: Matrix, source: str, name: str) -> None:
    for i, row in enumerate(matrix):
        for j in range(i):
            if row[j] != matrix[j][i]:
                raise FormatError(
                    f"{source}: {name} is not symmetric, {row[j]} and {matrix[j][i]} at ({i}, {j})"
                )


def _is_diagonal(matrix: Matrix) -> bool:
    return all(not value for i, row in enumerate(matrix) for j, value in enumerate(row) if i != j)


def _diagonal_of(matrix: Matrix) -> tuple[Fraction, ...]:
    return tuple(matrix[i][i] for i in range(len(matrix)))


def _diagonal_matrix(values: Sequence[Fraction]) -> Matrix:
    zero = Fraction(0)
    empty = (zero,) * len(values)
    return tuple((*empty[:i], value, *empty[i + 1 :]) for i, value in enumerate(values))


def _positive_definite(matrix: Matrix) -> bool:
    """Decide by exact elimination: all pivots of a symmetric matrix are positive."""
    rows = [list(row) for row in matrix]
    for i, pivot_row in enumerate(rows):
        if pivot_row[i] <= 0:
            return False
        for row in rows[i + 1 :]:
            factor = row[i] / pivot_row[i]
            if factor:
                for column in range(i, len(rows)):
                    row[column] -= factor * pivot_row[column]
    return True


def _dyadic(values: Iterable[SupportsFloat]) -> tuple[Fraction, ...]:
    return tuple(Fraction(float(value)) for value in values)


def _matrix_of(array: Array) -> Matrix:
    return tuple(_dyadic(row) for row in array)
