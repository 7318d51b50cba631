"""Do the tests notice? Random single mutations of the product, each met by the tests that reach it.

First record which test reaches which function (the suite once, with coverage):

    python -m pytest -n 2 -q --cov --cov-context=test --cov-report= --durations=0 > times.txt

then mutate; the working tree is copied and never changed:

    python tests/tools/mutate.py --coverage .coverage --times times.txt --count 200 --out mutants.jsonl

Without --coverage a mutant meets the test files that import its module, or else those that import a
module which does: fewer tests, so the rate is a lower bound.

A mutant is killed when a test fails, or when the tests use up ten times their usual processor time.
Functions are matched by name, so coverage of an older commit serves a newer tree. The report names
every survivor: each is a missing test, or a change that no test can see and a reader must judge.
"""

from __future__ import annotations

import argparse
import ast
import compileall
import importlib
import json
import math
import os
import py_compile
import re
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from coverage import CoverageData

ROOT = Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(ROOT))

from tests.tools.mutants import Mutant, functions, mutants, sample  # noqa: E402

PACKAGES = ("equilibria", "empirical")
# Imported once, before the forks: none of them is mutated.
HEAVY = ("pytest", "numpy", "scipy.optimize", "scipy.linalg", "sympy", "networkx",
         "rich.table", "torch", "safetensors.torch", "matplotlib.figure")  # fmt: skip
DURATION = re.compile(r"^\s*([0-9.]+)s (?:call|setup)\s+(\S.*)$", re.MULTILINE)
DEFAULT_SECONDS = 0.05
FILE_SECONDS = 20.0
MOST_IMPORTS = 4
WHOLE_ANSWERS = "tests/golden/"
BROKEN = 70
NOT_FOUND = 4
CONTROLS = 3


@dataclass(frozen=True)
class Reach:
    """The tests that reach each (file, function), and the seconds that each test takes."""

    tests: dict[tuple[str, str], frozenset[str]]
    seconds: dict[str, float]

    def of(self, mutant: Mutant, budget: float) -> list[str]:
        """Return tests for a mutant until their times fill the budget, the fastest first.

        Half of it goes to those that compare whole answers: what reaches a function seldom asks for
        all that it returns.
        """
        found = self.tests.get((mutant.path, mutant.where)) or self._whole_file(mutant)
        whole = {test for test in found if test.startswith(WHOLE_ANSWERS)}
        first = self._fastest(whole, budget / 2)
        return first + self._fastest(found - set(first), budget - sum(map(self.time, first)))

    def without(self, skipped: Iterable[str]) -> Reach:
        """Return it without some tests."""
        gone = frozenset(skipped)
        return Reach({key: found - gone for key, found in self.tests.items()}, self.seconds)

    def _fastest(self, tests: Set[str], budget: float) -> list[str]:
        chosen: list[str] = []
        total = 0.0
        for test in sorted(tests, key=lambda name: (self.time(name), name)):
            total += self.time(test)
            if chosen and total > budget:
                break
            chosen.append(test)
        return chosen

    def time(self, test: str) -> float:
        return self.seconds.get(test, DEFAULT_SECONDS)

    def _whole_file(self, mutant: Mutant) -> frozenset[str]:
        """Return the tests of the file: for constants, and functions younger than the coverage."""
        return frozenset().union(*(t for (p, _), t in self.tests.items() if p == mutant.path))


@dataclass(frozen=True)
class Near:
    """Test files by how many imports lie between them and a module."""

    imports: dict[str, frozenset[str]]
    files: tuple[str, ...]

    def of(self, mutant: Mutant, budget: float) -> list[str]:
        """Return the test files nearest to the mutant's module; the budget counts files."""
        module = mutant.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        wanted = {module}
        for _ in range(MOST_IMPORTS):
            found = [name for name in self.files if self.imports[name] & wanted]
            if found:
                # The narrowest first: what imports little is about this module.
                found.sort(key=lambda name: (len(self.imports[name]), name))
                return found[: max(1, int(budget / FILE_SECONDS))]
            wanted |= {name for name, uses in self.imports.items() if uses & wanted}
        return []

    def time(self, test: str) -> float:
        return FILE_SECONDS


def near(tree: Path) -> Near:
    """Read the imports of the product and of the tests below `tree`."""
    imports = {}
    for name in (*PACKAGES, "tests"):
        for path in sorted((tree / name).rglob("*.py")):
            place = str(path.relative_to(tree))
            module = place.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            imports[place if name == "tests" else module] = frozenset(_imported(path, module))
    tests = tuple(name for name in imports if Path(name).name.startswith("test_"))
    return Near(imports, tests)


def _imported(path: Path, module: str) -> Iterator[str]:
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - max(0, node.level - 1)]
            base = ".".join(
                [*(above if node.level else []), *([node.module] if node.module else [])]
            )
            yield base
            yield from (f"{base}.{alias.name}" for alias in node.names)


def reach(coverage_files: list[Path], times: list[Path], tree: Path) -> Reach:
    """Read coverage data, one file or more; functions are matched by name with those below `tree`."""
    from coverage import CoverageData

    tests: dict[tuple[str, str], set[str]] = defaultdict(set)
    for coverage_file in coverage_files:
        data = CoverageData(str(coverage_file))
        data.read()
        _add_reached(data, tree, tests)
    seconds: dict[str, float] = {}
    for path in times:
        found: dict[str, float] = defaultdict(float)
        for took, test in DURATION.findall(path.read_text(encoding="utf-8")):
            found[test.strip()] += float(took)
        seconds |= found
    return Reach({key: frozenset(value) for key, value in tests.items()}, seconds)


def _add_reached(data: CoverageData, tree: Path, tests: dict[tuple[str, str], set[str]]) -> None:
    for measured in data.measured_files():
        parts = Path(measured).parts
        start = next((i for i, part in enumerate(parts) if part in PACKAGES), None)
        if start is None:
            continue
        name = str(Path(*parts[start:]))
        path = tree / name
        if not path.is_file():
            continue
        # The lines are those of the tree that was measured, while it is still there.
        spans = functions(Path(measured) if Path(measured).is_file() else path)
        for line, contexts in data.contexts_by_lineno(measured).items():
            reached = {c.split("|")[0] for c in contexts if c}
            for where, lines in spans.items():
                if line in lines:
                    tests[name, where] |= reached
            if not any(line in lines for lines in spans.values()):
                tests[name, ""] |= reached


def copied(tree: Path) -> Path:
    """Return a copy of the tree whose byte code is checked against the source by its hash."""
    place = Path(tempfile.mkdtemp(prefix="mutants-")) / "project"
    skipped = shutil.ignore_patterns(".git", ".venv", "__pycache__", ".*_cache")

    def ignored(folder: str, names: list[str]) -> set[str]:
        """Skip what is made, and the run folders at the top: `empirical/runs` is a package."""
        return skipped(folder, names) | ({"runs"} if Path(folder) == tree else set())

    shutil.copytree(tree, place, ignore=ignored)
    shared = tree.parent / "shared"
    if shared.exists():
        (place.parent / "shared").symlink_to(shared)
    for name in (*PACKAGES, "tests"):
        compileall.compile_dir(
            str(place / name),
            quiet=2,
            invalidation_mode=py_compile.PycInvalidationMode.CHECKED_HASH,
        )
    return place


def start(mutant: Mutant, tests: list[str], seconds: float, place: Path) -> int:
    """Start the tests of a mutant in a child process and return its number."""
    (place / mutant.path).write_text(mutant.applied(ROOT), encoding="utf-8")
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    limit = math.ceil(10 * seconds + 60)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    quiet = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(quiet, stream)
    os.chdir(place)
    sys.path[0] = str(place)
    for name in [m for m in sys.modules if m.split(".")[0] in (*PACKAGES, "tests", "cli")]:
        del sys.modules[name]
    os._exit(_tested(tests, place))


def _tested(tests: list[str], place: Path) -> int:
    """Return pytest's exit code; `BROKEN` where pytest itself did not run."""
    pytest = importlib.import_module("pytest")
    plugins = ["-p", "no:xdist", "-p", "no:cacheprovider", "-p", "no:pytest_cov"]
    words = ["-x", "-q", *plugins, f"--basetemp={place.parent / 'tmp'}"]
    try:
        code = int(pytest.main([*words, *tests]))
        if code == NOT_FOUND:  # names that a shell or pytest reads otherwise: then whole files
            code = int(pytest.main([*words, *sorted({test.partition("::")[0] for test in tests})]))
        return code
    except Exception:
        return BROKEN


def control(mutant: Mutant, known: Reach | Near, options: argparse.Namespace) -> None:
    """Raise `SystemExit` when the tests of a mutant fail without it: then no kill means anything."""
    place = copied(ROOT)
    found = unmutated(mutant, known.of(mutant, options.budget), place)
    shutil.rmtree(place.parent)
    if found != "survived":
        raise SystemExit(f"{mutant.path}: its tests fail without a mutation ({found})")


def unmutated(mutant: Mutant, tests: list[str], place: Path) -> str:
    """Return the outcome of the tests of a mutant without it."""
    text = (ROOT / mutant.path).read_bytes()
    same = replace(mutant, start=0, end=len(text), after=text.decode())
    return outcome(os.waitpid(start(same, tests, 600.0, place), 0)[1])


def outcome(status: int) -> str:
    """Return the word for how the child ended: pytest ends with 0 when every test passed."""
    if os.WIFSIGNALED(status):
        return (
            "killed (time)" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "killed"
        )
    words = {0: "survived", 4: "no test", 5: "no test", BROKEN: "no test"}
    return words.get(os.WEXITSTATUS(status), "killed")


def run(
    chosen: list[Mutant], known: Reach | Near, options: argparse.Namespace
) -> list[dict[str, object]]:
    """Run the mutants, `jobs` at a time, and return one record each."""
    idle = [copied(ROOT) for _ in range(options.jobs)]
    busy: dict[int, tuple[Mutant, list[str], Path]] = {}
    queue, records = list(chosen), []
    with options.out.open("a", encoding="utf-8") as log:

        def record(mutant: Mutant, tests: list[str], word: str) -> None:
            line = {
                "path": mutant.path, "line": mutant.line, "where": mutant.where,
                "before": mutant.before, "after": mutant.after, "outcome": word, "tests": len(tests),
            }  # fmt: skip
            records.append(line)
            log.write(json.dumps(line) + "\n")
            log.flush()
            print(f"{len(records):4}  {word:14} {mutant.path}:{mutant.line}  "
                  f"{mutant.before[:40]!r} -> {mutant.after[:40]!r}", flush=True)  # fmt: skip

        while queue or busy:
            while queue and idle:
                mutant = queue.pop()
                tests = known.of(mutant, options.budget)
                if not tests:
                    record(mutant, tests, "not reached")
                    continue
                place = idle.pop()
                child = start(mutant, tests, sum(map(known.time, tests)), place)
                busy[child] = (mutant, tests, place)
            if not busy:
                continue
            child, status = os.wait()
            mutant, tests, place = busy.pop(child)
            _stop_group(child)
            shutil.copyfile(ROOT / mutant.path, place / mutant.path)
            word = outcome(status)
            # A mutant that breaks the collection of its tests leaves pytest without any.
            if word == "no test" and unmutated(mutant, tests, place) == "survived":
                word = "killed"
            idle.append(place)
            record(mutant, tests, word)
    for place in idle:
        shutil.rmtree(place.parent)
    return records


def _stop_group(child: int) -> None:
    """End what the tests of a killed child left running."""
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        return
    time.sleep(0.05)


def summary(records: list[dict[str, object]]) -> str:
    """Return the kill rate with its 95 % interval (Wilson) and the survivors."""
    alive = [r for r in records if r["outcome"] in ("survived", "not reached", "no test")]
    count, killed = len(records), len(records) - len(alive)
    z, share = 1.96, killed / max(1, count)
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * math.sqrt(share * (1 - share) / count + (z / (2 * count)) ** 2)
    lines = [
        f"killed {killed} of {count}: {share:.1%} ({centre - half:.1%} to {centre + half:.1%})"
    ]
    lines += [f"  {r['outcome']}: {r['path']}:{r['line']} {r['before']!r} -> {r['after']!r}"
              for r in sorted(alive, key=lambda r: (str(r["path"]), str(r["line"])))]  # fmt: skip
    return "\n".join(lines)


def options_of(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--coverage", type=Path, nargs="+", help="data with one context a test")
    parser.add_argument("--times", type=Path, nargs="+", default=[], help="output of --durations=0")
    parser.add_argument("--count", type=int, default=200, help="number of mutants (200)")
    parser.add_argument("--seed", type=int, default=0, help="which mutants (0)")
    parser.add_argument("--jobs", type=int, default=2, help="at once (2)")
    parser.add_argument("--budget", type=float, default=60.0, help="seconds of tests a mutant (60)")
    parser.add_argument("--skip", nargs="*", default=[], help="tests that fail on this machine")
    parser.add_argument("--only", default="", help="files whose path begins with this")
    parser.add_argument(
        "--again", type=Path, help="the survivors of this earlier --out of the same tree alone"
    )
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"), help="one line a mutant")
    return parser.parse_args(arguments)


def candidates(options: argparse.Namespace) -> list[Mutant]:
    files = [p for name in PACKAGES for p in sorted((ROOT / name).rglob("*.py"))]
    files = [p for p in files if str(p.relative_to(ROOT)).startswith(options.only)]
    found = [mutant for path in files for mutant in mutants(ROOT, path)]
    if options.again is None:
        return sample(ROOT, found, options.count, options.seed)
    records = [json.loads(line) for line in options.again.read_text(encoding="utf-8").splitlines()]
    wanted = {
        (r["path"], r["line"], r["before"], r["after"])
        for r in records
        if not r["outcome"].startswith("killed")
    }
    return [m for m in found if (m.path, m.line, m.before, m.after) in wanted]


def main(arguments: list[str] | None = None) -> int:
    options = options_of(arguments)
    os.environ.update(PYTHONDONTWRITEBYTECODE="1", OMP_NUM_THREADS="1")
    sys.dont_write_bytecode = True
    known: Reach | Near = near(ROOT)
    if options.coverage:
        known = reach(options.coverage, options.times, ROOT).without(options.skip)
    chosen = candidates(options)
    print(f"{len(chosen)} mutants, {options.jobs} at a time", flush=True)
    for name in HEAVY:
        importlib.import_module(name)
    for mutant in chosen[:CONTROLS]:
        control(mutant, known, options)
    records = run(chosen, known, options)
    print(summary(records) if records else "no mutants")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
