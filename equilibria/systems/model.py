"""Model: everything that fixes one learning system.

encoder W (n x d), predictor P (n x n), target T (n x d); data moments Sigma, M (d x d). The map is

    P+ = P + h (alpha R W^T - eta_P P),   W+ = W + h (P^T R - eta W),   T+ = mu T + (1 - mu) W+,

with R = T M - P W Sigma, and heavy-ball momentum nu on P and W when it is set. The flow is the
limit h -> 0 with the flow rate beta = (1 - mu)/h held.

With hidden layers W = W_L ... W_1 and P = P_K ... P_1, each layer with its own decay (`depth`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from equilibria import defaults
from equilibria.data.moments import Moments
from equilibria.errors import FormatError, ScopeError
from equilibria.exact.rationals import Number, quantity, shown
from equilibria.systems.depth import MOST_LAYERS, MOST_WIDTH, Chain, widths_of
from equilibria.systems.procedures import Procedure, procedure


def default_signal(modes: int) -> tuple[Fraction, ...]:
    """Return 1, 3/4, 9/16, ..., the default eigenvalues of M."""
    return tuple(Fraction(3, 4) ** index for index in range(modes))


@dataclass(frozen=True)
class Model:
    """A procedure with data and rates, validated on construction.

    Numbers may be given as text, integers or fractions and are held as exact rationals. `floating`
    decides signs in floating point, for sizes where exact arithmetic is too slow. Raises
    `FormatError` naming the option, the value and what would be accepted.
    """

    procedure: str = "stop-gradient"
    moments: Moments = field(default_factory=lambda: Moments.commuting(signal=default_signal(2)))
    embed_dim: int = int(defaults.EMBED_DIM)
    lr: Number = defaults.LR
    weight_decay: Number = defaults.WEIGHT_DECAY
    predictor_lr: Number = defaults.PREDICTOR_LR
    predictor_weight_decay: Number | None = None
    ema: Number | None = None
    momentum: Number = defaults.MOMENTUM
    floating: bool = False
    encoder_layers: int = int(defaults.LAYERS)
    predictor_layers: int = int(defaults.LAYERS)
    hidden_dims: tuple[int, ...] | None = None
    layer_weight_decays: tuple[Number, ...] | None = None

    def __post_init__(self) -> None:
        set_field = object.__setattr__  # a frozen dataclass is normalised once, here
        _whole(self.encoder_layers, "--encoder-layers", MOST_LAYERS)
        _whole(self.predictor_layers, "--predictor-layers", MOST_LAYERS)
        self._read_layer_decays(set_field)
        set_field(self, "lr", _positive(self.lr, "--lr"))
        set_field(self, "weight_decay", _not_negative(self.weight_decay, "--weight-decay"))
        set_field(self, "predictor_lr", _positive(self.predictor_lr, "--predictor-lr"))
        set_field(self, "momentum", _below_one(self.momentum, "--momentum", "NU"))
        decay = (
            self.weight_decay
            if self.predictor_weight_decay is None
            else self.predictor_weight_decay
        )
        set_field(self, "predictor_weight_decay", _not_negative(decay, "--predictor-weight-decay"))
        if self.traits.has_target:
            set_field(
                self,
                "ema",
                _below_one(defaults.EMA if self.ema is None else self.ema, "--ema", "MU"),
            )
        elif self.ema is not None:
            _below_one(self.ema, "--ema", "MU")
            raise FormatError(
                f"--ema {self.ema}: {self.procedure} has no moving-average target; "
                "leave --ema out or use --procedure ema"
            )
        _whole(self.embed_dim, "--embed-dim")
        for width in self.hidden_dims or ():
            _whole(width, "--hidden-dim", MOST_WIDTH)
        if self.hidden_dims is not None or self.is_deep:
            layers = (self.encoder_layers, self.predictor_layers)
            widths_of(self.hidden_dims, layers, n=self.embed_dim, d=self.moments.dimension)
            set_field(self, "hidden_dims", self.chain.hidden)
        self._check_form()

    def _check_form(self) -> None:
        """Refuse moments and layers that the procedure has no equations for."""
        if not self.moments.symmetric and not self.traits.bootstraps:
            raise FormatError(
                f"--procedure {self.procedure}: M must be symmetric; with views that are not "
                "exchangeable use stop-gradient or ema"
            )
        if self.is_deep and self.traits.deep is None:
            raise FormatError(
                f"--encoder-layers {self.encoder_layers} --predictor-layers "
                f"{self.predictor_layers}: {self.procedure} has no deep form; use stop-gradient, "
                "ema or joint"
            )

    def _read_layer_decays(self, set_field: Callable[[object, str, object], None]) -> None:
        """Read the decays layer by layer; one layer each is the same as two weight decays."""
        if self.layer_weight_decays is None:
            return
        count = self.encoder_layers + self.predictor_layers
        decays = tuple(
            _not_negative(value, "--layer-weight-decay") for value in self.layer_weight_decays
        )
        if len(decays) != count:
            raise FormatError(
                f"--layer-weight-decay {','.join(map(str, decays))}: {len(decays)} decays for "
                f"{count} layers; give one a layer, the encoder's first"
            )
        if self.predictor_weight_decay not in (None, decays[self.encoder_layers]):
            assert self.predictor_weight_decay is not None
            raise FormatError(
                f"--predictor-weight-decay {shown(self.predictor_weight_decay)}: "
                "--layer-weight-decay says it already; leave one out"
            )
        set_field(self, "layer_weight_decays", decays if self.is_deep else None)
        set_field(self, "weight_decay", decays[0])
        set_field(self, "predictor_weight_decay", decays[self.encoder_layers])

    @property
    def traits(self) -> Procedure:
        """Return what decides which equations and closed forms are the model's."""
        return procedure(self.procedure)

    @property
    def is_deep(self) -> bool:
        """Return whether encoder or predictor has more than one layer."""
        return self.encoder_layers + self.predictor_layers > 2

    def plain(self, asked: str) -> None:
        """Raise `ScopeError` where what is asked is not known of hidden layers or turned views."""
        if not self.moments.symmetric:
            raise ScopeError(
                f"{asked}: not answered where M is not symmetric; `equilibria` answers",
                hint="pass (M + M^T)/2 if that is what you mean",
            )
        if self.is_deep:
            raise ScopeError(
                f"{asked}: not answered with hidden layers ({self.encoder_layers} encoder, "
                f"{self.predictor_layers} predictor layers); `equilibria` answers",
                hint="leave --encoder-layers and --predictor-layers out",
            )

    @property
    def chain(self) -> Chain:
        """Return the layers with their widths, decays and rates."""
        layers = (self.encoder_layers, self.predictor_layers)
        decays = self.layer_weight_decays or (
            *(self.eta,) * self.encoder_layers,
            *(self.eta_p,) * self.predictor_layers,
        )
        return Chain(
            *layers,
            widths=widths_of(self.hidden_dims, layers, n=self.n, d=self.d),
            decays=tuple(_exact(value) for value in decays),
            rates=(
                *(Fraction(1),) * self.encoder_layers,
                *(self.alpha,) * self.predictor_layers,
            ),
        )

    @property
    def exact(self) -> bool:
        """Return whether signs are decided exactly: exact modes or pairs, and not `floating`."""
        return self.moments.has_modes and not self.floating

    # The properties below are the exact rates under the names of the theory.
    @property
    def n(self) -> int:
        return self.embed_dim

    @property
    def d(self) -> int:
        return self.moments.dimension

    @property
    def h(self) -> Fraction:
        return _exact(self.lr)

    @property
    def eta(self) -> Fraction:
        return _exact(self.weight_decay)

    @property
    def eta_p(self) -> Fraction:
        assert self.predictor_weight_decay is not None
        return _exact(self.predictor_weight_decay)

    @property
    def alpha(self) -> Fraction:
        return _exact(self.predictor_lr)

    @property
    def nu(self) -> Fraction:
        return _exact(self.momentum)

    @property
    def mu(self) -> Fraction:
        """Return the EMA momentum; 0 where the target is the encoder itself."""
        return Fraction(0) if self.ema is None else _exact(self.ema)

    @property
    def flow_rate(self) -> Fraction:
        """Return beta = (1 - mu)/h."""
        return (1 - self.mu) / self.h

    @property
    def kappa(self) -> Fraction | None:
        """Return eta_P / eta, the relative decay of the predictor (T0.3); None when eta = 0."""
        return self.eta_p / self.eta if self.eta else None


def _exact(value: Number) -> Fraction:
    assert isinstance(value, Fraction)
    return value


def _whole(value: object, name: str, most: int | None = None) -> None:
    fits = isinstance(value, int) and not isinstance(value, bool) and value >= 1
    if not fits or (most is not None and isinstance(value, int) and value > most):
        wanted = "of at least 1" if most is None else f"from 1 to {most}"
        raise FormatError(f"{name} {value}: expected a whole number {wanted}")


def _positive(value: Number, name: str) -> Fraction:
    number = quantity(value, name)
    if number <= 0:
        raise FormatError(f"{name} {shown(value)}: must be above 0")
    return number


def _not_negative(value: Number, name: str) -> Fraction:
    number = quantity(value, name)
    if number < 0:
        raise FormatError(f"{name} {shown(value)}: must not be negative")
    return number


def _below_one(value: Number, name: str, letter: str) -> Fraction:
    number = quantity(value, name)
    if not 0 <= number < 1:
        hint = None
        if name == "--ema":
            hint = (
                "at 1 the target never moves and need not agree with the encoder; try --ema 0.999"
            )
        raise FormatError(
            f"{name} {shown(value)}: the momentum must satisfy 0 <= {letter} < 1", hint=hint
        )
    return number
