"""Is a certificate about the model that somebody has in mind? The first difference, in words.

The kernel says what a certificate proves and of which model; here that model is compared with options
or with the JSON of a report, so that a certificate of another model is not taken for one's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

from equilibria.certificates.producer import model_data
from equilibria.errors import FormatError
from equilibria.files.escaping import escape
from equilibria.files.untrusted import readable
from equilibria.systems.model import Model

MOST_BYTES = 1 << 28
SCHEMA = "noncollapse/equilibria/1"
PARAMETERS = (
    "embed_dim",
    "input_dim",
    "lr",
    "weight_decay",
    "predictor_lr",
    "predictor_weight_decay",
    "momentum",
    "ema",
)
Entries = Mapping[str, Any]


def difference_from_model(certified: Entries, model: Model) -> str | None:
    """Return how the certified model differs from one given by options; None where it does not."""
    return _first(certified, model_data(model), "the options say")


def difference_from_report(
    certified: Entries, components: Sequence[Entries], path: str
) -> str | None:
    """Return how a certificate differs from the report in a JSON file; None where it does not.

    Compared are the model, and id, dimension, collapse and both verdicts of every component. Raises
    `FormatError` when the file is no report of `equilibria --json`.
    """
    report = _read_report(path)
    found = _first(certified, _report_model(report, path), f"{escape(path)} says")
    return found or _of_components(components, _report_components(report, path), escape(path))


def _first(certified: Entries, wanted: Entries, source: str) -> str | None:
    if certified["procedure"] != wanted["procedure"]:
        return _said("procedure", certified["procedure"], wanted["procedure"], source)
    for key, value in certified.items():
        if key not in wanted:
            return f"{key} is in the certificate, {source} nothing of it"
        if value != wanted[key]:
            return _said(key, *_entry(value, wanted[key]), source)
    return None


def _entry(left: object, right: object) -> tuple[object, object]:
    """Return the first entries of two matrices that differ, or the two values."""
    if not (isinstance(left, list) and isinstance(right, list) and len(left) == len(right)):
        return left, right
    for one, other in zip(left, right, strict=True):
        if one != other:
            return _entry(one, other)
    return left, right


def _said(key: str, mine: object, other: object, source: str) -> str:
    return f"{key} is {escape(_short(mine))} in the certificate, {source} {escape(_short(other))}"


def _short(value: object) -> str:
    text = str(value)
    return text if len(text) <= 60 else f"{text[:40]}... ({len(text)} characters)"


def _read_report(path: str) -> dict[str, object]:
    import json

    where = f"--report {escape(path)}"
    file = Path(path)
    if not file.is_file():
        raise FormatError(f"{where}: no such file; expected what `equilibria --json` writes")
    with readable(where, "not the JSON of a report"):
        if file.stat().st_size > MOST_BYTES:
            raise FormatError(f"{where}: larger than {MOST_BYTES >> 20} MiB")
        report = json.loads(file.read_text(encoding="utf-8"))
    if not isinstance(report, dict) or report.get("schema") != SCHEMA:
        raise FormatError(f"{where}: expected a report of schema {SCHEMA}, as --json writes it")
    return report


def _report_model(report: Entries, path: str) -> Entries:
    with readable(f"--report {escape(path)}", "not the JSON of a report of a built-in procedure"):
        parameters, moments = report["parameters"], report["moments"]
        found = {key: str(parameters[key]) for key in PARAMETERS if key in parameters}
        matrices = {key: _matrix(moments, key) for key in ("Sigma", "M")}
        return {"procedure": report["procedure"], **found, **matrices}


def _matrix(moments: Entries, key: str) -> list[list[str]]:
    if moments[key] is not None:
        return [[str(Fraction(entry)) for entry in row] for row in moments[key]]
    values = [str(Fraction(entry)) for entry in moments[f"{key}_diagonal"]]
    return [[v if i == j else "0" for j in range(len(values))] for i, v in enumerate(values)]


def _report_components(report: Entries, path: str) -> dict[str, dict[str, str]]:
    with readable(f"--report {escape(path)}", "not the JSON of a report of a built-in procedure"):
        return {str(entry["id"]): _facts(entry) for entry in report["components"]}


def _facts(entry: Entries) -> dict[str, str]:
    return {
        "dimension": str(entry["dimension"]),
        "collapse": str(entry["collapse"]),
        "flow verdict": str(entry["flow"]["verdict"]),
        "map verdict": str(entry["map"]["verdict"]),
    }


def _of_components(
    components: Sequence[Entries], wanted: Mapping[str, Mapping[str, str]], source: str
) -> str | None:
    mine = {str(entry["id"]): _facts(entry) for entry in components}
    at_point = {str(entry["id"]) for entry in components if entry["scope"] == "point"}
    for key in [*mine, *wanted]:
        if key not in wanted:
            return f"{escape(key)} is in the certificate, not in {source}"
        if key not in mine:
            return f"{escape(key)} is in {source}, not in the certificate"
        for name, value in mine[key].items():
            # A report judges a whole family, which may be stable in part; at one point of it the
            # certificate can only contradict `unstable`, which is said of all points.
            loose = key in at_point and name.endswith("verdict")
            if value != wanted[key][name] and not (loose and wanted[key][name] != "unstable"):
                return _said(f"{escape(key)}: {name}", value, wanted[key][name], f"{source} says")
    return None
