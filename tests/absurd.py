"""Command lines nobody would type: every option of every command with values that hurt programs.

The options are read off the tables, so one that is added tomorrow is attacked tomorrow. A line starts
from a cheap command that works and gets one to three options with absurd values, alone or together, in
a folder with files of every kind.
"""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from empirical.commands.program import command_of
from equilibria.commands.options import Option

Line = list[str]

NUMBERS = (
    "1e400", "-1e400", "1e-400", "1e30", "1e-30", "1e31", "1e-31", "1e20", "1e-20", "1e9", "1e-9",
    "1e308", "1e-308", "1e5000", "1e999999999", "9" * 400, "0." + "9" * 400, "0." + "3" * 60,
    "0." + "3" * 59 + "1", "1/" + "7" * 400, "1/3", "1/" + "3" * 30, "0.9999999999999999999",
    "0", "-0", "0.0", "-1", "1", "1.0", "2", "-0.5", "0.5", "1/0", "0/0", "0/1", "nan", "inf",
    "-inf", "1e", "e5", "1_000", "0x10", "1+1j", "١٢", "½", "--", "1,2", "1,,2", ",", "1,1e400",
    "1,1", "1,-1", "0,0", "0,1", "1e30,1e-30", "1e-30,1e-30", "1e15,1", "1,1e-15", "1" * 5000,
)  # fmt: skip
TEXTS = (
    "", " ", "\t", "x", "-", "--", "-x", "=", "\x07", "a\nb", "\u202eabc", "\udc80", "x\udcff.json",
    "n" * 300, "n" * 5000, "n" * 300 + ".npz", "n" * 300 + ".json", "n" * 300 + ".png", "%s", "{}",
    "{0}", "None", "true", "🙂", "../..", "~", "a/b/c", "a" * 200 + "/" + "b" * 200,
    "lr=1:2", "lr=0.1:1e400", "lr=1e-30:1e30:5", "lr=2:1", "lr=1:1", "lr=0:1:5:log", "x=1:2",
    "noise=0:1:3", "ema=0:2:3", "ema=0:1:3", "weight-decay=0:0.1:4", "weight-decay=-1:1:4",
    "predictor-lr=1e-30:1:3:log", "lr=1:2:1e400", "lr=1:2:-1", "lr=1:2:1000000000", "lr=1:2:2:lin",
    "beta=1:100", "beta=1e-30:1e30", "eta=0:1e400", "kaiming", "normal", "orthogonal", "balanced",
    "joint", "stop-gradient", "ema", "direct-pred", "direct-copy", "contrastive", "EMA", "cpu",
    "float32", "float16", "cuda:99", "flip", "shift=1e400", "noise=1e400", "crop=0", "crop=1e-400",
    "shift=1000000", "noise=nan", "mean", "none", "coupled", "fixed", "threading", "dask",
)  # fmt: skip
EDGES = (
    "1e30", "1e-30", "1e20", "1e-20", "1e12", "1e-12", "1e9", "1e-9", "1e6", "1e-6", "1e3", "1e-3",
    "0", "1", "2", "0.999999999", "0.5", "1/7", "0." + "9" * 30, "0." + "3" * 59, "3", "-1", "-1e-30",
)  # fmt: skip
WORDS = ("NAME", "AXIS", "HOW", "SPEC", "KIND", "RULE", "FORM", "WHERE", "|", "PATTERN", "RUN")
FILES = ("json", "latex", "plot", "certificate", "graphml", "junit", "markdown", "procedure", "out",
         "images", "pairs", "moments", "data", "config", "resume", "dataset", "data_root",
         "init")  # fmt: skip
PLACES = (
    "m.npz", "dense.npz", "images.npz", "images.npz:x", "images.npz:nothing", "system.toml",
    "claims.toml", "certificate.json", "run", "folder", "fifo", "/dev/null", "/dev/zero", "/dev/full",
    "/dev/stdin", "/dev", "/proc/self/mem", "/proc/self/environ", "dangling", "loop", "empty", "junk",
    "missing", "missing.npz", "missing.toml", "missing/x.json", "m.npz/x.json", "out.json", "out.png",
    "out.svg", "out.npz", "out.tex", "fifo.npz", "fifo.toml", "folder.npz", "folder.toml", "huge.npz",
)  # fmt: skip

BASES: dict[str, tuple[Line, ...]] = {
    "equilibria": ([], ["--ema", "0.99"], ["--procedure", "joint"], ["--procedure", "direct-pred"],
                   ["--procedure", "contrastive"], ["--procedure", "system.toml"],
                   ["--moments", "dense.npz"], ["--weight-decay", "0"], ["--float"],
                   ["--momentum", "0.9", "--predictor-weight-decay", "1/100"]),
    "moments": (["--images", "images.npz:x", "--views", "2", "--out", "out.npz"],),
    "phase": (["--x", "weight-decay=0.01:0.3:4", "--y", "lr=0.1:10:4:log", "--jobs", "1"],
              ["--ema", "0.9", "--x", "noise=0:2:4", "--y", "lr=0.1:10:4:log", "--jobs", "1"],
              ["--surface"]),
    "basin": ([], ["--point", "0.1,0.2"], ["--ema", "0.9", "--point", "0.1,0.2,0.3"],
              ["--init", "kaiming", "--runs", "4"], ["--map", "--point", "0.1,0.2"]),
    "graph": (["--embed-dim", "1"], ["--order", "--runs", "2", "--embed-dim", "1"]),
    "cycles": (["--moments", "dense.npz"], []),
    "simulate": (["--runs", "2", "--steps", "20", "--out", "new", "--device", "cpu"],
                 ["--runs", "2", "--steps", "20", "--out", "new", "--batch-size", "4"]),
    "train": (["--steps", "1", "--batch-size", "8", "--train-images", "16", "--no-curl",
               "--out", "new", "--device", "cpu"],),
    "overlay": (["run", "--no-html"],),
    "check": (["claims.toml", "--jobs", "1"], ["claims.toml", "--list"]),
    "verify": (["certificate.json"],),
}  # fmt: skip


def options_of(command: str) -> list[Option]:
    """Return the options of a command that may be absurd; `--compile` takes a minute, as it should."""
    found = command_of(command).options
    return [o for o in found if o.name.startswith("--") and o.name != "--compile"]


def lines(command: str, source: random.Random) -> Iterator[Line]:
    """Yield command lines without end: a base, and one to three absurd options."""
    options = options_of(command)
    while True:
        line = [command, *source.choice(BASES[command])]
        for _ in range(source.choice((1, 1, 2, 3)) if options else 0):
            option = source.choice(options)
            if option.kind == "switch":
                line.append(source.choice((option.name, f"--no-{option.name[2:]}")))
            elif option.kind == "flag":
                line.append(option.name)
            else:
                line.append(f"{option.name}={absurd(option, source)}")
        if command in ("verify", "check", "overlay") and source.random() < 0.5:
            line[1] = source.choice(PLACES + TEXTS)
        yield line


def absurd(option: Option, source: random.Random) -> str:
    """Return an absurd value, mostly of the kind that the option takes."""
    if source.random() < 0.15:
        return source.choice(source.choice((NUMBERS, TEXTS, PLACES)))
    letter = option.metavar
    if (
        letter.startswith(("F", "DIR", "RUN")) and letter not in ("F", "FORM")
    ) or option.field in FILES:
        return source.choice(source.choice((PLACES, PLACES, TEXTS)))
    if letter.startswith(WORDS):
        return source.choice(TEXTS)
    if "," in letter:
        parts = source.choices(EDGES, k=source.choice((1, 2, 2, 2, 3)))
        return ",".join(parts) if source.random() < 0.7 else source.choice(NUMBERS)
    return source.choice(source.choice((EDGES, EDGES, NUMBERS)))


SYSTEM = """title = "decay"
variables = ["x", "y"]
[parameters]
a = "1/2"
[flow]
x = "a*x - x**3"
y = "x - y"
"""
CLAIMS = """[[claim]]
id = "one"
says = "The default learns."
model = {procedure = "ema", ema = 0.99}
holds.stable = ["rank2:1+,2+"]
"""


def furnish(folder: Path) -> None:
    """Put files of every kind into a folder: good ones, damaged ones, and what is no file."""
    from equilibria.certificates import certificate_text
    from equilibria.data.moments import Moments
    from equilibria.systems.model import Model

    np.savez(folder / "m.npz", Sigma=np.diag([1.25, 1.0]), M=np.diag([1.0, 0.75]))
    mixed = np.array([[1.0, 0.2], [0.2, 0.5]])
    np.savez(folder / "dense.npz", Sigma=np.diag([1.5, 1.0]), M=mixed)
    np.savez(folder / "huge.npz", Sigma=1e300 * np.eye(2), M=1e-300 * mixed)
    pixels = np.random.default_rng(0).integers(0, 256, size=(12, 4, 4), dtype=np.uint8)
    np.savez(folder / "images.npz", x=pixels)
    (folder / "system.toml").write_text(SYSTEM, encoding="utf-8")
    (folder / "claims.toml").write_text(CLAIMS, encoding="utf-8")
    small = Model(embed_dim=1, moments=Moments.commuting(signal=[1]))
    (folder / "certificate.json").write_text(certificate_text(small), encoding="utf-8")
    (folder / "empty").write_bytes(b"")
    (folder / "junk").write_bytes(bytes(range(256)) * 4)
    for name in ("folder", "folder.npz", "folder.toml"):
        (folder / name).mkdir()
    for name in ("fifo", "fifo.npz", "fifo.toml"):
        os.mkfifo(folder / name)
    (folder / "dangling").symlink_to("nowhere")
    (folder / "loop").symlink_to("loop")


def copy(source: Path, target: Path) -> None:
    """Copy a furnished folder as it is: links stay links, FIFOs FIFOs."""
    for entry in source.iterdir():
        place = target / entry.name
        if entry.is_symlink():
            place.symlink_to(os.readlink(entry))
        elif entry.is_fifo():
            os.mkfifo(place)
        elif entry.is_dir():
            shutil.copytree(entry, place)
        else:
            shutil.copy(entry, place)


def clear(folder: Path) -> None:
    """Empty a folder."""
    for entry in folder.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def listing(folder: Path) -> list[str]:
    """Return the names of everything in a folder, however deep."""
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))
