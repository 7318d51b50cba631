"""One thread: the matrices here are small, and a second thread only waits at barriers."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

with contextlib.suppress(ImportError):
    import torch

    torch.set_num_threads(1)


@pytest.fixture
def example() -> Callable[[str], ModuleType]:
    """Load a script of examples/ by name, as a module, without running it."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).resolve().parents[2] / "examples" / f"{name}.py"
        found = spec_from_file_location(f"example_{name}", path)
        assert found is not None
        assert found.loader is not None
        module = module_from_spec(found)
        found.loader.exec_module(module)
        return module

    return load
