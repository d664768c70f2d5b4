"""Which Ray cluster, and how it is shared out."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ClusterOptions"]


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
