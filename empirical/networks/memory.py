"""Which batch size would have fitted, when the device ran out of memory.

The memory of a step is nearly a + b B: two small batches give the line, and the line gives B.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

SLACK = 0.92


def batch_that_fits(peak: Callable[[int], int], tried: int, limit: int) -> int | None:
    """Return a batch size below `tried` whose peak should stay within `limit` bytes, None if none.

    `peak` runs one step with that many images and returns the bytes in use at most.
    """
    small = max(2, tried // 32)
    try:
        low, high = peak(small), peak(2 * small)
    except torch.OutOfMemoryError:
        return None
    slope = max(1.0, (high - low) / small)
    fits = int(small + (SLACK * limit - low) / slope)
    fits = min(fits, tried - 1)
    return None if fits < 2 else fits - fits % 8 if fits >= 8 else fits


def advice(fits: int | None, tried: int) -> str:
    """Return what to do, for the message."""
    if fits is None:
        return f"--batch-size {tried}: out of memory; use a smaller network or --image-size"
    return f"--batch-size {tried}: out of memory on the device; {fits} would fit"
