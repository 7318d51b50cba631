"""The tool that mutates the product changes behaviour, one place at a time, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.tools.mutants import functions, mutants, sample
from tests.tools.mutate import near

SOURCE = '''"""Words, with numbers 1 < 2."""

LIMIT = 600


class Line:
    def inside(self, x: int = 3) -> bool:
        if x < LIMIT and not self.closed:
            raise ValueError("1 + 1")
        return x + 1 == 2


def σ(values):
    values.sort()
    return f"{len(values) + 1}", -1.5
'''


def found(tmp_path: Path):
    file = tmp_path / "line.py"
    file.write_text(SOURCE, encoding="utf-8")
    return mutants(tmp_path, file)


def test_every_place_of_behaviour_is_changed_and_no_word(tmp_path: Path) -> None:
    pairs = {(m.where, m.before, m.after) for m in found(tmp_path)}
    assert {
        ("", "600", "(60)"),
        ("Line.inside", "3", "(4)"),
        ("Line.inside", "x < LIMIT", "(x <= LIMIT)"),
        ("Line.inside", "x < LIMIT", "(x >= LIMIT)"),
        ("Line.inside", "not self.closed", "(self.closed)"),
        ("Line.inside", "x + 1", "(x - 1)"),
        ("Line.inside", "x + 1 == 2", "(x + 1 != 2)"),
        ("Line.inside", "return x + 1 == 2", "return None"),
        ("σ", "values.sort()", "pass"),
        ("σ", "1.5", "(15.0)"),
        ("σ", "-1.5", "(1.5)"),
    } <= pairs
    assert not [m for m in pairs if "ValueError" in m[1] or "Words" in m[1] or "len" in m[1][:4]]


def test_a_mutant_differs_in_its_place_alone_and_compiles(tmp_path: Path) -> None:
    for mutant in sample(tmp_path, found(tmp_path), 100, 0):
        changed = mutant.applied(tmp_path)
        place = len(SOURCE.encode()[: mutant.start].decode())
        assert changed[:place] == SOURCE[:place]
        assert changed[place:].startswith(mutant.after)
        assert changed.count("\n") == SOURCE.count("\n")
        compile(changed, "line", "exec")


def test_samples_are_the_same_for_a_seed_with_one_mutant_a_line(tmp_path: Path) -> None:
    every = found(tmp_path)
    one, two = (sample(tmp_path, every, 4, 3) for _ in range(2))
    assert one == two
    assert len({m.line for m in one}) == 4
    assert sample(tmp_path, every, 4, 4) != one


def test_functions_know_their_lines(tmp_path: Path) -> None:
    found(tmp_path)
    spans = functions(tmp_path / "line.py")
    assert set(spans) == {"Line.inside", "σ"}
    assert list(spans["Line.inside"]) == [8, 9, 10]


def test_without_coverage_the_tests_nearest_by_imports_are_taken(tmp_path: Path) -> None:
    for name, text in {
        "equilibria/__init__.py": "",
        "equilibria/a.py": "",
        "equilibria/b.py": "from . import a",
        "empirical/__init__.py": "",
        "tests/test_one.py": "import equilibria.b",
        "tests/test_two.py": "from equilibria.a import x",
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    known = near(tmp_path)

    def chosen(name: str) -> list[str]:
        (tmp_path / name).write_text("x = 1\n", encoding="utf-8")
        return known.of(mutants(tmp_path, tmp_path / name)[0], 100)

    assert chosen("equilibria/a.py") == ["tests/test_two.py"]
    assert chosen("equilibria/b.py") == ["tests/test_one.py"]
    assert chosen("empirical/__init__.py") == []
