"""The rules of the house, as functions of the sources: a mapping from path to text.

Each returns its violations, a line each, and none where the rule holds, so that tests can plant some.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import networkx as nx

from equilibria.defaults import PROCEDURE_NAMES

Sources = Mapping[str, str]

# From the ground up. A room imports rooms of floors below its own, and nothing else.
FLOORS = (
    {"equilibria.errors", "equilibria.version", "equilibria.defaults", "equilibria.kernel"},
    {"equilibria.files", "equilibria.verify"},
    {"equilibria.exact"},
    {"equilibria.data"},
    {"equilibria.systems"},
    {"equilibria.varieties"},
    {"equilibria.basin", "equilibria.cycles"},
    {"equilibria.gradient", "equilibria.graph", "equilibria.phase"},
    {"equilibria.report"},
    {"equilibria.certificates"},
    {"equilibria.claims"},
    {"equilibria"},
    {"equilibria.commands"},
    {"empirical.runs", "empirical.collapse"},
    {"empirical.linear", "empirical.images"},
    {"empirical.networks"},
    {"empirical.overlay"},
    {"empirical.experiments"},
    {"empirical"},
    {"empirical.commands"},
    {"cli"},
)
FLOOR = {room: floor for floor, rooms in enumerate(FLOORS) for room in rooms}
MOST_AT_THE_TOP = 8
MOST_LINES_OF_CLI = 250
MOST_ANY = 60
"""How often all signatures and fields together may say `Any`; a name for it counts where it is made."""
LONGEST, MOST_LONG = 40, 5
"""Lines of a function, and how many functions may be longer."""
WIDEST, MOST_WIDE = 7, 5
"""Parameters of a function, and how many functions may take more."""
EVALUATES = {"eval", "exec", "compile", "sympify", "parse_expr", "lambdify"}
HARMLESS = {"compile": ("re", "torch")}
UNPICKLES = {"pickle", "dill", "cloudpickle", "shelve", "marshal"}
TORCH = {"torch", "torchvision"}
PROCEDURES = set(PROCEDURE_NAMES)
UNMISTAKABLE = {"stop-gradient", "direct-pred", "direct-copy"}
"""Names that are nothing else; `ema` is also a rate and `joint` a case of a paper."""
ASKED = {"procedure", "kind"}
MAY_ASK = ("equilibria/systems/procedures/", "equilibria/kernel/procedures.py")
"""Where a procedure's name means something; the papers' cases have names of their own."""
CASES = "empirical/experiments/papers/"


@dataclass(frozen=True)
class Import:
    """An import of `module`, and of `name` from it, at a line of the module `where`."""

    where: str
    line: int
    module: str
    name: str | None = None


@dataclass(frozen=True)
class House:
    """The modules of some sources and what they import, wherever in them: at the top, in a function,
    for types alone, or in a table of names that are imported late."""

    sources: Sources

    @cached_property
    def modules(self) -> dict[str, str]:
        """The path of every module, by its dotted name."""
        return {dotted(path): path for path in self.sources}

    @cached_property
    def trees(self) -> dict[str, ast.Module]:
        return {module: ast.parse(self.sources[path]) for module, path in self.modules.items()}

    @cached_property
    def imports(self) -> list[Import]:
        return [found for module in self.trees for found in self._imports_of(module)]

    @cached_property
    def edges(self) -> dict[str, set[str]]:
        """The modules of the house that each module imports."""
        found: dict[str, set[str]] = defaultdict(set)
        for item in self.imports:
            target = self._module_of(item)
            if target is not None and target != item.where:
                found[item.where].add(target)
        return found

    def _module_of(self, item: Import) -> str | None:
        whole = f"{item.module}.{item.name}"
        if item.name is not None and whole in self.modules:
            return whole
        return item.module if item.module in self.modules else None

    def _imports_of(self, module: str) -> Iterator[Import]:
        for node in ast.walk(self.trees[module]):
            if isinstance(node, ast.Import):
                yield from (Import(module, node.lineno, alias.name) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                base = self._base(module, node)
                yield from (Import(module, node.lineno, base, a.name) for a in node.names)
            elif isinstance(node, ast.Constant) and self._is_late(node.value):
                # "equilibria.basin" in a table of what is imported late; "module:NAME" is what a
                # caller hands over, who may stand higher.
                yield Import(module, node.lineno, str(node.value))

    def _is_late(self, value: object) -> bool:
        return isinstance(value, str) and "." in value and value in self.modules

    def _base(self, module: str, node: ast.ImportFrom) -> str:
        """Return the absolute name of what a relative import is from."""
        if not node.level:
            return node.module or ""
        package = module.split(".")
        if not self.modules[module].endswith("__init__.py"):
            package.pop()
        package = package[: len(package) - (node.level - 1)]
        return ".".join([*package, *([node.module] if node.module else [])])


def dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def room_of(module: str) -> str:
    return ".".join(module.split(".")[:2])


def homeless(house: House) -> list[str]:
    """Modules that stand on no floor."""
    return [f"{house.modules[m]} is in no room of FLOORS" for m in house.modules
            if room_of(m) not in FLOOR]  # fmt: skip


def upward(house: House) -> list[str]:
    """Imports of a room that does not lie below."""
    found = []
    for where, targets in house.edges.items():
        for target in sorted(targets):
            room, other = room_of(where), room_of(target)
            if room != other and FLOOR.get(room, 0) <= FLOOR.get(other, 0):
                found.append(f"{house.modules[where]} imports {target}, which is not below")
    return found


def circles(house: House) -> list[str]:
    """Modules that import one another."""
    graph = nx.DiGraph((a, b) for a, targets in house.edges.items() for b in targets)
    return [f"circle of imports: {', '.join(sorted(circle))}"
            for circle in nx.strongly_connected_components(graph) if len(circle) > 1]  # fmt: skip


def inner_circles(house: House) -> list[str]:
    """Rooms within a room, and modules beside them, that import one another."""
    found = []
    packages = {m.rpartition(".")[0] for m in house.modules}
    for package in sorted(packages - {""}):
        graph = nx.DiGraph()
        for a, targets in house.edges.items():
            for b in targets:
                ends = [_inside(package, module) for module in (a, b)]
                if None not in ends and ends[0] != ends[1]:
                    graph.add_edge(*ends)
        found += [f"circle of rooms: {', '.join(sorted(circle))}"
                  for circle in nx.strongly_connected_components(graph) if len(circle) > 1]  # fmt: skip
    return found


def _inside(package: str, module: str) -> str | None:
    """Return the room or module directly in a package that a module belongs to."""
    if not module.startswith(package + "."):
        return None
    return ".".join(module.split(".")[: package.count(".") + 2])


def private(house: House) -> list[str]:
    """Private names imported from another module."""
    return [
        f"{house.modules[i.where]}:{i.line} imports {i.module}.{i.name}, which is private"
        for i in house.imports
        if i.name is not None and i.name[0] == "_" and i.name[1:2] != "_"
        and i.module in house.modules
    ]  # fmt: skip


def crowded(house: House) -> list[str]:
    """Halves with too many files at their top, and a front door that is more than that."""
    found = []
    for half in ("equilibria", "empirical"):
        files = [p for p in house.sources if p.startswith(f"{half}/") and p.count("/") == 1]
        if len(files) > MOST_AT_THE_TOP:
            found.append(f"{half}/ has {len(files)} files at its top: {', '.join(sorted(files))}")
    lines = house.sources.get("cli.py", "").count("\n")
    return found + ([f"cli.py has {lines} lines"] if lines > MOST_LINES_OF_CLI else [])


def torch_or_measured(house: House) -> list[str]:
    """Torch or the measured half in the symbolic one, and torch in the front door."""
    found = []
    for item in house.imports:
        top = item.module.split(".")[0]
        symbolic = item.where.split(".")[0] == "equilibria"
        barred = TORCH | ({"empirical"} if symbolic else set())
        if top in barred and (symbolic or item.where == "cli"):
            found.append(f"{house.modules[item.where]}:{item.line} imports {item.module}")
    return found


def evaluated(house: House) -> list[str]:
    """Text that is evaluated, and pickles."""
    found = []
    for module, tree in house.trees.items():
        for node in ast.walk(tree):
            word = _evaluates(node)
            if word:
                found.append(f"{house.modules[module]}:{getattr(node, 'lineno', 0)} {word}")
    return found


def _evaluates(node: ast.AST) -> str:
    if isinstance(node, ast.Import | ast.ImportFrom):
        names = {alias.name for alias in node.names} | {getattr(node, "module", "") or ""}
        return " ".join(sorted(UNPICKLES & {name.split(".")[0] for name in names}))
    if not isinstance(node, ast.Call):
        return ""
    name = getattr(node.func, "id", getattr(node.func, "attr", ""))
    owner = getattr(getattr(node.func, "value", None), "id", "")
    if name in EVALUATES and owner not in HARMLESS.get(name, ()) and (name != "eval" or node.args):
        return str(name)
    keywords = {k.arg: getattr(k.value, "value", None) for k in node.keywords}
    if (owner, name) == ("np", "load") and keywords.get("allow_pickle") is not False:
        return "np.load without allow_pickle=False"
    if (owner, name) == ("torch", "load") and keywords.get("weights_only") is not True:
        return "torch.load without weights_only=True"
    return ""


def kernel_walls(house: House, standard: frozenset[str]) -> list[str]:
    """What the kernel imports beside the standard library, and the producer that uses the kernel."""
    found = []
    for item in house.imports:
        room = room_of(item.where)
        inside = item.module.startswith("equilibria.kernel")
        if room == "equilibria.kernel" and not inside:
            if item.module.split(".")[0] not in standard:
                found.append(f"{house.modules[item.where]}:{item.line} imports {item.module}")
        elif room == "equilibria.certificates" and (inside or item.module == "equilibria.verify"):
            found.append(f"{house.modules[item.where]}:{item.line} uses the kernel")
    return found


def names_asked(house: House) -> list[str]:
    """Comparisons with a procedure's name, and tables by it, where traits should decide."""
    found = []
    for module, tree in house.trees.items():
        path = house.modules[module]
        if path.startswith(MAY_ASK):
            continue
        for node in ast.walk(tree):
            name = _name_asked(node, path)
            if name:
                found.append(f"{path}:{getattr(node, 'lineno', 0)} asks for {name}")
    return found


def _name_asked(node: ast.AST, path: str) -> str:
    literals: set[object] = set()
    asked = False
    if isinstance(node, ast.Compare):
        parts = [node.left, *node.comparators]
        literals = {v for part in parts for v in _literals(part)}
        asked = any(getattr(p, "attr", getattr(p, "id", "")) in ASKED for p in parts)
    elif isinstance(node, ast.Dict) and path.startswith("equilibria/"):
        literals = {v for key in node.keys if key is not None for v in _literals(key)}
    elif isinstance(node, ast.MatchValue):
        literals = set(_literals(node.value))
    sure = literals & UNMISTAKABLE if not path.startswith(CASES) else set()
    named = sure | (literals & PROCEDURES if asked else set())
    return ", ".join(sorted(map(str, named)))


def _literals(node: ast.expr) -> list[object]:
    """Return a literal, or those of a tuple, list or set of them."""
    if isinstance(node, ast.Constant):
        return [node.value]
    if isinstance(node, ast.Tuple | ast.List | ast.Set):
        return [v for element in node.elts for v in _literals(element)]
    return []


def vague(house: House) -> list[str]:
    """Signatures, fields and names of types that say `Any`, where there are more than a few."""
    found = []
    for module, tree in house.trees.items():
        for node in ast.walk(tree):
            for said in _said(node):
                found += [
                    f"{house.modules[module]}:{n.lineno} says Any"
                    for n in ast.walk(said)
                    if _is_any(n)
                ]
    return found if len(found) > MOST_ANY else []


def _said(node: ast.AST) -> Iterator[ast.expr]:
    """Yield what a function says of its parameters and result, a class or module of its fields."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        said = [argument.annotation for argument in _parameters(node)]
        yield from (one for one in [*said, node.returns] if one is not None)
    elif isinstance(node, ast.ClassDef | ast.Module):
        for entry in node.body:
            if isinstance(entry, ast.AnnAssign):
                yield entry.annotation
            if isinstance(entry, ast.Assign | ast.AnnAssign) and entry.value is not None:
                yield entry.value  # a name for a type, as in Json = dict[str, Any]


def _is_any(node: ast.AST) -> bool:
    return isinstance(node, ast.Name | ast.Attribute) and "Any" in (
        getattr(node, "id", ""),
        getattr(node, "attr", ""),
    )


def _parameters(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[ast.arg]:
    """Return the parameters of every kind, but for self and cls."""
    a = node.args
    named = [*a.posonlyargs, *a.args, *a.kwonlyargs]
    rest = [one for one in (a.vararg, a.kwarg) if one is not None]
    return [one for one in [*named, *rest] if one.arg not in ("self", "cls")]


def lengthy(house: House) -> list[str]:
    """Functions of too many lines, where there are more than a few."""
    found = [
        f"{where} has {lines} lines"
        for where, node in _functions(house)
        if (lines := (node.end_lineno or 0) - node.lineno + 1) > LONGEST
    ]
    return found if len(found) > MOST_LONG else []


def wide(house: House) -> list[str]:
    """Functions of too many parameters, where there are more than a few."""
    found = [
        f"{where} takes {count} parameters"
        for where, node in _functions(house)
        if (count := len(_parameters(node))) > WIDEST
    ]
    return found if len(found) > MOST_WIDE else []


def _functions(house: House) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    """Yield every function with its place and name."""
    for module, tree in house.trees.items():
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                yield f"{house.modules[module]}:{node.lineno} {node.name}", node
