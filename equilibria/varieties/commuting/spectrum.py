"""The full spectrum of a stratum, eigenvalue by eigenvalue, with exact forms where they are short.

Made on demand: a report of thousands of strata needs the signs and extents only.
"""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from equilibria.exact.rationals import to_float
from equilibria.exact.surds import Surd, in_common_field
from equilibria.systems.model import Model
from equilibria.varieties.commuting.block_matrices import (
    Matrices,
    Number,
    diagonal_block,
    flow_matrix,
    map_matrix,
    pair_block,
)
from equilibria.varieties.commuting.couplings import (
    Coupling,
    diagonal_coupling,
    pair_coupling,
    without_zero_roots,
)
from equilibria.varieties.commuting.modes import Mode, State
from equilibria.varieties.commuting.strata import Stratum
from equilibria.varieties.commuting.transfer import Dynamics, polynomial_roots
from equilibria.varieties.component import Eigenvalue

Rational = Fraction | Surd


def stratum_spectrum(
    model: Model, stratum: Stratum, modes: Sequence[Mode], dynamics: Dynamics
) -> tuple[Eigenvalue, ...]:
    """Return all eigenvalues (flow) or multipliers (map), neutral ones included.

    The map's state includes the target and, with momentum, the velocities of P and W.
    """
    return _Collector(model, modes, dynamics).collect(stratum)


class _Collector:
    def __init__(self, model: Model, modes: Sequence[Mode], dynamics: Dynamics) -> None:
        self.model, self.modes, self.dynamics = model, modes, dynamics
        self.found: list[Eigenvalue] = []

    def collect(self, stratum: Stratum) -> tuple[Eigenvalue, ...]:
        n, d, k = self.model.n, self.model.d, len(stratum)
        active = {state.mode.number for state in stratum}
        for state in stratum:
            self._diagonal(state)
            for mode in self.modes:
                if mode.number not in active:
                    self._inactive(state, mode)
        for i, left in enumerate(stratum):
            for right in stratum[i + 1 :]:
                self._pair(left, right)
        for state in stratum:
            self._output(state, n - k)
        kappa = self.model.kappa or Fraction(1)
        self._free(kappa * self.model.eta, (n - k) ** 2)
        self._free(self.model.eta, (n - k) * (d - k))
        if self.dynamics.ema:
            self._target((n - k) * d)
        return self._sorted()

    def _sorted(self) -> tuple[Eigenvalue, ...]:
        merged: dict[tuple[complex, str | None], int] = {}
        for item in self.found:
            key = (item.value, item.exact)
            merged[key] = merged.get(key, 0) + item.multiplicity
        size = abs if self.dynamics.is_map else (lambda value: value.real)
        items = [Eigenvalue(value, count, exact) for (value, exact), count in merged.items()]
        return tuple(sorted(items, key=lambda e: (-size(e.value), -e.value.real, -e.value.imag)))

    def _add(self, value: complex, count: int, exact: str | None) -> None:
        if count:
            self.found.append(Eigenvalue(complex(value), count, exact))

    def _free(self, rate: Fraction, count: int) -> None:
        """Add the roots of Lambda + rate = 0, a block that the target does not touch."""
        self._free_surd(Surd(1, 1, (rate, Fraction(0), Fraction(0), Fraction(0))), count)

    def _free_surd(self, rate: Surd, count: int) -> None:
        if not count:
            return
        if not self.dynamics.is_map:
            self._add(-float(rate), count, (-rate).text())
        elif not self.dynamics.nu:
            multiplier = 1 - self.model.h * rate
            self._add(float(multiplier), count, multiplier.text())
        else:
            plain = Dynamics(True, False, self.dynamics.h, 0.0, self.dynamics.nu, 0.0)
            polynomial = plain.scalar(np.array(float(rate)), np.array(0.0))
            for value in plain.eigenvalues(polynomial_roots(polynomial)).ravel():
                self._add(complex(value), count, None)

    def _neutral(self, count: int) -> None:
        self._free(Fraction(0), count)

    def _target(self, count: int) -> None:
        if self.dynamics.is_map:
            self._add(to_float(self.model.mu), count, str(self.model.mu))
        else:
            self._add(-to_float(self.model.flow_rate), count, str(-self.model.flow_rate))

    def _scalar(self, a: Surd, b: Surd) -> None:
        """Add the roots of Lambda + a - phi b = 0."""
        d = self.dynamics
        if not d.ema:
            self._free_surd(a - b, 1)
            return
        polynomial = d.scalar(np.array(float(a)), np.array(float(b)))
        for value in d.eigenvalues(np.sort_complex(polynomial_roots(polynomial).ravel())):
            self._add(complex(value), 1, self._scalar_text(a, b))

    def _scalar_text(self, a: Surd, b: Surd) -> str | None:
        if self.dynamics.is_map:
            return None
        beta = self.model.flow_rate
        return f"root of l**2 + ({(a + beta).text()})*l + ({((a - b) * beta).text()})"

    def _diagonal(self, state: State) -> None:
        if self.model.kappa != 1:
            kappa = self.model.kappa or Fraction(1)
            p, zero = state.p, state.p * 0
            exact = diagonal_block(
                p, zero + state.mode.s, zero + state.mode.m, zero + self.model.eta, kappa
            )
            coupling = diagonal_coupling(state, self.model.eta, kappa)
            self._matrix(exact, coupling)
            return
        self._free(2 * self.model.eta, 1)
        square = state.p * state.p * state.mode.s
        self._scalar(2 * square, state.p * state.mode.m)

    def _inactive(self, state: State, mode: Mode) -> None:
        square = state.p * state.p * mode.s
        self._scalar(square + self.model.eta, state.p * mode.m)

    def _output(self, state: State, count: int) -> None:
        kappa = self.model.kappa or Fraction(1)
        self._neutral(count)
        self._free((1 + kappa) * self.model.eta, count)
        self._free_surd(state.p * state.mode.m * kappa, count)

    def _pair(self, left: State, right: State) -> None:
        kappa = self.model.kappa or Fraction(1)
        p, q = in_common_field(left.p, right.p)
        if kappa != 1:
            zero = p * 0
            block = pair_block(
                (p, q),
                (zero + left.mode.s, zero + right.mode.s),
                (zero + left.mode.m, zero + right.mode.m),
                zero + self.model.eta,
                kappa,
            )
            self._matrix(block, pair_coupling(left, right, self.model.eta, kappa))
            return
        self._neutral(1)
        self._free(2 * self.model.eta, 1)
        self._coupled(left, right, p, q)

    def _coupled(self, left: State, right: State, p: Surd, q: Surd) -> None:
        """Add the roots of q_pair, in closed form where Sigma is isotropic and there is no EMA."""
        eta, d = self.model.eta, self.dynamics
        if not d.ema and left.mode.s == right.mode.s:
            mixed = p * p + q * q - p * q
            if (p * q).sign():
                s = left.mode.s
                self._free_surd(mixed * s + eta, 1)
                self._free_surd(mixed * (s - eta * (p * q).inverse()), 1)
                return
        square = p * p + q * q
        a, b = square * left.mode.s + eta, square * right.mode.s + eta
        u, v = q * left.mode.m, p * right.mode.m
        terms = [np.array(float(x)) for x in (a, b, u, v)]
        polynomial = d.pair(terms[0], terms[1], terms[2], terms[3], to_float(eta))
        text = None
        if not d.is_map and not d.ema:
            constant = (a - u) * (b - v) - eta**2
            text = f"root of l**2 + ({(a + b - u - v).text()})*l + ({constant.text()})"
        elif not d.is_map:
            text = self._quartic_text(a, b, u, v)
        for value in d.eigenvalues(np.sort_complex(polynomial_roots(polynomial).ravel())):
            self._add(complex(value), 1, text)

    def _quartic_text(self, a: Surd, b: Surd, u: Surd, v: Surd) -> str:
        beta, eta = self.model.flow_rate, self.model.eta

        def factor(x: Surd, y: Surd) -> str:
            return f"(l**2 + ({(x + beta).text()})*l + ({((x - y) * beta).text()}))"

        return f"root of {factor(a, u)}*{factor(b, v)} - {eta**2}*(l + {beta})**2"

    def _matrix(self, block: Matrices[Number], coupling: Coupling[Surd]) -> None:
        """Add the eigenvalues of a block with unequal decays."""
        d = self.dynamics
        numbers = Matrices(
            [[float(x) for x in row] for row in block.constant],
            [[float(x) for x in row] for row in block.target],
            block.predictors,
        )
        if d.is_map:
            values = np.linalg.eigvals(map_matrix(numbers, d.h, d.mu, d.nu, ema=d.ema))
            centre, text = 1.0, None
        else:
            values = np.linalg.eigvals(flow_matrix(numbers, d.beta, ema=d.ema))
            polynomial, _ = without_zero_roots(coupling.characteristic(self.model, is_map=False))
            text = "root of " + _polynomial_text(polynomial)
            centre = 0.0
        order = np.argsort(np.abs(values - centre))
        self._add(centre, coupling.neutral, str(int(centre)))
        for value in values[order[coupling.neutral :]]:
            self._add(complex(value), 1, text)


def _polynomial_text(coefficients: Sequence[Surd]) -> str:
    terms = []
    for power in range(len(coefficients) - 1, -1, -1):
        text = coefficients[power].text()
        if text == "0":
            continue
        unit = "" if power == 0 else ("l" if power == 1 else f"l**{power}")
        terms.append(unit if text == "1" and unit else f"({text})" + (f"*{unit}" if unit else ""))
    return " + ".join(terms)
