"""Single mutations of Python source: one operator, number, condition or statement changed at a time.

Text, annotations and docstrings are left alone: changing a word of a message is not a fault that a
test of behaviour should find.
"""

from __future__ import annotations

import ast
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate, islice
from pathlib import Path

COMPARED: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
}
COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
    ast.MatMult: ast.Add,
}

LIMIT = 10


@dataclass(frozen=True)
class Mutant:
    """One change of the bytes `start` to `end` of a file; `where` is the function around them."""

    path: str
    line: int
    where: str
    before: str
    after: str
    start: int
    end: int

    def applied(self, root: Path) -> str:
        """Return the whole mutated file."""
        text = (root / self.path).read_bytes()
        return (text[: self.start] + self.after.encode() + text[self.end :]).decode()


@dataclass(frozen=True)
class _Site:
    node: ast.expr | ast.stmt
    where: str
    changed: ast.AST


def mutants(root: Path, path: Path) -> list[Mutant]:
    """Return every single mutation of the file at `path`, which lies below `root`."""
    whole = path.read_bytes()
    name = str(path.relative_to(root))
    starts = [0, *accumulate(map(len, whole.splitlines(keepends=True)))]
    found = []
    for site in _sites(ast.parse(whole), ""):
        node = site.node
        assert node.end_lineno is not None
        assert node.end_col_offset is not None
        # Columns of the syntax tree count bytes.
        start = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        after = ast.unparse(ast.fix_missing_locations(site.changed))
        if isinstance(node, ast.expr):
            after = f"({after})"
        before = whole[start:end].decode()
        found.append(Mutant(name, node.lineno, site.where, before, after, start, end))
    return found


def sample(root: Path, found: list[Mutant], count: int, seed: int) -> list[Mutant]:
    """Return `count` of them that compile, the same for the same seed, at most one from each line."""
    generator = random.Random(seed)
    by_line: dict[tuple[str, int], list[Mutant]] = {}
    for mutant in found:
        by_line.setdefault((mutant.path, mutant.line), []).append(mutant)
    lines = sorted(by_line)
    generator.shuffle(lines)
    drawn = (generator.choice(by_line[line]) for line in lines)
    return list(islice((m for m in drawn if _compiles(m.applied(root))), count))


def functions(path: Path) -> dict[str, range]:
    """Return the lines of each function of the file, by qualified name."""
    spans: dict[str, range] = {}

    def visit(node: ast.AST, where: str) -> None:
        for child in ast.iter_child_nodes(node):
            name = _inside(child, where)
            if isinstance(child, ast.FunctionDef) and child.end_lineno:
                spans[name] = range(child.body[0].lineno, child.end_lineno + 1)
            visit(child, name)

    visit(ast.parse(path.read_text(encoding="utf-8")), "")
    return spans


def _inside(node: ast.AST, where: str) -> str:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return f"{where}.{node.name}" if where else node.name
    return where


def _sites(node: ast.AST, where: str) -> Iterator[_Site]:
    for child in _behaviour(node):
        inside = _inside(child, where)
        if isinstance(child, ast.expr | ast.stmt):
            yield from (_Site(child, inside, changed) for changed in _changes(child))
        yield from _sites(child, inside)


def _behaviour(node: ast.AST) -> Iterator[ast.AST]:
    """Yield the children that act at run time: no annotations, no text, no type-only imports."""
    skipped = {"annotation", "returns", "decorator_list", "type_params"}
    if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
        return
    if isinstance(node, ast.JoinedStr | ast.Raise | ast.Assert):
        return
    for name, value in ast.iter_fields(node):
        if name in skipped:
            continue
        for child in value if isinstance(value, list) else [value]:
            if isinstance(child, ast.AST):
                yield child


def _changes(node: ast.expr | ast.stmt) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        for other in COMPARED[type(node.ops[0])]:
            yield ast.Compare(node.left, [other()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in COMPUTED:
        yield ast.BinOp(node.left, COMPUTED[type(node.op)](), node.right)
    elif isinstance(node, ast.BoolOp):
        other_bool = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        yield ast.BoolOp(other_bool, node.values)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not | ast.USub):
        yield node.operand
    elif isinstance(node, ast.IfExp):
        yield ast.IfExp(ast.UnaryOp(ast.Not(), node.test), node.body, node.orelse)
    elif isinstance(node, ast.Constant):
        yield from _numbers(node.value)
    elif isinstance(node, ast.Return) and node.value is not None and not _is_none(node.value):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call):
        yield ast.Pass()
    elif isinstance(node, ast.AugAssign) and type(node.op) in COMPUTED:
        yield ast.AugAssign(node.target, COMPUTED[type(node.op)](), node.value)


def _numbers(value: object) -> Iterator[ast.AST]:
    if isinstance(value, bool):
        yield ast.Constant(not value)
    elif isinstance(value, int):
        # Of a limit such as 600, one more is no fault; a tenth may be.
        yield ast.Constant(value + 1 if abs(value) < LIMIT else value // LIMIT)
    elif isinstance(value, float):
        yield ast.Constant(LIMIT * value if value else 1.0)


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def _compiles(text: str) -> bool:
    try:
        compile(text, "mutant", "exec")
    except (SyntaxError, ValueError):
        return False
    return True
