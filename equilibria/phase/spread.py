"""Working through many chunks: one after another, on all cores, or on a dask or ray cluster.

All parallel work goes through joblib, so a backend is a name. Small work stays in this process,
because starting others takes longer.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from importlib import import_module
from types import ModuleType
from typing import TypeVar

from equilibria.errors import EngineMissing, FormatError

Result = TypeVar("Result")
Progress = Callable[[int, int], None]

BACKENDS = ("loky", "threading", "dask", "ray")
PACKAGES = {"dask": "dask[distributed]", "ray": "ray[default]"}


def spread(
    function: Callable[..., Result],
    tasks: Sequence[tuple[object, ...]],
    *,
    backend: str | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> list[Result]:
    """Return function(*task) for every task, in order.

    With neither backend nor jobs the tasks run here. Raises `FormatError` for an unknown backend
    and `EngineMissing` for one that is not installed.
    """
    if jobs is not None and (jobs == 0 or jobs < -1):
        raise FormatError(f"--jobs {jobs}: expected a number of processes, or -1 for all cores")
    if backend is not None and backend not in BACKENDS:
        raise FormatError(f"--backend {backend}: expected one of {', '.join(BACKENDS)}")
    report = progress or (lambda done, total: None)
    if backend is None and jobs in (None, 1):
        return _serial(function, tasks, report)
    joblib = _package("joblib", backend or "loky", "joblib")
    with _context(backend or "loky"):
        return _parallel(joblib, function, tasks, backend or "loky", jobs or -1, report)


def _serial(
    function: Callable[..., Result], tasks: Sequence[tuple[object, ...]], report: Progress
) -> list[Result]:
    results = []
    for done, task in enumerate(tasks, 1):
        results.append(function(*task))
        report(done, len(tasks))
    return results


def _parallel(
    joblib: ModuleType,
    function: Callable[..., Result],
    tasks: Sequence[tuple[object, ...]],
    backend: str,
    jobs: int,
    report: Progress,
) -> list[Result]:
    calls = [joblib.delayed(function)(*task) for task in tasks]
    if backend in ("dask", "ray"):  # joblib registers these on demand; they give all at once
        with joblib.parallel_config(backend=backend):
            results: list[Result] = joblib.Parallel(n_jobs=jobs)(calls)
        report(len(tasks), len(tasks))
        return results
    results = []
    for result in joblib.Parallel(n_jobs=jobs, backend=backend, return_as="generator")(calls):
        results.append(result)
        report(len(results), len(tasks))
    return results


def _context(backend: str) -> AbstractContextManager[object]:
    """Return the connection that a cluster backend needs while it works."""
    if backend == "dask":
        distributed = _package("distributed", backend, PACKAGES[backend])
        client: AbstractContextManager[object] = distributed.Client()
        return client
    if backend == "ray":
        _package("ray", backend, PACKAGES[backend])
        import_module("ray.util.joblib").register_ray()
    return nullcontext()


def _package(name: str, backend: str, install: str) -> ModuleType:
    try:
        return import_module(name)
    except ImportError as error:
        raise EngineMissing(
            f"--backend {backend}: the package {name} is not installed",
            hint=f"pip install '{install}', or leave --backend out to use this computer's cores",
        ) from error
