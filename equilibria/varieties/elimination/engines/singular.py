"""Singular (minAssGTZ of primdec.lib): decomposes most systems of up to about ten variables.

The program is looked for on PATH, then inside an installed `passagemath-singular` wheel. It sees
variables named v1, v2, ... and our own text; its answer is read by `grammar.parse`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path

from equilibria.errors import EngineMissing
from equilibria.exact.polynomial import Polynomial
from equilibria.varieties.elimination.engines.base import (
    Answer,
    Limits,
    plain_ring,
    read_answer,
    run_program,
)

INSTALL = (
    "pip install --no-deps passagemath-singular, or the package `singular` of Debian or Ubuntu"
)

_SCRIPT = """LIB "primdec.lib";
ring r = 0, ({variables}), dp;
short = 0;
proc show(ideal i)
{{
  int b;
  for (b = 1; b <= ncols(i); b++) {{ i[b]; }}
}}
ideal i = {ideal};
list l = minAssGTZ(i);
int a;
for (a = 1; a <= size(l); a++) {{ "prime"; show(l[a]); }}
"all";
ideal j = std(i);
ideal k;
for (a = 1; a <= size(l); a++)
{{
  k = std(quotient(j, l[a]));
  while (size(reduce(k, j)) > 0) {{ j = k; k = std(quotient(j, l[a])); }}
  "residue";
  show(j);
}}
"done";
quit;
"""


class Singular:
    """The computer-algebra system Singular, as a separate program."""

    name = "singular"

    def version(self) -> str | None:
        """Return a version such as 4.4.1, or None where there is no Singular."""
        program = find_program()
        return None if program is None else _version(program)

    def minimal_primes(self, polynomials: Sequence[Polynomial], limits: Limits) -> Answer:
        """Return the minimal associated primes that `minAssGTZ` finds.

        Singular does not count what it does: its work is its processor time, and where that is
        used up there is no answer.
        """
        program = find_program()
        version = self.version()
        if program is None or version is None:
            raise EngineMissing("the engine singular is not installed", hint=INSTALL)
        ring = polynomials[0].ring
        plain = plain_ring(len(ring.names))
        ideal = ", ".join(Polynomial(plain, f.terms).text() for f in polynomials)
        script = _SCRIPT.format(variables=", ".join(plain.names), ideal=ideal.replace("**", "^"))
        within = replace(limits, seconds=min(limits.work, limits.seconds))
        outcome = run_program(_arguments(program), script, within, _environment())
        text = outcome.output.replace("^", "**")
        primes, residues, finished = read_answer(text, ring, "Singular")
        if any(f.degree == 0 for prime in primes for f in prime):
            return Answer(self.name, version, (), True)  # the ideal is the whole ring
        note = "" if finished else "an error in Singular"
        return Answer(self.name, version, primes, finished, note, residues)


@cache
def find_program() -> Path | None:
    """Return the Singular executable on PATH or in the `passagemath-singular` wheel."""
    found = shutil.which("Singular")
    if found:
        return Path(found)
    spec = importlib.util.find_spec("sage_wheels")
    for folder in (spec.submodule_search_locations if spec else None) or ():
        candidate = Path(folder, "bin", "Singular")
        if candidate.is_file() and os.access(candidate, os.X_OK):
            return candidate
    return None


@cache
def _version(program: Path) -> str | None:
    script = 'system("version");\nquit;\n'
    outcome = run_program(_arguments(program), script, Limits(seconds=10), _environment())
    digits = outcome.output.strip()
    if not digits.isdigit() or len(digits) < 4:
        return None
    return ".".join(digits[:3])


def _arguments(program: Path) -> list[str]:
    options = ["--quiet", "--no-rc", "--no-tty", "--no-shell", "--no-warn", "--random=1"]
    return [str(program), *options]


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath)}
