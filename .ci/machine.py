"""What a log must say before it says that tests pass: processor, libraries, and how they are limited."""

import os
import platform
import re

import numpy
import scipy
import torch

from empirical.networks.precision import cpu_flags

LIMITS = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_CBWR", "OPENBLAS_CORETYPE")
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
FEATURES = r"sse4|avx|fma|f16c|amx|bf16|vnni|neon|asimd|sve|i8mm"


def processor() -> str:
    """Return the processor's name, as the system knows it."""
    try:
        with open("/proc/cpuinfo", encoding="utf-8", errors="replace") as stream:
            named = re.search(r"^model name\s*:\s*(.*)$", stream.read(), re.MULTILINE)
    except OSError:
        named = None
    return named[1] if named else platform.processor() or platform.machine()


def main() -> None:
    """Print it, one line a subject."""
    built = torch.__config__.show()
    versions = re.findall(r"(Math Kernel Library Version \S+|MKL-DNN v\S+|BLAS_INFO=\w+)", built)
    blas = numpy.__config__.CONFIG["Build Dependencies"]["blas"]
    given = [f"{name}={os.environ[name]}" for name in (*LIMITS, *THREADS) if name in os.environ]
    told = {
        "processor": f"{processor()}, {os.cpu_count()} cores, {platform.machine()}",
        "features": " ".join(sorted(f for f in cpu_flags() if re.match(FEATURES, f)))
        or "not listed",
        "python": f"{platform.python_version()} on {platform.platform()}",
        "numpy": f"{numpy.__version__}, {blas['name']} {blas['version']}; scipy {scipy.__version__}",
        "torch": f"{torch.__version__}, {', '.join(versions)}",
        "torch uses": f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads",
        "limited by": " ".join(given) or "nothing",
    }
    for name, value in told.items():
        print(f"{name:11} {value}")


if __name__ == "__main__":
    main()
