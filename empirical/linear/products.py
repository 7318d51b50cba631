"""Products of many small matrices, each computed by itself and from the same place.

A library of linear algebra may round a product differently when there are other rows above it, or
when its factors lie at another alignment. So no product here reaches across the runs of a batch, and
every matrix that reaches the library begins at a cache line, copied there where it lies elsewhere.
A batch of one is computed twice, since PyTorch has another way for it. What is left to the library
is that it treats the members of a batch alike however many there are: PyTorch without MKL hands them
over one by one, MKL's batches keep it on all processors that the tests have run on.
"""

from __future__ import annotations

import torch
from torch import Tensor

ALIGNMENT = 64
"""Bytes: a cache line, and what libraries ask for where they promise equal bits."""
OWN = 400
"""Multiplications of a product up to which PyTorch's `bmm` calls no library."""


def product(a: Tensor, b: Tensor, out: Tensor | None = None) -> Tensor:
    """Return a b for a of shape (R, n, k) and b of shape (R, k, m), in `out` where it is given."""
    runs, rows, inner = a.shape
    columns = b.shape[2]
    if a.device.type != "cpu" or rows * inner * columns < OWN:
        return torch.bmm(a, b, out=out)
    x, y = _placed(a), _placed(b)
    if runs == 1:
        x, y = x.expand(2, -1, -1), y.expand(2, -1, -1)
    if out is not None and runs > 1 and _aligned(out):
        return torch.bmm(x, y, out=out)
    found = torch.bmm(x, y, out=_room(a, len(x), rows, columns))[:runs]
    return found if out is None else out.copy_(found)


def _aligned(x: Tensor) -> bool:
    """Return whether all matrices are dense, transposed or not, and begin at the alignment."""
    turned = _turned(x)
    line, width = (x.stride(2), x.shape[1]) if turned else (x.stride(1), x.shape[2])
    return line == width and not (x.data_ptr() | x.stride(0) * x.element_size()) % ALIGNMENT


def _turned(x: Tensor) -> bool:
    return x.stride(2) != 1 and x.stride(1) == 1


def _placed(x: Tensor) -> Tensor:
    """Return the same matrices in the same layout, each at the alignment."""
    if _aligned(x):
        return x
    flat = x.mT if _turned(x) else x
    room = _room(flat, *flat.shape).copy_(flat)
    return room.mT if _turned(x) else room


def _room(like: Tensor, runs: int, rows: int, columns: int) -> Tensor:
    unit = ALIGNMENT // like.element_size()
    stride = -(-rows * columns // unit) * unit
    return like.new_empty_strided((runs, rows, columns), (stride, columns, 1))
