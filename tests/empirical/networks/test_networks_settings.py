"""Text to settings and back: the table of options, presets, and what is refused."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from empirical.commands.train_options import OPTIONS
from empirical.networks.choices import CHOICES, METHODS
from empirical.networks.settings import Settings, read_config, settings_from
from empirical.runs.toml import toml_text
from equilibria.errors import FormatError


def test_the_table_of_options_and_the_settings_name_the_same_things() -> None:
    named = {option.field for option in OPTIONS} - {"out", "config", "resume", "json"}
    assert named == {field.name for field in fields(Settings)}
    assert set(CHOICES) <= named
    flags = {option.field for option in OPTIONS if option.kind == "switch"}
    assert flags == {field.name for field in fields(Settings) if field.type == "bool"}


def test_the_options_are_read_without_anything_heavy() -> None:
    code = (
        "import sys, empirical, empirical.networks, empirical.commands.train_options, "
        "empirical.networks.settings, empirical.networks.session, empirical.commands.train\n"
        "print([m for m in ('torch', 'sklearn', 'torchvision') if m in sys.modules])"
    )
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=root, check=True
    )
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("dataset", ["digits", "cifar10", "stl10", "folder", "latent", "x.npz"])
def test_a_run_is_repeated_from_its_config(method: str, dataset: str, tmp_path: Path) -> None:
    settings = settings_from({"method": method, "dataset": dataset, "ema": None})
    file = tmp_path / "config.toml"
    file.write_text(toml_text({**settings.config(), "versions": {"torch": "2"}}))
    assert settings_from(read_config(file)) == settings


def test_steps_take_the_place_of_epochs_in_the_config_too(tmp_path: Path) -> None:
    settings = settings_from({"steps": "7"})
    file = tmp_path / "config.toml"
    file.write_text(toml_text(settings.config()))
    assert settings_from(read_config(file)).steps == 7


def test_what_is_typed_wins_over_the_method_and_the_data() -> None:
    given = {"method": "byol", "ema": "99/100", "head": "16,8", "weight_decay": "1e-3"}
    settings = settings_from(given)
    assert (settings.ema, settings.head, settings.weight_decay) == (0.99, (16, 8), 1e-3)
    assert settings_from({"method": "byol"}).ema == 0.99
    assert settings_from({"method": "joint"}).stop_gradient is False
    assert settings_from({"method": "direct-pred"}).predictor_update == "direct-pred"
    assert settings_from({"backbone": "linear"}).head == (8,)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"lr": "fast"}, "--lr fast: expected a number"),
        ({"lr": "-1"}, "--lr -1.0: expected more than 0"),
        ({"ema": "1"}, "--ema 1.0: expected 0 <= value < 1"),
        ({"method": "moco"}, "--method moco: expected simsiam"),
        ({"dataset": "mnist"}, "--dataset mnist: expected digits"),
        ({"batch_size": "2.5"}, "--batch-size 2.5: expected a whole number"),
        ({"batch_size": "1"}, "--batch-size 1: expected 2 or more"),
        ({"head": "64,0"}, "expected widths such as 64,32"),
        ({"stop_gradient": "maybe"}, "--stop-gradient maybe: expected true or false"),
        ({"ema": "0.9", "stop_gradient": False}, "--ema 0.9 with --no-stop-gradient"),
        ({"steps": "5", "epochs": "5"}, "--steps and --epochs"),
        ({"predictor_update": "direct-pred"}, "use --predictor linear"),
        ({"predictor_weight_decay": "-1"}, "--predictor-weight-decay -1.0: expected 0 or more"),
        ({"nonsense": "1"}, "--nonsense: not an option of train"),
    ],
)
def test_a_bad_value_is_one_line_that_names_it(given: dict[str, object], words: str) -> None:
    with pytest.raises(FormatError) as caught:
        settings_from(given)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [("nonsense = 1", "`nonsense` is not an option"), ("lr = ", "not a TOML file")],
)
def test_a_bad_file_is_named(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "run.toml"
    file.write_text(text)
    with pytest.raises(FormatError, match=words):
        read_config(file)
