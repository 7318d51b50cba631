"""Claims files are data: whatever is wrong is one line that names the file, the claim and the fix."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from equilibria.claims import decide, read_claims
from equilibria.claims.kinds import KINDS as CHECKS
from equilibria.errors import AnalysisError, FormatError

GOOD = """
[[claim]]
id = "one"
says = "The default learns."
model = {lr = 0.1, ema = 0.99, procedure = "ema"}
holds.stable = ["rank2:1+,2+"]
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "claims.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_decimals_are_read_exactly(tmp_path: Path) -> None:
    (claim,) = read_claims([written(tmp_path, GOOD)])
    assert claim.model["ema"] == "0.99"
    assert claim.line == 2
    assert decide(claim).verdict == "certified"


BAD = {
    "not TOML": ("claim = [", "not valid TOML"),
    "no claims": ("", "no [[claim]]"),
    "other tables": ("[other]\n" + GOOD, "unknown entry 'other'"),
    "id": ('[[claim]]\nid = "a b"\nsays = "x"\nholds.stable = []', "expected letters"),
    "no sentence": ('[[claim]]\nid = "a"\nholds.stable = []', "says must be a sentence"),
    "no holds": ('[[claim]]\nid = "a"\nsays = "x"', "no `holds`"),
    "empty holds": ('[[claim]]\nid = "a"\nsays = "x"\nholds = {}', "holds is empty"),
    "typo": (GOOD.replace("holds.stable", "holds.stabel"), "did you mean 'stable'?"),
    "typo in model": (GOOD.replace("lr =", "lrr ="), "did you mean 'lr'?"),
    "expectation": (GOOD + 'expect = "true"', "one of holds"),
    "empty control": (GOOD + "control = {}", "control is empty"),
    "undecided is no expectation": (GOOD + 'expect = "undecided"', "is for training experiments"),
    "over is no list": (GOOD + "over = {lr = 1}", "must be a list"),
    "twice": (GOOD + GOOD, "is taken by"),
    "deep": (GOOD + "control = {M = " + "[" * 40 + "]" * 40 + "}", "deep"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_file_is_one_line(tmp_path: Path, name: str) -> None:
    text, wish = BAD[name]
    with pytest.raises(FormatError) as caught:
        read_claims([written(tmp_path, text)])
    assert wish in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "claims.toml" in str(caught.value)


BAD_VALUES = {
    "momentum": ("ema = 0.99", "ema = 1", "0 <= MU < 1"),
    "component": ('["rank2:1+,2+"]', "3", "component ids"),
    "procedure": ('"ema"', '"emma"', "procedure"),
    "number": ("lr = 0.1", "lr = true", "expected a number"),
}


@pytest.mark.parametrize("name", BAD_VALUES)
def test_a_bad_value_names_the_claim(tmp_path: Path, name: str) -> None:
    old, new, wish = BAD_VALUES[name]
    (claim,) = read_claims([written(tmp_path, GOOD.replace(old, new))])
    with pytest.raises(FormatError, match="claim one") as caught:
        decide(claim)
    assert wish in str(caught.value)


LISTS = (
    *("stable", "stable-flow", "stable-map", "unstable", "unstable-flow", "unstable-map"),
    *("exists", "absent", "not-gradient", "experiment", "gradient", "metric-witness"),
    *("stable-rank", "only-collapse", "all-stable"),
    *("stable-part", "stable-part-flow", "stable-part-map"),
)
TABLES = (
    *("dimension", "point", "largest-lr", "same-stable", "monotone", "fate", "from-init"),
    *("thresholds", "cycle", "hopf", "identity", "run"),
    *("top-rank", "components", "collapse-stable"),
)
EMPTY = {**dict.fromkeys(LISTS, "[]"), **dict.fromkeys(TABLES, "{}")}


def test_every_kind_of_check_is_tried_empty() -> None:
    assert {*EMPTY, "stable-exactly"} == set(CHECKS)  # exactly none is a statement


@pytest.mark.parametrize("key", EMPTY)
def test_a_check_of_nothing_is_an_error(tmp_path: Path, key: str) -> None:
    head = '[[claim]]\nid = "h"\nsays = "x"\n'
    (claim,) = read_claims([written(tmp_path, f"{head}holds.{key} = {EMPTY[key]}")])
    with pytest.raises(FormatError, match=rf"holds\.{key}"):
        decide(claim, experiments={})


@pytest.mark.parametrize("key", ["models", "embed-dim", "input-dim"])
def test_a_sample_of_nothing_is_an_error(tmp_path: Path, key: str) -> None:
    (claim,) = read_claims(
        [
            written(
                tmp_path,
                GOOD.replace("model =", "sample =").replace(
                    '{lr = 0.1, ema = 0.99, procedure = "ema"}', f"{{{key} = 0}}"
                ),
            )
        ]
    )
    with pytest.raises(FormatError, match=rf"sample\.{key} = 0; expected 1 to"):
        decide(claim)


@pytest.mark.parametrize("data", [b"\xff\xfe[[claim]]", b"\x00" * 10, b"[[claim]]\n" * 3000])
def test_bytes_that_are_no_claims(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "claims.toml"
    path.write_bytes(data)
    with pytest.raises(FormatError):
        read_claims([path])


def test_a_missing_or_huge_file(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="no such file"):
        read_claims([tmp_path / "none.toml"])
    with pytest.raises(FormatError, match="not a regular file"):
        read_claims([tmp_path])
    path = written(tmp_path, "#" * 1_000_001)
    with pytest.raises(FormatError, match="larger than"):
        read_claims([path])


VALUES = st.recursive(
    st.sampled_from(
        ['"1/2"', '"rank0"', "1", "-3", "0.5", "true", '"x"', "[]", "{}", '"__import__(1)"']
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda rows: "[" + ", ".join(rows) + "]"),
        st.dictionaries(
            st.sampled_from(["point", "mode", "ends", "W", "P", "name", "sizes", "along", "lr"]),
            inner,
            max_size=2,
        ).map(lambda d: "{" + ", ".join(f"{k} = {v}" for k, v in d.items()) + "}"),
    ),
    max_leaves=6,
)


def hostile(kind: str, value: str) -> str:
    head = '[[claim]]\nid = "h"\nsays = "x"\nmodel = {embed-dim = 1, input-dim = 1}\n'
    return f"{head}holds.{kind} = {value}"


KINDS = ["stable", "top-rank", "point", "identity", "fate", "monotone", "largest-lr", "thresholds"]


@given(st.sampled_from(KINDS), VALUES)
def test_no_value_of_a_check_gets_past_the_errors(
    tmp_path_factory: pytest.TempPathFactory, kind: str, value: str
) -> None:
    path = written(tmp_path_factory.mktemp("hostile"), hostile(kind, value))
    message = ""
    try:
        for claim in read_claims([path]):
            decide(claim, time_limit=5)
    except AnalysisError as error:
        message = str(error)
    assert "\n" not in message


@given(st.text(max_size=200))
def test_no_text_gets_past_the_reader(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("text") / "claims.toml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
    with pytest.raises(FormatError):
        read_claims([path])
