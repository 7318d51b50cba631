"""Every reader against mangled files: an answer or one line of refusal, within seconds, no code run.

Each reader gets good files with bytes flipped, cut, doubled, swapped and replaced by tokens that have
hurt other programs. Allowed are an answer and the project's own errors; the quick suite tries a few
hundred inputs a reader, `--slow` more than 10^5 in all.
"""

from __future__ import annotations

import io
import json
import random
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from equilibria.data.moments import Moments
from equilibria.errors import AnalysisError
from equilibria.systems.model import Model

ROOT = Path(__file__).resolve().parent.parent
SECONDS = 5.0
SENTINEL = "fuzz-was-here"
TOKENS = [
    f"__import__('os').system('touch {SENTINEL}')".encode(),
    f"().__class__.__base__.__subclasses__() or open('{SENTINEL}','w')".encode(),
    b"cos\nsystem\n(S'touch fuzz-was-here'\ntR.",  # a pickle that would call os.system
    b"9" * 400,
    b"1e999999999",
    b"**99999",
    b"-" * 300,
    b"[" * 300,
    b"(" * 300,
    b'{"a":' * 100,
    b"nan",
    b"Infinity",
    b"\x00",
    b"\xff\xfe",
    "\u202e\u0660".encode(),
    b"\r\n",
    b"1/0",
    b'"""',
    b"#",
    b"=",
]


@dataclass(frozen=True)
class Reader:
    """A way into the program: good inputs, and what reads a file."""

    name: str
    suffix: str
    seeds: Callable[[], list[bytes]]
    read: Callable[[Path], object]


def _texts(*patterns: str) -> Callable[[], list[bytes]]:
    return lambda: [
        path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))
    ]


def _archive(**arrays: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _moment_files() -> list[bytes]:
    eye = np.eye(3)
    return [_archive(Sigma=2 * eye, M=eye), _archive(Sigma=2 * eye + 0.1, M=eye)]


def _image_files() -> list[bytes]:
    pixels = np.arange(4 * 8 * 8 * 3, dtype=np.uint8).reshape(4, 8, 8, 3)
    plain = io.BytesIO()
    np.save(plain, pixels)
    return [_archive(x_train=pixels, y_train=np.arange(4)), plain.getvalue()]


def _certificates() -> list[bytes]:
    from equilibria.certificates import certificate_text

    small = Moments.commuting(signal=[1])
    models = (
        Model(embed_dim=1, moments=small),
        Model(procedure="joint", embed_dim=1, moments=small),
    )
    return [certificate_text(model).encode() for model in models]


def _read_claims(path: Path) -> object:
    from equilibria.claims import read_claims

    return read_claims([path])


def _read_system(path: Path) -> object:
    from equilibria.systems import system_file

    return system_file.load(str(path))


def _read_polynomial(path: Path) -> object:
    from equilibria.exact.grammar import parse
    from equilibria.exact.polynomial import Ring

    text = path.read_bytes().decode("utf-8", errors="surrogateescape")
    return parse(text, Ring(("x", "y", "w_1")), where="the test")


def _read_number(path: Path) -> object:
    from equilibria.exact.rationals import quantities

    return quantities(path.read_bytes().decode("utf-8", errors="surrogateescape"), "--x")


def _read_images(path: Path) -> object:
    from equilibria.data.images import load_images

    return load_images(str(path))


def _verify(path: Path) -> object:
    from equilibria.verify import verify_file

    verification = verify_file(path)
    assert "\n" not in verification.line
    return verification


def _overlay_of(path: Path) -> object:
    from equilibria.claims import Claim, decide

    (path.parent / "overlay.json").write_bytes(path.read_bytes())
    holds = {"run": {"folder": str(path.parent), "agreement": "1/2"}}
    return decide(Claim(id="r", says="x", source="here", holds=holds))


def _overlays() -> list[bytes]:
    rows = [{"run": "a", "stratum_reached": "rank0", "predicted": True}]
    data = {"schema": "noncollapse/overlay/1", "agreement": 1.0, "runs": rows}
    return [json.dumps(data).encode()]


READERS = [
    Reader("claims", ".toml", _texts("examples/claims.toml", "equilibria/claims/ledger/*.toml"),
           _read_claims),
    Reader("system", ".toml", _texts("examples/systems/*.toml"), _read_system),
    Reader("polynomial", ".txt", lambda: [b"3*x**2*y - 7/5*w_1*(x + y)**3 + 0.25"],
           _read_polynomial),
    Reader("numbers", ".txt", lambda: [b"1,3/4,-0.25,1e-3,99/100"], _read_number),
    Reader("moments", ".npz", _moment_files, Moments.load),
    Reader("images", ".npz", _image_files, _read_images),
    Reader("images-npy", ".npy", lambda: _image_files()[1:], _read_images),
    Reader("certificate", ".json", _certificates, _verify),
    Reader("overlay", ".json", _overlays, _overlay_of),
]  # fmt: skip


def _run_config(path: Path) -> object:
    from empirical.linear.settings import read_config
    from empirical.runs.folder import RunFolder

    (path.parent / "config.toml").write_bytes(path.read_bytes())
    return read_config(RunFolder.open(path.parent))


def _run_trajectory(path: Path) -> object:
    from empirical.runs import trajectories

    return trajectories.load(path)


def _run_checkpoint(path: Path) -> object:
    from empirical.runs import checkpoints

    return checkpoints.load(path, framework="np")


def _run_metrics(path: Path) -> object:
    from empirical.runs.folder import RunFolder

    (path.parent / "metrics.jsonl").write_bytes(path.read_bytes())
    return RunFolder(path.parent, {}).metrics()


def _pairs(path: Path) -> object:
    from empirical.linear.settings import load_pairs

    return load_pairs(path)


def _checkpoints() -> list[bytes]:
    import tempfile

    from empirical.runs import checkpoints

    with tempfile.TemporaryDirectory() as folder:
        tensors = {"W": np.eye(2), "P": np.arange(4.0).reshape(2, 2)}
        return [checkpoints.save(Path(folder), 3, tensors, {"wave": "0"}).read_bytes()]


CONFIG = b"""command = "simulate"
procedure = "ema"
ema = "99/100"
lr = "1/10"
weight_decay = "1/20"
predictor_lr = "1"
momentum = "0"
embed_dim = 2
signal = ["1", "3/4"]
total = ["5/4", "1"]
runs = 8
init = "kaiming"
scale = 1.0
"""


def _trajectories() -> list[bytes]:
    W, P = np.zeros((3, 2, 2, 2)), np.zeros((3, 2, 2, 2))
    return [_archive(step=np.arange(3), W=W, P=P, Sigma=2 * np.eye(2), M=np.eye(2))]


EMPIRICAL = [
    Reader("run config", ".toml", lambda: [CONFIG], _run_config),
    Reader("trajectory", ".npz", _trajectories, _run_trajectory),
    Reader("checkpoint", ".safetensors", _checkpoints, _run_checkpoint),
    Reader("metrics", ".jsonl", lambda: [b'{"step": 1, "loss": 0.5}\n{"step": 2}\n'], _run_metrics),
    Reader("pairs", ".npz", lambda: [_archive(x=np.eye(3), y=np.eye(3))], _pairs),
]  # fmt: skip


def mangled(seed: bytes, source: random.Random) -> bytes:
    """Return a good input after one to four accidents."""
    data = bytearray(seed)
    for _ in range(source.randint(1, 4)):
        place = source.randrange(len(data) + 1)
        span = source.choice((1, 2, 8, 40))
        match source.randrange(7):
            case 0 if data:
                data[min(place, len(data) - 1)] ^= 1 << source.randrange(8)
            case 1:
                del data[place : place + span]
            case 2:
                data[place:place] = source.choice(TOKENS)
            case 3:
                data[place : place + span] = source.choice(TOKENS)
            case 4:
                data[place:place] = data[place : place + span] * source.choice((1, 2, 50))
            case 5:
                del data[place:]
            case _:
                data[place : place + span] = bytes(source.randrange(256) for _ in range(span))
    return bytes(data)


def attack(reader: Reader, folder: Path, count: int) -> None:
    """Feed mangled files to one reader; anything but an answer or our own error is a failure."""
    seeds, source = reader.seeds(), random.Random(reader.name)
    for seed in seeds:
        (folder / f"good{reader.suffix}").write_bytes(seed)
        reader.read(folder / f"good{reader.suffix}")  # the seed itself is read
    path = folder / f"mangled{reader.suffix}"
    for number in range(count):
        data = mangled(source.choice(seeds), source)
        path.write_bytes(data)
        begun = time.perf_counter()
        message = ""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                reader.read(path)
        except AnalysisError as error:
            message = str(error)
        except Exception as error:
            pytest.fail(
                f"{reader.name}, input {number}: {type(error).__name__}: {error}\n{data!r:.500}"
            )
        assert "\n" not in message, f"{reader.name}, input {number}: {message}"
        spent = time.perf_counter() - begun
        assert spent < SECONDS, f"{reader.name}, input {number}: {spent:.1f} s"
    assert not (folder / SENTINEL).exists()


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_mangled_files_are_read_or_refused(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # where a payload would leave its mark
    attack(reader, tmp_path, 300)


@pytest.mark.parametrize("reader", EMPIRICAL, ids=lambda reader: reader.name)
def test_mangled_run_folders_are_read_or_refused(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("safetensors")
    monkeypatch.chdir(tmp_path)
    attack(reader, tmp_path, 300)


@pytest.mark.slow
@pytest.mark.parametrize("reader", READERS + EMPIRICAL, ids=lambda reader: reader.name)
def test_a_hundred_thousand_mangled_files(
    reader: Reader, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    attack(reader, tmp_path, 8000)
