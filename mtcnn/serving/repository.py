"""A model repository for Triton Inference Server: the networks, and the cascade as one model."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from mtcnn import checks
from mtcnn.engines import NETWORKS, engines_folder, models_folder
from mtcnn.engines.devices import gpu_flavour
from mtcnn.engines.networks import ALL_ARCHITECTURES, LNET
from mtcnn.engines.onnx_layouts import INPUT_NAMES, LAYOUTS, to_channels_last
from mtcnn.engines.onnx_tensors import check_weights
from mtcnn.engines.settings import TENSORRT_FLAVOURS, BuildSettings
from mtcnn.engines.store import read_model
from mtcnn.engines.tensorrt import build_tensorrt
from mtcnn.errors import DeviceError, MtcnnError
from mtcnn.files import is_temporary, locked, read_regular, temporary_name
from mtcnn.params import DEFAULT_MAX_WORK, DEFAULT_PRESET, make_params
from mtcnn.serving.config import ModelConfig, Tensor

__all__ = ["ALL_MODELS", "BACKENDS", "CASCADE", "MAX_BATCH", "MODELS", "write_repository"]

BACKENDS = ("tensorrt", "onnxruntime", "python")
CASCADE = "mtcnn"
MODELS = (*NETWORKS, CASCADE)
ALL_MODELS = (*NETWORKS, LNET.name, CASCADE)  # L-Net, where there is a model of it
MAX_BATCH: Mapping[str, int] = {"pnet": 8, "rnet": 256, "onet": 64, LNET.name: 64, CASCADE: 16}
MAX_PIXELS = 50_000_000
TRITON_BACKENDS = Path("/opt/tritonserver/backends")  # where NVIDIA's container has them

_RECORD = ".mtcnn-triton.json"  # in each model's folder: what was written there
_STAGING = "new"

Files = dict[str, bytes]  # of one model, by their paths in its folder
Report = Callable[[str], None]


def write_repository(
    folder: str | os.PathLike[str],
    *,
    models: str | os.PathLike[str] | None = None,
    backend: str = "auto",
    device: str = "auto",
    layout: str = "nchw",
    max_batch: Mapping[str, int] | None = None,
    instances: Mapping[str, int] | None = None,
    threads: int = 0,
    preset: str = DEFAULT_PRESET,
    minsize: float = 40,
    max_pixels: int = MAX_PIXELS,
    max_work: float = DEFAULT_MAX_WORK,
    force: bool = False,
    progress: Report = lambda what: None,
) -> list[Path]:
    """Write the models pnet, rnet, onet and mtcnn into a model repository, beside what other models it has.

    Args:
        folder: the repository; made where it is missing.
        models: folder of pnet.onnx, rnet.onnx and onet.onnx, and of lnet.onnx where that is to be a model, too; default
            the package's own three.
        backend: what runs the three networks: "tensorrt" (plans, built for this machine's GPU), "onnxruntime",
            "python" (our own CPU kernels), or "auto": the first of these that this machine has.
        device: where the cascade runs: "cpu", "cuda", or "auto": a GPU where it can be used here.
        layout: "nchw": the networks' input is data (n, 3, h, w); "nhwc": input_1 (n, h, w, 3), as Keras models
            are deployed, and their outputs end in channels, too.
        max_batch: the largest batch of a model, by its name; default ``MAX_BATCH``.
        instances: how many of a model run at once, by its name; default 1.
        threads: CPU threads of an instance; 0: the cores divided among a model's instances.
        preset, minsize: of requests to the cascade that set none.
        max_pixels: the largest picture that it takes; P-Net on the Python backend, too.
        max_work: billions of multiply-adds that a picture may cost the cascade, as mtcnn.work counts them.
        force: replace models of these names that were not written by this function, or changed since.
        progress: told what is being done.

    Returns:
        The folders of the models. Each is whole or as it was.

    Raises:
        MtcnnError: a folder there is not ours, or cannot be written; onnx is missing for "nhwc".
        DeviceError, EngineError: TensorRT, a GPU or a model is missing or refused.
        TypeError, ValueError: a wrong argument.
    """
    root = checks.path(folder, "folder")
    batches = _counts(max_batch, "max_batch", MAX_BATCH)
    counts = _counts(instances, "instances", dict.fromkeys(ALL_MODELS, 1))
    source = checks.path(models, "models") if models is not None else models_folder()
    networks = (*NETWORKS, LNET.name) if (source / f"{LNET.name}.onnx").exists() else NETWORKS
    checks.choice(backend, "backend", ("auto", *BACKENDS))
    checks.choice(device, "device", ("auto", "cpu", "cuda"))
    checks.choice(layout, "layout", LAYOUTS)
    threads = checks.whole(threads, "threads", 0, 1024)
    checks.whole(max_pixels, "max_pixels", 1, 1 << 30)
    max_work = checks.number(max_work, "max_work", 0, 1e12, open_ends=True)
    minsize = make_params(preset, {"minsize": minsize}).minsize
    chosen = _choose_backend() if backend == "auto" else backend
    kind = _kind(device)
    if chosen == "tensorrt":
        _check_gpu()
    _refuse_inputs(root, (*networks, CASCADE), [source / f"{network}.onnx" for network in networks])
    if not force:
        _check_ours(root, (*networks, CASCADE))  # building plans takes minutes

    made: dict[str, Files] = {}
    for network in networks:
        progress(f"{network}: {chosen}")
        settings = {"layout": layout, "max_pixels": str(max_pixels), "threads": str(threads)}
        config = network_config(network, chosen, layout, batches[network], counts[network], settings)
        made[network] = {
            "config.pbtxt": config.text().encode(),
            **_network_files(network, chosen, layout, batches[network], source),
        }
    progress(f"{CASCADE}: python")
    settings = {
        "preset": preset,
        "minsize": f"{minsize:g}",
        "max_pixels": str(max_pixels),
        "max_work": f"{max_work:g}",
        "threads": str(threads),
    }
    config = cascade_config(batches[CASCADE], counts[CASCADE], kind, settings)
    made[CASCADE] = {"config.pbtxt": config.text().encode(), "1/model.py": _code("cascade")}
    return _write(root, made, force)


def network_config(
    network: str, backend: str, layout: str, max_batch: int, instances: int, settings: Mapping[str, str]
) -> ModelConfig:
    """One of the networks, as its ONNX file has it."""
    architecture = ALL_ARCHITECTURES[network]
    side = architecture.side or -1
    grid = (-1, -1) if architecture.side is None else (1, 1)

    def dims(channels: int, map_: tuple[int, int]) -> tuple[int, ...]:
        if layout == "nchw":
            return channels, *map_
        return (channels,) if map_ == (1, 1) else (*map_, channels)

    return ModelConfig(
        network,
        'platform: "tensorrt_plan"' if backend == "tensorrt" else f'backend: "{backend}"',
        max_batch,
        (Tensor(INPUT_NAMES[layout], "TYPE_FP32", dims(architecture.channels, (side, side))),),
        tuple(Tensor(name, "TYPE_FP32", dims(channels, grid)) for name, channels in architecture.outputs.items()),
        instances,
        {"tensorrt": "KIND_GPU", "onnxruntime": "KIND_AUTO", "python": "KIND_CPU"}[backend],
        settings if backend == "python" else {},
    )


def cascade_config(max_batch: int, instances: int, kind: str, settings: Mapping[str, str]) -> ModelConfig:
    """The whole cascade: pictures in, faces out."""
    return ModelConfig(
        CASCADE,
        'backend: "python"',
        max_batch,
        (
            Tensor("image", "TYPE_STRING", (1,), optional=True),
            Tensor("pixels", "TYPE_UINT8", (-1, -1, -1), optional=True, ragged=True),
        ),
        (
            Tensor("dets", "TYPE_FP32", (-1, 5)),
            Tensor("landmarks", "TYPE_FP32", (-1, 10)),
            Tensor("count", "TYPE_INT32", (1,)),
        ),
        instances,
        kind,
        settings,
    )


def _counts(given: Mapping[str, int] | None, name: str, defaults: Mapping[str, int]) -> dict[str, int]:
    for model, count in (given or {}).items():
        checks.choice(model, f"a model in {name}", ALL_MODELS)
        checks.whole(count, f"{name} of {model}", 1, 65536)
    return {**defaults, **(given or {})}


def _choose_backend() -> str:
    with contextlib.suppress(DeviceError):
        if gpu_flavour() == TENSORRT_FLAVOURS[0]:
            return "tensorrt"
    return "onnxruntime" if (TRITON_BACKENDS / "onnxruntime").is_dir() else "python"


def _kind(device: str) -> str:
    if device == "cpu":
        return "KIND_CPU"
    try:
        gpu_flavour()
    except DeviceError:
        if device == "cuda":
            raise
        return "KIND_CPU"
    return "KIND_GPU"


def _check_gpu() -> None:
    import pytrt

    problem, _, _ = pytrt.cuda_driver()
    if problem:
        raise DeviceError(
            f"backend 'tensorrt' needs plans, which are built on the machine with the GPU they are for: {problem}. "
            "'onnxruntime' and 'python' need none"
        )


def _network_files(network: str, backend: str, layout: str, max_batch: int, source: Path) -> Files:
    path = source / f"{network}.onnx"
    model = read_model(path)
    check_weights(model, str(path))
    if backend == "python":  # which changes the layout itself
        return {"1/model.onnx": model, "1/model.py": _code("network")}
    if layout == "nhwc":
        model = to_channels_last(model)
    if backend == "onnxruntime":
        return {"1/model.onnx": model}
    return {"1/model.plan": build_plan(network, model, layout, max_batch)}


def build_plan(network: str, model: bytes, layout: str, max_batch: int, flavour: str = TENSORRT_FLAVOURS[0]) -> bytes:
    """A TensorRT plan for batches up to `max_batch`."""
    usual = BuildSettings()
    batch = {name: (min(getattr(usual, f"{name}_batch")[0], max_batch), max_batch) for name in ALL_ARCHITECTURES}
    settings = BuildSettings(
        pnet_batch=batch["pnet"],
        rnet_batch=batch["rnet"],
        onet_batch=batch["onet"],
        lnet_batch=batch["lnet"],
        timing_cache=engines_folder(flavour) / "timing.cache",
        channels_last=layout == "nhwc",
    )
    return build_tensorrt(flavour, network, model, settings).engine


def _code(name: str) -> bytes:
    return (Path(__file__).parent / "models" / f"{name}.py").read_bytes()


def _write(root: Path, models: Mapping[str, Files], force: bool) -> list[Path]:
    try:
        with locked(root):
            if not force:
                _check_ours(root, models)
            _replace(root, models)
    except OSError as error:
        raise MtcnnError(f"cannot write to {root}: {error.strerror or error}; choose another folder") from error
    return [root / name for name in models]


def _refuse_inputs(root: Path, names: Iterable[str], models: Iterable[Path]) -> None:
    """Raise MtcnnError where a model that is read lies in a folder that would be replaced."""
    for name in names:
        place = os.path.join(os.path.realpath(root), name)
        for model in models:
            if os.path.realpath(model).startswith(place + os.sep):
                raise MtcnnError(f"{model} would be overwritten with what is made of it: choose another folder")


def _check_ours(root: Path, models: Iterable[str] = MODELS) -> None:
    """Raise MtcnnError unless everything in the models' folders is as it was written here."""
    for name in models:
        if os.path.lexists(root / name):
            _check_model(root / name)


def _check_model(model: Path) -> None:
    try:
        record = json.loads(read_regular(model / _RECORD))
        digests = {str(path): str(digest) for path, digest in record["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise MtcnnError(
            f"{model} was not written by mtcnn triton: choose another folder, or --overwrite or --force"
        ) from None
    found = {
        str(path.relative_to(model)): path
        for path in model.rglob("*")
        if not path.is_dir() and "__pycache__" not in path.parts
    }
    found.pop(_RECORD, None)
    for name in sorted(found.keys() | digests.keys()):
        if name not in found or name not in digests or _digest_of_file(found[name]) != digests[name]:
            raise MtcnnError(
                f"{model / name} is not as mtcnn triton wrote it: keep it elsewhere, then --overwrite or --force"
            )


def _replace(root: Path, models: Mapping[str, Files]) -> None:
    """Put whole folders in the place of others; where one cannot be, all are as they were."""
    for left in [name for name in os.listdir(root) if is_temporary(name, _STAGING)]:  # by a run that was killed
        shutil.rmtree(root / left, ignore_errors=True)
    # On the same file system, which a folder beside the repository need not be.
    staging = root / temporary_name(_STAGING)
    staging.mkdir(0o700)
    placed: list[str] = []
    try:
        for name, files in models.items():
            record = {"files": {path: _digest(data) for path, data in files.items()}}
            for path, data in {**files, _RECORD: json.dumps(record, indent=1).encode() + b"\n"}.items():
                file = staging / name / path
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_bytes(data)
        for name in models:
            if os.path.lexists(root / name):
                (root / name).rename(staging / f"{name}.old")
            placed.append(name)
            (staging / name).rename(root / name)
    except BaseException:
        for name in reversed(placed):
            if not (staging / name).exists():
                (root / name).rename(staging / name)
            if os.path.lexists(staging / f"{name}.old"):
                (staging / f"{name}.old").rename(root / name)
        raise
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _digest_of_file(path: Path) -> str | None:
    """None where it is no file, or cannot be read."""
    try:
        return _digest(read_regular(path))
    except OSError:
        return None


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
