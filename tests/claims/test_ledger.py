"""The shipped ledger: every claim comes out as it says, word for word, every control turned over."""

from __future__ import annotations

from pathlib import Path

import pytest

from equilibria.claims import Claim, decide, ledger_files, read_claims
from equilibria.claims.claim import REFUTED
from tests.golden.claims import shown
from tests.golden.compare import difference
from tests.golden.store import expected

CLAIMS = read_claims(ledger_files())


@pytest.mark.parametrize("claim", [c for c in CLAIMS if not c.empirical], ids=lambda c: c.id)
def test_the_claim_comes_out_as_it_says(claim: Claim) -> None:
    outcome = decide(claim)
    assert outcome.verdict == claim.expect, outcome.decisive
    assert outcome.control is True, outcome.control_finding
    assert difference(expected("claims")[claim.id], shown(outcome)) is None


def test_every_claim_has_a_source_a_sentence_and_a_control() -> None:
    for claim in CLAIMS:
        assert claim.says.endswith("."), claim.id
        assert claim.source != "not stated", claim.id
        assert claim.control is not None or claim.empirical, claim.id
        assert claim.expect != "holds", claim.id


def test_what_is_refuted_stands_beside_what_is_true() -> None:
    refuted = [claim for claim in CLAIMS if claim.expect == REFUTED]
    assert len(refuted) >= 10
    for claim in refuted:
        words = claim.says.lower()
        assert words.startswith(("as stated", "as it is")), claim.id


def test_the_ledger_covers_every_paper() -> None:
    names = {Path(claim.path).stem for claim in CLAIMS}
    assert {"tian_2021", "ponce_2025", "chen_he_2021", "li_2022", "tian_2020", "verdicts"} <= names
