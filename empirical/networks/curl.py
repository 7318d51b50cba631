"""Is the training step a gradient step? Jacobian times vector against its transpose times vector.

The step moves the weights theta by -h G(theta), where G(theta) = d/dtheta L(theta, xi) at xi = theta:
the loss is differentiated in its first place, and the second (the target) follows along. Were G the
gradient of any function, its Jacobian J would be symmetric; |Jv - J'v| / |Jv| measures by how much it
is not. Without stop-gradient both places are differentiated, and the number is rounding. With an
averaged target the state is (theta, xi) and xi moves by -h (1 - mu)/h (xi - theta).

All in double precision on a copy, with batch norm on batch statistics as in training. The decay adds
a symmetric part and is left out; the predictor's own rate is a metric, in which G is taken.
"""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.func import functional_call

from empirical.images.dice import generator
from empirical.networks.learner import Learner
from empirical.networks.workers import Workers

Weights = dict[str, Tensor]
SAMPLES, FEWEST = 64, 8
"""Images for views of 8 x 8; fewer for larger ones."""


class StepField:
    """G as a function of all weights that move, by name."""

    def __init__(self, learner: Learner, first: Tensor, second: Tensor) -> None:
        self.learner = _double_copy(learner)
        height, width = first.shape[2:]
        count = max(FEWEST, min(SAMPLES, SAMPLES * 64 // (height * width)))
        self.views = [view[:count].double() for view in (first, second)]

    def weights(self) -> Weights:
        """Return the point at which the learner is."""
        named = self.learner.named_parameters()
        return {n: p.detach() for n, p in named if p.requires_grad or n.startswith("target.")}

    def at(self, theta: Weights, xi: Weights) -> Weights:
        """Return G with the loss's first place at theta and its second at xi; differentiable."""
        trained = {name: w for name, w in theta.items() if not name.startswith("target.")}
        loss = self.loss(theta, xi)
        slopes = torch.autograd.grad(loss, list(trained.values()), create_graph=True)
        out = dict(zip(trained, slopes, strict=True))
        settings = self.learner.settings
        rate = (1 - settings.ema) / settings.lr
        for name in theta.keys() - trained.keys():
            out[name] = rate * (xi[name] - xi["online." + name.removeprefix("target.")])
        return out

    def loss(self, theta: Weights, xi: Weights) -> Tensor:
        """Return L with theta in the first place and xi in the second."""
        learner = self.learner
        z = [self._call("online", theta, view) for view in self.views]
        p = [self._call("predictor", theta, part) for part in z]
        if not learner.settings.stop_gradient:
            return learner.objective(p, z)
        name = "online" if learner.target is None else "target"
        targets = [self._call(name, xi, view) for view in self.views]
        return learner.objective(p[: 1 + learner.settings.symmetric_loss], targets)

    def _call(self, name: str, weights: Weights, x: Tensor) -> Tensor:
        module: nn.Module = getattr(self.learner, name)
        prefix = name + "."
        own = {n.removeprefix(prefix): w for n, w in weights.items() if n.startswith(prefix)}
        out: Tensor = functional_call(module, own, (x,))
        return out


def _double_copy(learner: Learner) -> Learner:
    twin = copy.deepcopy(learner).double().train()
    twin.workers = Workers()
    for module in twin.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.track_running_stats = False  # batch statistics, and nothing is written
    return twin


def step_curl(learner: Learner, first: Tensor, second: Tensor, *, seed: int = 0) -> float:
    """Return |Jv - J'v| / |Jv| in a random direction v of the size of the weights."""
    field = StepField(learner, first, second)
    weights = field.weights()
    v = {name: _direction(name, value, seed) for name, value in weights.items()}
    with torch.enable_grad():
        moved, back = products(field, weights, v)
    difference = torch.stack([(moved[k] - back[k]).square().sum() for k in v]).sum()
    size = torch.stack([moved[k].square().sum() for k in v]).sum()
    return float((difference / size.clamp_min(1e-300)).sqrt())


def products(field: StepField, weights: Weights, v: Weights) -> tuple[Weights, Weights]:
    """Return J v and J' v.

    J' u is one backward pass through G, and linear in u: its derivative along u, applied to v, is
    J v. (Forward mode would load torch's compiler for the derivative of batch norm.)
    """
    theta, xi = ({name: w.clone().requires_grad_() for name, w in weights.items()} for _ in "12")
    u = {name: torch.zeros_like(w).requires_grad_() for name, w in weights.items()}
    G = field.at(theta, xi)

    def back(along: Weights) -> Weights:
        paired = torch.stack([(G[name] * along[name]).sum() for name in G]).sum()
        places = [*theta.values(), *xi.values()]
        slopes = torch.autograd.grad(
            paired, places, create_graph=True, allow_unused=True, materialize_grads=True
        )
        halves = slopes[: len(theta)], slopes[len(theta) :]
        return {name: a + b for name, a, b in zip(theta, *halves, strict=True)}

    linear = back(u)
    paired = torch.stack([(linear[name] * v[name]).sum() for name in v]).sum()
    moved = torch.autograd.grad(paired, list(u.values()), retain_graph=True)
    transposed = {name: value.detach() for name, value in back(v).items()}
    return dict(zip(u, moved, strict=True)), transposed


def _direction(name: str, value: Tensor, seed: int) -> Tensor:
    draws = generator("cpu", seed, "curl", name)
    gaussian = torch.randn(value.shape, generator=draws, dtype=torch.float64).to(value.device)
    scaled: Tensor = gaussian * value.norm() / float(value.numel()) ** 0.5
    return scaled
