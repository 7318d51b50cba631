"""The verdict on outputs: known truths, in any basis, with odd rows, few rows, half precision."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch

from empirical.collapse import COMPLETE, LOST, NO, UNCLEAR, Diagnosis, diagnose
from empirical.collapse.measure import _Pairs, spread_of
from empirical.collapse.rows import MOST_ROWS, rows_of

ROWS = 300
RNG = np.random.default_rng(7)


@pytest.fixture(autouse=True)
def _the_same_draws_alone_and_in_company() -> None:
    RNG.bit_generator.state = np.random.default_rng(7).bit_generator.state


def gaussian(count: int, width: int) -> np.ndarray:
    return RNG.normal(size=(count, width))


def rotation(width: int) -> np.ndarray:
    return np.linalg.qr(gaussian(width, width))[0]


def alive(count: int, width: int, living: int, rest: float = 1e-3) -> np.ndarray:
    """Outputs with `living` of their directions alive, in a basis of their own."""
    scale = np.where(np.arange(width) < living, 1.0, rest)
    return gaussian(count, width) * scale @ rotation(width)


def network(count: int, width: int, features: int = 64) -> np.ndarray:
    """Outputs like a network's: a smooth spectrum on a bottleneck of features."""
    spectrum = np.arange(1, features + 1) ** -0.6
    return gaussian(count, features) * spectrum @ gaussian(features, width)


def by_definition(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    a, rows = x @ y.T, range(len(x))

    def mean(f, count):  # type: ignore[no-untyped-def]
        return np.mean([f(*places) for places in itertools.permutations(rows, count)])

    trace = np.diag(a).mean() - mean(lambda i, j: a[i, j], 2)
    square = mean(lambda i, j: a[i, j] * a[j, i], 2)
    square -= 2 * mean(lambda i, j, k: a[j, i] * a[i, k], 3)
    return trace, square + mean(lambda i, j, k, m: a[i, j] * a[k, m], 4)


@pytest.mark.parametrize("views", [1, 2])
def test_sums_over_different_rows_are_the_loops(views: int) -> None:
    x = gaussian(6, 3) + 1
    y = x if views == 1 else x + gaussian(6, 3)
    pairs = _Pairs(x @ y.T)
    wanted = by_definition(x, y)
    assert (pairs.trace(False), pairs.square(False)) == pytest.approx(wanted)
    for left in range(6):
        kept = np.arange(6) != left
        found = pairs.trace(True)[left], pairs.square(True)[left]
        assert found == pytest.approx(by_definition(x[kept], y[kept]))


@pytest.mark.parametrize(("count", "width"), [(12, 64), (40, 16)])
def test_dimensions_are_without_bias_and_their_intervals_hold(count: int, width: int) -> None:
    scale = np.arange(1, width + 1) ** -0.3
    many = spread_of(rows_of(gaussian(2000, width) * scale)).dimensions.value
    found = [spread_of(rows_of(gaussian(count, width) * scale)).dimensions for _ in range(60)]
    assert np.mean([1 / one.value for one in found]) == pytest.approx(1 / many, rel=0.1)
    assert np.mean([one.low <= many <= one.high for one in found]) > 0.9
    assert np.mean([one.low > 1 + width / 50 for one in found]) > 0.9


@pytest.mark.parametrize("width", [8, 32, 256])
def test_a_rotation_and_the_rows_sizes_change_nothing(width: int) -> None:
    z, start = network(ROWS, width), network(ROWS, width)
    plain = diagnose(z, start=start, loss="cosine")
    sizes = np.exp(3 * gaussian(ROWS, 1))
    turned = diagnose(sizes * z @ rotation(width), start=start @ rotation(width), loss="cosine")
    assert turned.verdict == plain.verdict == NO
    assert turned.text == plain.text
    for name in ("constant", "dimensions"):
        assert turned.grounds[name] == pytest.approx(plain.grounds[name])


@pytest.mark.parametrize("living", [4, 8, 12])
@pytest.mark.parametrize("start", [False, True])
@pytest.mark.parametrize("basis", [False, True])
def test_few_living_coordinates_are_lost_dimensions(living: int, start: bool, basis: bool) -> None:
    z = gaussian(ROWS, 128) * (np.arange(128) < living)
    z = z @ rotation(128) if basis else z
    found = diagnose(z, start=gaussian(ROWS, 128) if start else None)
    assert (found.verdict, found.kind) == (LOST, "dimensions")
    assert f"{found.grounds['dimensions']['value']:.1f} dimensions" in found.text
    assert found.grounds["constant"]["value"] < 0.05
    assert found.grounds["ends_at"] == living


@pytest.mark.parametrize("longer", [1e4, 1e30, 1e300])
def test_a_single_row_decides_nothing(longer: float) -> None:
    z = gaussian(ROWS, 64)
    z[17] *= longer
    for loss in ("cosine", "squared"):
        assert diagnose(z, start=gaussian(ROWS, 64), loss=loss).verdict == NO
        assert diagnose(z, loss=loss).verdict == NO
    collapsed = alive(ROWS, 64, 3)
    collapsed[17] = longer
    assert diagnose(collapsed, start=gaussian(ROWS, 64)).verdict == LOST


def test_a_healthy_network_and_its_random_start_are_no_partial_collapse() -> None:
    start, z = network(ROWS, 256), network(ROWS, 256, features=50)
    assert np.linalg.matrix_rank(start) == 64
    assert diagnose(start).verdict == NO
    assert diagnose(z, start=start).verdict == NO
    assert diagnose(z).verdict in (NO, UNCLEAR)
    assert diagnose(gaussian(ROWS, 2048) * np.arange(1, 2049) ** -0.7).verdict == NO


def test_a_constant_that_takes_over_is_said() -> None:
    z = 0.1 * gaussian(ROWS, 64) + 5 * rotation(64)[0]
    for start in (None, gaussian(ROWS, 64)):
        found = diagnose(z, start=start)
        assert (found.verdict, found.kind) == (COMPLETE, "constant")
        assert "a constant output takes over" in found.text
        assert found.grounds["constant"]["value"] == pytest.approx(0.975, abs=0.01)
    half = diagnose(gaussian(ROWS, 64) + 10 * rotation(64)[0])
    assert (half.verdict, half.kind) == (UNCLEAR, "constant")
    same = diagnose(np.ones((ROWS, 64)))
    assert (same.verdict, same.kind) == (COMPLETE, "constant")


def test_a_constant_that_was_there_at_the_start_is_none() -> None:
    def offset(size: float) -> np.ndarray:
        return gaussian(ROWS, 64) + size * np.eye(64)[0]

    start = offset(20)
    assert diagnose(offset(20), start=start).verdict == NO
    assert diagnose(offset(35), start=start).verdict == UNCLEAR
    assert diagnose(offset(200), start=start).verdict == COMPLETE


def test_sizes_count_where_the_loss_has_one() -> None:
    start = gaussian(ROWS, 32)
    gone = 1e-7 * gaussian(ROWS, 32)
    for loss in ("squared", "cross-entropy"):
        found = diagnose(gone, start=start, loss=loss)
        assert (found.verdict, found.kind) == (COMPLETE, "shrunk")
        assert "1e-07 of their size at the start" in found.text
        assert diagnose(gone, loss=loss).verdict in (COMPLETE, UNCLEAR)
    for loss in ("cosine", "infonce"):
        assert diagnose(gone, start=start, loss=loss).verdict == NO
    assert diagnose(gone, start=start).kind == "shrunk"
    assert diagnose(gone, start=start).verdict == UNCLEAR


def test_sizes_are_in_the_losss_own_unit() -> None:
    start = 1e6 * gaussian(ROWS, 32)
    assert diagnose(gaussian(ROWS, 32), start=start, loss="squared").verdict == NO
    small = 1e-3 * gaussian(ROWS, 32)
    assert diagnose(small, start=gaussian(ROWS, 32), loss="cross-entropy", unit=1e-2).verdict == NO
    shrinking = 1e-2 * gaussian(ROWS, 32)
    for unit, verdict in ((10, UNCLEAR), (1, NO)):
        found = diagnose(shrinking, start=gaussian(ROWS, 32), loss="cross-entropy", unit=unit)
        assert found.verdict == verdict
    between = diagnose(1e-2 * small, start=0.1 * start / 1e6, loss="squared")
    assert (between.verdict, between.kind) == (COMPLETE, "shrunk")
    assert diagnose(small, start=0.05 * start / 1e6, loss="squared").verdict == UNCLEAR
    assert diagnose(small, start=2 * small, loss="squared").verdict == NO
    assert diagnose(1e-8 * start / 1e6, loss="squared").kind == "shrunk"


def test_nothing_of_the_images_left_is_collapse() -> None:
    image = gaussian(ROWS, 32)
    start = image + gaussian(ROWS, 32), image + gaussian(ROWS, 32)
    noise = gaussian(2000, 32), gaussian(2000, 32)
    found = diagnose(noise, start=start)
    assert (found.verdict, found.kind) == (COMPLETE, "unrelated")
    assert diagnose(*noise).verdict == UNCLEAR
    assert "same images" in diagnose(*noise).text
    assert diagnose(*start).verdict == NO
    assert found.grounds["agreement"]["value"] == pytest.approx(0, abs=0.03)


def test_behind_batch_norm_two_views_tell_living_from_noise() -> None:
    """Unit variance everywhere: four directions carry the image, the others noise of each view."""

    def views(living: int) -> tuple[np.ndarray, np.ndarray]:
        image = gaussian(1500, 64) * (np.arange(64) < living)
        drawn = (image + (np.arange(64) >= living) * gaussian(1500, 64) for _ in (1, 2))
        basis = rotation(64)
        first, second = (view @ basis for view in drawn)
        return first, second

    start, now = views(60), views(4)
    assert diagnose(now[0], start=start[0]).verdict == NO  # one view cannot know
    found = diagnose(*now, start=start)
    assert (found.verdict, found.kind) == (LOST, "dimensions")
    assert found.grounds["shared"]["value"] == pytest.approx(4, rel=0.15)
    assert "that two views share" in found.text
    assert diagnose(*now).verdict == UNCLEAR


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_has_its_own_verdict(bad: float) -> None:
    z = gaussian(ROWS, 16)
    z[3, 5] = bad
    found = diagnose(z, start=gaussian(ROWS, 16))
    assert (found.verdict, found.kind) == (UNCLEAR, "not finite")
    assert "1 of 300 outputs are not finite" in found.text
    assert "of the others: no collapse" in found.text
    z[:] = bad
    found = diagnose(z, z, start=z)
    assert (found.verdict, found.kind) == (UNCLEAR, "not finite")
    json.dumps(dict(found.grounds), allow_nan=False)
    assert diagnose(gaussian(ROWS, 16), start=z).verdict == NO
    assert diagnose(gaussian(ROWS, 16), start=found).verdict == NO


def test_few_zero_and_single_numbers() -> None:
    assert diagnose(gaussian(7, 16)).kind == "few outputs"
    assert diagnose(np.zeros((50, 16))).kind == "zero"
    assert diagnose(np.zeros((50, 16))).verdict == COMPLETE
    some = gaussian(ROWS, 16) * (np.arange(ROWS) % 4 > 0)[:, None]
    assert diagnose(some, start=gaussian(ROWS, 16)).verdict == NO
    assert diagnose(some).grounds["zero"] == ROWS // 4
    assert diagnose(gaussian(50, 1)).verdict == NO
    assert diagnose(np.ones((50, 1))).verdict == COMPLETE
    assert diagnose(gaussian(ROWS, 1) * np.ones((1, 2))).verdict == LOST
    assert diagnose(gaussian(ROWS, 2)).verdict == NO


@pytest.mark.parametrize("count", [8, 12, 24])
def test_few_outputs_of_many_dimensions(count: int) -> None:
    assert diagnose(gaussian(count, 128)).verdict == NO
    assert diagnose(alive(count, 128, 2), start=gaussian(count, 128)).verdict == LOST
    assert diagnose(alive(count, 128, 16)).verdict != NO
    assert diagnose(gaussian(count, 128), start=gaussian(count, 128)).verdict == NO


def test_what_was_never_there_was_not_lost() -> None:
    bottleneck = alive(ROWS, 128, 16, 0.0)
    assert diagnose(alive(ROWS, 128, 8, 0.0), start=bottleneck).verdict == NO
    found = diagnose(alive(ROWS, 128, 2, 0.0), start=bottleneck)
    assert (found.verdict, found.kind) == (LOST, "dimensions")


def test_nearly_a_line_is_unclear_unless_it_began_as_one() -> None:
    line = alive(ROWS, 64, 2, 0.03)
    found = diagnose(line, start=alive(ROWS, 64, 6, 0.03))
    assert (found.verdict, found.kind) == (UNCLEAR, "dimensions")
    assert "nearly along a line" in found.text
    assert diagnose(line, start=line * 2).verdict == NO


def test_rows_without_a_direction_in_either_view_are_left_out_of_both() -> None:
    first, second = gaussian(9, 4), gaussian(9, 4)
    first[2], second[5], second[7, 1] = 0, 0, np.nan
    kept = [0, 1, 3, 4, 6, 8]
    for rows, given in zip(rows_of(first, second), (first, second), strict=True):
        assert (rows.count, rows.zero, rows.not_finite) == (9, 2, 1)
        sizes = np.linalg.norm(given[kept], axis=1)
        np.testing.assert_allclose(rows.unit, given[kept] / sizes[:, None])
        np.testing.assert_allclose(rows.sizes, sizes)
        assert rows.size == pytest.approx(np.median([*sizes, 0, 0]))
    assert diagnose(np.vstack([np.zeros((9, 4)), gaussian(8, 4)])).kind == "zero"
    assert diagnose(np.vstack([np.zeros((9, 4)), gaussian(9, 4)])).kind != "zero"


def test_one_direction_with_either_sign_is_one_direction() -> None:
    """Eight rows of which seven agree: U-statistics of so few say nothing, the spectrum's end does."""
    z = np.outer([1, 1, 1, 1, 1, 1, 1, -1], gaussian(1, 8)[0])
    found = diagnose(z, start=gaussian(64, 8))
    assert (found.verdict, found.kind) == (LOST, "dimensions")


def test_between_lost_and_kept_it_is_unclear() -> None:
    start = gaussian(ROWS, 128)
    told = [diagnose(alive(ROWS, 128, living, 0.1), start=start).verdict for living in (2, 16, 60)]
    assert told == [LOST, UNCLEAR, NO]
    line = gaussian(ROWS, 64) * np.where(np.arange(64) < 1, 60, 1)
    assert diagnose(line).verdict == LOST
    assert diagnose(gaussian(ROWS, 64) * np.arange(1, 65) ** -1.35).verdict == UNCLEAR


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_any_precision_of_torch_and_numpy(dtype: torch.dtype) -> None:
    start = torch.from_numpy(gaussian(ROWS, 64)).to(dtype)
    assert diagnose(start).verdict == NO
    assert (
        diagnose(torch.from_numpy(alive(ROWS, 64, 4, 0.0)).to(dtype), start=start).verdict == LOST
    )
    assert diagnose(torch.from_numpy(alive(ROWS, 64, 4, 0.0)).to(dtype)).verdict == LOST
    assert diagnose(start.requires_grad_()).verdict == NO


def test_what_it_measured_stands_for_the_start() -> None:
    start, z = gaussian(ROWS, 64), alive(ROWS, 64, 20)
    first = diagnose(start, start)
    wanted = diagnose(z, z, start=(start, start))
    stored = json.loads(json.dumps(dict(first.grounds)))
    for known in (first, first.grounds, stored):
        assert diagnose(z, z, start=known) == wanted
    assert isinstance(wanted, Diagnosis)
    assert diagnose((z, z), start=first) == wanted
    assert wanted.verdict == NO
    assert not wanted.collapsed
    assert diagnose(np.ones((ROWS, 64))).collapsed


def test_many_rows_are_looked_at_evenly() -> None:
    z = gaussian(4 * MOST_ROWS, 4)
    z[: len(z) // 2] += 30
    found = diagnose(z)
    assert found.grounds["looked_at"] == MOST_ROWS
    assert found.grounds["outputs"] == len(z)
    assert 0.2 < found.grounds["constant"]["value"] < 0.4


@pytest.mark.parametrize(
    "wrong", [np.zeros(5), np.zeros((0, 4)), np.zeros((4, 0)), np.array([["a"]]), [[1j]], None]
)
def test_what_is_no_matrix_of_numbers_is_refused(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        diagnose(wrong)


def test_views_of_two_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match="expected the same"):
        diagnose(gaussian(10, 4), gaussian(9, 4))
