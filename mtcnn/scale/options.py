"""Which Ray cluster, and how it is shared out."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass

from mtcnn.errors import MtcnnError
from mtcnn.runtime.install import install_command

__all__ = ["ClusterOptions", "require_ray"]


@dataclass(frozen=True)
class ClusterOptions:
    """A cluster and the work's shares on it.

    Attributes:
        address: of the cluster; "local": one on this machine, until the work is done.
        actors: detectors; 0 for as many as fit.
        cores: that Ray keeps for each actor; 0 for as many as its jobs, or up to 4.
        part: pictures in a file of results.
        jobs: groups of pictures that an actor works on at the same time; 0 for as many as its cores.
    """

    address: str
    actors: int = 0
    cores: int = 0
    part: int = 500
    jobs: int = 0


def require_ray() -> None:
    """Refuse a cluster before anything is written.

    Raises:
        MtcnnError: Ray, or what its data sets need, is missing.
    """
    for package in ("pyarrow", "ray"):
        if importlib.util.find_spec(package) is None:
            raise MtcnnError(f"--ray needs Ray Data: {install_command('ray')} (No module named {package!r})")
