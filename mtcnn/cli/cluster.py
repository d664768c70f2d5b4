"""`--ray`: a command's work on a Ray cluster, counted as on one machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from mtcnn.cli.console import counting
from mtcnn.cli.run import CANCELLED
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions

__all__ = ["refuse_uris", "run_on_cluster"]


def run_on_cluster(
    settings: dict[str, Any],
    sources: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    detector: DetectorOptions,
    resume: bool,
    cluster: ClusterOptions,
) -> tuple[Counter[str], int, int]:
    """The counts of what was done, the number of pictures that were done before, the exit code.

    Args:
        settings: what results depend on, and "command".
    """
    from mtcnn.errors import MtcnnError

    detector.params()  # wrong ones are said before Ray starts
    if detector.device not in ("auto", "cpu", "cuda"):
        raise click.UsageError("with --ray, --device must be auto, cpu or cuda: Ray gives each actor its GPU")
    try:
        import pyarrow  # noqa: F401
    except ImportError as error:
        raise MtcnnError(f"--ray needs Ray Data: pip install 'trt-mtcnn[ray]' ({error})") from error
    from mtcnn.scale.run import connected, fit_pool, results, start_run

    counts: Counter[str] = Counter()
    with connected(cluster.address):
        pool = fit_pool(detector.device, cluster)
        run = start_run(settings, list(map(str, sources)), str(output), cluster.part, resume)
        with counting("parts", total=len(run.remaining)) as bar:
            try:
                for done in results(run, detector, pool):
                    counts += done
                    bar.advance()
            except KeyboardInterrupt:
                return counts, run.before, CANCELLED
    return counts, run.before, 0


def refuse_uris(*places: Path | str | None) -> None:
    for place in places:
        if isinstance(place, str):
            raise click.UsageError(f"{place} is a URI, which needs --ray")
