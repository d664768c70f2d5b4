"""Options that subcommands share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.shell_completion import CompletionItem

from mtcnn.choice import CHOICES
from mtcnn.params import DEFAULT_PRESET, PRESETS

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.verify import FaceVerifier

__all__ = [
    "SETTINGS",
    "PathOrUri",
    "a_file",
    "detector_options",
    "embedder_options",
    "jobs_option",
    "make_detector",
    "make_verifier",
    "ray_options",
    "size",
]

Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


def a_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For arguments that may be other than files: the shell completes names of files."""
    return [CompletionItem(incomplete, type="file")]


def detector_options(command: Command) -> Command:
    """--preset, --minsize, --device: what make_detector() takes."""
    for option in (
        click.option("--device", default="auto", help='"auto", "cpu", "cuda" or "cuda:N"'),
        click.option("--minsize", type=float, default=40, help="side of the smallest face looked for, pixels"),
        click.option("--preset", type=click.Choice(list(PRESETS)), default=DEFAULT_PRESET),
    ):
        command = option(command)
    return command


def jobs_option(command: Command) -> Command:
    """--jobs: how many groups of pictures are worked on at the same time, each by a thread."""
    return click.option(
        "--jobs", type=click.IntRange(0, 1024), default=0, help="pictures worked on at once; 0: one group a core"
    )(command)


class PathOrUri(click.Path):
    """A path on this machine; or as text a URI, which is for --ray."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "://" in value:
            return value
        return super().convert(value, param, ctx)


def ray_options(command: Command) -> Command:
    """--ray, --actors, --cores, --part: see mtcnn.cli.cluster."""
    for option in (
        click.option("--part", type=click.IntRange(1, 100_000), default=500, help="with --ray: pictures in a file"),
        click.option("--cores", type=click.IntRange(0, 1024), default=0, help="of each actor; 0: --jobs, or up to 4"),
        click.option("--actors", type=click.IntRange(0, 100_000), default=0, help="detectors on Ray; 0: all that fit"),
        click.option("--ray", metavar="ADDRESS", help='work on that Ray cluster; "local": start one on this machine'),
    ):
        command = option(command)
    return command


def make_detector(preset: str, minsize: float, device: str, threads: int = 0) -> TrtMtcnn:
    """threads: 1 where several pictures are worked on at the same time."""
    from mtcnn.detector import TrtMtcnn

    return TrtMtcnn(device=device, preset=preset, threads=threads, minsize=minsize)


def embedder_options(command: Command) -> Command:
    """--embedder, --embedder-size, --face: what make_verifier() takes."""
    for option in (
        click.option("--face", type=click.Choice(CHOICES), default=CHOICES[0], help="of several in a picture"),
        click.option("--embedder-size", type=size, metavar="HxW", help="where the model takes any size"),
        click.option(
            "--embedder",
            required=True,
            metavar="MODEL.onnx",
            shell_complete=a_file,
            help="face recognition network, from 112x112 crops",
        ),
    ):
        command = option(command)
    return command


def make_verifier(
    detector: TrtMtcnn,
    embedder: str,
    embedder_size: tuple[int, int] | None,
    face: str,
    metric: str = "euclidean",
    threshold: float | None = None,
) -> FaceVerifier:
    from mtcnn.embedder import FaceEmbedder
    from mtcnn.verify import FaceVerifier

    network = FaceEmbedder(embedder, detector.device, size=embedder_size)
    return FaceVerifier(network, detector, metric, threshold, face=face)


def size(text: str) -> tuple[int, int]:
    """ "112x96" as (112, 96): height, width."""
    height, _, width = text.partition("x")
    if not (height.isdigit() and width.isdigit()) or not (1 <= int(height) <= 4096 and 1 <= int(width) <= 4096):
        raise click.BadParameter(f"must be height x width in pixels, like 112x96, got {text!r}")
    return int(height), int(width)
