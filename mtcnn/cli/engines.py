"""`mtcnn engines`, also `create_engines`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from mtcnn.cli.console import echo, echo_json
from mtcnn.cli.options import FilePath, keeping_options, tell_unused
from mtcnn.cli.run import CANCELLED, fail
from mtcnn.engines import NETWORKS, PRECISIONS, create_engines, current_engines, engines_folder
from mtcnn.engines.settings import FLAVOURS, BuildSettings, parse_target
from mtcnn.runtime.text import is_whole

__all__ = ["command"]


@click.command("engines", context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--output", type=FilePath(), metavar="DIR", help="default: a folder of your cache")
@click.option("--models", type=FilePath(), metavar="DIR", help="ONNX models instead of the package's")
@click.option("--flavour", type=click.Choice(["auto", *FLAVOURS]), default="auto", help="what they are to run on")
@click.option("--precision", type=click.Choice(PRECISIONS), help="arithmetic (default fp32)")
@click.option(
    "--port-layout",
    is_flag=True,
    help="det1, det2, det3.engine for code of tensorrt_demos; needs onnx: pip install onnx",
)
@click.option("--no-build", is_flag=True, help="only tell whether the engines there can be used")
@click.option("--target", metavar="sm_86,...", help="GPUs to build for, with tensorrt-rtx; needs no GPU")
@click.option("--gpu", type=int, default=0, metavar="N", help="GPU to build on, and for (default 0, the first)")
@click.option("--pnet-size", default="1280x1280", metavar="HxW", help="TensorRT: largest canvas (default 1280x1280)")
@click.option("--pnet-batch", default="1,8", metavar="BEST,MOST", help="TensorRT: default 1,8")
@click.option("--rnet-batch", default="64,256", metavar="BEST,MOST", help="TensorRT: default 64,256")
@click.option("--onet-batch", default="16,64", metavar="BEST,MOST", help="TensorRT: default 16,64")
@click.option("--workspace", type=int, default=0, metavar="MIB", help="TensorRT: scratch memory at most")
@click.option("--optimization-level", type=int, default=-1, metavar="0-5", help="TensorRT: 5 builds longest")
@click.option("--timing-cache", type=FilePath(), metavar="FILE", help="TensorRT: kept measurements")
@keeping_options(resumes=False)
@click.option("--json", "as_json", is_flag=True, help="the engines' paths as JSON")
@click.pass_context
def command(
    ctx: click.Context,
    output: Path | None,
    models: Path | None,
    flavour: str,
    precision: str | None,
    port_layout: bool,
    no_build: bool,
    target: str | None,
    gpu: int,
    pnet_size: str,
    pnet_batch: str,
    rnet_batch: str,
    onet_batch: str,
    workspace: int,
    optimization_level: int,
    timing_cache: Path | None,
    overwrite: bool,
    as_json: bool,
) -> int:
    """Make the engines of P-Net, R-Net and O-Net: TensorRT plans where that is, else models for the GPU or the CPU."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    if workspace < 0:
        raise ValueError(f"--workspace must not be negative, got {workspace}")
    settings = BuildSettings(
        pnet_size=_pair(pnet_size, "x", "--pnet-size"),
        pnet_batch=_pair(pnet_batch, ",", "--pnet-batch"),
        rnet_batch=_pair(rnet_batch, ",", "--rnet-batch"),
        onet_batch=_pair(onet_batch, ",", "--onet-batch"),
        workspace=workspace << 20,
        optimization_level=optimization_level,
        gpu=gpu,
        targets=tuple(parse_target(t) for t in target.split(",")) if target else (),
        timing_cache=timing_cache or engines_folder("tensorrt") / "timing.cache",
    )
    if no_build:
        building = [
            "models",
            "port_layout",
            "target",
            "pnet_size",
            "pnet_batch",
            "rnet_batch",
            "onet_batch",
            "workspace",
        ]
        tell_unused([*building, "optimization_level", "timing_cache", "overwrite"], "building, and not for --no-build")
        paths = _check(output, flavour, gpu, precision)
    else:
        columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn())
        try:
            with Progress(*columns, console=Console(stderr=True), disable=not sys.stderr.isatty()) as bar:
                task = bar.add_task("starting", total=len(NETWORKS))
                paths = create_engines(
                    output,
                    models,
                    precision or "fp32",
                    lambda what, done, due: bar.update(task, description=what, completed=done, total=due),
                    flavour=flavour,
                    settings=settings,
                    port_layout=port_layout,
                    overwrite=overwrite,
                )
        except KeyboardInterrupt:
            fail(ctx.command_path, "cancelled; engines that were there are as they were")
            return CANCELLED
    if as_json:
        echo_json({"engines": [str(path) for path in paths]})
        return 0
    for path in paths:
        echo(path)
    return 0


def _check(output: Path | None, flavour: str, gpu: int, precision: str | None) -> list[Path]:
    from mtcnn.engines.devices import machine_flavour

    if flavour == "auto":
        flavour = machine_flavour()
    if output is None:
        precision = precision or "fp32"
        output = engines_folder(flavour, gpu, precision)
    return current_engines(output, flavour, build=False, gpu=gpu, precision=precision)


def _pair(text: str, separator: str, name: str) -> tuple[int, int]:
    parts = text.split(separator)
    if len(parts) != 2 or not all(is_whole(part.strip()) for part in parts):
        example = "640x960" if separator == "x" else "1,8"
        raise ValueError(f"{name} must be two whole numbers like {example}, got {text!r}")
    return int(parts[0]), int(parts[1])
