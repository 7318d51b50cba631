"""The tables of the commands: what `--help` says is what happens, and it is said at once."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import subprocess
import sys
import tomllib
from ast import literal_eval
from pathlib import Path

import pytest

from empirical.commands.program import COMMANDS, build_parser, command_of, main, run
from empirical.commands.train_options import OPTIONS as TRAIN
from equilibria.commands.options import OUTPUT, Option
from equilibria.commands.outputs import OUTPUTS
from equilibria.commands.parser import PROGRAM, WIDTH, example, joined
from equilibria.commands.tables import DEPTH, MODEL
from equilibria.exact.rationals import rational
from equilibria.systems.model import Model
from equilibria.systems.model_options import ModelOptions, build_model

ROOT = Path(__file__).resolve().parent.parent
EVERY = [(name, option) for name in COMMANDS for option in command_of(name).options]
EVERY_ID = [f"{name} {option.name}" for name, option in EVERY]


def help_of(*words: str, columns: str = "200") -> str:
    done = subprocess.run(
        [sys.executable, "cli.py", *words, "--help"],
        cwd=ROOT,
        env={**os.environ, "COLUMNS": columns},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout


@pytest.fixture(scope="module")
def helps() -> dict[str, str]:
    return {name: help_of(*name.split()) for name in ("", *COMMANDS)}


def test_help_fits_80_columns_on_any_terminal(helps: dict[str, str]) -> None:
    for name, text in helps.items():
        assert max(map(len, text.splitlines())) <= WIDTH == 80, name
    assert help_of("phase", columns="40") == helps["phase"]


def test_help_says_of_every_option_what_the_table_says(helps: dict[str, str]) -> None:
    def unbroken(text: str) -> str:
        return re.sub(r"\s|-", "", text)

    for name, option in EVERY:
        assert unbroken(option.text) in unbroken(helps[name]), (name, option.name)
        assert option.text == option.help + (f" ({option.default})" if option.default else "")


def test_help_lists_every_command(
    helps: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    for name, summary in COMMANDS.items():
        assert name in helps[""]
        for text in (helps[""], helps[name]):
            assert summary in " ".join(text.split())
    for words, code in ([], 2), (["phase", "--debug", "basin"], 2), (["--version", "phase"], 0):
        assert main(words) == code
    out, err = capsys.readouterr()
    assert out.replace(PROGRAM, "cli.py").startswith(helps[""])
    assert err.startswith("error: unrecognized arguments: basin")


@pytest.mark.parametrize(("name", "option"), EVERY, ids=EVERY_ID)
def test_a_default_is_a_value_that_may_be_typed(name: str, option: Option) -> None:
    if name != "train" and option.fallback is not None:
        assert option.value(None) == option.value(option.default) is not None


@pytest.mark.parametrize("name", COMMANDS)
def test_a_question_has_the_fields_of_its_table(name: str) -> None:
    command = command_of(name)
    table = {option.field: option for option in command.options}
    assert len(table) == len(command.options)
    asked = set(command.question.__annotations__)
    assert asked - {"model", "typed"} <= set(table)
    own = {o.field for o in command.options if o not in MODEL and o.group != OUTPUT}
    own -= {o.field for o in (*MODEL, *DEPTH)}
    assert own <= asked or asked == {"typed"}
    assert ("model" in asked) == ("procedure" in table)
    files = {o.field for o in command.options if o.group == OUTPUT and o.metavar.startswith("F")}
    assert files <= set(OUTPUTS)
    assert issubclass(command.question, tuple)  # frozen


def test_the_defaults_of_the_model_are_those_shown() -> None:
    shown = {option.field: option.default for option in MODEL}
    assert all(option.fallback is None for option in MODEL)
    for model in (Model(procedure="ema"), build_model(ModelOptions(procedure="ema"))):
        for rate in ("ema", "lr", "weight_decay", "predictor_lr", "momentum", "embed_dim"):
            assert getattr(model, rate) == rational(shown[rate]), rate
        assert model.predictor_weight_decay == model.weight_decay
        sigma, m = model.moments.matrices()
        assert sigma[0][0] - m[0][0] == rational(shown["noise"])


def test_the_defaults_of_training_are_those_shown() -> None:
    from empirical.networks.settings import settings_from

    plain = settings_from({})
    shown = [option for option in TRAIN if option.fallback is not None]
    assert len(shown) > 25
    for option in shown:
        said = settings_from({option.field: option.default})
        assert getattr(said, option.field) == getattr(plain, option.field), option.name


def test_the_commands_and_the_library_agree_on_defaults() -> None:
    pytest.importorskip("torch")
    from empirical.linear.simulate import simulate
    from empirical.overlay.run import overlay
    from equilibria import analyze, estimate_moments
    from equilibria.cycles import study
    from equilibria.graph import connection_graph, learning_order

    for name, function, renamed in (
        ("simulate", simulate, {}),
        ("overlay", overlay, {}),
        ("equilibria", analyze, {}),
        ("moments", estimate_moments, {"augment": "augmentation"}),
        ("cycles", study, {}),
        ("graph", learning_order, {}),
        ("graph", connection_graph, {}),
    ):
        has = inspect.signature(function).parameters
        for option in command_of(name).options:
            parameter = renamed.get(option.field, option.field)
            if option.fallback is not None and parameter in has:
                default = has[parameter].default
                same = option.value(None) == default
                assert same or default is inspect.Parameter.empty, f"{name} {option.name}"


@pytest.mark.parametrize("name", COMMANDS)
def test_the_examples_can_be_typed(name: str) -> None:
    examples = command_of(name).examples
    assert any(words.split()[0] == name for words, _ in examples)
    for words, remark in examples:
        lines = example(words, remark)
        assert max(map(len, lines)) <= WIDTH
        typed = " ".join(line.removesuffix("\\").strip() for line in lines)
        assert typed.split() == [PROGRAM, *words.split(), *remark.split()]
        line = shlex.split(words.partition("|")[0])
        assert build_parser(line).parse_args(joined(line)).command == line[0]


def loaded(*words: str) -> set[str]:
    """Return the modules in memory after a command."""
    code = (
        "import contextlib, io, sys\n"
        "from empirical.commands.program import main\n"
        "with contextlib.redirect_stdout(io.StringIO()): main(sys.argv[1:])\n"
        "print(sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(literal_eval(done.stdout))


OURS = {
    "empirical",
    "empirical.commands",
    "empirical.commands.program",
    "equilibria",
    "equilibria.commands",
    "equilibria.commands.exit_code",
    "equilibria.commands.parser",
    "equilibria.files",
    "equilibria.files.escaping",
    "equilibria.files.terminal",
    "equilibria.version",
}
TABLES = {
    "equilibria.commands.answer",
    "equilibria.commands.command",
    "equilibria.commands.options",
    "equilibria.commands.tables",
    "equilibria.defaults",
    "equilibria.errors",
}
HEAVY = {"dataclasses", "fractions", "html", "json", "numpy", "rich", "scipy", "sympy", "torch"}


def ours(modules: set[str]) -> set[str]:
    return {name for name in modules if name.split(".")[0] in ("equilibria", "empirical")}


def test_help_loads_the_parser_and_nothing_else() -> None:
    modules = loaded("--help")
    assert ours(modules) == OURS
    assert not modules & HEAVY


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_loads_its_table_and_nothing_else(name: str) -> None:
    modules = loaded(name, "--help")
    home = {command_of(name).answer.__module__}
    if name == "train":
        home |= {"empirical.commands.train_options", "empirical.networks"}
        home |= {"empirical.networks.choices"}
    assert ours(modules) == OURS | TABLES | home
    assert not modules & HEAVY


def test_the_default_answer_loads_nothing_of_the_measured_half() -> None:
    modules = loaded("equilibria", "--ema", "0.99")
    assert {m for m in modules if m.startswith("empirical")} == {
        m for m in OURS if m.startswith("empirical")
    }
    commands = {m for m in modules if m.startswith("equilibria.commands.")}
    used = {"answer", "command", "exit_code", "options", "outputs", "parser", "tables"}
    assert commands == {f"equilibria.commands.{name}" for name in {*used, "equilibria"}}
    assert not modules & {"html", "matplotlib", "rich._emoji_codes", "scipy", "sympy", "torch"}


def test_what_is_installed_has_two_names_at_the_top() -> None:
    """`cli` would be the module of whoever installs one last."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    setup = project["tool"]["setuptools"]
    assert set(setup) <= {"packages", "package-data"}  # no py-modules
    assert setup["packages"]["find"]["include"] == ["equilibria*", "empirical*"]
    for path in ROOT.iterdir():
        if path.is_dir() and (path / "__init__.py").exists():
            assert path.name in ("equilibria", "empirical", "tests")
    module, _, name = project["project"]["scripts"]["noncollapse"].partition(":")
    assert getattr(sys.modules[module], name) is run
    import cli

    assert cli.run is run
