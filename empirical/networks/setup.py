"""From settings to what the loop needs: device, precision, data, network, optimiser."""

from __future__ import annotations

import os
import platform
import warnings
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from empirical.images.datasets import Images, read_images
from empirical.images.dice import key
from empirical.images.latent import LatentSource
from empirical.images.source import Source, image_source
from empirical.networks.learner import Learner
from empirical.networks.monitor import Monitor, settle_statistics
from empirical.networks.optimiser import Optimiser, optimiser_of
from empirical.networks.precision import precision_on
from empirical.networks.settings import Settings
from empirical.networks.workers import Workers
from equilibria.errors import FormatError

SMALL = ("linear", "mlp", "resnet8")
FEW = 32


@dataclass(frozen=True)
class Machine:
    """Where and how precisely to compute."""

    settings: Settings
    device: torch.device
    precision: str

    @property
    def dtype(self) -> torch.dtype:
        """The type of the weights; bf16 keeps them in single precision."""
        return torch.float64 if self.precision == "fp64" else torch.float32

    def build(self, workers: Workers, images: Images | None = None) -> Setup:
        """Return the data, network and optimiser; every process builds the same.

        `images` are read where they are not given.
        """
        s = self.settings
        share = workers.share(s.batch_size)
        if s.dataset == "latent":
            source: Source = LatentSource(s.seed, self.device, self.dtype)
        else:
            source = image_source(images or read_images(s), s, self.device, self.dtype)
        learner = self._learner(source.shape, workers)
        steps = s.steps or s.epochs * max(1, source.count // s.batch_size)
        setup = Setup(
            self, workers, share, source, learner, optimiser_of(learner, s), learner, steps
        )
        with setup.autocast():
            settle_statistics(learner, setup.views)
        setup.module = self._parallel(learner, workers)
        return setup

    def _learner(self, shape: tuple[int, int, int], workers: Workers) -> Learner:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(key(self.settings.seed, "init"))
            learner = Learner(self.settings, shape, workers)
        learner = learner.to(self.device, self.dtype)
        learner.to(memory_format=torch.channels_last)
        if workers.count > 1 and self.device.type == "cuda":
            learner = nn.SyncBatchNorm.convert_sync_batchnorm(learner)  # type: ignore[no-untyped-call]
        return learner

    def _parallel(self, learner: Learner, workers: Workers) -> nn.Module:
        module: nn.Module = learner
        if workers.count > 1:
            self._warn_of_batch_norm(learner, workers)
            ids = [self.device.index] if self.device.type == "cuda" else None
            from torch.nn.parallel import DistributedDataParallel

            with warnings.catch_warnings():
                # Newer torch has another name for it, which older torch does not know.
                warnings.simplefilter("ignore", FutureWarning)
                module = DistributedDataParallel(learner, device_ids=ids, broadcast_buffers=False)
        if self.settings.compile:
            module = torch.compile(module)  # type: ignore[assignment]
        return module

    def _warn_of_batch_norm(self, learner: Learner, workers: Workers) -> None:
        each = self.settings.batch_size // workers.count
        separate = any(isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d) for m in learner.modules())
        if separate and each < FEW and workers.leads:
            warnings.warn(
                f"batch norm sees {each} images a process, not synchronised on a CPU: "
                "another model than one process trains",
                stacklevel=2,
            )


@dataclass
class Setup:
    """All that the loop needs; `module` is the learner, wrapped for several processes."""

    machine: Machine
    workers: Workers
    share: slice
    source: Source
    learner: Learner
    optimiser: Optimiser
    module: nn.Module
    steps: int

    @property
    def settings(self) -> Settings:
        """The settings of the run."""
        return self.machine.settings

    @property
    def device(self) -> torch.device:
        """Where everything lies."""
        return self.machine.device

    @property
    def precision(self) -> str:
        """fp32, bf16 or fp64."""
        return self.machine.precision

    @property
    def log_every(self) -> int:
        """Steps between two lines; about twenty lines a run where nothing was said."""
        return self.settings.log_every or max(1, self.steps // 20)

    @property
    def checkpoint_every(self) -> int:
        """Steps between two checkpoints; about ten a run where nothing was said."""
        return self.settings.checkpoint_every or max(1, self.steps // 10)

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context in which networks run."""
        if self.precision != "bf16":
            return nullcontext()
        return torch.autocast(self.device.type, dtype=torch.bfloat16)

    def views(self, step: int) -> tuple[Tensor, Tensor]:
        """Return this process's share of a step's views."""
        with torch.autocast(self.device.type, enabled=False):  # images stay in single precision
            return self.source.pair(step, self.settings.batch_size, self.share)

    def monitor(self) -> Monitor:
        """Return what watches the run."""
        return Monitor(self.learner, self.source, self.autocast, self.device)

    def device_words(self) -> str:
        """Return the device in words."""
        if self.device.type == "cuda":
            return torch.cuda.get_device_name(self.device)
        name = platform.processor() or platform.machine()
        threads = torch.get_num_threads()
        return f"CPU ({name}, {threads} thread{'s' * (threads != 1)})"

    def peak(self, batch: int) -> int:
        """Return the bytes that a forward and backward pass of `batch` images needs at most."""
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(self.device)
        first, second = self.source.pair(0, batch, slice(None))
        with self.autocast():
            loss, *_ = self.learner(first, second)
        loss.backward()
        self.optimiser.zero_grad()
        return torch.cuda.max_memory_allocated(self.device)

    def memory(self) -> int:
        """Return the bytes of the device that this process may use."""
        free, _ = torch.cuda.mem_get_info(self.device)
        return free + torch.cuda.memory_reserved(self.device)


def machine_of(settings: Settings) -> Machine:
    """Choose device and precision; raises `FormatError` when the device is not there."""
    kind = settings.device
    if kind == "auto":
        kind = "cuda" if torch.cuda.is_available() else "cpu"
    if kind == "cuda" and not torch.cuda.is_available():
        raise FormatError("--device cuda: no CUDA device here; use --device cpu")
    device = torch.device(kind)
    if kind == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
        torch.cuda.set_device(device)
    return Machine(settings, device, precision_on(device, settings.precision))


@contextmanager
def threads_for(settings: Settings) -> Iterator[None]:
    """Set the CPU's threads for the time of a run.

    Small networks run on one: several threads wait for each other at every layer, which on a busy
    machine costs many times what they save. Denormal numbers count as 0 meanwhile: the weights of a
    network that collapses end there, and arithmetic with them is several times slower.
    """
    former, flushed = torch.get_num_threads(), _flushes()
    chosen = settings.threads or (1 if settings.backbone in SMALL else former)
    torch.set_num_threads(chosen)
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_num_threads(former)
        torch.set_flush_denormal(flushed)


def _flushes() -> bool:
    """Return whether denormals count as 0 now, which PyTorch can set but not tell."""
    return bool(torch.tensor(1e-40) * torch.tensor(0.5) == 0)
