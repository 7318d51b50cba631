"""A method is four choices: the predictor and who sets it, the target, the gradient, the loss.

    simsiam       MLP predictor      target = encoder       stop    cosine
    byol          MLP                target = its average   stop    cosine
    direct-pred   matrix from F      target = its average   stop    cosine
    simclr        none               target = encoder       through infonce
    joint         MLP                target = encoder       through cosine

One step, in this order: forward, correlation, loss, backward, optimiser, closed-form predictor,
moving average with the new weights; the same as the map of `equilibria` for linear networks.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from empirical.linear.objectives import stop_gradient
from empirical.linear.target import follow, target_of
from empirical.networks.closed_form import POWER, averaged, closed_form, correlation
from empirical.networks.losses import loss_named, precise
from empirical.networks.models import Encoder, predictor
from empirical.networks.settings import Settings
from empirical.networks.workers import Workers


@dataclass(frozen=True)
class Pass:
    """Loss, the encoder's outputs, and the predictions of one pair of views."""

    loss: Tensor
    z: tuple[Tensor, ...]
    p: tuple[Tensor, ...]


class Learner(nn.Module):
    """Encoder, predictor and target of a run; `forward` is the loss of a pair of views."""

    correlation: Tensor
    """The moving average F of the outputs' correlation, of closed-form predictors."""

    def __init__(
        self, settings: Settings, shape: tuple[int, int, int], workers: Workers | None = None
    ) -> None:
        super().__init__()
        self.settings, self.workers = settings, workers or Workers()
        self.online = Encoder(settings, shape)
        self.predictor = predictor(settings)
        self.target: nn.Module | None = None
        if settings.ema > 0:
            fresh = settings.target_init == "independent"
            self.target = target_of(Encoder(settings, shape) if fresh else self.online)
        self.direct = settings.predictor_update != "gradient"
        self.power = POWER.get(settings.predictor_update, settings.power)
        if self.direct:
            n = settings.embed_dim
            self.register_buffer("correlation", torch.zeros(n, n))
            # Between two closed forms the predictor takes gradient steps, as in the paper.
            self.predictor.requires_grad_(settings.freq > 1)

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, ...]:
        """Return (loss, z1[, z2], p1[, p2]); two forward passes, so batch norm is per view."""
        done = self.run(first, second)
        return (done.loss, *done.z, *done.p)

    def run(self, first: Tensor, second: Tensor) -> Pass:
        """Return the loss and outputs of a pair of views."""
        both = self.settings.symmetric_loss
        z = [self.online(first)]
        if both or self.target is None:
            z.append(self.online(second))
        p = [self.predictor(part) for part in (z if both else z[:1])]
        targets = self._targets(z, first, second)
        p, z = [precise(x) for x in p], [precise(x) for x in z]
        return Pass(self.objective(p, targets), tuple(z), tuple(p))

    def _targets(self, z: list[Tensor], first: Tensor, second: Tensor) -> list[Tensor]:
        if self.target is None:
            targets = z
        else:
            with torch.no_grad():
                targets = [self.target(first), self.target(second)]
        if self.settings.stop_gradient:
            targets = [stop_gradient(t) for t in targets]
        return targets

    def objective(self, p: list[Tensor], targets: list[Tensor]) -> Tensor:
        """Return the loss of predictions and targets, averaged over the orders of the views.

        Autocast is off here: it would take products within a loss (InfoNCE's cosines) back to bf16.
        """
        with torch.autocast(p[0].device.type, enabled=False):
            return self._objective([precise(x) for x in p], [precise(t) for t in targets])

    def _objective(self, p: list[Tensor], targets: list[Tensor]) -> Tensor:
        offset = 0
        if self.settings.loss == "infonce":  # negatives come from the whole batch
            offset = self.workers.rank * len(p[0])
            targets = [self.workers.all(t) for t in targets]
        loss = loss_named(self.settings.loss, self.settings.temperature, offset)
        terms = [loss(p[0], targets[1], targets[0])]
        if len(p) > 1:
            terms.append(loss(p[1], targets[0], targets[1]))
        return torch.stack(terms).mean()

    @torch.no_grad()
    def observe(self, z: tuple[Tensor, ...], step: int) -> None:
        """Update the correlation with this batch's outputs, before the gradient step."""
        if self.direct:
            fresh = self.workers.mean(correlation(*z)).to(self.correlation.dtype)
            self.correlation.copy_(
                averaged(self.correlation, fresh, self.settings.rho, first=step == 0)
            )

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Set the closed-form predictor, then move the target with the new weights."""
        s = self.settings
        if self.direct and step % s.freq == 0:
            assert isinstance(self.predictor, nn.Linear)
            self.predictor.weight.copy_(
                closed_form(self.correlation, self.power, s.eps, s.direct_form)
            )
        if self.target is not None:
            follow(self.target, self.online, ema_at(s, step, steps))


def ema_at(settings: Settings, step: int, steps: int) -> float:
    """Return the target's momentum in a step; the cosine schedule ends at 1."""
    if settings.ema_schedule == "constant":
        return settings.ema
    return 1 - (1 - settings.ema) * (math.cos(math.pi * step / steps) + 1) / 2
