"""What a simulation was asked for, and config.toml: enough to run it again, exactly.

Numbers of the model are written as the rationals that they are. Moments given by eigenvalues are
written as lists; any others go into moments.npz beside the configuration, starting weights from a
file into starts.npz, and a data set is named with its SHA-256 and with where it lies, from here, from
the run and from the root.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from empirical.runs.folder import BESIDE, RunFolder
from empirical.runs.whereabouts import described, found_again, sha256
from equilibria.data.moments import Moments
from equilibria.errors import FormatError
from equilibria.exact.rationals import rational, to_float
from equilibria.files.untrusted import Table, read_arrays, readable
from equilibria.systems.model import Model

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

DTYPES = ("float64", "float32")
DEVICES = ("auto", "cpu", "cuda")
RATES = ("lr", "weight_decay", "predictor_lr", "predictor_weight_decay", "ema", "momentum")
MOST_STEPS = 1_000_000
NOISY_STEPS = 10_000
MOMENTS, STARTS = BESIDE


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The options of `simulate` beside the model; `None` steps means until settled.

    `vary` maps names of `RATES` to one value a run. Raises `FormatError` naming a bad option.
    """

    runs: int = 256
    steps: int | None = None
    init: str = "kaiming"
    scale: float = 1.0
    batch_size: int = 0
    data: str | None = None
    seed: int = 0
    device: str = "auto"
    dtype: str = "float64"
    log_every: int | None = None
    vary: Mapping[str, tuple[str, ...]] | None = None

    def __post_init__(self) -> None:
        for name, least in (("runs", 1), ("batch_size", 0), ("seed", 0)):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                option = "--" + name.replace("_", "-")
                raise FormatError(f"{option} {value}: expected a whole number of at least {least}")
        if self.seed >= 2**63:
            raise FormatError(f"--seed {self.seed}: expected a whole number below 2^63")
        for name in ("steps", "log_every"):
            value = getattr(self, name)
            if value is not None and value < 1:
                option = "--" + name.replace("_", "-")
                raise FormatError(f"{option} {value}: expected a whole number of at least 1")
        if not 0 < self.scale < float("inf"):
            raise FormatError(f"--scale {self.scale}: must be above 0")
        for name, choices in (("device", DEVICES), ("dtype", DTYPES)):
            if getattr(self, name) not in choices:
                raise FormatError(
                    f"--{name} {getattr(self, name)}: expected one of {', '.join(choices)}"
                )
        if self.data is not None and not self.batch_size:
            raise FormatError("--data: needs a --batch-size of at least 1")
        for name, values in (self.vary or {}).items():
            if name not in RATES or len(values) != self.runs:
                raise FormatError(f"vary {name}: expected one of {', '.join(RATES)}, a value a run")

    @property
    def limit(self) -> int:
        """Return the largest number of steps."""
        return self.steps or (NOISY_STEPS if self.batch_size else MOST_STEPS)


def load_pairs(path: str | Path) -> tuple[Array, Array]:
    """Return the views x and y (N, d) of a data file; raises `FormatError` when it has none."""
    import numpy as np

    found = read_arrays(path, ("x", "y"), option="--data")
    with readable(f"--data {path}"):
        x, y = (np.asarray(found[name], np.float64) for name in ("x", "y"))
    if x.ndim != 2 or x.shape != y.shape or not len(x):
        raise FormatError(f"--data {path}: x {x.shape} and y {y.shape}, expected both (N, d)")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise FormatError(f"--data {path}: holds numbers that are not finite")
    return x, y


def data_moments(x: Array, y: Array, source: str) -> Moments:
    """Return the moments of the pairs with either view first: symmetric without averaging anything."""
    sigma = (x.T @ x + y.T @ y) / (2 * len(x))
    m = (x.T @ y + y.T @ x) / (2 * len(x))
    return Moments.dense(sigma, m, source=source)


def model_of_run(model: Model, settings: Settings, run: int) -> Model:
    """Return the model with the rates that one run has."""
    if not settings.vary:
        return model
    changed: dict[str, Any] = {name: values[run] for name, values in settings.vary.items()}
    if "weight_decay" in changed and model.eta_p == model.eta:
        changed.setdefault("predictor_weight_decay", None)  # it follows, as it does by default
    return replace(model, **changed)


def write_config(path: Path, model: Model, settings: Settings, *, overwrite: bool) -> RunFolder:
    """Make the run folder of a simulation."""
    config: dict[str, object] = {
        "command": "simulate",
        "procedure": model.procedure,
        "ema": model.ema,
        "lr": model.lr,
        "weight_decay": model.weight_decay,
        "predictor_lr": model.predictor_lr,
        "predictor_weight_decay": model.predictor_weight_decay,
        "momentum": model.momentum,
        "embed_dim": model.n,
        "input_dim": model.d,
        **_moments_config(model, settings),
        **{name: getattr(settings, name) for name in _PLAIN},
    }
    if settings.data is not None:
        config["data_sha256"] = sha256(settings.data, "--data")
        config["data_place"] = described(settings.data, path)
    if settings.vary:
        config["vary"] = {name: list(values) for name, values in settings.vary.items()}
    files = {}
    if settings.init.endswith(".npz"):
        files[STARTS], config["init"] = Path(settings.init).read_bytes(), STARTS
    if "moments" in config:
        import numpy as np

        sigma, m = model.moments.matrices()
        stream = io.BytesIO()
        np.savez(stream, Sigma=sigma, M=m)
        files[MOMENTS] = stream.getvalue()
    return RunFolder.create(path, config, files=files, overwrite=overwrite)


_PLAIN = (
    "runs",
    "steps",
    "init",
    "scale",
    "batch_size",
    "data",
    "seed",
    "device",
    "dtype",
    "log_every",
)


def _moments_config(model: Model, settings: Settings) -> dict[str, object]:
    if settings.data is not None:
        return {}  # they are the data's
    if model.moments.total is not None and model.moments.signal is not None:
        return {"total": list(model.moments.total), "signal": list(model.moments.signal)}
    return {"moments": MOMENTS}


def read_config(run: RunFolder) -> tuple[Model, Settings]:
    """Return the model and the settings of a simulation's folder; raises `FormatError` otherwise."""
    config = dict(run.config)
    if config.get("command") != "simulate":
        raise FormatError(
            f"{run.path}: not a run of `simulate`; go on with the command that made it"
        )
    try:
        settings = Settings(
            **{name: config[name] for name in _PLAIN if name in config},
            vary={name: tuple(values) for name, values in config.get("vary", {}).items()} or None,
        )
        if settings.data is not None and "data_place" in config:
            settings = replace(
                settings, data=found_again(config["data_place"], run.path, "--resume")
            )
        if settings.init == STARTS:
            settings = replace(settings, init=str(run.path / STARTS))
        names = ("procedure", *RATES, "embed_dim")
        model = Model(
            moments=_read_moments(run, config, settings),
            **{name: config[name] for name in names if name in config},
        )
    except (KeyError, TypeError) as error:
        raise FormatError(f"{run.path}/config.toml: not a configuration of `simulate`") from error
    return model, settings


def _read_moments(run: RunFolder, config: Table, settings: Settings) -> Moments:
    if settings.data is not None:
        if sha256(settings.data, "--data") != config.get("data_sha256"):
            raise FormatError(f"--data {settings.data}: changed since the run began; put it back")
        return data_moments(*load_pairs(settings.data), source=settings.data)
    if "moments" in config:
        return Moments.load(run.path / MOMENTS)
    return Moments.commuting(signal=config["signal"], total=config["total"])


def as_text(values: object, name: str, runs: int) -> tuple[str, ...]:
    """Return one exact number a run as text; a shorter list is repeated in order."""
    items = [str(rational(value, name)) for value in values]  # type: ignore[attr-defined]
    if not items:
        raise FormatError(f"vary {name}: at least one value is needed")
    return tuple(items[i % len(items)] for i in range(runs))


def number(value: object, name: str = "") -> float:
    """Return an exact number as a double."""
    return to_float(rational(value, name))  # type: ignore[arg-type]
