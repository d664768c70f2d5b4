"""`--ray`: a command's work on a Ray cluster, counted as on one machine."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import click

from mtcnn.cli.console import counting
from mtcnn.cli.keeping import refuse_missing
from mtcnn.cli.run import CANCELLED
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.scale.options import ClusterOptions, require_ray

__all__ = ["refuse_uris", "run_on_cluster"]


def run_on_cluster(
    settings: dict[str, Any],
    sources: Sequence[str | os.PathLike[str]],
    output: str | os.PathLike[str],
    detector: DetectorOptions,
    resume: bool,
    overwrite: bool,
    cluster: ClusterOptions,
) -> tuple[Counter[str], Counter[str], int]:
    """The counts of what was done and of what earlier runs did, the exit code.

    Args:
        settings: what results depend on, and "command".
    """

    detector.params()  # wrong ones are said before Ray starts
    if detector.device not in ("auto", "cpu", "cuda"):
        raise click.UsageError("with --ray, --device must be auto, cpu or cuda: Ray gives each actor its GPU")
    require_ray()
    from mtcnn.scale.run import alone, connected, count_before, fit_pool, results, start_run

    refuse_missing(list(map(str, sources)))
    counts: Counter[str] = Counter()
    with ExitStack() as stack:
        stack.enter_context(connected(cluster.address))
        pool = fit_pool(detector.device, cluster)
        stack.enter_context(alone(str(output)))  # makes the folder: not where nothing can run
        run = start_run(
            settings, list(map(str, sources)), str(output), cluster.part, resume=resume, overwrite=overwrite
        )
        before = count_before(run)
        if "pictures" in before:  # else the counts leave out one another already
            before = Counter(done=before["pictures"] - before["unreadable"], unreadable=before["unreadable"])
        with counting("parts", total=len(run.remaining)) as bar:
            try:
                for done in results(run, detector, pool):
                    counts += done
                    bar.advance()
            except KeyboardInterrupt:
                return counts, before, CANCELLED
    return counts, before, 0


def refuse_uris(*places: Path | str | None) -> None:
    for place in places:
        if isinstance(place, str) and place.lower().startswith(("http:", "https:", "ftp:", "data:")):
            raise click.UsageError(f"{place:.100} is an address, and nothing is fetched: save it to a file first")
        if isinstance(place, str):
            raise click.UsageError(f"{place} is a URI, which needs --ray")
