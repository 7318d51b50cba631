"""SimSiam as alternating minimisation over weights and over one target an image.

    L(theta, eta) = E |F_theta(T(x)) - eta_x|^2

The best eta_x is the mean of F_theta(T(x)) over augmentations T. Minimising over theta with eta fixed
is where the stop-gradient comes from. `Every` fixes the targets for k steps; `Memory` replaces the
predictor by a moving average of each image's outputs. With k = 1, or momentum 0 and no predictor,
both are plain SimSiam.

Source: Chen and He 2021, section 5.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from empirical.experiments.papers.orders import OrderedSource
from empirical.experiments.papers.trials import Change, put
from empirical.images.source import ImageSource
from empirical.linear.target import follow, target_of
from empirical.networks.learner import Learner, Pass
from empirical.networks.losses import precise
from empirical.networks.settings import Settings
from empirical.networks.setup import Setup


class Alternating(Learner):
    """Targets come from the weights at the last refresh: the same as k batches of them, stored."""

    def __init__(self, settings: Settings, shape: tuple[int, int, int], every: int) -> None:
        super().__init__(settings, shape)
        self.every = every

    def begin(self) -> None:
        """Take the first targets from the weights as they are."""
        self.target = target_of(self.online)

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Refresh the targets after every k-th step."""
        if self.target is not None and (step + 1) % self.every == 0:
            follow(self.target, self.online, 0.0)


class Remembering(Learner):
    """No predictor; the target of an image is the moving average of its own outputs."""

    eta: Tensor
    seen: Tensor

    def __init__(
        self,
        settings: Settings,
        shape: tuple[int, int, int],
        source: OrderedSource,
        momentum: float,
    ) -> None:
        super().__init__(settings, shape)
        self.source, self.momentum = source, momentum
        eta = torch.zeros(source.count, settings.embed_dim)
        self.register_buffer("eta", eta, persistent=False)
        self.register_buffer("seen", torch.zeros(source.count, dtype=torch.bool), persistent=False)

    def run(self, first: Tensor, second: Tensor) -> Pass:
        """Return the loss of both views against the average with the other view's output."""
        z = tuple(precise(self.online(view)) for view in (first, second))
        self.fresh = torch.stack(z).detach().mean(0)
        loss = self.objective(list(z), [self.averaged(part.detach()) for part in z])
        return Pass(loss, z, z)

    def averaged(self, z: Tensor) -> Tensor:
        """Return m eta + (1 - m) z for the images of the batch; z where one is new."""
        rows = self.source.rows.to(z.device)
        kept = self.momentum * self.seen[rows, None].to(z.dtype)
        return kept * self.eta[rows].to(z.dtype) + (1 - kept) * z

    @torch.no_grad()
    def after_step(self, step: int, steps: int) -> None:
        """Remember the batch's outputs."""
        rows = self.source.rows.to(self.eta.device)
        self.eta[rows] = self.averaged(self.fresh).to(self.eta.dtype)
        self.seen[rows] = True


@dataclass(frozen=True)
class Every:
    """Refresh the targets every k steps; with k = 0 once an epoch."""

    k: int

    def __call__(self, setup: Setup) -> None:
        """Put the learner in place."""
        epoch = max(1, setup.source.count // setup.settings.batch_size)
        learner = Alternating(setup.settings, setup.source.shape, self.k or epoch)
        put(setup, learner)
        learner.begin()


@dataclass(frozen=True)
class Memory:
    """A moving average of each image's outputs in place of the predictor."""

    momentum: float = 0.8

    def __call__(self, setup: Setup) -> None:
        """Put the learner in place, and a source that tells which images it gave."""
        source = OrderedSource.of(setup.source)
        setup.source = source
        put(setup, Remembering(setup.settings, source.shape, source, self.momentum))


@dataclass(frozen=True)
class PredictionNorm:
    """Batch norm on the predictor's output too."""

    def __call__(self, setup: Setup) -> None:
        """Put it behind the predictor."""
        learner, n = setup.learner, setup.settings.embed_dim
        norm = nn.BatchNorm1d(n).to(setup.device, setup.machine.dtype)
        learner.predictor = nn.Sequential(learner.predictor, norm)
        put(setup, learner)


@dataclass(frozen=True)
class AffineNorm:
    """Batch norm at the projector's output with its scale and shift trained, which can go to 0.

    Without them (as in the code that was released) every output keeps unit variance over a batch, so
    that an output can lose dimensions but not its std.
    """

    def __call__(self, setup: Setup) -> None:
        """Put it in place of the norm without scale."""
        learner, n = setup.learner, setup.settings.embed_dim
        learner.online.head.norm = nn.BatchNorm1d(n).to(setup.device, setup.machine.dtype)
        put(setup, learner)


@dataclass(frozen=True)
class Both:
    """One change and then another."""

    first: Change
    second: Change

    def __call__(self, setup: Setup) -> None:
        """Make both."""
        self.first(setup)
        self.second(setup)


@dataclass(frozen=True)
class OneStep:
    """Stop after one step: what an untrained network scores."""

    def __call__(self, setup: Setup) -> None:
        """Shorten the run."""
        setup.steps = 1


@dataclass
class _TwoPairs(OrderedSource):
    def pair(self, step: int, total: int, share: slice) -> tuple[Tensor, Tensor]:
        """Return two pairs an image: 2B views against 2B."""
        images = self.images["train"][self._indices(step, total)[share]]
        a, b, c, d = (self.view_images(images, step, k, total, share) for k in (1, 2, 3, 4))
        return torch.cat([a, c]), torch.cat([b, d])


@dataclass(frozen=True)
class TwoPairs:
    """Two pairs of views of every image in a batch, for the asymmetric loss."""

    def __call__(self, setup: Setup) -> None:
        """Put the source in place."""
        assert isinstance(setup.source, ImageSource)
        setup.source = _TwoPairs.of(setup.source)


def one_mode(
    k: int, *, s: float = 1.25, m: float = 1.0, eta: float = 0.05, h: float = 0.1, steps: int = 5000
) -> tuple[float, float]:
    """Return (p, w) of one mode of the linear model after training with targets held for k steps."""
    p = w = t = 0.5
    for step in range(steps):
        t = w if step % k == 0 else t
        r = t * m - p * w * s
        p, w = p + h * (w * r - eta * p), w + h * (p * r - eta * w)
    return p, w
