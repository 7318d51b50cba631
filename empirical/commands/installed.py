"""Is what the measured half needs installed?"""

from __future__ import annotations

import importlib.util

from equilibria.errors import FormatError


def need_torch(command: str) -> None:
    """Raise `FormatError` that says how to get PyTorch, where it is not installed."""
    for package in ("torch", "safetensors"):
        if importlib.util.find_spec(package) is None:
            raise FormatError(
                f"{command}: needs {package}, which is not installed; "
                "pip install 'noncollapse[empirical]'"
            )
