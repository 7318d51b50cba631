"""The kernel: certificates hold as they are made and fail on any change of any entry."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from fractions import Fraction
from itertools import combinations, islice
from math import isqrt
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import equilibria as eq
from equilibria.certificates import certificate, write_certificate
from equilibria.kernel import systems, towers
from equilibria.kernel.document import SECTIONS
from equilibria.kernel.laws import check_balance
from equilibria.kernel.polynomials import add
from equilibria.kernel.potentials import check_euler, check_gradient_of, decays, joint_energy
from equilibria.verify import Verification, verify, verify_file
from tests.equilibria.mutations import entries, mutations, numbers, replaced

ROOT = Path(__file__).resolve().parents[2]
PROCEDURES = ("joint", "stop-gradient", "ema", "direct-pred", "direct-copy", "contrastive")


def plain(model: eq.Model) -> Any:
    """Return the certificate as it is read back from a file."""
    return json.loads(json.dumps(certificate(model)))


@pytest.fixture(scope="module")
def default() -> Any:
    return plain(eq.Model(procedure="ema"))


def test_the_default_certificate_says_what_holds(default: Any) -> None:
    found = verify(default)
    assert found.holds
    assert found.line.startswith("holds: 9 components, 18 verdicts, 1 curl witness")
    assert found.line.endswith("the list is complete (T6.5)")


def test_verify_takes_less_than_a_second_in_a_fresh_process(tmp_path: Path) -> None:
    path = tmp_path / "ema.json"
    write_certificate(path, eq.Model(procedure="ema"))
    code = (
        "import sys, time; t = time.process_time(); from equilibria.verify import verify_file;"
        "v = verify_file(sys.argv[1]); assert v.holds, v;"
        "heavy = {m.split('.')[0] for m in sys.modules} & {'numpy', 'sympy', 'flint', 'mpmath'};"
        "assert not heavy, heavy; print(time.process_time() - t)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=True,
    )
    assert float(done.stdout) < 1.0


@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_procedure_has_a_certificate_that_holds(procedure: str) -> None:
    found = verify(plain(eq.Model(procedure=procedure)))
    assert found.holds, found.line


@pytest.mark.parametrize("part", range(4))
def test_every_number_of_the_default_certificate_is_needed(default: Any, part: int) -> None:
    changed = list(islice(numbers(default), part, None, 4))
    assert len(changed) > 60
    assert [path for path, document in changed if verify(document).holds] == []


def test_sampled_changes_of_any_kind_are_refused(default: Any) -> None:
    changed = list(islice(mutations(default), 0, None, 97))
    assert len(changed) > 40
    assert [path for path, document in changed if verify(document).holds] == []


@pytest.mark.slow
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_change_of_every_entry_is_refused(procedure: str) -> None:
    document = plain(eq.Model(procedure=procedure))
    assert [path for path, changed in mutations(document) if verify(changed).holds] == []


@pytest.mark.slow
@pytest.mark.parametrize("procedure", PROCEDURES)
def test_every_number_is_needed_without_decay_and_with_momentum(procedure: str) -> None:
    moments = eq.Moments.commuting(signal=["2/3", "1/2"], total=[1, "3/2"])
    decay = "1/20" if procedure == "joint" else 0
    model = eq.Model(procedure=procedure, moments=moments, weight_decay=decay, momentum="1/2")
    document = plain(model)
    assert verify(document).holds
    assert [path for path, changed in numbers(document) if verify(changed).holds] == []


def verdict_words(document: Any) -> Iterator[tuple[Any, Any]]:
    for path, value in entries(document):
        if path[-1] == "verdict":
            for word in ("stable", "unstable", "undecided"):
                if word != value:
                    yield path, replaced(document, path, word)


def test_no_verdict_can_be_exchanged_for_another_word(default: Any) -> None:
    changed = list(verdict_words(default))
    assert len(changed) == 36
    changed = changed[::3] + changed[1::9]
    assert all(not verify(document).holds for _, document in changed)


def test_refusals_name_the_place(default: Any) -> None:
    path = ("components", 3, "map", "neutral")
    found = verify(replaced(default, path, "2"))
    assert found == Verification(
        False, "fails: components[3].map.neutral: 1 eigenvalues are neutral"
    )


def test_another_model_does_not_pass_with_the_same_components(default: Any) -> None:
    other = plain(eq.Model(procedure="ema", lr="1/11"))
    assert not verify({**default, "model": other["model"]}).holds
    assert not verify({**default, "model": other["model"], "system": other["system"]}).holds


HOSTILE = {
    "empty": b"",
    "truncated": b'{"schema": "noncollapse/certificate/1", "counts": {',
    "not text": b"\xff\xfe\x00",
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000 + b"1",
    "nan": b'{"schema": NaN}',
    "number": b'{"schema": 1e999}',
    "digits": b'{"schema": ' + b"9" * 100_000 + b"}",
    "twice": b'{"schema": "a", "schema": "b"}',
    "list": b"[]",
    "null": b"null",
    "surrogate": b'"\\ud800"',
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_are_refused_at_once(name: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.json"
    path.write_bytes(HOSTILE[name])
    start = time.perf_counter()
    found = verify_file(path)
    assert not found.holds
    assert "\n" not in found.line
    assert time.perf_counter() - start < 5


def test_missing_files_and_folders_are_refused(tmp_path: Path) -> None:
    assert "cannot be read" in verify_file(tmp_path / "none.json").line
    assert "cannot be read" in verify_file(tmp_path).line


WRONG = (None, True, 1, 1.5, "", "x", "1" * 3999, "1/0", "-0", "2/4", [], [[]], {}, {"a": []})


@pytest.mark.parametrize("section", SECTIONS)
def test_wrong_types_anywhere_at_the_top_are_refused(default: Any, section: str) -> None:
    for wrong in WRONG:
        found = verify(replaced(default, (section,), wrong))
        assert not found.holds
        assert found.line.startswith("fails: ")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_random_replacements_are_refused_without_a_trace(default: Any, data: st.DataObject) -> None:
    places = list(entries(default))
    path, old = places[data.draw(st.integers(0, len(places) - 1))]
    junk = st.recursive(
        st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["1", "-1/2", "0"]),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
        max_leaves=6,
    )
    new = data.draw(junk)
    if new != old:
        assert not verify(replaced(default, path, new)).holds


def test_a_large_model_does_not_take_long_to_refuse(default: Any) -> None:
    big = "7" * 3900
    model = {**default["model"], "lr": big, "weight_decay": big}
    start = time.perf_counter()
    assert not verify({**default, "model": model}).holds
    huge = {**default["model"], "embed_dim": "1000000"}
    assert not verify({**default, "model": huge}).holds
    assert time.perf_counter() - start < 5


SIZES = [
    pytest.param(n, d, marks=pytest.mark.slow if n * d > 12 else ())
    for n in range(1, 7)
    for d in range(1, 7)
]


@pytest.mark.parametrize(("n", "d"), SIZES)
def test_joint_collapses_by_eulers_identity_at_every_size(n: int, d: int) -> None:
    model = dense_model("joint", n, d)
    system = systems.build(model)
    energy = add(joint_energy(model), decays(model))
    assert check_gradient_of(energy, model, system) == n * (n + d)
    assert check_euler(model) == 2


@pytest.mark.parametrize("procedure", ["stop-gradient", "ema"])
@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 4), (2, 3), (3, 2), (4, 4)])
def test_the_balance_law_holds_at_every_size(procedure: str, n: int, d: int) -> None:
    model = dense_model(procedure, n, d)
    assert check_balance(model, systems.build(model)) == n * (n + 1) // 2


def dense_model(procedure: str, n: int, d: int) -> systems.Model:
    """Return a model with dense, non-commuting moments and unequal decays."""
    sigma = [[Fraction(3 * d if i == j else 1, 1 + abs(i - j)) for j in range(d)] for i in range(d)]
    m = [[Fraction((i + 1) * (j + 1), 2 * d * d) for j in range(d)] for i in range(d)]
    rates = [Fraction(1, k) for k in (10, 20, 2, 3, 7)]
    h, eta, nu, alpha, eta_p = rates
    mu = Fraction(9, 10) if procedure == "ema" else Fraction(0)
    return systems.Model(procedure, n, d, sigma, m, h, eta, nu, alpha, eta_p, mu)


def nested(depth: int) -> list[Any]:
    """Return generators sqrt(2), sqrt(2 + sqrt(2)), ... with their cells."""
    value, found = Fraction(0), []
    for k in range(1, depth + 1):
        value = Fraction(isqrt(int((2 + value) * (1 << 512))), 1 << 256)
        inside = [["-2"], ["-1", f"g{k - 1}"]] if k > 1 else [["-2"]]
        found.append({"name": f"g{k}", "relation": [inside, []], "cell": str(int(value * 2**64))})
    return found


@pytest.mark.parametrize("depth", [2, 4, 64])
def test_nested_roots_are_refused_before_they_are_computed(default: Any, depth: int) -> None:
    """Each root under a root needs more digits of the one inside; 64 of them fit into 12 KB."""
    towers_of = [g["name"] for g in nested(depth)]
    point = {**default["components"][0]["point"], "W_1_1": [["1", towers_of[-1]]]}
    components = [{**default["components"][0], "point": point}, *default["components"][1:]]
    changed = {**default, "generators": nested(depth), "components": components}
    start = time.process_time()
    line = verify(changed).line
    assert ("nested more than 3 deep" in line) == (depth > 3)
    assert line.startswith("fails")
    assert time.process_time() - start < 5


def test_arithmetic_is_counted_before_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    document = plain(eq.Model(procedure="ema"))
    monkeypatch.setattr(towers, "MOST_WORK", 20_000)
    assert "more arithmetic than a certificate of this kind needs" in verify(document).line


def test_dense_elements_meet_the_bound_of_work(
    default: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty square roots have a million products; none is made that was not counted."""
    monkeypatch.setattr(towers, "MOST_WORK", 100_000)
    primes = [2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71]
    generators = [
        {"name": f"g{k}", "relation": [[[str(-p)]], []], "cell": str(isqrt(p << 128))}
        for k, p in enumerate(primes, 1)
    ]
    names = [g["name"] for g in generators]
    terms = [["1", *sorted(c)] for r in (1, 2, 3) for c in combinations(names, r)]
    first = {**default["components"][0], "point": {"W_1_1": terms, "P_1_1": terms, "T_1_1": terms}}
    changed = {**default, "generators": generators, "components": [first]}
    assert "more arithmetic" in verify(changed).line


def test_sizes_beyond_what_can_be_written_are_refused(default: Any) -> None:
    model = {**default["model"], "embed_dim": "7"}
    assert verify({**default, "model": model}).line == "fails: model: 7 is out of range"


def test_generators_cannot_take_the_name_of_a_word(default: Any) -> None:
    """A number named `stable` would seem to be used wherever a verdict is."""
    extra = {**nested(1)[0], "name": "stable"}
    changed = {**default, "generators": [*default["generators"], extra]}
    assert "expected a letter and a number" in verify(changed).line
    unused = {**default, "generators": [*default["generators"], nested(1)[0]]}
    assert "g1 is not used" in verify(unused).line


def test_certificates_of_the_first_schema_are_declined_with_advice(default: Any) -> None:
    line = verify({**default, "schema": "noncollapse/certificate/1"}).line
    assert line == "fails: schema: expected noncollapse/certificate/2; write the certificate again"


def test_the_model_is_said(default: Any) -> None:
    assert verify(default).about == (
        "ema, n = 2, d = 2, Sigma = diag(5/4, 1), M = diag(1, 3/4), lr 1/10, weight decay 1/20, "
        "predictor lr 1, ema 99/100"
    )
    dense = eq.Moments.dense([[8, 2], [2, 4]], [[1, 1], [1, 3]])
    model = eq.Model(
        procedure="joint",
        moments=dense,
        momentum="1/2",
        predictor_weight_decay=0,
        lr="7" * 40 + "/" + "9" * 41,
    )
    about = verify(plain(model)).about
    assert "Sigma = [8 2; 2 4], M = [1 1; 1 3], lr 777777777777777777777777...(82 char" in about
    assert about.endswith("predictor lr 1, predictor weight decay 0, momentum 1/2")
