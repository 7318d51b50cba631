"""The ledger: theorems and reported behaviour as executable claims, and claims of your own.

    >>> from equilibria.claims import decide, ledger_files, read_claims
    >>> claims = {claim.id: claim for claim in read_claims(ledger_files())}
    >>> decide(claims["tian-balance"]).verdict
    'proved'

A claims file is TOML (`reader`); what it can ask for is listed in `kinds`. `run_claims` decides many
within time limits.
"""

from equilibria.claims.claim import Claim, Finding, Outcome
from equilibria.claims.decide import decide
from equilibria.claims.kinds import KINDS
from equilibria.claims.reader import ledger_files, read_claims
from equilibria.claims.workers import run_claims

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
