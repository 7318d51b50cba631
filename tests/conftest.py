"""Seeds, Hypothesis profiles, --slow, and the place of the real images."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"

# The same examples on every machine: what fails in CI fails here. "thorough" draws new ones.
settings.register_profile(
    "quick",
    deadline=None,
    max_examples=50,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile(
    "thorough", deadline=None, max_examples=1000, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("quick")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--slow", action="store_true", help="run the tests that take minutes")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="takes minutes; run with --slow")
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(skip)


@pytest.fixture
def cifar_small() -> Path:
    """Return the CIFAR-10 subset, or skip where the shared data are not beside the project."""
    path = SHARED / "data" / "cifar10" / "cifar10_small.npz"
    if not path.is_file():
        pytest.skip("needs ../shared/data/cifar10/cifar10_small.npz beside the project")
    return path
