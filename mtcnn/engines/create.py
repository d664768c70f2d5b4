"""Engines made: built for this machine from the ONNX models, and built again where they are missing or stale."""

from __future__ import annotations

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from mtcnn import checks
from mtcnn.engines.devices import cpu_device, machine_flavour
from mtcnn.engines.networks import ALL_ARCHITECTURES, LNET, NETWORKS
from mtcnn.engines.onnx_layouts import PORT_NAMES, transpose_input
from mtcnn.engines.precision import why_not
from mtcnn.engines.settings import CPU, CUDA, FLAVOURS, PRECISIONS, TENSORRT_FLAVOURS, BuildSettings
from mtcnn.engines.store import (
    Description,
    description_path,
    engines_folder,
    is_described,
    models_folder,
    read_engine,
    read_model,
    write_engine,
)
from mtcnn.engines.tensorrt import Built, build_tensorrt, tensorrt_version
from mtcnn.engines.timing_cache import check_timing_cache
from mtcnn.errors import EngineError, MtcnnError
from mtcnn.files import FolderError, Inputs, OutputError, check_output, locked
from mtcnn.runtime import variables
from mtcnn.runtime.unused import warn_unused

if TYPE_CHECKING:
    import pytrt

__all__ = ["create_engines", "current_engines", "engine_problem"]

log = logging.getLogger("mtcnn")


def create_engines(
    output: str | os.PathLike[str] | None = None,
    models: str | os.PathLike[str] | None = None,
    precision: str = "fp32",
    progress: Callable[[str, int, int], None] | None = None,
    *,
    flavour: str = "auto",
    settings: BuildSettings | None = None,
    port_layout: bool = False,
    overwrite: bool = False,
) -> list[Path]:
    """Make the engines of P-Net, R-Net and O-Net, and of L-Net where there is a model of it.

    Args:
        output: folder to write to; default engines_folder(), where TrtMtcnn(precision=...) finds them.
        models: folder of pnet.onnx, rnet.onnx and onet.onnx, and of lnet.onnx where landmarks are to be refined, which
            ``mtcnn export`` makes; default the package's own three.
        precision: "fp32"; "fp16" or, on a CPU, "bf16" cost a little accuracy and pay where the hardware has
            instructions for them. "fp16" on a CPU, by OpenVINO, needs an `output`: no detector looks for it.
        progress: called with what is being done, the steps of it that are done, and those due.
        flavour: "cpu", "tensorrt", "tensorrt-rtx", "cuda" (a GPU without TensorRT), or "auto": what this machine can
            use.
        settings: how TensorRT builds.
        port_layout: make them for code of tensorrt_demos: det1.engine, det2.engine and
            det3.engine, of which the last two take crops with x first. TrtMtcnn does not take those.

        overwrite: replace files of the engines' names in `output` that were not written by this function.

    Returns:
        The paths of the engine files: three, or four with L-Net's.

    Raises:
        EngineError: a model is missing or refused, or the folder cannot be written or has such files.
        DeviceError: the runtime, driver or GPU is missing.
    """
    if precision not in PRECISIONS:
        raise ValueError(f"precision must be one of {', '.join(map(repr, PRECISIONS))}, got {precision!r}")
    if flavour == "auto":
        flavour = machine_flavour()
    if flavour not in FLAVOURS:
        raise ValueError(f"flavour must be 'auto' or one of {', '.join(map(repr, FLAVOURS))}, got {flavour!r}")
    settings = settings or BuildSettings()
    # Float16 on a CPU is for who passes its engines to TrtMtcnn: no detector looks for them.
    if (precision == "bf16" or output is None) and (problem := why_not(precision, flavour)):
        raise ValueError(problem)
    if settings.targets and flavour != "tensorrt-rtx":
        raise ValueError(
            'targets must come with flavour="tensorrt-rtx": TensorRT builds only for the GPU that it runs on'
        )
    _warn_of_unused(settings, flavour)
    folder = checks.path(output, "output") if output is not None else engines_folder(flavour, settings.gpu, precision)
    source = checks.path(models, "models") if models is not None else models_folder()
    try:
        with locked(folder):
            if output is not None:
                _check_output(folder, source, port_layout, overwrite)
            if settings.timing_cache is not None and flavour in TENSORRT_FLAVOURS:
                engines = _engines_in(folder, source, port_layout)
                taken = [*_models_in(source, port_layout), *engines, *map(description_path, engines)]
                check_timing_cache(settings.timing_cache, taken, overwrite=overwrite)
            return _create(folder, source, precision, progress, flavour, settings, port_layout)
    except FolderError as error:
        if output is not None:
            raise
        raise FolderError(f"{error} with --output or {variables.ENGINES}") from error


def _warn_of_unused(settings: BuildSettings, flavour: str) -> None:
    """Say which settings only TensorRT has; the cache of its measurements may be set for all flavours."""
    if flavour in TENSORRT_FLAVOURS:
        return
    of_gpus = ("gpu",) if flavour != CPU else ()
    for field in fields(settings):
        is_set = getattr(settings, field.name) != field.default
        if is_set and field.name not in ("timing_cache", "channels_last", *of_gpus):
            warn_unused(f"{field.name} has no effect: flavour {flavour!r} is not built by TensorRT")


def _networks_in(source: Path, port_layout: bool) -> tuple[str, ...]:
    """The networks that a folder has models of, or must have; tensorrt_demos has no L-Net."""
    has_lnet = not port_layout and (source / f"{LNET.name}.onnx").exists()
    return (*NETWORKS, LNET.name) if has_lnet else NETWORKS


def _models_in(source: Path, port_layout: bool) -> list[Path]:
    return [source / f"{network}.onnx" for network in _networks_in(source, port_layout)]


def _engines_in(folder: Path, source: Path, port_layout: bool) -> list[Path]:
    """What is to be written, each with its description."""
    names = [PORT_NAMES[name] if port_layout else name for name in _networks_in(source, port_layout)]
    return [folder / f"{name}.engine" for name in names]


def _check_output(folder: Path, source: Path, port_layout: bool, overwrite: bool) -> None:
    """Raise EngineError where engines would take the place of what is no engine of ours, or of a model."""
    inputs = Inputs(lambda: _models_in(source, port_layout))
    for path in _engines_in(folder, source, port_layout):
        ours = is_described(path)
        for written in (path, description_path(path)):
            try:
                check_output(written, inputs, overwrite=True)
            except OutputError as error:
                raise EngineError(str(error)) from error
            if not (ours or overwrite) and written.exists() and written.stat().st_size:
                raise EngineError(
                    f"{written} was not written by create_engines: choose another folder, or replace it with "
                    "--overwrite (overwrite=True)"
                )


def _create(
    folder: Path,
    source: Path,
    precision: str,
    progress: Callable[[str, int, int], None] | None,
    flavour: str,
    settings: BuildSettings,
    port_layout: bool,
) -> list[Path]:
    """create_engines() in a folder that is locked. Files change only once all engines are made."""
    models = {network: source / f"{network}.onnx" for network in _networks_in(source, port_layout)}
    originals = {network: read_model(path) for network, path in models.items()}
    from mtcnn.engines.onnx_tensors import check_weights  # here: --help does without NumPy

    for network, original in originals.items():
        check_weights(original, str(models[network]))
    made = []
    for i, (network, original) in enumerate(originals.items()):
        model, name = original, network
        if port_layout:
            name = PORT_NAMES[network]
            model = model if network == "pnet" else transpose_input(model)
        if progress:
            progress(f"{network}: building", i, len(models))
        built = _build(flavour, network, model, models[network], precision, settings, progress)
        description = Description(
            network,
            hashlib.sha256(original).hexdigest(),
            hashlib.sha256(built.engine).hexdigest(),
            flavour,
            built.version,
            precision,
            built.details | ({"layout": "port"} if port_layout else {}),
        )
        made.append((folder / f"{name}.engine", built.engine, description))
    paths = [write_engine(*engine) for engine in made]
    if progress:
        progress("done", len(models), len(models))
    return paths


def _build(
    flavour: str,
    network: str,
    model: bytes,
    path: Path,
    precision: str,
    settings: BuildSettings,
    progress: Callable[[str, int, int], None] | None,
) -> Built:
    if flavour == CUDA:
        return _kernel_engine(network, model, path)
    if flavour == CPU:
        device = cpu_device()
        engine = device.load_engine(model, precision)  # compiling is the check that it will load
        _check_network(network, engine, path)
        # The model is the engine: it is made ready for the machine when it is loaded, in milliseconds.
        return Built(model, device.runtime, {})
    _check_model(network, model, path)
    if precision == "fp16":
        from mtcnn.engines.onnx_float16 import to_float16

        model = to_float16(model)
    return build_tensorrt(flavour, network, model, settings, progress)


def _kernel_engine(network: str, model: bytes, path: Path) -> Built:
    """The model, where the GPU's kernels run it: it is made ready when it is loaded. Needs no GPU."""
    import mtcnn
    import pytrt

    try:
        found = pytrt.kernel_network(model)
    except EngineError as error:
        _check_model(network, model, path)  # which may know better what is wrong
        raise EngineError(f"{path}: {error}") from error
    if found != network:
        raise EngineError(f"{path} is {found}, not {network}")
    return Built(model, mtcnn.__version__, {})


def engine_problem(path: Path, flavour: str, network: str, gpu: int = 0, precision: str | None = None) -> str | None:
    """Why an engine cannot be used as it is on this machine's GPU `gpu`, from its description; None where it can.

    Args:
        precision: that it must have; None: any.
    """
    try:
        _, description = read_engine(path)
    except EngineError as error:
        return str(error) if path.exists() else f"there is no {path.name} yet"
    if description.flavour != flavour:
        return f"{path.name} is for {description.flavour}, not {flavour}"
    if description.network != network:
        return f"{path.name} is an engine of {description.network}"
    if precision not in (None, description.precision):
        return f"{path.name} is {description.precision}, not {precision}"
    if network in NETWORKS and description.model_sha256 != _model_digest(network):  # the package has no L-Net
        return f"{path.name} was made from another model"
    if flavour in (CPU, CUDA):
        return None  # any version reads it
    if description.flavour_version != (version := tensorrt_version(flavour)):
        return f"{path.name} was made by {flavour} {description.flavour_version}; {version} is installed"
    return _gpu_problem(path, description, gpu)


def _gpu_problem(path: Path, description: Description, gpu: int) -> str | None:
    import pytrt

    problem, _, gpus = pytrt.cuda_driver()
    if problem or gpu >= len(gpus):
        return None  # nothing to compare with
    _, capability, _ = gpus[gpu]
    built_for = description.details.get("compute_capability")
    targets = description.details.get("targets")
    here = 10 * capability[0] + capability[1]
    if built_for is not None and list(built_for) != list(capability):
        return f"{path.name} was made for compute capability {built_for}; GPU {gpu} has {list(capability)}"
    if targets and here not in targets:
        return f"{path.name} was made for {', '.join(f'sm_{t}' for t in targets)}; GPU {gpu} is sm_{here}"
    return None


def current_engines(
    folder: Path, flavour: str, build: bool = True, gpu: int = 0, precision: str | None = None
) -> list[Path]:
    """The engines in `folder` for GPU `gpu`, made first where one is missing, damaged or stale.

    Args:
        precision: that they must have; None: any, and what is made again keeps its own.

    Raises:
        EngineError: so is one, and `build` is False.
    """
    paths = [folder / f"{network}.engine" for network in NETWORKS]
    problem = _first_problem(paths, flavour, gpu, precision)
    if problem is None:
        return paths
    if not build:
        raise EngineError(f"the engines in {folder} cannot be used: {problem}; run create_engines")
    with locked(folder):
        # Another process may have built them while this one waited.
        problem = _first_problem(paths, flavour, gpu, precision)
        if problem is None:
            return paths
        log.info("building engines in %s: %s", folder, problem)
        settings = BuildSettings(timing_cache=folder / "timing.cache", gpu=gpu)
        wanted = precision or _precision_before(paths[0], flavour)
        return _create(folder, models_folder(), wanted, None, flavour, settings, port_layout=False)


def _first_problem(paths: list[Path], flavour: str, gpu: int, precision: str | None) -> str | None:
    problems = (
        engine_problem(path, flavour, network, gpu, precision) for path, network in zip(paths, NETWORKS, strict=True)
    )
    return next((problem for problem in problems if problem is not None), None)


def _precision_before(path: Path, flavour: str) -> str:
    """The precision of the engine there, which a rebuild keeps; "fp32" where there is none of the flavour."""
    try:
        _, description = read_engine(path)
    except EngineError:
        return "fp32"
    return description.precision if description.flavour == flavour else "fp32"


def _check_model(network: str, model: bytes, path: Path) -> None:
    """Whether an ONNX model is the network it is to be, where this machine's CPU can tell."""
    try:
        device = cpu_device()
        engine = device.load_engine(model)
    except MtcnnError:
        return  # without OpenVINO; and what is wrong with the model TensorRT's own parser says better
    _check_network(network, engine, path)


def _check_network(network: str, engine: pytrt.Engine, path: Path) -> None:
    if engine.input[1][3] == 3:
        raise EngineError(
            f"{path} takes (n, h, w, 3) instead of (n, 3, h, w): mtcnn export makes it with --layout nchw"
        )
    architecture = ALL_ARCHITECTURES[network]
    want = architecture.outputs
    channels = {name: shape[1] for name, shape in engine.outputs}
    if missing := want.keys() - channels.keys():
        raise EngineError(f"{path} has no output {', '.join(sorted(missing))}: it is not a {network}")
    for name, count in want.items():
        if channels[name] != count:
            raise EngineError(f"{path} has {channels[name]} {name} instead of {count}: it is not a {network}")
    side = architecture.side or -1  # -1 is any
    shape = engine.input[1]
    takes = (-1, architecture.channels, side, side)
    if shape != takes:
        raise EngineError(f"{path} takes {shape} instead of {takes}: it is not a {network}")


@lru_cache(maxsize=8)
def _model_digest(network: str) -> str:
    return hashlib.sha256(read_model(models_folder() / f"{network}.onnx")).hexdigest()
