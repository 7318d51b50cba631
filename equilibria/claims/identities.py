"""Identities of the theory as polynomials in all their symbols, decided by expansion.

Each function builds the two sides for one size (n, d) with every entry of W, P, T, Sigma, M and
every rate a variable, and returns the entries of their difference: the identity holds at that size,
for all values, exactly when all are the zero polynomial. The `variant` argument states a nearby
falsehood, for the controls.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from equilibria.exact.polynomial import Polynomial, PolynomialMatrix, Ring

Difference = list[Polynomial]
RATES = ("alpha", "eta", "eta_P", "beta", "h", "s", "tau")


@dataclass(frozen=True, slots=True)
class Identity:
    """A named identity: its difference at a size, its theorem, and what its variants are."""

    difference: Callable[[int, int, str], Difference]
    statement: str
    variants: tuple[str, ...]


class Symbols:
    """Matrices of variables W, P, T (any), Sigma, M (symmetric, and Y for E[y y^T]), and rates."""

    def __init__(self, n: int, d: int) -> None:
        shapes = {"W": (n, d), "P": (n, n), "T": (n, d)}
        names = [f"{x}_{i}_{j}" for x, (r, c) in shapes.items() for i in range(r) for j in range(c)]
        names += [f"{x}_{i}_{j}" for x in ("S", "M", "Y") for i in range(d) for j in range(i, d)]
        self.ring = Ring((*names, *RATES))
        self._shapes, self._d, self.n = shapes, d, n

    def __getitem__(self, name: str) -> Polynomial:
        return self.ring.variable(name)

    def matrix(self, letter: str) -> PolynomialMatrix:
        """Return W, P or T, or the symmetric S (Sigma), M or Y."""
        if letter in self._shapes:
            rows, columns = self._shapes[letter]
            return PolynomialMatrix(
                [[self[f"{letter}_{i}_{j}"] for j in range(columns)] for i in range(rows)]
            )
        span = range(self._d)
        return PolynomialMatrix(
            [[self[f"{letter}_{min(i, j)}_{max(i, j)}"] for j in span] for i in span]
        )

    def scaled(self, factor: Polynomial, matrix: PolynomialMatrix) -> PolynomialMatrix:
        """Return factor * matrix."""
        return PolynomialMatrix([[factor * entry for entry in row] for row in matrix.rows])

    def zero(self) -> Polynomial:
        """Return the zero polynomial."""
        return self.ring.constant(0)


def trace(matrix: PolynomialMatrix) -> Polynomial:
    """Return the trace."""
    total = matrix.rows[0][0]
    for i in range(1, len(matrix.rows)):
        total = total + matrix.rows[i][i]
    return total


def _flow(x: Symbols, target: str = "T") -> tuple[PolynomialMatrix, PolynomialMatrix]:
    """Return (dP, dW) of stop-gradient and EMA with decays eta_P and eta, for the target named."""
    W, P, S, M = (x.matrix(letter) for letter in ("W", "P", "S", "M"))
    R = x.matrix(target) @ M - P @ W @ S
    dP = x.scaled(x["alpha"], R @ W.T) - x.scaled(x["eta_P"], P)
    return dP, P.T @ R - x.scaled(x["eta"], W)


def _equal_decays(difference: Difference, x: Symbols) -> Difference:
    """Put eta_P = eta."""
    return [_substitute(entry, x, "eta_P", x["eta"]) for entry in difference]


def _substitute(entry: Polynomial, x: Symbols, name: str, value: Polynomial) -> Polynomial:
    point = {variable: x[variable] for variable in entry.variables()}
    point[name] = value
    result = x.zero()
    for monomial, coefficient in entry.terms.items():
        term = x.ring.constant(coefficient)
        for index, power in monomial:
            term = term * point[x.ring.names[index]] ** power
        result = result + term
    return result


def balance(n: int, d: int, variant: str) -> Difference:
    """T2.1: B = alpha W W^T - P^T P obeys dB = -2 eta B for every target, if the decays agree."""
    x = Symbols(n, d)
    W, P = x.matrix("W"), x.matrix("P")
    dP, dW = _flow(x)
    change = x.scaled(x["alpha"], dW @ W.T + W @ dW.T) - (dP.T @ P + P.T @ dP)
    law = x.scaled(-2 * x["eta"], x.scaled(x["alpha"], W @ W.T) - P.T @ P)
    difference = list((change - law).entries())
    return difference if variant == "unequal decays" else _equal_decays(difference, x)


def discrete_balance(n: int, d: int, variant: str) -> Difference:
    """T2.2: one Euler step gives alpha W W^T - P^T P the factor (1 - h eta)^2, plus h^2 terms."""
    x = Symbols(n, d)
    W, P, S, M, T = (x.matrix(letter) for letter in ("W", "P", "S", "M", "T"))
    R = T @ M - P @ W @ S
    dP, dW = _flow(x)
    W1, P1 = W + x.scaled(x["h"], dW), P + x.scaled(x["h"], dP)
    after = x.scaled(x["alpha"], W1 @ W1.T) - P1.T @ P1
    keep = (1 - x["h"] * x["eta"]) ** 2
    law = x.scaled(keep, x.scaled(x["alpha"], W @ W.T) - P.T @ P)
    if variant != "no second order":
        hh = x["h"] * x["h"] * x["alpha"]
        law = (
            law + x.scaled(hh, P.T @ (R @ R.T) @ P) - x.scaled(hh * x["alpha"], W @ (R.T @ R) @ W.T)
        )
    return _equal_decays(list((after - law).entries()), x)


def _joint_loss(x: Symbols, target: str = "W") -> Polynomial:
    """Return twice E0 = E|P W x - T y|^2 with T = the target named (theory, section 1)."""
    W, P, S, M, Y = (x.matrix(letter) for letter in ("W", "P", "S", "M", "Y"))
    T = x.matrix(target)
    U = P @ W
    return trace(U @ S @ U.T) - 2 * trace(U @ M @ T.T) + trace(T @ Y @ T.T)


def euler(n: int, d: int, variant: str) -> Difference:
    """T1.1: <W, dE0/dW> = 2 E0, so that no critical point with decay has W other than 0."""
    x = Symbols(n, d)
    loss = _joint_loss(x, "T" if variant == "frozen target" else "W")
    total = x.zero()
    for i in range(n):
        for j in range(d):
            name = f"W_{i}_{j}"
            total = total + x[name] * loss.diff(name)
    return [total - 2 * loss]


def frozen_target(n: int, d: int, variant: str) -> Difference:
    """Stop-gradient descends the loss with the target held: one half of an alternation."""
    x = Symbols(n, d)
    loss = _joint_loss(x, "W" if variant == "target moves" else "T")
    dP, dW = _flow(x, "W" if variant == "target moves" else "T")
    half = Fraction(1, 2)
    rows = []
    for i in range(n):
        for j in range(d):
            decay = x["eta"] * x[f"W_{i}_{j}"]
            rows.append(dW.rows[i][j] + half * loss.diff(f"W_{i}_{j}") + decay)
        for j in range(n):
            step = x["alpha"] * half * loss.diff(f"P_{i}_{j}")
            rows.append(dP.rows[i][j] + step + x["eta_P"] * x[f"P_{i}_{j}"])
    return rows


def half_gradient(n: int, d: int, variant: str) -> Difference:
    """Without a predictor the symmetric stop-gradient loss has half the gradient of the joint one.

    E|Wx - Wy|^2/2 in both: with the stop, only the branch of x moves, averaged over both orders.
    """
    x = Symbols(n, d)
    W, S, M, Y = (x.matrix(letter) for letter in ("W", "S", "M", "Y"))
    stopped = x.scaled(x.ring.constant(Fraction(1, 2)), (W @ M - W @ S) + (W @ M - W @ Y))
    loss = trace(W @ S @ W.T) - 2 * trace(W @ M @ W.T) + trace(W @ Y @ W.T)
    share = Fraction(1, 4) if variant != "the whole gradient" else Fraction(1, 2)
    return [
        stopped.rows[i][j] + share * loss.diff(f"W_{i}_{j}") for i in range(n) for j in range(d)
    ]


def alignment(n: int, d: int, variant: str) -> Difference:
    """T12.4 (Tian, Theorem 3): C = [F, P] obeys dC = -(K C + C K) in the symmetrised flow.

    Sigma = s I, M = I, T = tau W; K = s P^2 - tau P + alpha s F / 2 + (3/2) eta. `d` plays no part.
    """
    x = Symbols(n, n)
    P, F = x.matrix("S"), x.matrix("M")  # the symmetric matrices at hand, here P and F
    s, tau, alpha, eta = (x[name] for name in ("s", "tau", "alpha", "eta"))
    half = Fraction(1, 2)

    def both(left: PolynomialMatrix, right: PolynomialMatrix) -> PolynomialMatrix:
        return left @ right + right @ left

    dP = x.scaled(-half * alpha * s, both(P, F)) + x.scaled(alpha * tau, F) - x.scaled(eta, P)
    dF = x.scaled(-s, both(P @ P, F)) + x.scaled(tau, both(P, F)) - x.scaled(2 * eta, F)
    C = F @ P - P @ F
    dC = (dF @ P + F @ dP) - (dP @ F + P @ dF)
    weight = Fraction(1 if variant == "decay 1" else 3, 1 if variant == "decay 1" else 2)
    K = x.scaled(s, P @ P) - x.scaled(tau, P) + x.scaled(half * alpha * s, F)
    law = K @ C + C @ K + x.scaled(2 * weight * eta, C)
    return list((dC + law).entries())


def decoupling(n: int, d: int, variant: str) -> Difference:
    """T12.1: on diagonal W, P, T with diagonal moments the modes do not see each other.

    The entries of dP and dW off the diagonal vanish, and those on it are the mode equations.
    """
    x = Symbols(n, d)
    dP, dW = _flow(x)
    kept = range(min(n, d))
    rows = []
    for i in range(n):
        rows += [_diagonal(dP.rows[i][j], x, variant) - _mode_p(x, i, j, kept) for j in range(n)]
        rows += [_diagonal(dW.rows[i][j], x, variant) - _mode_w(x, i, j, kept) for j in range(d)]
    return rows


def _mode_error(x: Symbols, i: int) -> Polynomial:
    t, w, p = x[f"T_{i}_{i}"], x[f"W_{i}_{i}"], x[f"P_{i}_{i}"]
    return t * x[f"M_{i}_{i}"] - p * w * x[f"S_{i}_{i}"]


def _mode_p(x: Symbols, i: int, j: int, kept: range) -> Polynomial:
    if i != j:
        return x.zero()
    active = x["alpha"] * x[f"W_{i}_{i}"] * _mode_error(x, i) if i in kept else x.zero()
    return active - x["eta_P"] * x[f"P_{i}_{i}"]


def _mode_w(x: Symbols, i: int, j: int, kept: range) -> Polynomial:
    if i != j or i not in kept:
        return x.zero()
    return x[f"P_{i}_{i}"] * _mode_error(x, i) - x["eta"] * x[f"W_{i}_{i}"]


def _diagonal(entry: Polynomial, x: Symbols, variant: str) -> Polynomial:
    """Put every entry off the diagonals to zero; the variant keeps those of M."""
    result = x.zero()
    for monomial, coefficient in entry.terms.items():
        names = [x.ring.names[index] for index, _ in monomial]
        if all(_on_diagonal(name, variant) for name in names):
            result = result + Polynomial(x.ring, {monomial: coefficient})
    return result


def _on_diagonal(name: str, variant: str) -> bool:
    parts = name.split("_")
    if len(parts) != 3 or (variant == "moments not diagonal" and parts[0] == "M"):
        return True
    return parts[1] == parts[2]


def rescaling(n: int, d: int, variant: str) -> Difference:
    """T0.1: in W~ = sqrt(alpha) W the rate alpha is gone. Written with W = W~/a, alpha = a^2.

    Both sides are multiplied by powers of a to stay polynomial: a dP(W~/a) = a dP~ and so on.
    """
    x = Symbols(n, d)
    dP, dW = _flow(x)
    power = 1 if variant == "alpha once" else 2
    return [
        _off_degree(entry, x, power, weight)
        for matrix, weight in ((dP, 0), (dW, 1))
        for entry in matrix.entries()
    ]


def _off_degree(entry: Polynomial, x: Symbols, power: int, weight: int) -> Polynomial:
    """Return the part whose degree in a = sqrt(alpha), W counting -1, is not that of the left side."""
    wrong = {}
    for monomial, coefficient in entry.terms.items():
        degree = 0
        for index, exponent in monomial:
            letter = x.ring.names[index].split("_")[0]
            degree += exponent * ({"W": -1, "T": -1, "alpha": power}.get(letter, 0))
        if degree != -weight:
            wrong[monomial] = coefficient
    return Polynomial(x.ring, wrong)


def curl(n: int, d: int, variant: str) -> Difference:
    """T3.1: in the plane (W_ij, W_kl) the curl of stop-gradient is (P_ik - P_ki) M_jl."""
    x = Symbols(n, d)
    _, dW = _flow(x, "T" if variant == "frozen target" else "W")
    rows = []
    cells = [(i, j) for i in range(n) for j in range(d)]
    for i, j in cells:
        for k, m in cells:
            found = dW.rows[i][j].diff(f"W_{k}_{m}") - dW.rows[k][m].diff(f"W_{i}_{j}")
            # d(P^T W M)_ij / dW_kl = P_ki M_lj
            law = (x[f"P_{k}_{i}"] - x[f"P_{i}_{k}"]) * x[f"M_{min(j, m)}_{max(j, m)}"]
            rows.append(found - law)
    return rows


def covariance_operator(n: int, d: int, variant: str) -> Difference:
    """The simple contrastive loss of a linear encoder has gradient W V, V the covariance of means.

    L = E|W(x - y)|^2/2 - E|W(x - z)|^2/2 over a pair x, y of views of one image and an independent
    z: E (x-y)(x-y)^T = 2(S - M) and E (x-z)(x-z)^T = 2 S for centred data, so -dL/dW = 2 W M.
    """
    x = Symbols(n, d)
    W, S, M = (x.matrix(letter) for letter in ("W", "S", "M"))
    near = S - M
    far = S - M if variant == "no negatives" else S
    loss = trace(W @ near @ W.T) - trace(W @ far @ W.T)
    drive = W @ M
    return [loss.diff(f"W_{i}_{j}") + 2 * drive.rows[i][j] for i in range(n) for j in range(d)]


def balanced_potential(n: int, d: int, variant: str) -> Difference:
    """T11.1 for one output (n = 1): on P = |W| (alpha = 1) and Sigma = s I the flow is -P grad V.

    V = -W M W^T / 2 + s r^3 / 3 + eta r with r = |W|, so that dr/dW = W / r; V is differentiated by
    the chain rule, and P = r times W / r is W.
    """
    x = Symbols(1, d)
    W, M = x.matrix("W"), x.matrix("M")
    r, s, eta = x["h"], x["s"], x["eta"]  # h stands for the length r
    third, half = Fraction(1, 3), Fraction(1, 2)
    decay = half * eta * r**2 if variant == "quadratic decay" else eta * r
    V = third * s * r**3 + decay - half * trace(W @ M @ W.T)
    flow = x.scaled(r, W @ M - x.scaled(r * s, W)) - x.scaled(eta, W)
    return [
        flow.rows[0][j] + r * V.diff(f"W_0_{j}") + V.diff("h") * x[f"W_0_{j}"] for j in range(d)
    ]


IDENTITIES: dict[str, Identity] = {
    "balance": Identity(
        balance, "d(alpha W W^T - P^T P) = -2 eta (alpha W W^T - P^T P)", ("unequal decays",)
    ),
    "discrete-balance": Identity(
        discrete_balance, "the balance after one step, with its h^2 terms", ("no second order",)
    ),
    "euler": Identity(euler, "<W, dE0/dW> = 2 E0", ("frozen target",)),
    "frozen-target": Identity(
        frozen_target, "the flow is minus the gradient of the loss with T held", ("target moves",)
    ),
    "half-gradient": Identity(
        half_gradient,
        "stop-gradient without predictor = half the joint gradient",
        ("the whole gradient",),
    ),
    "alignment": Identity(alignment, "d[F, P] = -(K [F, P] + [F, P] K)", ("decay 1",)),
    "decoupling": Identity(
        decoupling, "aligned states stay aligned, mode by mode", ("moments not diagonal",)
    ),
    "rescaling": Identity(rescaling, "alpha is a unit of W", ("alpha once",)),
    "curl": Identity(curl, "curl(W_ij, W_kl) = (P_ki - P_ik) M_jl", ("frozen target",)),
    "covariance-operator": Identity(
        covariance_operator, "minus the gradient of L_simp is 2 W M", ("no negatives",)
    ),
    "balanced-potential": Identity(
        balanced_potential,
        "one isotropic output descends a nuclear-norm potential",
        ("quadratic decay",),
    ),
}


def sizes_of(pairs: Sequence[tuple[int, int]]) -> str:
    """Return the sizes in words."""
    return ", ".join(f"{n}x{d}" for n, d in pairs)
