"""All that fixes a run: a frozen dataclass, its presets, and the way from text to it.

A value is taken from the command line, else from --config, else from the method, else from the data
set, else from the field's own default. config.toml holds every value after that, so that a run can
be repeated when presets change.
"""

from __future__ import annotations

import tomllib
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from empirical.networks.choices import CHOICES, DATASETS
from empirical.networks.presets import BY_BACKBONE, BY_DATASET, BY_METHOD
from equilibria.errors import FormatError
from equilibria.exact.rationals import quantity, rational, to_float
from equilibria.files.untrusted import Table, check_file


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """A training run; `train --help` says what each name means."""

    method: str = "simsiam"
    predictor: str = "mlp"
    predictor_update: str = "gradient"
    stop_gradient: bool = True
    symmetric_loss: bool = True
    loss: str = "cosine"
    temperature: float = 0.5
    ema: float = 0.0
    ema_schedule: str = "constant"
    target_init: str = "copy"
    rho: float = 0.3
    eps: float = 0.1
    freq: int = 1
    power: float = 0.5
    direct_form: str = "code"

    backbone: str = "mlp"
    width: float = 1.0
    stem: str = "auto"
    head: tuple[int, ...] = (64, 32)
    head_bn: str = "output"
    predictor_dim: int = 0
    predictor_bn: bool = True
    predictor_bias: bool = False

    dataset: str = "digits"
    data_root: str = ""
    image_size: int = 0
    train_images: int = 0
    augment: str = "auto"
    hue: str = "hsv"
    min_crop: float = 0.2

    epochs: int = 80
    steps: int = 0
    batch_size: int = 256
    lr: float = 0.05
    schedule: str = "cosine"
    warmup: int = 0
    weight_decay: float = 5e-4
    predictor_lr: float = 1.0
    predictor_schedule: str = "constant"
    predictor_weight_decay: float | None = None
    optimizer: str = "sgd"
    momentum: float = 0.9
    seed: int = 0

    device: str = "auto"
    precision: str = "auto"
    compile: bool = False
    threads: int = 0

    log_every: int = 0
    checkpoint_every: int = 0
    stop_on_collapse: bool = False
    curl: bool = True
    tensorboard: bool = False
    name: str = ""

    def __post_init__(self) -> None:
        _check(self)

    @property
    def embed_dim(self) -> int:
        """The width n of the outputs."""
        return self.head[-1]

    @property
    def decay_of_predictor(self) -> float:
        """ETA_P; the weight decay where nothing was said."""
        decay = self.predictor_weight_decay
        return self.weight_decay if decay is None else decay

    def config(self) -> dict[str, object]:
        """Return what config.toml holds: the names as typed, without dashes in front."""
        return {
            name.replace("_", "-"): value
            for name, value in asdict(self).items()
            if value is not None and value != "" and not (name == "epochs" and self.steps)
        }


def settings_from(given: Table) -> Settings:
    """Return the settings for what was said: field names to text (or typed values, from TOML).

    Raises `FormatError` naming the option, the value and what would be accepted.
    """
    values = {name: _parsed(name, value) for name, value in given.items() if value is not None}
    method = values.get("method", Settings.__dataclass_fields__["method"].default)
    dataset = values.get("dataset", "digits")
    by_data = BY_DATASET[dataset if dataset in BY_DATASET else "FILE"]
    by_method = BY_METHOD.get(method, {})
    merged = {**by_data, **by_method}
    merged |= BY_BACKBONE.get(values.get("backbone", merged.get("backbone", "")), {})
    merged |= values
    if "steps" in values and "epochs" in values and values["steps"]:
        raise FormatError("--steps and --epochs: both say how long, give one of the two")
    if "temperature" not in values and merged.get("loss") == "cross-entropy":
        merged["temperature"] = 1.0
    return Settings(**merged)


def read_config(path: str | Path, option: str = "--config") -> Table:
    """Return the settings that a TOML file gives; tables and the versions of a run are left out."""
    check_file(path, f"{option} {path}")
    try:
        with open(path, "rb") as stream:
            data = tomllib.load(stream)
    except OSError as error:
        raise FormatError(f"{option} {path}: cannot be read ({error.strerror})") from error
    except ValueError as error:  # not TOML, or not text at all
        raise FormatError(f"{option} {path}: not a TOML file ({error})") from error
    return from_config(data, f"{option} {path}")


def from_config(data: Table, source: str) -> Table:
    """Return the settings among the names of a TOML file; an unknown name is refused."""
    found = {}
    for name, value in data.items():
        field = name.replace("-", "_")
        if name == "versions" or isinstance(value, dict):
            continue
        if field not in _TYPES:
            raise FormatError(f"{source}: `{name}` is not an option of train")
        found[field] = value
    return found


_TYPES = {field.name: str(field.type) for field in fields(Settings)}


def _parsed(name: str, value: Any) -> Any:
    option = "--" + name.replace("_", "-")
    kind = _TYPES.get(name)
    if kind is None:
        raise FormatError(f"{option}: not an option of train")
    if kind == "bool":
        return _flag(option, value)
    if kind.startswith("tuple"):
        items = value.split(",") if isinstance(value, str) else value
        items = items if isinstance(items, list | tuple) else [items]
        return tuple(_whole(option, item) for item in items)
    if kind == "int":
        return _whole(option, value)
    if kind.startswith("float"):
        return to_float(quantity(value, option))
    if not isinstance(value, str):
        raise FormatError(f"{option} {value!r}: expected text")
    if name in CHOICES and value not in CHOICES[name]:
        raise FormatError(f"{option} {value}: expected {', '.join(CHOICES[name])}")
    if name == "dataset" and value not in DATASETS and not value.endswith(".npz"):
        raise FormatError(f"{option} {value}: expected {', '.join(DATASETS)} or a FILE.npz")
    return value


def _flag(option: str, value: object) -> bool:
    words = {"true": True, "yes": True, "false": False, "no": False}
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in words:
        return words[value.lower()]
    raise FormatError(f"{option} {value}: expected true or false")


def _whole(option: str, value: Any) -> int:
    number = rational(value, option)
    if number.denominator != 1 or not -(2**62) < number < 2**62:
        raise FormatError(f"{option} {value}: expected a whole number")
    return int(number)


def _check(s: Settings) -> None:
    """Refuse what cannot be trained, naming the option."""
    positive = ("temperature", "width", "lr", "predictor_lr", "batch_size", "freq", "power")
    for name in positive:
        _require(getattr(s, name) > 0, name, getattr(s, name), "expected more than 0")
    at_least_0 = (
        "weight_decay", "decay_of_predictor", "eps", "epochs", "steps", "warmup", "log_every",
        "checkpoint_every", "predictor_dim", "image_size", "train_images", "threads", "seed",
    )  # fmt: skip
    for name in at_least_0:
        _require(getattr(s, name) >= 0, name, getattr(s, name), "expected 0 or more")
    for name in ("ema", "rho", "momentum"):
        _require(0 <= getattr(s, name) < 1, name, getattr(s, name), "expected 0 <= value < 1")
    _require(0 < s.min_crop <= 1, "min_crop", s.min_crop, "expected 0 < AREA <= 1")
    _require(s.epochs > 0 or s.steps > 0, "epochs", s.epochs, "expected 1 or more")
    _require(s.batch_size > 1, "batch_size", s.batch_size, "expected 2 or more")
    bad = [width for width in s.head if not 0 < width <= 1 << 16]
    _require(bool(s.head) and not bad, "head", s.head, "expected widths such as 64,32")
    if s.ema > 0 and not s.stop_gradient:
        raise FormatError(
            f"--ema {s.ema:g} with --no-stop-gradient: the average takes no gradient; "
            "use --ema 0 to train both branches"
        )
    if s.predictor_update != "gradient" and s.predictor != "linear":
        raise FormatError(
            f"--predictor-update {s.predictor_update} with --predictor {s.predictor}: "
            "a closed form sets a matrix; use --predictor linear"
        )


def _require(holds: bool, name: str, value: object, fix: str) -> None:
    if not holds:
        option = name.replace("decay_of_predictor", "predictor_weight_decay").replace("_", "-")
        raise FormatError(f"--{option} {value}: {fix}")
