"""Imports point one way, the symbolic half never loads torch, and text is never evaluated."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [*sorted((ROOT / "equilibria").rglob("*.py")), ROOT / "cli.py"]

# Lower layers must not import higher ones; a module not named here may be imported by all.
LAYERS = [
    {
        "errors",
        "escaping",
        "rationals",
        "version",
        "files",
        "untrusted",
        "terminal",
        "kernel",
        "verify",
    },
    {"polynomial", "surds", "intervals", "grammar", "moments"},
    {"model", "modes", "results", "jury", "transfer"},
    {"system", "procedures", "strata", "blocks", "extents", "mixed", "couplings", "engines"},
    {"stepsizes"},
    {"lift", "tables", "unequal", "spectra", "realspectrum", "noncommuting", "elimination"},
    {
        "aligned",
        "zero_decay",
        "strata_components",
        "zero_decay_points",
        "zero_decay_candidates",
        "zero_decay_twisted",
        "one_sided_decay",
        "inequalities",
        "joint",
        "contrastive",
        "direct",
        "general",
        "balanced",
        "lettered",
        "gradient",
    },
    {"report", "analysis", "userreport"},
    {"render"},
    {"options", "citations", "front", "certificates", "claims"},
]
LEVEL = {name: level for level, names in enumerate(LAYERS) for name in names}
# Built on the end of the chain of the analysis, called back by the report on demand.
EXCEPTIONS = {("report", "render"), ("userreport", "render")}


def imports_of(path: Path) -> list[tuple[str, int]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, node.lineno) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.append((node.module, node.lineno))
    return found


def layer_name(path: Path) -> str:
    parts = path.relative_to(ROOT / "equilibria").with_suffix("").parts
    return parts[0]


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_no_module_imports_torch_or_the_measured_half(path: Path) -> None:
    # The front door calls both halves; torch stays behind the measured one.
    barred = {"torch", "torchvision"} | (set() if path.name == "cli.py" else {"empirical"})
    heavy = [name for name, _ in imports_of(path) if name.split(".")[0] in barred]
    assert heavy == []


@pytest.mark.parametrize(
    "path", [p for p in SOURCES if p.name != "cli.py"], ids=lambda p: str(p.relative_to(ROOT))
)
def test_imports_point_one_way(path: Path) -> None:
    name = layer_name(path)
    if name not in LEVEL:
        return
    wrong = []
    for module, line in imports_of(path):
        parts = module.split(".")
        if parts[0] != "equilibria" or len(parts) < 2 or parts[1] not in LEVEL:
            continue
        if LEVEL[parts[1]] > LEVEL[name] and (name, parts[1]) not in EXCEPTIONS:
            wrong.append(f"{path.name}:{line} imports {module}")
    assert wrong == []


def test_importing_the_package_loads_neither_torch_nor_sympy() -> None:
    code = (
        "import sys, equilibria as eq; r = eq.analyze(eq.Model(procedure='ema'));"
        "r.gradient; assert r.summary.avoids_collapse;"
        "print([m for m in ('torch', 'sympy', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "[]"


FORBIDDEN = {"eval", "exec", "compile", "sympify", "parse_expr", "lambdify"}


@pytest.mark.parametrize("path", SOURCES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_evaluates_text_or_unpickles(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            target = node.func
            name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
            owner = (
                target.value.id
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name)
                else ""
            )
            if name in FORBIDDEN and owner != "re":
                calls.append(f"{path.name}:{node.lineno} {name}")
            if name == "load" and owner == "np":
                keywords = {k.arg: k.value for k in node.keywords}
                value = keywords.get("allow_pickle")
                assert isinstance(value, ast.Constant), f"{path.name}:{node.lineno}"
                assert value.value is False
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [a.name for a in node.names] + [getattr(node, "module", "") or ""]
            assert not {"pickle", "dill", "joblib.load"} & set(names), path.name
    assert calls == []


KERNEL = sorted((ROOT / "equilibria" / "kernel").glob("*.py"))


@pytest.mark.parametrize("path", KERNEL, ids=lambda p: p.name)
def test_the_kernel_imports_the_standard_library_and_nothing_of_ours(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    siblings = {other.stem for other in KERNEL}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            assert node.level == 1, f"{path.name}:{node.lineno}"
            names = [node.module] if node.module else [alias.name for alias in node.names]
            assert set(names) <= siblings, f"{path.name}:{node.lineno} {names}"
        elif isinstance(node, ast.ImportFrom | ast.Import):
            modules = (
                [a.name for a in node.names] if isinstance(node, ast.Import) else [node.module]
            )
            roots = {str(name).split(".")[0] for name in modules}
            assert roots <= sys.stdlib_module_names, f"{path.name}:{node.lineno} {roots}"


def test_what_makes_certificates_does_not_use_the_kernel() -> None:
    for path in sorted((ROOT / "equilibria" / "certificates").glob("*.py")):
        names = [module for module, _ in imports_of(path)]
        assert not [n for n in names if n.startswith(("equilibria.kernel", "equilibria.verify"))]
