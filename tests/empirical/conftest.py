"""One thread: the matrices here are small, and a second thread only waits at barriers."""

from __future__ import annotations

import contextlib

with contextlib.suppress(ImportError):
    import torch

    torch.set_num_threads(1)
