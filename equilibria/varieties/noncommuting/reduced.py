"""The equations for an equilibrium of rank k, with the predictor eliminated.

R W^T = eta P is linear in P, so P = W M W^T (W Sigma W^T + eta)^{-1} is a function of W (k, d).
What is left of flow = 0 for W of rank k is

    F(W) = R (I - Pi_W) + (P^T P - W W^T) Y = R + K Y = 0,
    Y = (W W^T)^{-1} W,    K = P^T P - W W^T - eta P,    Pi_W = W^T Y:

the residual lies in the row space of W, and P and W are balanced. Written this way the balance does
not carry a factor eta, so Newton is as well conditioned at eta = 0+ as anywhere: it starts at the
balanced points of T6.8. F W^T is symmetric for every W, hence F is orthogonal to the rotations
{Omega W}; these are the kernel of DF at a zero too, and adding N N^T, whose columns N span them,
makes DF invertible exactly where the equilibrium is regular.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equilibria.varieties.noncommuting.core import Array, prediction_gap


def eliminate_predictor(W: Array, Sigma: Array, M: Array, eta: float) -> Array:
    """P (k, k) = W M W^T (W Sigma W^T + eta I)^{-1}, the zero of the predictor's equation."""
    S = W @ Sigma @ W.T + eta * np.eye(W.shape[0])
    return np.linalg.solve(S, W @ M @ W.T).T


@dataclass(frozen=True, slots=True, eq=False)
class ReducedPoint:
    """F and its derivatives at one W; build it with `reduced_point`."""

    W: Array
    Sigma: Array
    M: Array
    eta: float
    P: Array
    R: Array
    Y: Array
    K: Array
    gram_inverse: Array
    S_inverse: Array

    @property
    def value(self) -> Array:
        """F(W), shape (k, d)."""
        return self.R + self.K @ self.Y

    def differential(self, H: Array) -> Array:
        """DF(W)[H] for H of shape (..., k, d)."""
        W, P, Ht = self.W, self.P, np.swapaxes(H, -1, -2)
        HM, HS = H @ self.M, H @ self.Sigma
        HW = H @ W.T
        HW = HW + np.swapaxes(HW, -1, -2)
        moving = HM @ W.T + (W @ self.M) @ Ht - P @ (HS @ W.T + (W @ self.Sigma) @ Ht)
        dP = moving @ self.S_inverse
        dR = HM - dP @ (W @ self.Sigma) - P @ HS
        PdP = P.T @ dP
        dK = PdP + np.swapaxes(PdP, -1, -2) - HW - self.eta * dP
        dY = self.gram_inverse @ (H - HW @ self.Y)
        return np.asarray(dR + dK @ self.Y + self.K @ dY)

    def parameter_derivative(self, dSigma: Array, dM: Array, deta: float) -> Array:
        """dF/ds at fixed W when (Sigma, M, eta) move with speed (dSigma, dM, deta)."""
        W, P = self.W, self.P
        moving = W @ dM @ W.T - P @ (W @ dSigma @ W.T) - deta * P
        dP = moving @ self.S_inverse
        dR = W @ dM - dP @ W @ self.Sigma - P @ W @ dSigma
        dK = dP.T @ P + P.T @ dP - self.eta * dP - deta * P
        return np.asarray(dR + dK @ self.Y)

    def jacobian(self) -> Array:
        """DF as a matrix (k d, k d), rows and columns in row-major order of (k, d).

        dP[i, j] and S = H W^T + W H^T are written as (k, k, k, d) arrays over the entries of H; the
        rest are products with them, O(k^3 d^2) in all.
        """
        W, P, Si = self.W, self.P, self.S_inverse
        k, d = W.shape
        unit, KG = np.eye(k), self.K @ self.gram_inverse
        dP = np.einsum("ia,jb->ijab", unit, Si @ W @ self.M)
        dP -= np.einsum("ia,jb->ijab", P, Si @ W @ self.Sigma)
        dP += np.einsum("ib,aj->ijab", self.R, Si)
        S = np.einsum("ia,jb->ijab", unit, W)
        S += S.transpose(1, 0, 2, 3)
        dP, S = dP.reshape(k, k, k * d), S.reshape(k, k, k * d)
        inner = np.tensordot(P.T, dP, 1) - np.tensordot(unit + KG, S, 1)
        J = np.einsum("ijz,jc->icz", inner, self.Y, optimize=True)
        J -= np.einsum("ijz,jc->icz", dP, W @ self.Sigma + self.eta * self.Y, optimize=True)
        J += np.einsum("jiz,jc->icz", dP, P @ self.Y, optimize=True)
        blocks = J.reshape(k, d, k, d)
        blocks -= np.einsum("ia,bc->icab", P, self.Sigma)
        blocks += np.einsum("ia,bc->icab", KG, np.eye(d))
        blocks += np.einsum("ia,bc->icab", unit, self.M)
        return np.asarray(J.reshape(k * d, k * d))

    @property
    def _gauge_weight(self) -> float:
        return float(np.linalg.norm(self.M, 2) / np.linalg.norm(self.W, 2) ** 2)

    def regularised(self, H: Array) -> Array:
        """DF[H] + c N N^T H, where the columns of N are the rotations (e_a e_b^T - e_b e_a^T) W."""
        HW = H @ self.W.T
        return self.differential(H) + self._gauge_weight * (HW - HW.T) @ self.W

    def regularised_jacobian(self) -> Array:
        """`regularised` as a matrix.

        (N N^T)[i, c; j, e] = (i = j) (W^T W)[c, e] - W[j, c] W[i, e].
        """
        k, d = self.W.shape
        J, c = self.jacobian(), self._gauge_weight
        blocks = J.reshape(k, d, k, d)
        blocks += c * np.einsum("ij,ce->icje", np.eye(k), self.W.T @ self.W)
        blocks -= c * np.einsum("jc,ie->icje", self.W, self.W)
        return J


def reduced_point(W: Array, Sigma: Array, M: Array, eta: float) -> ReducedPoint:
    """Evaluate everything F and its derivative need at W (k, d) of full row rank."""
    k = W.shape[0]
    S_inverse = np.linalg.inv(W @ Sigma @ W.T + eta * np.eye(k))
    P = (W @ M @ W.T) @ S_inverse
    gram = W @ W.T
    gram_inverse = np.linalg.inv(gram)
    R = prediction_gap(P, W, Sigma, M)
    K = P.T @ P - gram - eta * P
    return ReducedPoint(W, Sigma, M, eta, P, R, gram_inverse @ W, K, gram_inverse, S_inverse)
