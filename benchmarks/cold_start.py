"""How long is the wait for the first answer, against `import sympy` in the same run?

Runs whole processes, alternating, and prints the shortest times and their ratios to it: a busy machine
adds to a time and never takes away. Bytecode is kept, as it is where the package is installed.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPEATS = 15
PEER = "python -c 'import sympy'"
CASES = {
    PEER: ["-c", "import sympy"],
    "cli.py --help": ["cli.py", "--help"],
    "cli.py equilibria --help": ["cli.py", "equilibria", "--help"],
    "cli.py train --help": ["cli.py", "train", "--help"],
    "cli.py equilibria --ema 0.99": ["cli.py", "equilibria", "--ema", "0.99"],
}


def seconds(words: list[str], bytecode: str) -> float:
    """Return the time that a process takes from its start to its end."""
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": bytecode}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, *words], cwd=ROOT, env=environment, check=True, capture_output=True
    )
    return time.perf_counter() - start


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    shortest = dict.fromkeys(CASES, float("inf"))
    with tempfile.TemporaryDirectory() as bytecode:
        for words in CASES.values():
            seconds(words, bytecode)  # fill the file cache and the bytecode
        for _ in range(REPEATS):
            for name, words in CASES.items():
                shortest[name] = min(shortest[name], seconds(words, bytecode))
    for name, value in shortest.items():
        print(f"{name:34} {value:7.3f} s   ratio {value / shortest[PEER]:5.2f}")


if __name__ == "__main__":
    main()
