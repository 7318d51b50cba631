"""What a trajectory keeps of a long run of a large head."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from empirical.networks import record as module  # noqa: E402
from empirical.networks.effective import Effective  # noqa: E402
from empirical.networks.record import FEWEST, Record, kept_lines  # noqa: E402
from empirical.runs.folder import RunFolder  # noqa: E402


@pytest.mark.parametrize("each", [1, 10**6, 10**7, 10**9])
def test_start_end_and_evenly_spread_points_are_kept_within_the_budget(each: int) -> None:
    most = max(FEWEST, module.LARGEST_TRAJECTORY // each)
    kept: list[int] = []
    for last in range(200):
        now = kept_lines(last, each)
        assert now[0] == 0
        assert now[-1] == last
        assert len(now) <= most
        assert len(now) >= min(last + 1, most // 2 + 1)  # and no fewer than it must
        # What is kept later was kept before: nothing that went has to come back.
        assert set(now) <= {*kept, last}
        gaps = np.diff(now)
        assert not len(gaps) or len(set(gaps[:-1].tolist())) <= 1
        assert not len(gaps) or gaps[-1] <= gaps[0]
        kept = now


def linear(step: int) -> Effective:
    eye = torch.eye(3, dtype=torch.float64)
    return Effective(step * eye[:2], eye[:2, :2], None, eye, eye, True)


def test_a_record_that_goes_on_keeps_what_a_whole_one_does(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(module, "LARGEST_TRAJECTORY", 5 * sum(
        value.numel() * 8 for value in linear(0).arrays().values()
    ))  # fmt: skip
    whole = Record(RunFolder.create(tmp_path / "whole", {}))
    half = Record(RunFolder.create(tmp_path / "half", {}))
    for line in range(23):
        whole.log({"step": 7 * line}, linear(line))
    for line in range(14):
        half.log({"step": 7 * line}, linear(line))
        if line == 9:  # the checkpoint; killed after more lines and another trajectory
            at = 7 * line
    half.save_trajectory()
    again = Record(half.folder)
    again.go_on_from(at)
    for line in range(10, 23):
        again.log({"step": 7 * line}, linear(line))
    for record in (whole, again):
        record.save_trajectory()
    first, second = (record.folder.trajectory() for record in (whole, again))
    assert first["step"].tolist() == [0, 56, 112, 154]
    for name in first:
        np.testing.assert_array_equal(first[name], second[name])
