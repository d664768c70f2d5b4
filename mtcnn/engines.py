"""Engines: the networks made ready for this machine, one file each with a JSON description beside it."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtcnn.errors import EngineError
from mtcnn.runtimes import openvino_library

if TYPE_CHECKING:
    import pytrt

__all__ = ["NETWORKS", "Description", "create_engines", "engines_folder", "load_engine", "models_folder", "read_engine"]

NETWORKS = ("pnet", "rnet", "onet")
PRECISIONS = ("f32", "bf16", "f16")
FORMAT = 1  # of the description; another one is rebuilt

log = logging.getLogger("mtcnn")


@dataclass(frozen=True)
class Description:
    """What the JSON beside an engine says of it."""

    network: str
    model_sha256: str  # of the ONNX file it was made from
    engine_sha256: str
    flavour: str  # the runtime it is for
    flavour_version: str  # that it was made with
    precision: str
    format: int = FORMAT


def models_folder() -> Path:
    """Where the ONNX models lie that come with the package."""
    return Path(__file__).parent / "models"


def engines_folder() -> Path:
    """Where engines lie unless told otherwise: $TRT_MTCNN_ENGINES, else the user's cache folder."""
    if chosen := os.environ.get("TRT_MTCNN_ENGINES"):
        return Path(chosen)
    from platformdirs import user_cache_path

    return user_cache_path("trt-mtcnn") / "engines"


@lru_cache(maxsize=8)
def cpu_device(threads: int = 0) -> pytrt.CpuDevice:
    """The CPU; detectors with as many threads share one."""
    import pytrt

    return pytrt.CpuDevice(openvino_library(), threads)


def create_engines(
    output: str | os.PathLike[str] | None = None,
    models: str | os.PathLike[str] | None = None,
    precision: str = "f32",
    progress: Callable[[str, int, int], None] | None = None,
) -> list[Path]:
    """Make the engines of P-Net, R-Net and O-Net for this machine.

    Args:
        output: folder to write to; default engines_folder().
        models: folder of pnet.onnx, rnet.onnx and onet.onnx; default the package's own.
        precision: "f32", or "bf16"/"f16", which cost accuracy and pay where the CPU has instructions for them.
        progress: called with what is being done and the steps done and due.

    Returns:
        The paths of the three engine files.

    Raises:
        EngineError: a model is missing or cannot be read, or the folder cannot be written.
        DeviceError: the runtime is missing.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}, got {precision!r}")
    folder = Path(output) if output is not None else engines_folder()
    source = Path(models) if models is not None else models_folder()
    device = cpu_device()
    flavour, version = device.runtime.split(" ", 1)
    steps = 2 * len(NETWORKS)
    paths = []
    for i, network in enumerate(NETWORKS):
        if progress:
            progress(f"{network}: building", 2 * i, steps)
        model = _read(source / f"{network}.onnx", "model")
        engine = device.load_engine(model, precision)  # compiling is the check that it will load
        _check_network(network, engine, source / f"{network}.onnx")
        if progress:
            progress(f"{network}: writing", 2 * i + 1, steps)
        digest = hashlib.sha256(model).hexdigest()
        # OpenVINO compiles at load, in milliseconds, for shapes it then knows: the model is its engine.
        description = Description(network, digest, digest, flavour.lower(), version, precision)
        path = folder / f"{network}.engine"
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with _replacing(path) as file:
                file.write(model)
            with _replacing(_description_path(path)) as file:
                file.write(json.dumps(asdict(description), indent=1).encode() + b"\n")
        except OSError as error:
            raise EngineError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
        paths.append(path)
    if progress:
        progress("done", steps, steps)
    return paths


def read_engine(path: str | os.PathLike[str]) -> tuple[bytes, Description]:
    """An engine file's bytes and description.

    Raises:
        EngineError: one is missing or damaged, with what to do about it.
    """
    engine = Path(path)
    data = _read(engine, "engine")
    beside = _description_path(engine)
    try:
        fields = json.loads(_read(beside, "description"))
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise EngineError(f"{beside} is of another version: run create_engines again")
        description = Description(**fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise EngineError(f"{beside} is damaged ({error}): run create_engines again") from error
    if hashlib.sha256(data).hexdigest() != description.engine_sha256:
        raise EngineError(f"{engine} is damaged or not the one that {beside.name} describes: run create_engines again")
    if description.precision not in PRECISIONS or description.network not in NETWORKS:
        raise EngineError(f"{beside} is damaged: run create_engines again")
    return data, description


def load_engine(path: str | os.PathLike[str], device: pytrt.Device | None = None) -> pytrt.Engine:
    """Load one engine file onto a device; default the one it was made for.

    Raises:
        EngineError: it is missing, damaged or does not fit.
        DeviceError: the runtime is missing.
    """
    data, description = read_engine(path)
    if description.flavour != "openvino":
        raise EngineError(f"{path} is for {description.flavour}, which this build does not run: run create_engines here")
    try:
        return (device or cpu_device()).load_engine(data, description.precision)
    except EngineError as error:
        raise EngineError(f"{path}: {error}") from error


def current_engines(folder: Path) -> list[Path]:
    """The engines in `folder`, made first where one is missing, damaged or of an older model."""
    paths = [folder / f"{network}.engine" for network in NETWORKS]
    for path, network in zip(paths, NETWORKS, strict=True):
        try:
            _, description = read_engine(path)
        except EngineError as error:
            reason = str(error) if path.exists() else "there is none yet"
        else:
            if description.model_sha256 == _model_digest(network):
                continue
            reason = f"{path.name} was made from another model"
        log.info("building engines in %s: %s", folder, reason)
        return create_engines(folder)
    return paths


def _check_network(network: str, engine: pytrt.Engine, path: Path) -> None:
    want = {"prob1", "boxes"} | ({"landmarks"} if network == "onet" else set())
    missing = want - {name for name, _ in engine.outputs}
    if missing:
        raise EngineError(f"{path} has no output {', '.join(sorted(missing))}: it is not a {network}")


@lru_cache(maxsize=8)
def _model_digest(network: str) -> str:
    return hashlib.sha256(_read(models_folder() / f"{network}.onnx", "model")).hexdigest()


def _description_path(engine: Path) -> Path:
    return engine.with_name(engine.name + ".json")


def _read(path: Path, what: str) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        mend = "run create_engines to make it" if what != "model" else "check the folder of models"
        raise EngineError(f"there is no {what} {path}: {mend}") from None
    except OSError as error:
        raise EngineError(f"cannot read the {what} {path}: {error.strerror or error}") from error


@contextlib.contextmanager
def _replacing(path: Path) -> Iterator[Any]:
    """A file that takes the place of `path` only once it is whole, so that no reader sees half of it."""
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            os.fchmod(handle, 0o644)
            yield file
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise


def main(arguments: Sequence[str] | None = None) -> int:
    """The command `create_engines`."""
    import argparse
    import sys

    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mtcnn.errors import MtcnnError

    parser = argparse.ArgumentParser(
        prog="create_engines", description="Make the engines of P-Net, R-Net and O-Net for this machine."
    )
    parser.add_argument("--output", type=Path, metavar="DIR", help=f"where to write them (default {engines_folder()})")
    parser.add_argument("--models", type=Path, metavar="DIR", help="ONNX models to use instead of the package's own")
    parser.add_argument("--precision", choices=PRECISIONS, default="f32", help="arithmetic (default f32)")
    options = parser.parse_args(arguments)

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:16}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    try:
        with Progress(*columns, console=console) as bar:
            task = bar.add_task("starting")
            paths = create_engines(
                options.output,
                options.models,
                options.precision,
                lambda what, done, due: bar.update(task, description=what, completed=done, total=due),
            )
    except MtcnnError as error:
        console.print(f"create_engines: {error}", style="red", markup=False, highlight=False)
        return 1
    except KeyboardInterrupt:
        console.print("create_engines: cancelled")
        return 130
    for path in paths:
        sys.stdout.write(f"{path}\n")
    return 0
