"""Read claims from TOML. Claims are data: a file can ask for checks that exist, and nothing else.

Numbers keep their text, so that 0.99 stays 99/100. Whatever is wrong is one line that names the
file, the claim and what would be accepted.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path

from equilibria.claims.claim import EXPECTATIONS, HOLDS, UNDECIDED, Claim
from equilibria.claims.kinds import KINDS
from equilibria.claims.models import MODEL_KEYS, SAMPLE_KEYS
from equilibria.errors import FormatError
from equilibria.files.untrusted import Table, check_file

SCHEMA = "noncollapse/claims/1"
MAX_BYTES = 1_000_000
MAX_CLAIMS = 2000
MAX_DEPTH = 8
KEYS = ("id", "says", "source", "scope", "model", "over", "sample", "holds", "control", "expect")
ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")
LEDGER = Path(__file__).parent / "ledger"


def ledger_files() -> tuple[Path, ...]:
    """Return the claim files that ship with the project."""
    return tuple(sorted(LEDGER.glob("*.toml")))


def read_claims(paths: Iterable[str | Path]) -> tuple[Claim, ...]:
    """Return the claims of some files, in order; raises `FormatError` naming what is wrong."""
    claims = tuple(claim for path in paths for claim in _file_claims(Path(path)))
    seen: dict[str, Claim] = {}
    for claim in claims:
        if claim.id in seen:
            raise FormatError(
                f"{claim.place}: the id {claim.id!r} is taken by {seen[claim.id].place}"
            )
        seen[claim.id] = claim
    return claims


def _file_claims(path: Path) -> tuple[Claim, ...]:
    text = _text(path)
    tables = _tables(path, text)
    lines = [text.count("\n", 0, match.start()) + 1 for match in _HEADER.finditer(text)]
    if len(lines) != len(tables):  # written as an inline array: all start where the array does
        lines = [1] * len(tables)
    return tuple(_claim(path, line, table) for line, table in zip(lines, tables, strict=True))


_HEADER = re.compile(r"^[ \t]*\[\[[ \t]*claim[ \t]*\]\]", re.MULTILINE)


def _text(path: Path) -> str:
    check_file(path, str(path), "a claims file (TOML)")
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else None
    except OSError as error:
        raise FormatError(f"{path}: cannot be read ({error.strerror})") from error
    if data is None:
        raise FormatError(f"{path}: larger than {MAX_BYTES} bytes, not a claims file")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise FormatError(f"{path}: not UTF-8 text (byte {error.start})") from error


def _tables(path: Path, text: str) -> list[Mapping[str, object]]:
    try:
        document = tomllib.loads(text, parse_float=str)
    except (tomllib.TOMLDecodeError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or ["too deeply nested"])[0]
        raise FormatError(f"{path}: not valid TOML ({reason})") from error
    unknown = sorted(set(document) - {"claim", "schema"})
    if unknown:
        raise FormatError(f"{path}: unknown entry {unknown[0]!r}; expected only [[claim]] tables")
    if document.get("schema", SCHEMA) != SCHEMA:
        raise FormatError(f"{path}: schema {document['schema']!r:.60}, expected {SCHEMA!r}")
    tables = document.get("claim")
    if not isinstance(tables, list) or not tables:
        raise FormatError(f"{path}: no [[claim]] table")
    if len(tables) > MAX_CLAIMS:
        raise FormatError(f"{path}: {len(tables)} claims, expected at most {MAX_CLAIMS}")
    for table in tables:
        if not isinstance(table, dict):
            raise FormatError(f"{path}: a claim must be a table [[claim]], found {table!r:.60}")
    return tables


def _claim(path: Path, line: int, table: Mapping[str, object]) -> Claim:
    name = table.get("id")
    if not isinstance(name, str) or not ID.fullmatch(name):
        raise FormatError(
            f"{path}, line {line}: id {name!r:.60}; expected letters, digits, '-', '_' and '.'"
        )
    where = f"{path}, claim {name}"
    _known(where, "", table, KEYS)
    if _depth(table) > MAX_DEPTH:
        raise FormatError(f"{where}: nested more than {MAX_DEPTH} deep")
    expect = table.get("expect", HOLDS)
    if expect not in EXPECTATIONS:
        raise FormatError(f"{where}: expect = {expect!r:.40}; one of {', '.join(EXPECTATIONS)}")
    if expect == UNDECIDED and "experiment" not in _holds(where, table):
        raise FormatError(
            f"{where}: expect = 'undecided' is for training experiments, whose seeds may leave a "
            "statement open; give what a check should decide"
        )
    return Claim(
        id=name,
        says=_sentence(where, table, "says"),
        source=_sentence(where, table, "source", default="not stated"),
        scope=_sentence(where, table, "scope", default=""),
        model=_table(where, table, "model", MODEL_KEYS),
        over=_lists(where, table),
        sample=_table(where, table, "sample", SAMPLE_KEYS),
        holds=_holds(where, table),
        control=_control(where, table),
        expect=expect,
        path=path,
        line=line,
    )


def _sentence(where: str, table: Mapping[str, object], key: str, default: str | None = None) -> str:
    value = table.get(key, default)
    if not isinstance(value, str) or (default is None and not value.strip()):
        raise FormatError(f"{where}: {key} must be a sentence")
    return " ".join(value.split())


def _table(
    where: str, table: Mapping[str, object], key: str, allowed: Iterable[str]
) -> dict[str, object]:
    value = table.get(key, {})
    if not isinstance(value, dict):
        raise FormatError(f"{where}: {key} must be a table {{...}}, found {value!r:.60}")
    _known(where, f"{key}.", value, tuple(allowed))
    return dict(value)


def _lists(where: str, table: Table) -> dict[str, tuple[object, ...]]:
    found = _table(where, table, "over", MODEL_KEYS)
    lists = {}
    for key, value in found.items():
        if not isinstance(value, list) or not value:
            raise FormatError(f"{where}: over.{key} must be a list of values")
        lists[key] = tuple(value)
    return lists


def _holds(where: str, table: Mapping[str, object]) -> dict[str, object]:
    if "holds" not in table:
        raise FormatError(f"{where}: no `holds`; one of {', '.join(sorted(KINDS))}")
    found = _table(where, table, "holds", KINDS)
    if not found:
        raise FormatError(f"{where}: holds is empty; one of {', '.join(sorted(KINDS))}")
    return found


def _control(where: str, table: Mapping[str, object]) -> dict[str, object] | None:
    if "control" not in table:
        return None
    found = _table(where, table, "control", (*MODEL_KEYS, "holds"))
    if not found:
        raise FormatError(f"{where}: control is empty; leave it out or name what to change")
    if "holds" in found:
        found["holds"] = _holds(f"{where}, control", found)
    return found


def _known(where: str, prefix: str, table: Mapping[str, object], allowed: Iterable[str]) -> None:
    names = tuple(allowed)
    for key in table:
        if key not in names:
            import difflib

            near = difflib.get_close_matches(key, names, n=1)
            wish = f"did you mean {near[0]!r}?" if near else f"one of {', '.join(sorted(names))}"
            raise FormatError(f"{where}: unknown entry {prefix}{key!s:.60}; {wish}")


def _depth(value: object) -> int:
    if isinstance(value, Mapping):
        return 1 + max((_depth(entry) for entry in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(entry) for entry in value), default=0)
    return 0
