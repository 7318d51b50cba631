"""The ledger: theorems and reported behaviour as executable claims, and claims of your own.

    >>> from equilibria.claims import decide, ledger_files, read_claims
    >>> claims = {claim.id: claim for claim in read_claims(ledger_files())}
    >>> decide(claims["tian-balance"]).verdict
    'proved'

A claims file is TOML (`reader`); what it can ask for is listed in `kinds`. `run_claims` decides many
within time limits. Names are imported on first use: the pytest plugin lies in this package, and
every session of every project that has it installed imports that.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from equilibria.claims.claim import Claim, Finding, Outcome
    from equilibria.claims.decision import decide
    from equilibria.claims.kinds import KINDS
    from equilibria.claims.reader import ledger_files, read_claims
    from equilibria.claims.workers import run_claims

_HOME = {
    "KINDS": "kinds",
    "Claim": "claim",
    "Finding": "claim",
    "Outcome": "claim",
    "decide": "decision",
    "ledger_files": "reader",
    "read_claims": "reader",
    "run_claims": "workers",
}


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'equilibria.claims' has no attribute {name!r}")
    return getattr(import_module(f"equilibria.claims.{_HOME[name]}"), name)


__all__ = [
    "KINDS",
    "Claim",
    "Finding",
    "Outcome",
    "decide",
    "ledger_files",
    "read_claims",
    "run_claims",
]
