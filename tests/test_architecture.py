"""Imports point down, without circles; the symbolic half never loads torch; text is never evaluated.

The rules are in `tests/tools/structure.py`. Each is tried here on the project, where it must hold, and
on sources with planted violations, which it must name.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from tests.tools import structure
from tests.tools.structure import House

ROOT = Path(__file__).resolve().parent.parent
STANDARD = frozenset(sys.stdlib_module_names)


@pytest.fixture(scope="module")
def house() -> House:
    paths = [*(p for half in ("equilibria", "empirical") for p in (ROOT / half).rglob("*.py"))]
    sources = {p.relative_to(ROOT).as_posix(): p.read_text(encoding="utf-8") for p in paths}
    return House({**sources, "cli.py": (ROOT / "cli.py").read_text(encoding="utf-8")})


Rule = Callable[[House], list[str]]
kernel_walls: Rule = partial(structure.kernel_walls, standard=STANDARD)

RULES: dict[str, Rule] = {
    "every module stands on a floor": structure.homeless,
    "imports point down": structure.upward,
    "no circle of modules": structure.circles,
    "no circle of rooms": structure.inner_circles,
    "no private name of another module": structure.private,
    "few files at the top": structure.crowded,
    "no torch in the symbolic half": structure.torch_or_measured,
    "nothing evaluates text": structure.evaluated,
    "the kernel stands alone": kernel_walls,
    "traits decide, not names": structure.names_asked,
    "few signatures say Any": structure.vague,
    "few functions are long": structure.lengthy,
    "few functions take many parameters": structure.wide,
}


@pytest.mark.parametrize("rule", RULES)
def test_the_house_keeps_its_rules(house: House, rule: str) -> None:
    assert RULES[rule](house) == []


def test_every_module_was_looked_at(house: House) -> None:
    assert len(house.modules) > 400
    assert len(house.edges) > 400
    assert "equilibria.varieties.routes" in house.edges["equilibria.report.analyze"]
    assert "equilibria.kernel.reading" in house.edges["equilibria.kernel.document"]  # relative
    assert "equilibria.phase" in house.edges["equilibria"]  # from a table, on first use


def test_no_floor_names_a_room_that_is_gone(house: House) -> None:
    rooms = {structure.room_of(module) for module in house.modules}
    assert set(structure.FLOOR) == rooms


SOUND = {
    "equilibria/__init__.py": "",
    "equilibria/errors.py": "class FormatError(Exception): ...\n",
    "equilibria/exact/__init__.py": "",
    "equilibria/exact/surds.py": "from equilibria.errors import FormatError\n",
    "equilibria/exact/rationals.py": "from .surds import Surd\n",
    "equilibria/kernel/__init__.py": "",
    "equilibria/kernel/reading.py": "from fractions import Fraction\nfrom . import refusal\n",
    "equilibria/kernel/refusal.py": "",
    "equilibria/report/__init__.py": "",
    "equilibria/report/text.py": "from equilibria.exact import rationals\n",
    "empirical/__init__.py": "",
    "empirical/linear/__init__.py": "",
    "empirical/linear/flow.py": "import torch\nfrom equilibria.exact.surds import Surd\n",
    "cli.py": "from empirical.linear import flow\n",
}
LATE = "def f():\n    "
LONG = "".join(f"def f{i}():\n" + "    x = 1\n" * 40 for i in range(6))
WIDE = "".join(f"def f{i}(a, b, c, *, d, e, f, g, h): ...\n" for i in range(6))
TYPES = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    "

PLANTED: list[tuple[str, dict[str, str], str]] = [
    ("every module stands on a floor", {"equilibria/attic.py": ""}, "equilibria/attic.py"),
    ("every module stands on a floor", {"empirical/attic/x.py": ""}, "empirical/attic/x.py"),
    ("every module stands on a floor", {"other/x.py": ""}, "other/x.py"),
    (
        "imports point down",
        {"equilibria/exact/surds.py": "import equilibria.report.text\n"},
        "text",
    ),
    (
        "imports point down",
        {"equilibria/exact/surds.py": LATE + "from ..report.text import line\n"},
        "exact/surds.py imports equilibria.report.text",
    ),
    (
        "imports point down",
        {"equilibria/exact/surds.py": TYPES + "from equilibria.report import text\n"},
        "exact/surds.py imports equilibria.report.text",
    ),
    (
        "imports point down",
        {"equilibria/errors.py": 'X = {"f": "equilibria.exact.surds"}'},
        "surds",
    ),
    ("no circle of modules", {"equilibria/exact/surds.py": "from .rationals import f\n"}, "surds"),
    (
        "no circle of modules",
        {"equilibria/exact/surds.py": LATE + "from equilibria.exact import rationals\n"},
        "equilibria.exact.rationals, equilibria.exact.surds",
    ),
    (
        "no circle of modules",
        {"equilibria/exact/surds.py": TYPES + "from equilibria.exact.rationals import Number\n"},
        "equilibria.exact.rationals, equilibria.exact.surds",
    ),
    (
        "no circle of rooms",
        {
            "equilibria/exact/a/x.py": "from equilibria.exact.b import y\n",
            "equilibria/exact/b/y.py": "",
            "equilibria/exact/b/z.py": "from equilibria.exact.a import w\n",
            "equilibria/exact/a/w.py": "",
        },
        "equilibria.exact.a, equilibria.exact.b",
    ),
    (
        "no circle of rooms",
        {
            "equilibria/exact/a/x.py": "from equilibria.exact.surds import f\n",
            "equilibria/exact/surds.py": LATE + "from .a.w import g\n",
            "equilibria/exact/a/w.py": "",
        },
        "equilibria.exact.a, equilibria.exact.surds",
    ),
    (
        "no circle of rooms",
        {
            "equilibria/exact/a/x.py": TYPES + "from ..b import y\n",
            "equilibria/exact/b/y.py": "from equilibria.exact.a.w import f\n",
            "equilibria/exact/a/w.py": "",
        },
        "equilibria.exact.a, equilibria.exact.b",
    ),
    ("no private name of another module", {"cli.py": "from equilibria.errors import _x\n"}, "_x"),
    (
        "no private name of another module",
        {"equilibria/exact/rationals.py": "from .surds import _x\n"},
        "equilibria.exact.surds._x",
    ),
    (
        "no private name of another module",
        {"equilibria/exact/rationals.py": LATE + "from . import surds, _y\n"},
        "equilibria.exact._y",
    ),
    ("few files at the top", {f"equilibria/m{i}.py": "" for i in range(8)}, "equilibria/ has 10"),
    ("few files at the top", {f"empirical/m{i}.py": "" for i in range(8)}, "empirical/ has 9"),
    ("few files at the top", {"cli.py": "#\n" * 251}, "cli.py has 251 lines"),
    ("no torch in the symbolic half", {"equilibria/errors.py": "import torch\n"}, "torch"),
    (
        "no torch in the symbolic half",
        {"equilibria/errors.py": LATE + "from torchvision.models import resnet18\n"},
        "torchvision.models",
    ),
    (
        "no torch in the symbolic half",
        {"equilibria/errors.py": TYPES + "from empirical.linear import flow\n"},
        "empirical.linear",
    ),
    ("nothing evaluates text", {"cli.py": "x = eval('1')\n"}, "cli.py:1 eval"),
    ("nothing evaluates text", {"cli.py": "import numpy as np\nnp.load('x')\n"}, "np.load"),
    ("nothing evaluates text", {"cli.py": LATE + "import pickle\n"}, "pickle"),
    ("nothing evaluates text", {"cli.py": "torch.load(f, weights_only=False)\n"}, "torch.load"),
    ("nothing evaluates text", {"cli.py": "sympy.sympify(text)\n"}, "sympify"),
    ("the kernel stands alone", {"equilibria/kernel/refusal.py": "import numpy\n"}, "numpy"),
    (
        "the kernel stands alone",
        {"equilibria/kernel/refusal.py": LATE + "from ..exact import surds\n"},
        "equilibria.exact",
    ),
    (
        "the kernel stands alone",
        {"equilibria/certificates/x.py": "from equilibria.kernel.reading import f\n"},
        "uses the kernel",
    ),
    ("traits decide, not names", {"cli.py": "x = model.procedure == 'ema'\n"}, "cli.py:1"),
    ("traits decide, not names", {"cli.py": LATE + "return kind in ('joint', 'x')\n"}, "joint"),
    ("traits decide, not names", {"empirical/linear/flow.py": "a = b != 'direct-pred'\n"}, "pred"),
    ("traits decide, not names", {"equilibria/errors.py": "T = {'stop-gradient': 1}\n"}, "stop"),
    (
        "traits decide, not names",
        {"equilibria/kernel/refusal.py": "match x:\n    case 'direct-copy':\n        pass\n"},
        "direct-copy",
    ),
    ("few signatures say Any", {"cli.py": "def f(x: Any): ...\n" * 61}, "cli.py:61 says Any"),
    (
        "few signatures say Any",
        {"cli.py": "class A:\n" + "    x: dict[str, typing.Any]\n" * 61},
        "cli.py:2 says Any",
    ),
    (
        "few signatures say Any",
        {"cli.py": "Json = Any\n" * 30 + "def f(*a: Any, **b: list[Any]) -> Any: ...\n" * 11},
        "cli.py:1 says Any",
    ),
    ("few functions are long", {"cli.py": LONG}, "f5 has 41 lines"),
    ("few functions are long", {"equilibria/errors.py": "async " + LONG}, "f0 has 41 lines"),
    (
        "few functions are long",
        {"cli.py": "class A:\n" + "".join(f"    {line}\n" for line in LONG.splitlines())},
        "cli.py:2 f0 has 41 lines",
    ),
    ("few functions take many parameters", {"cli.py": WIDE}, "f5 takes 8 parameters"),
    (
        "few functions take many parameters",
        {"cli.py": "def f(a, /, b, c, d, *e, f, g, **h): ...\n" * 6},
        "cli.py:6 f takes 8 parameters",
    ),
    (
        "few functions take many parameters",
        {"cli.py": "class A:\n" + "    def f(self, a, b, c, d, e, f, g, h): ...\n" * 6},
        "f takes 8 parameters",
    ),
]


@pytest.mark.parametrize("rule", RULES)
def test_a_sound_house_breaks_no_rule(rule: str) -> None:
    assert RULES[rule](House(SOUND)) == []


@pytest.mark.parametrize(("rule", "planted", "named"), PLANTED)
def test_a_planted_violation_is_named(rule: str, planted: dict[str, str], named: str) -> None:
    found = RULES[rule](House({**SOUND, **planted}))
    assert any(named in line for line in found), found


def test_each_rule_has_three_planted_violations() -> None:
    for rule in RULES:
        assert sum(planted[0] == rule for planted in PLANTED) >= 3, rule


def test_the_page_on_the_house_names_every_room_and_nothing_that_is_gone(house: House) -> None:
    page = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    tree = page.split("```")[1]
    rooms = {Path(path).parent.name for path in house.sources} - {""}
    assert {room for room in rooms if f"{room}/" not in tree} == set()
    named = set(re.findall(r"\b(?:equilibria|empirical|tests)/[\w/]+(?:\.py|/)", page))
    assert len(named) > 20
    assert {path for path in named if not (ROOT / path).exists()} == set()


def test_a_budget_is_not_yet_spent_at_its_limit() -> None:
    five = {"cli.py": LONG[: LONG.index("def f5")] + WIDE[: WIDE.index("def f5")]}
    sixty = {"equilibria/errors.py": "def f(self, x: Any): ...\n" * 60}
    narrow = {"equilibria/version.py": "def f(self, a, b, c, d, e, f, g): ...\n" * 6}
    forty = {"equilibria/defaults.py": LONG.replace("    x = 1\n", "", 1)}
    house = House({**SOUND, **five, **sixty, **narrow})
    assert [structure.vague(house), structure.lengthy(house), structure.wide(house)] == [[], [], []]
    assert structure.lengthy(House(forty)) == []


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
