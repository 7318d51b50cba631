"""Why does SimSiam not collapse? The digits with and without stop-gradient, seconds on one core.

python examples/networks/digits.py
"""

from __future__ import annotations

from empirical.networks import train
from empirical.networks.settings import settings_from


def main(epochs: str = "80") -> None:
    """Train both and print the verdicts with their grounds."""
    for method in ("simsiam", "joint"):
        result = train(settings_from({"method": method, "epochs": epochs}))
        print(*result.lines, sep="\n")
        print()


if __name__ == "__main__":
    main()
