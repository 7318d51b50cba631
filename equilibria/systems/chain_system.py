"""The polynomials of a deep linear procedure: a chain A_1, ..., A_D = W_1, ..., W_L, P_1, ..., P_K.

    R    = T M - P W Sigma
    dA_i = alpha_i A_>i^T R A_<i^T - eta_i A_i,   A_>i = A_D ... A_(i+1),   A_<i = A_(i-1) ... A_1

with T = W for stop-gradient and T = T_L ... T_1, one moving average a layer, for EMA (section 20 of
the second theory note; Tian, Chen and Ganguli 2021 for L = K = 1).
"""

from __future__ import annotations

from collections.abc import Sequence

from equilibria.errors import LimitReached
from equilibria.exact.polynomial import Polynomial, PolynomialMatrix
from equilibria.systems.depth import Chain
from equilibria.systems.polynomial_system import Builder, PolynomialSystem
from equilibria.systems.problem import Problem

MOST_TERMS = 200_000


def stop_gradient_chain(model: Problem) -> PolynomialSystem:
    """Return flow and map with the encoder itself as the frozen target.

    Raises `LimitReached` where the products have too many terms to be multiplied out.
    """
    return _Layers(model, targets=()).frozen()


def ema_chain(model: Problem) -> PolynomialSystem:
    """Return flow and map with a moving average of every encoder layer; raises `LimitReached`."""
    names = tuple(f"T{i}" for i in range(1, model.chain.encoder + 1))
    return _Layers(model, targets=names).frozen()


def joint_chain(model: Problem) -> PolynomialSystem:
    """Return flow and map without stop-gradient; raises `LimitReached`."""
    return _Layers(model, targets=()).joint()


def symmetry_text(chain: Chain) -> str:
    """Return O(n_1) x ... x O(n_(D-1)), the rotations of all that lies between the layers (T20.3)."""
    return " x ".join(f"O({width})" for width in chain.widths[1:-1])


class _Layers:
    """The matrices of one system, and the products of consecutive ones."""

    def __init__(self, model: Problem, targets: tuple[str, ...]) -> None:
        self.model, self.chain, self.targets = model, model.chain, targets
        if self.chain.expansion > MOST_TERMS:
            raise LimitReached(
                f"the polynomials of {self.chain.depth} layers of widths "
                f"{', '.join(map(str, self.chain.widths))} have up to {self.chain.expansion} terms "
                f"(at most {MOST_TERMS} are written out); their matrix form says the same"
            )
        shapes = self.chain.shapes
        of_targets = zip(targets, list(shapes.values())[: len(targets)], strict=True)
        self.builder = Builder(model, shapes={**shapes, **dict(of_targets)})
        self.layers = [self.builder.matrix(name) for name in self.chain.names]
        self.below = _running(self.layers)
        self.above = [m.T for m in _running([layer.T for layer in self.layers[::-1]])][::-1]

    def frozen(self) -> PolynomialSystem:
        """Return the system whose target takes no part in the gradient."""
        b, chain, model = self.builder, self.chain, self.model
        target = self.below[chain.encoder - 1]
        if self.targets:
            target = _running([b.matrix(name) for name in self.targets])[-1]
        flow = self._descent(target @ b.m - self.below[-1] @ b.sigma)
        after, step = self._step(flow)
        for name, layer, moved in zip(self.targets, self.layers, after, strict=False):
            average = b.matrix(name)
            flow[name] = model.flow_rate * (layer - average)
            step.update(b.assign(name, model.mu * average + (1 - model.mu) * moved))
        averages = ("dT_l = beta (W_l - T_l)",) if self.targets else ()
        return self._system(flow, step, (self._residual("TM"), *self._form(""), *averages))

    def joint(self) -> PolynomialSystem:
        """Return the gradient of 1/2 E|P W x - W y|^2 for all layers."""
        b, chain = self.builder, self.chain
        encoder, prediction = self.below[chain.encoder - 1], self.below[-1]
        flow = self._descent(encoder @ b.m - prediction @ b.sigma)
        own = prediction @ b.m - encoder @ b.sigma
        tops = [m.T for m in _running([m.T for m in self.layers[: chain.encoder][::-1]])][::-1]
        for place, name in enumerate(chain.names[: chain.encoder]):
            flow[name] = flow[name] + self._between(own, tops, place, chain.encoder)
        after, step = self._step(flow)
        del after
        lines = (self._residual("WM"), "S    = P W M - W Sigma", *self._form(" + W_>l^T S W_<l^T"))
        return self._system(flow, step, lines)

    def _residual(self, target: str) -> str:
        return f"R    = {target[0] if self.targets else 'W'} M - P W Sigma"

    def _form(self, extra: str) -> tuple[str, ...]:
        chain = self.chain
        return (
            f"W    = {' '.join(chain.names[: chain.encoder][::-1])}",
            f"P    = {' '.join(chain.names[chain.encoder :][::-1])}",
            *((f"T    = {' '.join(self.targets[::-1])}",) if self.targets else ()),
            f"dW_l = (P W_>l)^T R W_<l^T{extra} - eta_l W_l",
            "dP_k = alpha P_>k^T R (P_<k W)^T - eta_k P_k",
        )

    def _descent(self, gap: PolynomialMatrix) -> dict[str, PolynomialMatrix]:
        """Return alpha_i A_>i^T R A_<i^T - eta_i A_i for every layer."""
        chain = self.chain
        return {
            name: chain.rates[i] * self._between(gap, self.above, i, chain.depth)
            - chain.decays[i] * self.layers[i]
            for i, name in enumerate(chain.names)
        }

    def _between(
        self, gap: PolynomialMatrix, above: Sequence[PolynomialMatrix], i: int, end: int
    ) -> PolynomialMatrix:
        value = above[i + 1].T @ gap if i + 1 < end else gap
        return value @ self.below[i - 1].T if i else value

    def _step(
        self, flow: dict[str, PolynomialMatrix]
    ) -> tuple[list[PolynomialMatrix], dict[str, Polynomial]]:
        after, equations = [], {}
        for name in self.chain.names:
            moved, step = self.builder.step(name, flow[name])
            after.append(moved)
            equations.update(step)
        return after, equations

    def _system(
        self,
        flow: dict[str, PolynomialMatrix],
        step: dict[str, Polynomial],
        lines: tuple[str, ...],
    ) -> PolynomialSystem:
        return self.builder.system(
            flow=flow, map=step, matrix_form=lines, symmetry=symmetry_text(self.chain)
        )


def _running(factors: Sequence[PolynomialMatrix]) -> list[PolynomialMatrix]:
    """Return A_1, A_2 A_1, A_3 A_2 A_1, ..."""
    products = [factors[0]]
    for factor in factors[1:]:
        products.append(factor @ products[-1])
    return products
