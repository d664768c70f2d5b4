"""The command `create_engines`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from mtcnn.engines import NETWORKS, PRECISIONS, create_engines, current_engines, engines_folder
from mtcnn.errors import MtcnnError
from mtcnn.flavours import FLAVOURS, BuildSettings, parse_target

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the engines; 0 on success, 1 on an error, 2 on wrong arguments, 130 on Ctrl-C."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    parser = _parser()
    options = parser.parse_args(arguments)
    console = Console(stderr=True)

    def fail(error: object) -> None:
        console.print(f"create_engines: {error}", style="red", markup=False, highlight=False, soft_wrap=True)

    try:
        settings = _settings(options)
        if options.no_build:
            paths = _check(options)
        else:
            columns = (TextColumn("{task.description:32}"), BarColumn(), TimeElapsedColumn())
            with Progress(*columns, console=console) as bar:
                task = bar.add_task("starting", total=len(NETWORKS))
                paths = create_engines(
                    options.output,
                    options.models,
                    options.precision,
                    lambda what, done, due: bar.update(task, description=what, completed=done, total=due),
                    flavour=options.flavour,
                    settings=settings,
                    port_layout=options.port_layout,
                )
    except ValueError as error:
        fail(error)
        return 2
    except MtcnnError as error:
        fail(error)
        return 1
    except KeyboardInterrupt:
        fail("cancelled; engines that were there are as they were")
        return 130
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="create_engines",
        description="Make the engines of P-Net, R-Net and O-Net: TensorRT plans on a machine with a GPU, "
        "OpenVINO models elsewhere.",
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help=f"default {engines_folder('FLAVOUR')}")
    parser.add_argument("--models", type=Path, metavar="DIR", help="ONNX models to use instead of the package's own")
    parser.add_argument("--flavour", choices=("auto", *FLAVOURS), default="auto", help="what they are to run on")
    parser.add_argument("--precision", choices=PRECISIONS, default="fp32", help="arithmetic (default fp32)")
    parser.add_argument(
        "--port-layout", action="store_true", help="det1, det2, det3.engine for code of the TensorRT port"
    )
    parser.add_argument("--no-build", action="store_true", help="only tell whether the engines there can be used")
    build = parser.add_argument_group("TensorRT")
    build.add_argument("--target", metavar="sm_86,...", help="GPUs to build for, with tensorrt-rtx; needs no GPU")
    build.add_argument(
        "--gpu", type=int, default=0, metavar="N", help="GPU to build on, and for (default 0, the first)"
    )
    build.add_argument("--pnet-size", default="1280x1280", metavar="HxW", help="largest canvas (default 1280x1280)")
    build.add_argument("--pnet-batch", default="1,8", metavar="BEST,MOST", help="default 1,8")
    build.add_argument("--rnet-batch", default="64,256", metavar="BEST,MOST", help="default 64,256")
    build.add_argument("--onet-batch", default="16,64", metavar="BEST,MOST", help="default 16,64")
    build.add_argument("--workspace", type=int, default=0, metavar="MIB", help="scratch memory at most")
    build.add_argument(
        "--optimization-level", type=int, default=-1, metavar="0-5", help="5 builds longest, runs fastest"
    )
    build.add_argument("--timing-cache", type=Path, metavar="FILE", help="keeps measurements for the next build")
    return parser


def _settings(options: argparse.Namespace) -> BuildSettings:
    if options.workspace < 0:
        raise ValueError(f"--workspace must not be negative, got {options.workspace}")
    cache = options.timing_cache or engines_folder("tensorrt") / "timing.cache"
    return BuildSettings(
        pnet_size=_pair(options.pnet_size, "x", "--pnet-size"),
        pnet_batch=_pair(options.pnet_batch, ",", "--pnet-batch"),
        rnet_batch=_pair(options.rnet_batch, ",", "--rnet-batch"),
        onet_batch=_pair(options.onet_batch, ",", "--onet-batch"),
        workspace=options.workspace << 20,
        optimization_level=options.optimization_level,
        gpu=options.gpu,
        targets=tuple(parse_target(t) for t in options.target.split(",")) if options.target else (),
        timing_cache=cache,
    )


def _check(options: argparse.Namespace) -> list[Path]:
    from mtcnn.devices import machine_flavour

    flavour = machine_flavour() if options.flavour == "auto" else options.flavour
    folder = options.output or engines_folder(flavour, options.gpu)
    return current_engines(folder, flavour, build=False, gpu=options.gpu)


def _pair(text: str, separator: str, name: str) -> tuple[int, int]:
    parts = text.split(separator)
    if len(parts) != 2 or not all(part.strip().isdigit() for part in parts):
        raise ValueError(f"{name} must be two whole numbers like 1{separator}8, got {text!r}")
    return int(parts[0]), int(parts[1])


if __name__ == "__main__":
    sys.exit(main())
