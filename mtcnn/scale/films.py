"""Films on a Ray cluster, one task a film: the nodes read and write them at the same paths."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from mtcnn.scale.options import ClusterOptions
from mtcnn.scale.run import connected

__all__ = ["each_film"]

_CORES = 4  # of a task, where nothing is said
_RETRIES = 2  # where a node dies


def each_film(
    cluster: ClusterOptions, work: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Each task and what `work(*task, cores)` made of it, or the error that ended its process, as they end.

    Raises:
        MtcnnError: Ray is missing, or no cluster answers.
    """
    ours = sys.stdout  # connected, what Ray prints goes nowhere
    with connected(cluster.address):
        import ray

        most = max((node["Resources"].get("CPU", 1) for node in ray.nodes() if node["Alive"]), default=1)
        cores = int(min(cluster.cores or cluster.jobs or _CORES, most))
        remote = ray.remote(num_cpus=cores, max_retries=_RETRIES)(work)
        waiting = {remote.remote(*task, cores): task for task in tasks}
        while waiting:
            ended, _ = ray.wait(list(waiting), num_returns=1)
            for reference in ended:
                task = waiting.pop(reference)
                try:
                    result = ray.get(reference)
                except ray.exceptions.RayError as error:
                    result = error
                with contextlib.redirect_stdout(ours):
                    yield task, result
