"""Options that subcommands share."""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, cast

import click
from click.core import ParameterSource
from click.shell_completion import CompletionItem

from mtcnn.cli.console import say
from mtcnn.engines.settings import DETECTOR_PRECISIONS
from mtcnn.params import DEFAULT_PRESET, FACE_CHOICES, PRESETS, TEMPLATES, FaceChoice, Template
from mtcnn.pipeline.options import DetectorOptions
from mtcnn.runtime.text import is_whole
from mtcnn.scale.options import ClusterOptions

if TYPE_CHECKING:
    from mtcnn.detector import TrtMtcnn
    from mtcnn.recognition.verify import FaceVerifier

__all__ = [
    "SETTINGS",
    "THRESHOLDS_HELP",
    "Command",
    "Number",
    "PathOrUri",
    "Thresholds",
    "a_file",
    "detector_options",
    "embedder_options",
    "jobs_option",
    "keeping_options",
    "make_verifier",
    "precision_option",
    "ray_options",
    "rotations",
    "size",
    "tell_unused",
    "thresholds",
]

Thresholds = tuple[float, float, float]

THRESHOLDS_HELP = "least scores P-Net, R-Net and O-Net let pass, 0 to 1"

Command = TypeVar("Command", bound=Callable[..., Any])

SETTINGS = {"help_option_names": ["-h", "--help"], "show_default": True}


def a_file(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """For arguments that may be other than files: the shell completes names of files."""
    return [CompletionItem(incomplete, type="file")]


precision_option = click.option(
    "--precision",
    type=click.Choice(DETECTOR_PRECISIONS),
    default="fp32",
    help="arithmetic of the networks; auto: bf16 where that is at least 1.5 times faster",
)


def tell_unused(names: Iterable[str], what: str) -> None:
    """Say which of the running command's options were given that change nothing beside the others.

    Args:
        names: of its parameters.
        what: what they are for.
    """
    context = click.get_current_context()
    for param in context.command.params:
        if param.name in names and context.get_parameter_source(param.name or "") is ParameterSource.COMMANDLINE:
            say(f"{context.command_path}: {param.opts[-1]} is for {what}: it changes nothing here", fg="yellow")


def detector_options(command: Command) -> Command:
    """--preset, --minsize, --thresholds, --rotations, --device, --precision: `detector`, a DetectorOptions."""

    @functools.wraps(command)
    def with_detector(**values: Any) -> Any:
        return command(detector=DetectorOptions(**_take(DetectorOptions, values)), **values)

    wrapped = cast(Command, with_detector)
    for option in (
        precision_option,
        click.option("--device", default="auto", help='"auto", "cpu", "cuda" or "cuda:N"'),
        click.option(
            "--thresholds",
            type=thresholds,
            metavar="P,R,O",
            help=THRESHOLDS_HELP,
            show_default="the preset's",
        ),
        click.option(
            "--rotations",
            type=rotations,
            metavar="DEGREES,...",
            help='turn pictures by these, such as 0,90,180,270; "auto": where no upright face is sure',
            show_default="0",
        ),
        click.option("--minsize", type=Number(), default=40, help="side of the smallest face looked for, pixels"),
        click.option("--preset", type=click.Choice(list(PRESETS)), default=DEFAULT_PRESET),
    ):
        wrapped = option(wrapped)
    return wrapped


def _take(options: type[Any], values: dict[str, Any]) -> dict[str, Any]:
    """The values of the dataclass's fields, which are taken out of `values`."""
    return {field.name: values.pop(field.name) for field in fields(options) if field.name in values}


def jobs_option(command: Command) -> Command:
    """--jobs: how many groups of pictures are worked on at the same time, each by a thread."""
    return click.option(
        "--jobs", type=click.IntRange(0, 1024), default=0, help="pictures worked on at once; 0: one group a core"
    )(command)


def keeping_options(resumes: bool) -> Callable[[Command], Command]:
    """--overwrite, and --resume where the command has it: what is to happen with results that are there."""

    def add(command: Command) -> Command:
        @functools.wraps(command)
        def checked(overwrite: bool, **values: Any) -> Any:
            if overwrite and values.get("resume"):
                raise click.UsageError("--resume goes on with what is there, and --overwrite replaces it: say one")
            return command(overwrite=overwrite, **values)

        wrapped = cast(Command, checked)
        wrapped = click.option("--overwrite", is_flag=True, help="replace results that are there")(wrapped)
        if resumes:
            wrapped = click.option("--resume", is_flag=True, help="go on where an earlier run ended")(wrapped)
        return wrapped

    return add


class Number(click.FloatRange):
    """A number in a range; NaN, which is in none and which comparisons let through, is refused."""

    name = "number"  # in messages

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is no number that can be used", param, ctx)
        return number


class FilePath(click.Path):
    """A path on this machine. Whether it can be read is told where it is: click would call it wrong usage."""

    def __init__(self, *, file_okay: bool = True) -> None:
        super().__init__(file_okay=file_okay, readable=False, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and value.lower().startswith(("http://", "https://", "ftp://")):
            self.fail(f"{value:.100} is an address, and nothing is fetched: save it to a file first", param, ctx)
        return super().convert(value, param, ctx)


class PathOrUri(FilePath):
    """A path on this machine; or as text a URI, which is for --ray."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, str) and "://" in value:
            return value
        if not self.file_okay and os.path.isfile(value):
            self.fail(f"it must be a folder, and {value} is a file: name the folder that it is in", param, ctx)
        return super().convert(value, param, ctx)


def ray_options(command: Command) -> Command:
    """--ray, --actors, --cores, --part, handed to the command as `cluster`, a ClusterOptions; None without --ray.

    The command has --jobs, too, which is the cluster's as well.
    """

    @functools.wraps(command)
    def with_cluster(ray: str | None, jobs: int, **values: Any) -> Any:
        shares = _take(ClusterOptions, values)
        if not ray:
            tell_unused(shares, "--ray")
        return command(cluster=ClusterOptions(ray, **shares, jobs=jobs) if ray else None, jobs=jobs, **values)

    wrapped = cast(Command, with_cluster)
    for option in (
        click.option("--part", type=click.IntRange(1, 100_000), default=500, help="with --ray: pictures in a file"),
        click.option("--cores", type=click.IntRange(0, 1024), default=0, help="of each actor; 0: --jobs, or up to 4"),
        click.option("--actors", type=click.IntRange(0, 100_000), default=0, help="detectors on Ray; 0: all that fit"),
        click.option("--ray", metavar="ADDRESS", help='work on that Ray cluster; "local": start one on this machine'),
    ):
        wrapped = option(wrapped)
    return wrapped


def embedder_options(command: Command, faces: tuple[str, ...] = FACE_CHOICES) -> Command:
    """--embedder, --embedder-size, --embedder-output, --face, --template: what make_verifier() takes.

    faces: what --face may be.
    """
    for option in (
        click.option("--template", type=click.Choice(TEMPLATES), default="arcface", help="where the five points go"),
        click.option("--face", type=click.Choice(faces), default=faces[0], help="of several"),
        click.option("--embedder-output", metavar="NAME", help="where the model has several"),
        click.option("--embedder-size", type=size, metavar="HxW", help="where the model takes any size"),
        click.option(
            "--embedder",
            callback=_need_embedder,
            metavar="MODEL.onnx",
            shell_complete=a_file,
            help="face recognition network, from 112x112 crops  [required]",
        ),
    ):
        command = option(command)
    return command


def _need_embedder(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None and not ctx.resilient_parsing:
        from mtcnn.recognition.embedder import EMBEDDER_HINT

        raise click.UsageError(
            f"{ctx.command.name} needs --embedder MODEL.onnx, a face recognition network; {EMBEDDER_HINT}"
        )
    return value


def make_verifier(
    detector: TrtMtcnn,
    embedder: str,
    embedder_size: tuple[int, int] | None,
    embedder_output: str | None,
    face: FaceChoice,
    metric: str = "euclidean",
    threshold: float | None = None,
    template: Template = "arcface",
) -> FaceVerifier:
    from mtcnn.recognition.embedder import FaceEmbedder
    from mtcnn.recognition.verify import FaceVerifier

    try:
        network = FaceEmbedder(embedder, detector.device, size=embedder_size, output=embedder_output)
    except ValueError as error:  # commands have a --size and an --output of their own
        raise ValueError(re.sub(r"\b(size|output)(=| is| must)", r"embedder_\1\2", str(error))) from None
    return FaceVerifier(network, detector, metric, threshold, face=face, template=template)


def thresholds(text: str) -> Thresholds:
    """ "0.6,0.7,0.7" as numbers: of P-Net, R-Net, O-Net."""
    try:
        pnet, rnet, onet = (float(part) for part in text.split(","))
        if all(0 <= number <= 1 for number in (pnet, rnet, onet)):
            return pnet, rnet, onet
    except ValueError:
        pass
    raise click.BadParameter(f"must be three numbers from 0 to 1, like 0.6,0.7,0.7, got {text!r}")


def rotations(text: str) -> tuple[int, ...] | str:
    """ "auto", or "0,90,180,270" or some of these as numbers."""
    from mtcnn import checks

    try:
        found = checks.rotations("auto" if text == "auto" else [int(part) for part in text.split(",")], "rotations")
    except ValueError:
        raise click.BadParameter(f'must be "auto" or some of 0,90,180,270, each once, got {text!r}') from None
    return found


def size(text: str) -> tuple[int, int]:
    """ "112x96" as (112, 96): height, width; "112" is the square."""
    height, by, width = text.partition("x")
    if not by:
        width = height
    if not (is_whole(height) and is_whole(width)) or not (1 <= int(height) <= 4096 and 1 <= int(width) <= 4096):
        raise click.BadParameter(f"must be height x width in pixels, like 112x96, got {text!r}")
    return int(height), int(width)
