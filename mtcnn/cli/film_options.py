"""Options of commands that read and write films."""

from __future__ import annotations

import functools
from typing import Any, cast

import click

from mtcnn.cli.options import Command, tell_unused
from mtcnn.scale.options import ClusterOptions

__all__ = ["film_cluster_options", "film_range_options", "film_writer_options", "moment"]


def moment(text: str) -> float:
    """ "90", "1:30" or "0:01:30.5" as seconds."""
    try:
        parts = [float(part) for part in text.split(":")]
        total = 0.0
        for part in parts:
            total = 60 * total + part
        if len(parts) <= 3 and 0 <= total < 1e9 and all(part >= 0 for part in parts):
            return total
    except ValueError:
        pass
    raise click.BadParameter(f"must be seconds, or like 1:30 or 0:01:30.5, got {text!r}")


def film_cluster_options(command: Command) -> Command:
    """--ray and --cores: `cluster`, a ClusterOptions that gives each film of a folder as a task; None without --ray."""

    @functools.wraps(command)
    def with_cluster(ray: str | None, cores: int, **values: Any) -> Any:
        if not ray:
            tell_unused(["cores"], "--ray")
        return command(cluster=ClusterOptions(ray, cores=cores) if ray else None, **values)

    wrapped = cast(Command, with_cluster)
    for option in (
        click.option("--cores", type=click.IntRange(0, 1024), default=0, help="with --ray: of each film; 0: up to 4"),
        click.option(
            "--ray",
            metavar="ADDRESS",
            help='give each film of a folder to that Ray cluster; "local": start one on this machine',
        ),
    ):
        wrapped = option(wrapped)
    return wrapped


def film_range_options(command: Command) -> Command:
    """--start and --end: the part of a film that is read."""

    def check(ctx: click.Context, param: click.Parameter, value: float | None) -> float | None:
        start = ctx.params.get("start")
        if value is not None and start is not None and value <= start:
            raise click.BadParameter(f"must come after --start, which is {start:g} s")
        return value

    for option in (
        click.option("--end", type=moment, metavar="TIME", callback=check, help="up to there", show_default="its end"),
        click.option(
            "--start",
            type=moment,
            metavar="TIME",
            is_eager=True,
            help="of the film's part that is read: seconds, or 1:30",
            show_default="its beginning",
        ),
    ):
        command = option(command)
    return command


def film_writer_options(command: Command) -> Command:
    """--codec and --crf."""
    for option in (
        click.option("--crf", type=int, help="quality: fewer is better and larger", show_default="the codec's"),
        click.option(
            "--codec", metavar="NAME", help="h264, hevc, vp9, av1, mpeg4, mjpeg", show_default="by --output's ending"
        ),
    ):
        command = option(command)
    return command
