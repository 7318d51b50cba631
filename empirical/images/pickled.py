"""One CIFAR batch out of a pickle, without unpickling it.

The opcodes are listed by the standard library (which runs none of them) and a small stack machine
follows those that build dictionaries, lists, numbers and text. The only "calls" in these files build
a NumPy array of bytes; they are recognised by name and never made. Anything else is refused.
"""

from __future__ import annotations

import pickletools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from equilibria.errors import FormatError

if TYPE_CHECKING:
    from numpy.typing import NDArray

LARGEST = 1 << 30
# What NumPy wrote in the place of an array: recognised, never imported.
_ARRAY = {
    "numpy.core.multiarray _reconstruct", "numpy ndarray", "numpy dtype",
    "numpy._core.multiarray _reconstruct", "_codecs encode",
}  # fmt: skip
_MARK = object()
Stack: TypeAlias = list[Any]
"""What opcodes work on; whose shape is wrong is no batch, whatever it raises."""


@dataclass
class _Made:
    """The shape of a call that was not made: its name, arguments, and state set afterwards."""

    name: str
    arguments: tuple[object, ...]
    state: Any = None


def read_batch(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Return pixels (N x 3072) and labels (fine ones for CIFAR-100) of one batch file."""
    if path.stat().st_size > LARGEST:
        raise FormatError(f"{path}: larger than any CIFAR batch")
    try:
        batch = {_text(key): value for key, value in _follow(path.read_bytes()).items()}
        pixels = _array(batch["data"])
        labels = np.array(batch["labels" if "labels" in batch else "fine_labels"], np.int64)
    except FormatError as error:
        raise FormatError(f"{path}: {error}") from error
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, OverflowError) as error:
        raise FormatError(f"{path}: not a CIFAR batch of the Python version") from error
    if labels.shape != (len(pixels),):
        raise FormatError(f"{path}: {len(pixels)} images and labels of shape {labels.shape}")
    return pixels, labels


def _array(made: _Made) -> NDArray[np.uint8]:
    """Return the array whose parts NumPy stored: (version, shape, dtype, Fortran order, bytes)."""
    _, shape, dtype, fortran, data = made.state
    rows, columns = shape
    if dtype.arguments[0] not in ("u1", b"u1") or columns != 3072:
        raise FormatError("its pixels are not bytes, 3,072 an image")
    raw = data.encode("latin1") if isinstance(data, str) else data
    return np.frombuffer(raw, np.uint8).reshape(rows, columns, order="F" if fortran else "C")


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)


def _follow(data: bytes) -> Any:
    """Return what the opcodes describe; raises `FormatError` at any that could run code."""
    stack: Stack = []
    memo: dict[Any, Any] = {}
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name in _LITERALS:
            stack.append(argument)
        elif name in ("BINSTRING", "SHORT_BINSTRING", "STRING"):
            stack.append(argument)  # genops decodes it as latin-1, one character a byte
        elif name in ("PUT", "BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}[name]())
        elif name in _BUILDERS:
            _BUILDERS[name](stack)
        elif name == "GLOBAL" and argument in _ARRAY:
            stack.append(_Made(argument, ()))
        elif name in ("PROTO", "FRAME"):
            continue
        elif name == "STOP":
            return stack[-1]
        else:
            raise FormatError(f"its opcode {name} {argument or ''} has no place in a CIFAR batch")
    raise FormatError("ends too early")


_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
_LITERALS = {
    "BININT", "BININT1", "BININT2", "INT", "LONG", "LONG1", "LONG4",
    "BINUNICODE", "SHORT_BINUNICODE", "UNICODE", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
}  # fmt: skip


def _since_mark(stack: Stack) -> Stack:
    start = len(stack) - 1
    while stack[start] is not _MARK:
        start -= 1
    items = stack[start + 1 :]
    del stack[start:]
    return items


def _set_items(stack: Stack) -> None:
    items = _since_mark(stack)
    stack[-1].update(zip(items[::2], items[1::2], strict=True))


def _set_item(stack: Stack) -> None:
    value, key = stack.pop(), stack.pop()
    stack[-1][key] = value


def _append(stack: Stack) -> None:
    value = stack.pop()
    stack[-1].append(value)


def _appends(stack: Stack) -> None:
    items = _since_mark(stack)
    stack[-1].extend(items)


def _tuple(count: int) -> Callable[[Stack], None]:
    def build(stack: Stack) -> None:
        items = tuple(stack[-count:])
        del stack[-count:]
        stack.append(items)

    return build


def _reduce(stack: Stack) -> None:
    arguments, callee = stack.pop(), stack.pop()
    if callee.name == "_codecs encode":  # protocol 2 from Python 3 stores bytes as latin-1 text
        stack.append(arguments[0].encode("latin1"))
    else:
        stack.append(_Made(callee.name, arguments))


def _build(stack: Stack) -> None:
    state = stack.pop()
    stack[-1].state = state


_BUILDERS = {
    "SETITEMS": _set_items,
    "SETITEM": _set_item,
    "APPEND": _append,
    "APPENDS": _appends,
    "TUPLE": lambda stack: stack.append(tuple(_since_mark(stack))),
    "LIST": lambda stack: stack.append(list(_since_mark(stack))),
    "TUPLE1": _tuple(1),
    "TUPLE2": _tuple(2),
    "TUPLE3": _tuple(3),
    "REDUCE": _reduce,
    "BUILD": _build,
}
