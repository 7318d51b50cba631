"""Readers of data sets: what they return, and one line for whatever is wrong with a file."""

from __future__ import annotations

import shutil
import struct
import tarfile
import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from empirical.images.datasets import read_images
from empirical.images.folder import read_folder
from empirical.images.formats import read_cifar10, read_cifar100, read_stl10
from empirical.images.pickled import read_batch
from empirical.images.source import channel_moments
from empirical.networks.settings import settings_from
from equilibria.errors import FormatError

ARRAYS = np.random.default_rng(0)


def pixels(count: int) -> np.ndarray:
    return ARRAYS.integers(0, 256, (count, 32, 32, 3)).astype(np.uint8)


def planes(images: np.ndarray) -> np.ndarray:
    return images.transpose(0, 3, 1, 2).reshape(len(images), -1)


def write_binary(folder: Path, names: list[str], prefix: int) -> dict[str, np.ndarray]:
    folder.mkdir(parents=True)
    written = {}
    for label, name in enumerate(names):
        images = written[name] = pixels(3)
        labels = np.full((3, prefix), label, np.uint8)
        labels[:, 0] += 7 * (prefix - 1)
        np.hstack([labels, planes(images)]).astype(np.uint8).tofile(folder / name)
    return written


def test_the_binary_version_of_cifar10_is_read(tmp_path: Path) -> None:
    names = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
    written = write_binary(tmp_path / "cifar-10-batches-bin", names, 1)
    parts = read_cifar10(tmp_path)
    assert parts is not None
    x, y, x_test, y_test = parts
    assert np.array_equal(x, np.concatenate([written[name] for name in names[:5]]))
    assert y.tolist() == [k for k in range(5) for _ in range(3)]
    assert np.array_equal(x_test, written["test_batch.bin"])
    assert y_test.tolist() == [5, 5, 5]


def test_cifar100_takes_the_fine_labels(tmp_path: Path) -> None:
    write_binary(tmp_path / "cifar-100-binary", ["train.bin", "test.bin"], 2)
    parts = read_cifar100(tmp_path)
    assert parts is not None
    assert parts[1].tolist() == [0, 0, 0]
    assert parts[3].tolist() == [1, 1, 1]


def test_a_cut_or_missing_file_is_named(tmp_path: Path) -> None:
    names = [*(f"data_batch_{k}.bin" for k in range(1, 6)), "test_batch.bin"]
    write_binary(tmp_path / "cifar-10-batches-bin", names, 1)
    cut = tmp_path / "cifar-10-batches-bin" / "data_batch_3.bin"
    cut.write_bytes(cut.read_bytes()[:-5])
    with pytest.raises(FormatError, match=r"data_batch_3\.bin: 9214 bytes is no whole number"):
        read_cifar10(tmp_path)
    cut.unlink()
    with pytest.raises(FormatError, match=r"data_batch_3\.bin is missing"):
        read_cifar10(tmp_path)


def text(word: bytes) -> bytes:
    return b"U" + bytes([len(word)]) + word


def pickled_batch(images: np.ndarray, labels: list[int], dtype: bytes = b"u1") -> bytes:
    """The opcodes of a batch, protocol 2, written by hand."""
    raw = planes(images).tobytes()
    array = (
        b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K" + bytes([len(images)]) + b"M\x00\x0c\x86"
        b"cnumpy\ndtype\n" + text(dtype) + b"K\x00K\x01\x87R"
        b"(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb"
        b"\x89T" + struct.pack("<i", len(raw)) + raw + b"tb"
    )
    numbers = b"](" + b"".join(b"K" + bytes([n]) for n in labels) + b"e"
    return b"\x80\x02}(" + text(b"data") + array + text(b"labels") + numbers + b"u."


def test_the_python_version_is_read_without_unpickling(tmp_path: Path) -> None:
    images, file = pixels(3), tmp_path / "data_batch_1"
    file.write_bytes(pickled_batch(images, [4, 0, 9]))
    found, labels = read_batch(file)
    assert np.array_equal(found, planes(images))
    assert labels.tolist() == [4, 0, 9]


@pytest.mark.parametrize(
    "data",
    [
        b"cos\nsystem\n(S'touch owned'\ntR.",
        b"\x80\x02cbuiltins\neval\nX\x01\x00\x00\x001\x85R.",
        b"\x80\x04\x8c\x02os\x8c\x06system\x93\x8c\x04true\x85R.",
        b"(ios\nsystem\n.",
        b"\x80\x02cnumpy\nndarray\n(tR.",
        b"\x80\x02}(U\x04data",
        b"not a pickle at all",
        b"",
        b"\x80\x02K\x01.",
        b"t.",
    ],
)
def test_whatever_else_a_pickle_wants_is_refused(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "data_batch_1"
    file.write_bytes(data)
    with pytest.raises(FormatError, match="data_batch_1"):
        read_batch(file)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["data_batch_1"]


def test_pixels_that_are_no_bytes_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "data_batch_1"
    file.write_bytes(pickled_batch(pixels(3), [1, 2, 3], dtype=b"f8"))
    with pytest.raises(FormatError, match="not bytes"):
        read_batch(file)


@pytest.mark.slow
@pytest.mark.data
def test_a_real_batch_is_the_subset_s(cifar_small: Path, tmp_path: Path) -> None:
    with tarfile.open(cifar_small.parent / "cifar-10-batches-py.part6.tar.xz") as archive:
        archive.extractall(tmp_path, filter="data")
    found, labels = read_batch(tmp_path / "cifar-10-batches-py" / "test_batch")
    with np.load(cifar_small, allow_pickle=False) as subset:
        index = subset["test_index"]
        assert np.array_equal(labels[index], subset["y_test"])
        assert np.array_equal(found[index], planes(subset["x_test"]))


def test_stl10_has_its_columns_first_and_its_unlabelled_images_last(tmp_path: Path) -> None:
    folder = tmp_path / "stl10_binary"
    folder.mkdir()
    images = {n: ARRAYS.integers(0, 256, (2, 96, 96, 3)).astype(np.uint8) for n in "abc"}
    for name, key in (("train_X", "a"), ("test_X", "b"), ("unlabeled_X", "c")):
        images[key].transpose(0, 3, 2, 1).tofile(folder / f"{name}.bin")
    for name in ("train_y", "test_y"):
        np.array([1, 10], np.uint8).tofile(folder / f"{name}.bin")
    parts = read_stl10(tmp_path)
    assert parts is not None
    assert np.array_equal(parts[0], np.concatenate([images["a"], images["c"]]))
    assert parts[1].tolist() == [0, 9, -1, -1]
    assert np.array_equal(parts[2], images["b"])


def test_a_folder_is_decoded_once_to_squares(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "val"):
        for label, name in enumerate(("cat", "dog")):
            (tmp_path / part / name).mkdir(parents=True)
            for k in range(2):
                colour = (200 * label, 50, 20 * k)
                image.new("RGB", (40, 20), colour).save(tmp_path / part / name / f"{k}.png")
    parts = read_folder(tmp_path, 16)
    assert parts is not None
    assert parts.train.shape == (4, 16, 16, 3)
    assert parts.train_labels.tolist() == [0, 0, 1, 1]
    assert np.array_equal(parts.train[2, 0, 0], [200, 50, 0])
    assert parts.notes == ()


def folder_of(root: Path, count: int = 12) -> Path:
    """A folder of plain grey squares, two classes."""
    image = pytest.importorskip("PIL.Image")
    for part in ("train", "val"):
        for name in ("cat", "dog"):
            (root / part / name).mkdir(parents=True)
            for k in range(count):
                image.new("RGB", (16, 16), (10 * k,) * 3).save(root / part / name / f"{k}.png")
    return root / "train" / "cat"


def test_sixteen_bits_are_scaled_by_their_range_and_it_is_said(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    place = folder_of(tmp_path)
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    image.fromarray(ramp).save(place / "0.png")
    found = read_folder(tmp_path, 16)
    assert found is not None
    assert np.array_equal(found.train[0], np.arange(256).reshape(16, 16, 1).repeat(3, axis=2))
    assert found.notes == ("of 48 image files: 1 of 16 bits, scaled by 255/65535 (cat/0.png)",)
    image.fromarray(ramp // 16).save(place / "0.png")
    dark = read_folder(tmp_path, 16)
    assert dark is not None
    assert np.array_equal(dark.train[0, ..., 0], np.round(ramp // 16 * (255 / 65535)))
    assert "the brightest of 16 bits is 4095 of 65535: they come out dark" in dark.notes[0]


def test_odd_files_are_counted_and_named_in_one_line(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    place = folder_of(tmp_path)
    red = image.new("RGB", (16, 16), (200, 0, 0))
    red.quantize(4).save(place / "1.png")
    image.new("RGBA", (16, 16), (0, 0, 0, 0)).save(place / "2.png")
    red.convert("CMYK").save(place / "3.jpg")
    keyed = red.quantize(4)
    keyed.save(place / "4.png", transparency=0)
    (place / "._5.png").write_bytes(b"resource fork")
    (place / "7.png").write_bytes((place / "8.png").read_bytes()[:60])
    found = read_folder(tmp_path, 16)
    assert found is not None
    (line,) = found.notes
    assert line.startswith("of 49 image files: ")
    for part in (
        "1 hidden, left out (cat/._5.png)",
        "1 with a palette, made RGB (cat/1.png)",
        "2 transparent, laid on white (cat/2.png, cat/4.png)",
        "1 of CMYK, made RGB (cat/3.jpg)",
        "1 not readable, left out (cat/7.png)",
    ):
        assert part in line
    assert len(found.train) == len(found.train_labels) == 24
    names = sorted(p.name for p in place.iterdir() if not p.name.startswith("."))
    kept = [name for name in names if name != "7.png"]
    assert found.train[kept.index("2.png"), 0, 0].tolist() == [255, 255, 255]
    assert found.train[kept.index("1.png"), 0, 0].tolist() == [200, 0, 0]
    assert found.train[kept.index("9.png"), 0, 0].tolist() == [90, 90, 90]


def test_the_shorter_side_is_fitted_and_the_centre_cut_out(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    place = folder_of(tmp_path)
    wide = np.zeros((16, 48, 3), np.uint8)
    wide[:, :14], wide[:, 14:34], wide[:, 34:] = (255, 0, 0), (0, 255, 0), (0, 0, 255)
    image.fromarray(wide).save(place / "0.png")
    image.fromarray(wide.transpose(1, 0, 2)).save(place / "1.png")
    found = read_folder(tmp_path, 16)
    assert found is not None
    assert (found.train[:2] == [0, 255, 0]).all()


def test_hidden_folders_are_no_classes_and_test_stands_for_val(tmp_path: Path) -> None:
    folder_of(tmp_path, count=3)
    shutil.copytree(tmp_path / "train" / "cat", tmp_path / "train" / ".cache")
    (tmp_path / "val").rename(tmp_path / "test")
    found = read_folder(tmp_path, 16)
    assert found is not None
    assert found.train_labels.tolist() == found.test_labels.tolist() == [0, 0, 0, 1, 1, 1]
    shutil.copytree(tmp_path / "test" / "dog", tmp_path / "val" / "dog")
    both = read_folder(tmp_path, 16)
    assert both is not None
    assert both.test_labels.tolist() == [1, 1, 1]


@pytest.mark.parametrize("values", [[70_000], [-1], [0.5]], ids=str)
def test_pixels_without_a_known_range_are_not_guessed(values: list[float], tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    place = folder_of(tmp_path)
    kind = np.float32 if isinstance(values[0], float) else np.int32
    image.fromarray(np.full((16, 16), values[0], kind)).save(place / "0.png", format="TIFF")
    found = read_folder(tmp_path, 16)
    assert found is not None
    assert found.notes == ("of 48 image files: 1 not readable, left out (cat/0.png)",)
    assert len(found.train) == 23


def test_many_files_that_cannot_be_read_are_named_together(tmp_path: Path) -> None:
    place = folder_of(tmp_path)
    for k in range(6):
        (place / f"{k}.png").write_bytes(b"no image")
    with pytest.raises(FormatError) as caught:
        read_folder(tmp_path, 16)
    said = str(caught.value)
    assert "6 of 24 image files cannot be read (cat/0.png: " in said
    assert "and 3 more" in said
    assert "\n" not in said


def test_a_folders_notes_come_with_the_images(tmp_path: Path) -> None:
    place = folder_of(tmp_path)
    (place / "._5.png").write_bytes(b"resource fork")
    given = {"dataset": "folder", "data_root": str(tmp_path), "image_size": "8", "batch_size": "4"}
    assert read_images(settings_from(given)).notes == (
        "of 48 image files: 1 hidden, left out (cat/._5.png)",
    )


def test_digits_are_where_scikit_learn_keeps_them() -> None:
    images = read_images(settings_from({}))
    assert images.train.shape == (1437, 8, 8, 1)
    assert images.test.shape == (360, 8, 8, 1)
    assert np.bincount(np.concatenate([images.train_labels, images.test_labels])).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180,
    ]  # fmt: skip
    assert images.train.max() == 255


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"dataset": "cifar10"}, "--dataset cifar10: needs --data-root DIR; unpack"),
        ({"dataset": "stl10", "data_root": "."}, "--data-root .: no stl10 data there; unpack"),
        ({"dataset": "folder", "data_root": "/nonexistent"}, "expected train/<class>"),
        ({"dataset": "/nonexistent.npz"}, "--dataset /nonexistent.npz: no such file"),
        ({"batch_size": "1438"}, "--batch-size 1438: --dataset digits has 1437"),
    ],
)
def test_missing_data_say_how_to_get_them(given: dict[str, str], words: str) -> None:
    with pytest.raises(FormatError) as caught:
        read_images(settings_from(given))
    assert words in str(caught.value)


def test_an_archive_must_hold_what_is_needed(tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    good = {
        "x_train": pixels(8),
        "y_train": np.arange(8),
        "x_test": pixels(4),
        "y_test": np.arange(4),
    }
    np.savez(file, **good)
    settings = settings_from({"dataset": str(file), "batch_size": "4", "train_images": "6"})
    assert len(read_images(settings).train) == 6
    for change, words in (
        ({"x_train": pixels(8).astype(float)}, "expected uint8"),
        ({"y_test": np.arange(5)}, "labels of shape"),
        ({"y_train": np.linspace(0, 1, 8)}, "expected whole numbers"),
        ({"x_test": pixels(4)[:, :16]}, "train images are (32, 32, 3)"),
        ({"y_train": np.arange(8) - 2}, "a train label is -2; expected 0, 1, ... or -1"),
        ({"x_train": pixels(8)[:, :0], "x_test": pixels(4)[:, :0]}, "expected uint8"),
    ):
        np.savez(file, **{**good, **change})
        with pytest.raises(FormatError) as caught:
            read_images(settings)
        assert words in str(caught.value)
    del good["y_train"]
    np.savez(file, **good)
    with pytest.raises(FormatError, match="no array `y_train`"):
        read_images(settings)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(FormatError, match="not a complete"):
        read_images(settings)


def write_npz(
    path: Path, count: int = 40, shape: tuple[int, ...] = (8, 8, 1), **labels: object
) -> str:
    """An archive of random images with labels 0, 1, 2."""
    images = ARRAYS.integers(0, 256, (count, *shape)).astype(np.uint8)
    arrays = {"x_train": images, "y_train": np.arange(count) % 3}
    arrays |= {"x_test": images[: count // 2], "y_test": np.arange(count // 2) % 3}
    np.savez(path, **{**arrays, **labels})  # type: ignore[arg-type]
    return str(path)


def test_classes_are_numbered_by_those_that_occur(tmp_path: Path) -> None:
    y = np.array([10**9, -1, 5, 7] * 10)
    file = write_npz(tmp_path / "a.npz", y_train=y, y_test=y[:20])
    images = read_images(settings_from({"dataset": file, "batch_size": "4"}))
    assert images.train_labels[:4].tolist() == [2, -1, 0, 1]
    assert images.test_labels[:4].tolist() == [2, -1, 0, 1]


def test_moments_of_channels_are_those_of_all_pixels_in_bounded_memory() -> None:
    images = ARRAYS.integers(0, 256, (3000, 24, 20, 3)).astype(np.uint8)
    images[..., 1] //= 3
    whole = images.reshape(-1, 3) / 255
    tracemalloc.start()
    mean, deviation = channel_moments(images)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert mean.numpy() == pytest.approx(whole.mean(axis=0), rel=1e-12)
    assert deviation.numpy() == pytest.approx(whole.std(axis=0, ddof=1), rel=1e-12)
    assert peak < 8 << 20 < images.nbytes * 8
    assert channel_moments(np.zeros((2, 1, 1, 1), np.uint8))[1].tolist() == [1e-3]
