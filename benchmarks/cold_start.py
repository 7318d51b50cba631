"""How long is the wait for the first answer, against `import sympy` in the same run?

Runs whole processes, alternating, and prints the medians and their ratios.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 9
CASES = {
    "python -c 'import sympy'": [sys.executable, "-c", "import sympy"],
    "cli.py --help": [sys.executable, "cli.py", "--help"],
    "cli.py equilibria --ema 0.99": [sys.executable, "cli.py", "equilibria", "--ema", "0.99"],
}


def seconds(command: list[str]) -> float:
    start = time.perf_counter()
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    times: dict[str, list[float]] = {name: [] for name in CASES}
    for command in CASES.values():
        seconds(command)  # fill the file cache and the bytecode
    for _ in range(REPEATS):
        for name, command in CASES.items():
            times[name].append(seconds(command))
    medians = {name: statistics.median(values) for name, values in times.items()}
    peer = medians["python -c 'import sympy'"]
    for name, value in medians.items():
        print(f"{name:34} {value:7.3f} s   ratio {value / peer:5.2f}")


if __name__ == "__main__":
    main()
