"""Forged certificates that mean something: every one is refused, over all procedures."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given, settings

import equilibria as eq
from equilibria.certificates import certificate
from equilibria.certificates.compare import difference_from_model
from equilibria.errors import AnalysisError
from equilibria.verify import verify
from tests.equilibria.forgeries import finished, forgeries, with_list
from tests.equilibria.test_certificates import FOCUS, models

commuting = eq.Moments.commuting
EQUAL = commuting(signal=["3/4", "3/4"], total=["5/4", "5/4"])
GROWTH = commuting(signal=["1/3", "2/3", "1/2"], total=["1/3", "2/3", "2"])
SURVIVE = commuting(signal=[1, "-1/2"], total=[1, "1/2"])
MODELS: dict[str, eq.Model] = {
    "ema": eq.Model(procedure="ema"),
    "nothing decays": eq.Model(procedure="ema", weight_decay=0, predictor_lr="2"),
    "the predictor does not decay": eq.Model(weight_decay="1/20", predictor_weight_decay=0),
    "equal modes": eq.Model(moments=EQUAL),
    "indefinite, nothing decays": eq.Model(
        weight_decay=0, moments=commuting(signal=[1, -1], total=[2, 3])
    ),
    "joint": eq.Model(procedure="joint", predictor_weight_decay=0),
    "joint, untouched directions": eq.Model(
        procedure="joint", weight_decay=0, moments=SURVIVE, embed_dim=2
    ),
    "contrastive": eq.Model(procedure="contrastive", weight_decay=0, moments=GROWTH),
    "direct-pred": eq.Model(procedure="direct-pred"),
    "direct-copy": eq.Model(procedure="direct-copy", moments=EQUAL),
}


def plain(model: eq.Model | eq.Report) -> Any:
    return json.loads(json.dumps(certificate(model)))


def accepted(
    model: eq.Model, document: Any, step: int = 1, start: int = 0
) -> tuple[int, list[str]]:
    """Return how many forgeries were tried, and those that nothing refused.

    A certificate whose model was exchanged may be a true one of the other model: then it is refused
    where it is compared with the model that it is shown for.
    """
    found, count = [], 0
    other = plain(replace(model, lr=model.h / 2))
    for name, forged in islice(forgeries(document, other), start, None, step):
        count += 1
        verification = verify(json.loads(json.dumps(forged)))
        if verification.holds and difference_from_model(verification.model, model) is None:
            found.append(name)
    return count, found


@pytest.mark.parametrize("name", MODELS)
def test_sampled_forgeries_are_refused(name: str) -> None:
    document = plain(MODELS[name])
    assert verify(document).holds
    count, found = accepted(MODELS[name], document, step=19, start=len(name))
    assert count > 3
    assert found == []


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_all_forgeries_of_every_procedure_are_refused(name: str) -> None:
    document = plain(MODELS[name])
    count, found = accepted(MODELS[name], document)
    assert count > 70
    assert found == []


@pytest.mark.slow
@settings(max_examples=60)
@given(model=models(most=3))
def test_forgeries_of_random_models_are_refused(model: eq.Model) -> None:
    try:
        document = plain(model)
    except AnalysisError:
        return
    step = max(1, len(document["components"]) // 2)
    assert accepted(model, document, step=step)[1] == []


@pytest.mark.slow
def test_forgeries_of_equilibria_in_cells_are_refused() -> None:
    model = eq.Model(moments=FOCUS, weight_decay=1, lr="1/100")
    assert accepted(model, plain(model), step=3)[1] == []


def test_a_shorter_list_can_only_be_given_with_what_it_lacks() -> None:
    document = plain(eq.Model(procedure="ema"))
    unstable = [c for c in document["components"] if c["flow"]["verdict"] != "stable"]
    collapse = next(c for c in document["components"] if c["id"] == "rank0")
    for missing in ("0", "1", "3", "-2"):
        forged = with_list(document, [collapse, *unstable], claim="open", missing=missing)
        assert "2 of 9 aligned components are not listed" in verify(forged).line
    honest = with_list(document, [collapse, *unstable], claim="open", missing="2")
    line = verify(honest).line
    assert line.startswith("holds")
    assert "NOT complete: 2 of 9 aligned components are missing" in line


def test_one_orbit_cannot_be_listed_many_times() -> None:
    """Rational points of one circle: all exact equilibria, all one component."""
    document = plain(eq.Model(procedure="ema"))
    rank1 = next(c for c in document["components"] if c["id"] == "rank1:1+")
    from tests.equilibria.forgeries import _turned

    turned = {**rank1, "id": "rank1:a", "point": _turned(rank1, 2)}
    forged = with_list(document, [*document["components"], turned], claim="open")
    assert "it is an aligned component" in verify(forged).line


def test_two_points_of_one_orbit_in_a_mixed_pair_are_one_component() -> None:
    moments = commuting(signal=[11, "11/29"], total=[2, "1/29"])
    document = plain(eq.Model(moments=moments, weight_decay=1, lr="1/100"))
    mixed = next(c for c in document["components"] if c["id"] == "rank2:a")
    from tests.equilibria.forgeries import _turned

    for extra in (mixed, {**mixed, "point": _turned(mixed, 2)}):
        parts = [*document["components"], {**extra, "id": "rank2:c"}]
        assert not verify(with_list(document, parts)).holds
        assert "not seen to differ" in verify(finished({**document, "components": parts})).line


def test_verdicts_of_a_family_are_said_to_be_at_a_point() -> None:
    line = verify(plain(MODELS["nothing decays"])).line
    assert "verdicts of 4 families at the listed point" in line
    assert "at the listed point" not in verify(plain(MODELS["ema"])).line


def test_an_empty_list_is_no_list_even_if_it_says_so() -> None:
    document = plain(eq.Model(procedure="ema"))
    for parts, missing in (([], "9"), (document["components"][:1], "8")):
        line = verify(with_list(document, parts, claim="open", missing=missing)).line
        assert line.startswith("fails: completeness: rank0 is missing")


def test_a_verdict_at_a_point_cannot_be_said_of_the_family() -> None:
    document = plain(MODELS["nothing decays"])
    document["components"][0]["scope"] = "component"
    assert verify(document).line.startswith("fails: components[0].scope: the verdicts are those of")
