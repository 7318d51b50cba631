"""From a claim's tables to models: one, every combination of `over`, or random exact ones."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import Any

from equilibria.claims.claim import Claim
from equilibria.data.moments import Moments
from equilibria.errors import FormatError
from equilibria.exact.rationals import quantity, rational
from equilibria.systems.model import Model
from equilibria.systems.model_options import ModelOptions, build_model

OPTIONS = tuple(
    name.replace("_", "-") for name in ModelOptions.__dataclass_fields__ if name != "floating"
)
MODEL_KEYS = (*OPTIONS, "Sigma", "M")
SAMPLE_KEYS = ("models", "seed", "embed-dim", "input-dim", "signal", "decay", "moments")
MOST_MODELS = 2000
SIGNALS = ("positive", "signed")
SAMPLED_MOMENTS = ("commuting", "isotropic", "dense")


@dataclass(frozen=True, slots=True)
class Case:
    """One model (or system file) of a claim, with the words that tell it from the others."""

    model: Model | None
    system: Path | None
    words: str


def cases(claim: Claim, changes: Mapping[str, object] | None = None) -> Iterator[Case]:
    """Yield the models that a claim speaks of, with the changes of a control applied.

    A control takes an option away by setting it to "".
    """
    changed = {key: value for key, value in (changes or {}).items() if key != "holds"}
    base = {key: value for key, value in {**claim.model, **changed}.items() if value != ""}
    over = {key: values for key, values in claim.over.items() if key not in changed}
    where = f"{claim.path}, claim {claim.id}"
    if claim.sample:
        yield from _sampled(where, base, claim.sample)
        return
    total = 1
    for values in over.values():
        total *= len(values)
    if total > MOST_MODELS:
        raise FormatError(f"{where}: over asks for {total} models, expected at most {MOST_MODELS}")
    for chosen in itertools.product(*over.values()):
        options = {**base, **dict(zip(over, chosen, strict=True))}
        yield _case(where, claim.path, options, dict(zip(over, chosen, strict=True)))


def _case(
    where: str, path: Path, options: Mapping[str, object], shown: Mapping[str, object]
) -> Case:
    words = ", ".join(f"{key} = {_plain(value)}" for key, value in shown.items())
    name = options.get("procedure")
    if isinstance(name, str) and name.endswith(".toml"):
        extra = sorted(set(options) - {"procedure", "lr"})
        if extra:
            raise FormatError(f"{where}: {extra[0]} does not apply to a system file")
        return Case(None, _beside(path, name), words)
    try:
        return Case(claim_model(options, path), None, words)
    except FormatError as error:
        raise FormatError(f"{where}: {error}", hint=error.hint) from error


def claim_model(options: Mapping[str, object], path: Path) -> Model:
    """Return the model of a table of options; matrices `Sigma` and `M` may be given in place."""
    texts: dict[str, Any] = {
        key.replace("-", "_"): _text(key, value)
        for key, value in options.items()
        if key not in ("Sigma", "M")
    }
    if texts.get("moments"):
        texts["moments"] = str(_beside(path, texts["moments"]))
    matrices = "Sigma" in options or "M" in options
    if not matrices:
        return build_model(ModelOptions(**texts))
    given = [key for key in ("signal", "total", "noise", "isotropic", "moments") if key in options]
    if given:
        raise FormatError(f"{given[0]}: cannot be given together with Sigma and M")
    moments = Moments.dense(_matrix(options, "Sigma"), _matrix(options, "M"), source="the claim")
    size = texts.pop("input_dim", None)
    if size is not None and int(rational(size, "input-dim")) != moments.dimension:
        raise FormatError(f"input-dim {size}: the matrices have d = {moments.dimension}")
    return replace(build_model(ModelOptions(**texts)), moments=moments)


def _matrix(options: Mapping[str, object], name: str) -> list[list[Fraction]]:
    rows = options.get(name)
    if not isinstance(rows, list) or not rows or not all(isinstance(row, list) for row in rows):
        raise FormatError(f"{name}: expected a list of rows; give Sigma and M together")
    if any(len(row) != len(rows) for row in rows):
        raise FormatError(f"{name}: expected a square matrix of {len(rows)} rows")
    return [[quantity(_text(name, entry), name) for entry in row] for row in rows]


def _text(key: str, value: object) -> str:
    """Return a value as typed on the command line; a list becomes a comma-separated one."""
    if isinstance(value, bool):
        raise FormatError(f"{key} = {value}: expected a number or text")
    if isinstance(value, list):
        return ",".join(_text(key, entry) for entry in value)
    if not isinstance(value, str | int):
        raise FormatError(f"{key} = {value!r:.40}: expected a number or text")
    return str(value)


def _plain(value: object) -> str:
    return "[" + ", ".join(map(_plain, value)) + "]" if isinstance(value, list) else str(value)


def _beside(path: Path, name: str) -> Path:
    """Return a file named in a claims file: relative names are relative to that file."""
    return path.parent / name


def _sampled(
    where: str, base: Mapping[str, object], sample: Mapping[str, object]
) -> Iterator[Case]:
    """Yield random exact models; the same seed gives the same models everywhere."""
    count = _whole(where, sample, "models", 20, MOST_MODELS, least=1)
    source = random.Random(_whole(where, sample, "seed", 0, 10**9))
    signal = _word(where, sample, "signal", SIGNALS)
    kind = _word(where, sample, "moments", SAMPLED_MOMENTS)
    largest_n = _whole(where, sample, "embed-dim", 3, 6, least=1)
    largest_d = _whole(where, sample, "input-dim", 3, 6, least=2 if kind == "dense" else 1)
    clash = sorted({"signal", "total", "noise", "isotropic", "moments", "Sigma", "M"} & set(base))
    if clash:
        raise FormatError(f"{where}: model.{clash[0]} and sample both define the moments")
    for _ in range(count):
        n = source.randint(1, largest_n)
        d = source.randint(2 if kind == "dense" else 1, largest_d)
        moments = _random_moments(source, kind, d, signed=signal == "signed")
        options = {"weight-decay": str(Fraction(1, source.randint(8, 200))), **base}
        options["embed-dim"] = n
        model = replace(claim_model(options, Path(where)), moments=moments)
        words = f"n = {n}, d = {d}, {_moments_words(moments)}, weight-decay = {model.eta}"
        yield Case(model, None, words)


def _random_moments(source: random.Random, kind: str, d: int, *, signed: bool) -> Moments:
    if kind == "dense":
        return _random_dense(source, d)
    values: list[Fraction] = []
    while len(values) < d:  # distinct, so that modes are told apart
        m = Fraction(source.randint(1, 40), 20) * (-1 if signed and source.random() < 0.4 else 1)
        if m not in values:
            values.append(m)
    if kind == "isotropic":
        return Moments.isotropic(signal=values, variance=max(map(abs, values)) + Fraction(1, 4))
    total = [abs(m) + Fraction(source.randint(1, 40), 20) for m in values]
    return Moments.commuting(signal=values, total=total)


def _random_dense(source: random.Random, d: int) -> Moments:
    """Return a positive definite M and Sigma = M + N with N positive definite, all rational."""

    def gram() -> list[list[Fraction]]:
        root = [[Fraction(source.randint(-4, 4), 4) for _ in range(d)] for _ in range(d)]
        return [
            [
                sum((root[i][k] * root[j][k] for k in range(d)), Fraction(int(i == j), 4))
                for j in range(d)
            ]
            for i in range(d)
        ]

    m, noise = gram(), gram()
    total = [[m[i][j] + noise[i][j] for j in range(d)] for i in range(d)]
    return Moments.dense(total, m, source="the sample")


def _moments_words(moments: Moments) -> str:
    sigma, m = moments.rational_matrices()
    if moments.is_diagonal:
        diagonals = [", ".join(str(a[i][i]) for i in range(len(a))) for a in (sigma, m)]
        return f"Sigma = diag({diagonals[0]}), M = diag({diagonals[1]})"
    text = [str([[str(entry) for entry in row] for row in a]).replace("'", "") for a in (sigma, m)]
    return f"Sigma = {text[0]}, M = {text[1]}"


def _whole(
    where: str, table: Mapping[str, object], key: str, default: int, most: int, least: int = 0
) -> int:
    value = rational(_text(key, table.get(key, default)), key)
    if value.denominator != 1 or not least <= value <= most:
        raise FormatError(f"{where}: sample.{key} = {value}; expected {least} to {most}")
    return int(value)


def _word(where: str, table: Mapping[str, object], key: str, allowed: tuple[str, ...]) -> str:
    value = table.get(key, allowed[0])
    if value not in allowed:
        raise FormatError(f"{where}: sample.{key} = {value!r:.40}; one of {', '.join(allowed)}")
    return str(value)
