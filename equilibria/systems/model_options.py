"""From the words of the command line to a `Model`; also what a claims file uses.

Each option is text or None, as typed. Everything that can be wrong is reported under the name of
the option (`FormatError`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TypedDict

from equilibria import defaults
from equilibria.data.moments import MAX_DIMENSION, Moments
from equilibria.data.units import complex_signal
from equilibria.errors import FormatError
from equilibria.exact.rationals import quantities, quantity, rational, shown, whole
from equilibria.files.untrusted import is_file
from equilibria.systems.depth import MOST_LAYERS, MOST_WIDTH
from equilibria.systems.model import Model, default_signal
from equilibria.systems.procedures import procedure

RATES = ("lr", "weight_decay", "predictor_lr", "predictor_weight_decay", "ema", "momentum")


@dataclass(frozen=True, slots=True)
class ModelOptions:
    """The shared model options, as text; None where the user said nothing."""

    procedure: str | None = None
    ema: str | None = None
    lr: str | None = None
    weight_decay: str | None = None
    predictor_lr: str | None = None
    predictor_weight_decay: str | None = None
    momentum: str | None = None
    embed_dim: str | None = None
    input_dim: str | None = None
    signal: str | None = None
    total: str | None = None
    noise: str | None = None
    isotropic: str | None = None
    moments: str | None = None
    encoder_layers: str | None = None
    predictor_layers: str | None = None
    hidden_dim: str | None = None
    layer_weight_decay: str | None = None
    floating: bool = False


def is_system_file(name: str | None) -> bool:
    """Return whether `--procedure` names a file rather than a built-in procedure."""
    return name is not None and (name.endswith(".toml") or "/" in name or is_file(name))


def build_model(options: ModelOptions) -> Model:
    """Return the model; raises `FormatError` naming the option, the value and the fix."""
    name = options.procedure or ("ema" if options.ema is not None else "stop-gradient")
    procedure(name)
    # As typed: the model reads the text exactly and names it in its messages.
    typed = {rate: text for rate in RATES if (text := getattr(options, rate)) is not None}
    size = defaults.EMBED_DIM if options.embed_dim is None else options.embed_dim
    return Model(
        procedure=name,
        moments=build_moments(options),
        embed_dim=_size(size, "--embed-dim"),
        floating=options.floating,
        **typed,
        **_layers(options),
    )


class _Layers(TypedDict, total=False):
    encoder_layers: int
    predictor_layers: int
    hidden_dims: tuple[int, ...]
    layer_weight_decays: tuple[Fraction, ...]


def _layers(options: ModelOptions) -> _Layers:
    """Return what was said of the layers; raises `FormatError` for decays that are given twice."""
    layers = _Layers()
    if options.encoder_layers is not None:
        layers["encoder_layers"] = whole(options.encoder_layers, "--encoder-layers", 1, MOST_LAYERS)
    if options.predictor_layers is not None:
        text = options.predictor_layers
        layers["predictor_layers"] = whole(text, "--predictor-layers", 1, MOST_LAYERS)
    if options.hidden_dim is not None:
        layers["hidden_dims"] = tuple(
            whole(text, "--hidden-dim", 1, MOST_WIDTH) for text in options.hidden_dim.split(",")
        )
    if options.layer_weight_decay is not None:
        for name in ("weight_decay", "predictor_weight_decay"):
            if getattr(options, name) is not None:
                raise FormatError(
                    f"--layer-weight-decay and --{name.replace('_', '-')}: both say how layers "
                    "decay, give one of the two"
                )
        layers["layer_weight_decays"] = quantities(
            options.layer_weight_decay, "--layer-weight-decay"
        )
    return layers


def build_moments(options: ModelOptions) -> Moments:
    """Return the data moments that the options describe."""
    _check_conflicts(options)
    wanted = None if options.input_dim is None else _size(options.input_dim, "--input-dim")
    moments = _chosen_moments(options, wanted)
    if wanted is not None and moments.dimension != wanted:
        source = "--moments" if options.moments else ("--signal" if options.signal else "--total")
        raise FormatError(
            f"--input-dim {wanted}: {source} has d = {moments.dimension}; leave --input-dim out or "
            "make them agree"
        )
    return moments


def _chosen_moments(options: ModelOptions, wanted: int | None) -> Moments:
    if options.moments is not None:
        return Moments.load(options.moments)
    total = None if options.total is None else quantities(options.total, "--total")
    if options.signal is not None and re.search("[ij]", options.signal):
        return _turning(options)
    if options.signal is not None:
        signal = quantities(options.signal, "--signal")
    else:
        signal = default_signal(len(total) if total is not None else (wanted or 2))
    if options.isotropic is not None:
        return Moments.isotropic(signal=signal, variance=quantity(options.isotropic, "--isotropic"))
    noise = None if options.noise is None else quantity(options.noise, "--noise")
    return Moments.commuting(signal=signal, total=total, noise=noise)


def _turning(options: ModelOptions) -> Moments:
    """Return the moments of views that are turned; noise is added to the size of the signal."""
    assert options.signal is not None
    signal = complex_signal(options.signal, "--signal")
    if options.isotropic is not None:
        total = (quantity(options.isotropic, "--isotropic"),) * len(signal)
    elif options.total is not None:
        total = quantities(options.total, "--total")
    else:
        raise FormatError(
            f"--signal {shown(options.signal)}: with complex values say Sigma by --total or --isotropic"
        )
    return Moments.turning(signal=signal, total=total)


def _check_conflicts(options: ModelOptions) -> None:
    spectra = {
        "--total": options.total,
        "--noise": options.noise,
        "--isotropic": options.isotropic,
    }
    given = [name for name, value in spectra.items() if value is not None]
    if len(given) > 1:
        raise FormatError(f"{given[0]} and {given[1]}: both define Sigma, give one of the two")
    if options.moments is not None:
        if options.signal is not None:
            given.append("--signal")
        if given:
            raise FormatError(f"--moments and {given[0]}: both define the moments, give one")


def _size(text: str, name: str) -> int:
    value = rational(text, name)
    if value.denominator != 1 or not 1 <= value <= MAX_DIMENSION:
        raise FormatError(f"{name} {text}: expected a whole number from 1 to {MAX_DIMENSION}")
    return int(value)
