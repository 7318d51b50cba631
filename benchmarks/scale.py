"""Cost of the analysis from n = d = 2 to 2048, against the dense eigenvalues where they still run.

Each size runs in a process of its own, so that the peak memory is its own. `chain` has n modes of
isotropic data, all learnable: n + 1 stable strata; `default` is what the command line takes. The
dense route builds the Jacobian of the top stratum of the stop-gradient flow, entry by entry from
its Kronecker form, and asks NumPy for its eigenvalues: one stratum only.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SIZES = (2, 4, 8, 16, 32, 64, 128, 256, 512, 1024, 2048)
DENSE_LIMIT = 16


def model(kind: str, n: int):  # type: ignore[no-untyped-def]
    import equilibria as eq
    from equilibria.systems.model import default_signal

    if kind == "default":
        moments = eq.Moments.commuting(signal=default_signal(n))
        return eq.Model(procedure="ema", moments=moments, embed_dim=n)
    signal = [1 - Fraction(j, 2 * n) for j in range(n)]
    moments = eq.Moments.isotropic(signal=signal, variance=2)
    return eq.Model(procedure="ema", moments=moments, embed_dim=n, weight_decay="1/1000")


def one(kind: str, n: int) -> None:
    import equilibria as eq

    start = time.perf_counter()
    report = eq.analyze(model(kind, n))
    spent = time.perf_counter() - start
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    total = report.variety.total or 0
    dense = dense_seconds(kind, n) if n <= DENSE_LIMIT else None
    shown = str(total) if total < 10**9 else f"about 10^{int(total.bit_length() * 0.30103)}"
    ratio = f"{dense / spent:8.1f}" if dense is not None else "       -"
    print(
        f"{kind:8} {n:5} {spent:9.3f} s {memory:7.0f} MiB  listed {len(report.components):5}  "
        f"stable {report.variety.stable_total:5}  strata {shown:>14}  dense, one stratum / ours {ratio}",
        flush=True,
    )


def dense_seconds(kind: str, n: int) -> float:
    import numpy as np

    from equilibria.varieties.noncommuting.dense import Physics, jacobian_flow

    m = model(kind, n)
    sigma, signal = m.moments.matrices()
    eta = float(m.eta)
    s, k = np.diag(sigma), np.diag(signal)
    roots = np.where(
        k * k > 4 * eta * s, (k + np.sqrt(np.maximum(k * k - 4 * eta * s, 0))) / (2 * s), 0
    )
    P, W = np.diag(roots), np.diag(roots)
    start = time.perf_counter()
    physics = Physics(sigma, signal, eta, eta)
    np.linalg.eigvals(jacobian_flow(P, W, physics, beta=float(m.flow_rate)))
    return time.perf_counter() - start


def main() -> None:
    words = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    words.add_argument(
        "--only", metavar="KIND,N", help="one size, such as chain,64, in this process"
    )
    given = words.parse_args()
    if given.only is not None:
        kind, _, size = given.only.partition(",")
        one(kind, int(size))
        return
    for kind in ("default", "chain"):
        for n in SIZES:
            subprocess.run([sys.executable, __file__, "--only", f"{kind},{n}"], check=True)


if __name__ == "__main__":
    main()
