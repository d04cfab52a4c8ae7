"""One function over many files, spread over the machines of a cluster by joblib's Dask and Ray backends.

    dask scheduler                                         # on one machine
    dask worker tcp://HOST:8786 --nworkers 16 --nthreads 1   # on each
    dare-eeg prepare recordings/ --output windows/ --cluster dask://HOST:8786

The workers need the same package and see the same files under the same paths. The function has to be one that may be
run again: a worker that dies takes its files with it, and the cluster gives them to another one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

KINDS = ("dask", "ray")

PATIENCE = 10
"""Seconds that a scheduler has to answer."""


def check_cluster(address: str) -> tuple[str, str]:
    """Take an address apart: which kind of cluster, and where it is.

    Args:
        address: `dask://HOST:PORT` of a Dask scheduler, or `ray://HOST:PORT` of a Ray cluster.

    Raises:
        ValueError: It is neither.
    """
    kind, separator, place = address.partition("://")
    if kind not in KINDS or not separator or not place:
        raise ValueError(f"--cluster {address}: give dask://HOST:PORT or ray://HOST:PORT, where the cluster listens")
    return kind, place


def over_cluster(function: Callable[[Item], Result], items: Sequence[Item], address: str) -> Iterator[Result]:
    """Yield the results of a function for each item, as they come.

    Args:
        function: of one item; it and the items must be picklable. It runs with one thread.
        items: what to do.
        address: see `check_cluster`.

    Raises:
        ValueError: The address is none, or nothing listens there.
        ImportError: The library of this kind of cluster is not installed.
    """
    from joblib import Parallel, delayed

    with _connected(address):
        jobs = (delayed(_with_one_thread)(function, item) for item in items)
        yield from Parallel(n_jobs=-1, return_as="generator_unordered", pre_dispatch="all", batch_size=1)(jobs)


def _with_one_thread(function: Callable[[Item], Result], item: Item) -> Result:
    """One thread, as in a build with several processes on one machine: sums depend on their number."""
    from dare_eeg_hf.launching import cpu_threads

    with cpu_threads(1):
        return function(item)


@contextmanager
def _connected(address: str) -> Iterator[Any]:
    """joblib's settings for as long as the cluster is needed."""
    from joblib import parallel_config

    kind, place = check_cluster(address)
    connect = {"dask": _dask_client, "ray": _ray}[kind]
    with connect(place), parallel_config(backend=kind):
        yield


@contextmanager
def _dask_client(place: str) -> Iterator[Any]:
    try:
        from dask.distributed import Client
    except ImportError as error:
        raise ImportError('A Dask cluster needs Dask: pip install "dare-eeg-hf[cluster]"') from error
    try:
        client = Client(f"tcp://{place}", timeout=PATIENCE)
    except OSError as error:
        raise ValueError(
            f"no Dask scheduler answers at {place}: start one by `dask scheduler`, and give the address it prints"
        ) from error
    with client:
        yield client


@contextmanager
def _ray(place: str) -> Iterator[None]:
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise ImportError('A Ray cluster needs Ray: pip install "dare-eeg-hf[ray]"') from error
    with ray.init(f"ray://{place}"):
        register_ray()
        yield
