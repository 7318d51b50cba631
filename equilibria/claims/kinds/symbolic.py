"""Checks of the theory's identities, for all values of all symbols at the sizes named."""

from __future__ import annotations

from equilibria.claims.claim import PROVED, Finding
from equilibria.claims.identities import IDENTITIES, sizes_of
from equilibria.claims.kinds.base import Context, choice_of, table_of, whole_of
from equilibria.errors import FormatError
from equilibria.exact.polynomial import Polynomial

DEFAULT_SIZES = ((1, 1), (1, 2), (2, 1), (2, 2))
LARGEST_SIZE = 6


def identity(context: Context, value: object) -> Finding:
    """Check an identity by name, at some sizes [n, d]; `variant` states a nearby falsehood."""
    table = {"name": value} if isinstance(value, str) else value
    table = table_of(table, "identity", ("name", "sizes", "variant"))
    name = choice_of(table.get("name"), "identity.name", tuple(IDENTITIES))
    entry = IDENTITIES[name]
    variant = ""
    if table.get("variant"):
        variant = choice_of(table["variant"], "identity.variant", entry.variants)
    sizes = _sizes(table.get("sizes", [list(pair) for pair in DEFAULT_SIZES]))
    count = 0
    for n, d in sizes:
        difference = entry.difference(n, d, variant)
        for polynomial in difference:
            count += 1
            if polynomial:
                return _refutation(entry.statement, polynomial, n, d)
    if not count:
        return Finding(None, PROVED, f"{entry.statement}: no entry to compare at these sizes")
    found = f"{entry.statement}: {count} entries are zero, n x d = {sizes_of(sizes)}"
    return Finding(True, PROVED, found, "the difference is the zero polynomial")


def _refutation(statement: str, polynomial: Polynomial, n: int, d: int) -> Finding:
    text = polynomial.text()
    short = text if len(text) <= 120 else text[:117] + "..."
    return Finding(False, PROVED, f"the difference is {short}", statement, at=f"n = {n}, d = {d}")


def _sizes(value: object) -> list[tuple[int, int]]:
    if not isinstance(value, list) or not value:
        raise FormatError("holds.identity.sizes: expected a list of sizes [n, d]")
    found = []
    for pair in value:
        if not isinstance(pair, list) or len(pair) != 2:
            raise FormatError("holds.identity.sizes: expected a list of sizes [n, d]")
        n, d = (whole_of(entry, "identity.sizes") for entry in pair)
        if not (1 <= n <= LARGEST_SIZE and 1 <= d <= LARGEST_SIZE):
            raise FormatError(f"holds.identity.sizes: [{n}, {d}]; expected 1 to {LARGEST_SIZE}")
        found.append((n, d))
    return found
