"""What to compute in: fp32, bf16 (the networks under autocast, weights and losses in fp32) or fp64.

`auto` is bf16 on a GPU with units for it and fp32 on every CPU, so that one setting trains the same
model on all of them. bf16 on a CPU is for those that multiply it in hardware (AMX, AVX512-BF16, Arm's
BF16): elsewhere the library emulates it, and a step takes several times as long as in fp32.
What was chosen is in config.toml and in the summary; a run goes on in it wherever it goes on.
"""

from __future__ import annotations

import warnings
from pathlib import Path

import torch

BF16_FLAGS = ("amx_bf16", "avx512_bf16", "bf16")
"""As Linux names them: x86 with tiles or vectors, Arm."""
AMPERE = 8
"""The first generation of GPUs that multiplies bf16; PyTorch emulates it on those before."""
SLOW = (
    "--precision bf16: this {device} has no instructions for it ({missing}) and emulates them; expect "
    "several times the time of --precision fp32"
)


def precision_on(device: torch.device, asked: str) -> str:
    """Return fp32, bf16 or fp64 for what was asked; warns where it will be slow."""
    fast = multiplies_bf16(device)
    if asked == "auto":
        return "bf16" if fast and device.type == "cuda" else "fp32"
    if asked == "bf16" and not fast:
        cpu = device.type == "cpu"
        missing = "AMX or AVX512-BF16" if cpu else f"compute capability {AMPERE}"
        warnings.warn(SLOW.format(device="CPU" if cpu else "GPU", missing=missing), stacklevel=2)
    return asked


def multiplies_bf16(device: torch.device) -> bool:
    """Return whether the device has instructions for products of bf16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= AMPERE
    return bool(set(BF16_FLAGS) & cpu_flags())


def cpu_flags(place: str | Path = "/proc/cpuinfo") -> set[str]:
    """Return the features that the CPU says it has; none where the system does not list them."""
    try:
        text = Path(place).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return set()
    rows = (line.partition(":") for line in text.splitlines())
    return {
        flag for name, _, value in rows if name.strip() in ("flags", "Features")
        for flag in value.split()
    }  # fmt: skip
