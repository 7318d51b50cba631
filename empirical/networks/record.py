"""What a run leaves behind: metrics, the trajectory of the effective linear model, checkpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from empirical.networks.effective import Effective
from empirical.runs import TRAJECTORY, RunFolder
from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST_TRAJECTORY = 64 << 20


@dataclass
class Record:
    """Writes into a run folder; without one it only keeps what was logged."""

    folder: RunFolder | None
    every: int = 0
    """Keep each so many-th effective linear model (0: not decided yet)."""
    metrics: list[dict[str, Any]] = field(default_factory=list)
    points: list[tuple[int, dict[str, NDArray[Any]]]] = field(default_factory=list)
    writer: Any = None

    def log(self, numbers: Mapping[str, Any], linear: Effective | None) -> None:
        """Append one line of numbers and, where it is its turn, the effective linear model."""
        place = len(self.metrics)
        self.metrics.append(dict(numbers))
        if self.folder is not None:
            self.folder.log(numbers)
        if linear is not None and place % (self.every or 1) == 0:
            arrays = {name: value.cpu().numpy() for name, value in linear.arrays().items()}
            self.points.append((int(numbers["step"]), arrays))
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
            steps = np.array([step for step, _ in self.points], np.int64)
            names = self.points[0][1]
            stacked = {
                name: np.stack([arrays[name] for _, arrays in self.points]) for name in names
            }
            self.folder.save_trajectory(step=steps, **stacked)

    def go_on_from(self, step: int) -> None:
        """Read back what was written up to `step`, and drop what came after."""
        assert self.folder is not None
        self.folder.clear_leftovers()
        self.folder.truncate_metrics(step)
        self.metrics = self.folder.metrics()
        if not self.metrics:
            raise FormatError(f"{self.folder.path}: metrics.jsonl is empty; start the run again")
        if (self.folder.path / TRAJECTORY).is_file():
            arrays = self.folder.trajectory()
            steps = arrays.pop("step")
            self.points = [
                (int(at), {name: value[place] for name, value in arrays.items()})
                for place, at in enumerate(steps)
                if at <= step
            ]

    def close(self) -> None:
        """Close the TensorBoard writer."""
        if self.writer is not None:
            self.writer.close()


def thinning(linear: Effective, lines: int) -> int:
    """Return how many lines apart the trajectory's points are, so that it stays small."""
    each = sum(value.numel() * 8 for value in linear.arrays().values())
    return max(1, -(-each * lines // LARGEST_TRAJECTORY))


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
