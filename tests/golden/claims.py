"""The outcome of a claim as text; claims decided in this process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cache

from equilibria.claims import Claim, Outcome, decide, ledger_files, read_claims
from equilibria.claims.text import check_json, check_lines
from tests.golden.compare import compact, compact_json


def names() -> tuple[str, ...]:
    """Return the names of the claims of the shipped ledger that need no training."""
    return tuple(name for name, claim in _claims().items() if not claim.empirical)


@cache
def _claims() -> dict[str, Claim]:
    return {claim.id: claim for claim in read_claims(ledger_files())}


def answered(name: str) -> str:
    """Decide a claim and return its outcome as text."""
    return shown(decide(_claims()[name]))


def shown(outcome: Outcome) -> str:
    """Return lines and JSON of an outcome, without its seconds."""
    import json

    outcomes = (replace(outcome, seconds=0.0),)
    data = compact_json(json.dumps(check_json(outcomes)["claims"]))
    return compact("\n".join([*check_lines(outcomes, "ledger", 60), data]))


def run_here(claims: Sequence[Claim], *, time_limit: int, **_: object) -> tuple[Outcome, ...]:
    """Decide claims as `run_claims` does, without its processes."""
    return tuple(decide(claim, time_limit=time_limit) for claim in claims)
