"""What a run leaves behind: metrics, the trajectory of the effective linear model, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from empirical.networks.effective import Effective
from empirical.runs.folder import TRAJECTORY, RunFolder
from empirical.runs.trajectories import Arrays
from equilibria.errors import FormatError
from equilibria.files.untrusted import Table

if TYPE_CHECKING:
    pass

LARGEST_TRAJECTORY = 64 << 20
FEWEST = 4
"""Points that a trajectory may have whatever its size: start, end and what lies between."""


@dataclass
class Record:
    """Writes into a run folder; without one it only keeps what was logged."""

    folder: RunFolder | None
    metrics: list[Table] = field(default_factory=list)
    points: dict[int, tuple[int, Arrays]] = field(default_factory=dict)
    """By the number of its line: step and effective linear model of what the trajectory keeps."""
    writer: Any = None

    def log(self, numbers: Table, linear: Effective | None) -> None:
        """Append one line of numbers and, where it is its turn, the effective linear model."""
        place = len(self.metrics)
        self.metrics.append(dict(numbers))
        if self.folder is not None:
            self.folder.log(numbers)
        if linear is not None:
            arrays = {name: value.cpu().numpy() for name, value in linear.arrays().items()}
            self.points[place] = int(numbers["step"]), arrays
            keep = kept_lines(place, sum(value.nbytes for value in arrays.values()))
            self.points = {line: self.points[line] for line in keep if line in self.points}
        if self.writer is not None:
            for name, value in numbers.items():
                if isinstance(value, int | float) and name != "step":
                    self.writer.add_scalar(name, value, int(numbers["step"]))

    def save(self, step: int, tensors: Mapping[str, Tensor]) -> None:
        """Write the trajectory, then the checkpoint that may rely on it."""
        if self.folder is not None:
            self.save_trajectory()
            self.folder.save_checkpoint(step, tensors)

    def save_trajectory(self) -> None:
        """Write what there is of the trajectory."""
        if self.folder is not None and self.points:
            kept = [self.points[line] for line in sorted(self.points)]
            steps = np.array([step for step, _ in kept], np.int64)
            stacked = {name: np.stack([arrays[name] for _, arrays in kept]) for name in kept[0][1]}
            self.folder.save_trajectory(step=steps, **stacked)

    def begin_again(self) -> None:
        """Drop what a process wrote that was killed before its first checkpoint."""
        if self.folder is not None:
            self.folder.clear_leftovers()
            self.folder.truncate_metrics(-1)

    def go_on_from(self, step: int) -> None:
        """Read back what was written up to `step`, and drop what came after."""
        assert self.folder is not None
        self.folder.clear_leftovers()
        self.folder.truncate_metrics(step)
        self.metrics = self.folder.metrics()
        if not self.metrics:
            raise FormatError(f"{self.folder.path}: metrics.jsonl is empty; start the run again")
        if (self.folder.path / TRAJECTORY).is_file():
            arrays = dict(self.folder.trajectory())
            steps = arrays.pop("step")
            line_of = {int(line["step"]): place for place, line in enumerate(self.metrics)}
            self.points = {
                line_of[at]: (at, {name: value[place] for name, value in arrays.items()})
                for place, at in enumerate(steps.tolist())
                if at <= step and at in line_of
            }

    def close(self) -> None:
        """Close the TensorBoard writer."""
        if self.writer is not None:
            self.writer.close()


def kept_lines(last: int, each: int) -> list[int]:
    """Return the lines up to `last` whose linear models, of `each` bytes, the trajectory keeps.

    The first, the last, and between them evenly spread ones, as many as `LARGEST_TRAJECTORY` holds
    and `FEWEST` at least. The spacing doubles as lines come, so that what is kept of them is a
    function of how many there are: a run that goes on keeps what an uninterrupted one does.
    """
    most = max(FEWEST, LARGEST_TRAJECTORY // max(each, 1))
    every = 1
    while last // every + 1 + (last % every > 0) > most:
        every *= 2
    return [*range(0, last, every), last]


def tensorboard(folder: RunFolder) -> Any:
    """Return a TensorBoard writer; raises `FormatError` when it is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError as error:
        raise FormatError("--tensorboard: needs `pip install tensorboard`") from error
    return SummaryWriter(log_dir=str(folder.path))


def to_cpu(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors on the CPU."""
    return {name: value.detach().to("cpu", copy=True) for name, value in tensors.items()}


def loss_tensors(total: Tensor, count: int) -> dict[str, Tensor]:
    """Return the running mean of the loss since the last line, for a checkpoint."""
    return {"loss.total": total, "loss.count": torch.tensor(count)}
