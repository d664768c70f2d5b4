"""`mtcnn triton`."""

from __future__ import annotations

from pathlib import Path

import click

from mtcnn.cli.console import echo, echo_json, say
from mtcnn.cli.options import SETTINGS, FilePath, Number
from mtcnn.engines.onnx_layouts import LAYOUTS
from mtcnn.params import DEFAULT_MAX_WORK, DEFAULT_PRESET, PRESETS
from mtcnn.runtime.text import is_whole
from mtcnn.serving.repository import ALL_MODELS, BACKENDS, MAX_BATCH, MAX_PIXELS, write_repository

__all__ = ["command"]

_BATCHES = ", ".join(f"{name} {count}" for name, count in MAX_BATCH.items())


@click.command("triton", context_settings=SETTINGS)
@click.argument("folder", type=FilePath(), metavar="REPO_DIR")
@click.option("--models", type=FilePath(), metavar="DIR", help="ONNX models instead of the package's")
@click.option("--backend", type=click.Choice(["auto", *BACKENDS]), default="auto", help="what runs pnet, rnet and onet")
@click.option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", help="where the cascade runs")
@click.option("--layout", type=click.Choice(LAYOUTS), default="nchw", help="nhwc: channels last, input input_1")
@click.option("--max-batch", multiple=True, metavar="[MODEL=]N", help=f"largest batch  [default: {_BATCHES}]")
@click.option("--instances", multiple=True, metavar="[MODEL=]N", help="how many of a model run at once  [default: 1]")
@click.option("--threads", type=click.IntRange(0, 1024), default=0, help="of an instance; 0: cores / instances")
@click.option("--preset", type=click.Choice(list(PRESETS)), default=DEFAULT_PRESET, help="of requests that set none")
@click.option("--minsize", type=Number(), default=40, help="smallest face of requests that set none, pixels")
@click.option("--max-pixels", type=click.IntRange(1, 1 << 30), default=MAX_PIXELS, help="largest picture taken")
@click.option(
    "--max-work",
    type=Number(0, 1e12, min_open=True),
    default=DEFAULT_MAX_WORK,
    help="billions of multiply-adds that a picture may cost",
)
@click.option(
    "--overwrite",
    "--force",
    "force",
    is_flag=True,
    help="replace models there that were not written by this command, or changed",
)
@click.option("--json", "as_json", is_flag=True)
def command(
    folder: Path,
    models: Path | None,
    backend: str,
    device: str,
    layout: str,
    max_batch: tuple[str, ...],
    instances: tuple[str, ...],
    threads: int,
    preset: str,
    minsize: float,
    max_pixels: int,
    max_work: float,
    force: bool,
    as_json: bool,
) -> int:
    """Write a model repository for Triton Inference Server: pnet, rnet, onet, and the whole cascade as mtcnn.

    With --models, a folder that mtcnn export wrote, lnet is a model, too, where it is there.

    Other models in REPO_DIR stay as they are. --max-batch and --instances may be given more than once:
    --instances 2 --instances mtcnn=4.
    """
    written = write_repository(
        folder,
        models=models,
        backend=backend,
        device=device,
        layout=layout,
        max_batch=_counts(max_batch, "--max-batch"),
        instances=_counts(instances, "--instances"),
        threads=threads,
        preset=preset,
        minsize=minsize,
        max_pixels=max_pixels,
        max_work=max_work,
        force=force,
        progress=say,
    )
    if as_json:
        echo_json([str(path) for path in written])
    else:
        for path in written:
            echo(path)
    return 0


def _counts(texts: tuple[str, ...], name: str) -> dict[str, int]:
    """ "8" of all models, "pnet=8" of one; the last one counts."""
    counts: dict[str, int] = {}
    for text in texts:
        model, _, number = text.rpartition("=")
        if not is_whole(number) or (model and model not in ALL_MODELS):
            raise ValueError(
                f"{name} must be a whole number, or one of {', '.join(ALL_MODELS)} with one (pnet=8): {text!r}"
            )
        counts |= dict.fromkeys([model] if model else ALL_MODELS, int(number))
    return counts
