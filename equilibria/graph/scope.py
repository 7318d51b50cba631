"""What the connection graph is for: which models and seeds."""

from __future__ import annotations

from equilibria.errors import FormatError, ScopeError
from equilibria.systems.model import Model


def check_seed(seed: int) -> None:
    """Raise `FormatError` for a seed that is not a key of the generator."""
    if not 0 <= seed < 2**63:
        raise FormatError(f"--seed {seed}: expected a whole number from 0 to 2^63 - 1")


def check_scope(model: Model, *, decay: bool = True, commuting: bool = True) -> None:
    """Raise `ScopeError` for models without a connection graph."""
    if not model.traits.bootstraps:
        raise ScopeError(
            f"--procedure {model.procedure}: connections are not computed here",
            hint="`graph` answers for stop-gradient and ema",
        )
    if commuting and not model.moments.commute:
        raise ScopeError(
            "Sigma and M do not commute: nothing is learned mode by mode then",
            hint="`graph` without --order shows what leads where",
        )
    if decay and not (model.eta and model.eta_p):
        name = "--predictor-weight-decay" if model.eta else "--weight-decay"
        raise ScopeError(
            f"{name} 0: without decay equilibria fill whole families, not isolated strata",
            hint="any weight decay above 0 will do, such as 1/1000; --order answers at 0",
        )
