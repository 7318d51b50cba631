"""Readers of data sets: what they return, and one line for whatever is wrong with a file."""

from __future__ import annotations

import struct
import tarfile
from pathlib import Path

import numpy as np
import pytest

from empirical.networks.formats import read_cifar10, read_cifar100, read_folder, read_stl10
from empirical.networks.images import read_images
from empirical.networks.pickled import read_batch
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
    assert parts[0].shape == (4, 16, 16, 3)
    assert parts[1].tolist() == [0, 0, 1, 1]
    assert parts[0][2, 0, 0].tolist() == [200, 50, 0]
    (tmp_path / "val" / "cat" / "0.png").write_bytes(b"no image")
    with pytest.raises(FormatError, match=r"0\.png: not an image"):
        read_folder(tmp_path, 16)


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
