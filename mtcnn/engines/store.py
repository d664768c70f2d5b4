"""The folders of models and engines, and engine files, each with a JSON description beside it."""

from __future__ import annotations

import hashlib
import json
import os
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtcnn import checks
from mtcnn.engines.devices import device_of_flavour
from mtcnn.engines.networks import ALL_ARCHITECTURES, NETWORKS
from mtcnn.engines.settings import FLAVOURS, PRECISIONS
from mtcnn.errors import EngineError
from mtcnn.files import MOST_FILE_BYTES, FolderError, read_regular, replacing
from mtcnn.runtime import variables

if TYPE_CHECKING:
    import pytrt

__all__ = [
    "Description",
    "description_path",
    "engines_folder",
    "is_described",
    "load_engine",
    "models_folder",
    "package_models",
    "read_engine",
    "read_model",
    "write_engine",
]

FORMAT = 2  # of the description; another one is rebuilt

_MOST_DESCRIPTION = 1 << 20  # bytes


@dataclass(frozen=True)
class Description:
    """What the JSON beside an engine says of it."""

    network: str
    model_sha256: str  # of the ONNX file it was made from
    engine_sha256: str
    flavour: str  # what it runs on
    flavour_version: str  # that it was made with
    precision: str
    details: dict[str, Any] = field(default_factory=dict)  # TensorRT: profile, GPU, compute capability or targets
    format: int = FORMAT


def models_folder() -> Path:
    """Where the ONNX models lie that come with the package."""
    return Path(__file__).parents[1] / "models"


def package_models() -> list[bytes]:
    """P-Net, R-Net and O-Net as ONNX."""
    return [read_model(models_folder() / f"{network}.onnx") for network in NETWORKS]


def engines_folder(flavour: str, gpu: int = 0, precision: str = "fp32") -> Path:
    """Where a flavour's engines lie unless told otherwise: in $TRT_MTCNN_ENGINES, else the user's cache folder.

    Those of a GPU unlike this machine's first have a folder of their own, and so have those of each precision.
    """
    name = flavour + (_unlike_the_first(gpu) if gpu else "") + ("" if precision == "fp32" else f"-{precision}")
    if chosen := variables.value_of(variables.ENGINES):
        return Path(chosen) / name
    from platformdirs import user_cache_path

    try:
        folder = user_cache_path("trt-mtcnn")
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # neither $HOME nor an entry in passwd, as in containers: their home is the root
        folder = Path("/.cache/trt-mtcnn")
    return folder / "engines" / name


def _unlike_the_first(gpu: int) -> str:
    import pytrt

    _, _, gpus = pytrt.cuda_driver()
    if gpu >= len(gpus) or gpus[gpu][:2] == gpus[0][:2]:
        return ""
    major, minor = gpus[gpu][1]
    return f"-sm_{major}{minor}-" + re.sub(r"\W+", "-", gpus[gpu][0])


def write_engine(path: Path, engine: bytes, description: Description) -> Path:
    """Write an engine and its description; each file appears once it is whole, the description first: an engine without
    one is not ours.

    Raises:
        FolderError: the folder cannot be written.
    """
    try:
        with replacing(description_path(path)) as file:
            file.write(json.dumps(asdict(description), indent=1).encode() + b"\n")
        with replacing(path) as file:
            file.write(engine)
    except OSError as error:
        raise FolderError(f"cannot write {path}: {error.strerror or error}; choose another folder") from error
    return path


def is_described(path: Path) -> bool:
    """Whether the description beside an engine is one of ours, of whatever version: the engine may be replaced."""
    try:
        fields = json.loads(read_regular(description_path(path), _MOST_DESCRIPTION))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(fields, dict) and {"network", "model_sha256", "engine_sha256"} <= fields.keys()


def read_engine(path: str | os.PathLike[str]) -> tuple[bytes, Description]:
    """An engine file's bytes and description.

    Raises:
        EngineError: one is missing or damaged, with what to do about it.
        TypeError, ValueError: `path` is no path.
    """
    engine = checks.path(path, "path")
    data = _read(engine, "engine")
    beside = description_path(engine)
    try:
        fields = json.loads(_read(beside, "description", _MOST_DESCRIPTION))
        if not isinstance(fields, dict) or fields.get("format") != FORMAT:
            raise EngineError(f"{beside} is of another version: run create_engines again")
        description = Description(**fields)
    except (ValueError, TypeError, RecursionError) as error:
        raise EngineError(f"{beside} is damaged ({error}): run create_engines again") from error
    if hashlib.sha256(data).hexdigest() != description.engine_sha256:
        raise EngineError(f"{engine} is damaged or not the one that {beside.name} describes: run create_engines again")
    if (
        description.precision not in PRECISIONS
        or description.network not in ALL_ARCHITECTURES
        or description.flavour not in FLAVOURS
        or not isinstance(description.details, dict)
        or not all(_are_whole(description.details.get(key, [])) for key in ("compute_capability", "targets"))
    ):
        raise EngineError(f"{beside} is damaged: run create_engines again")
    return data, description


def _are_whole(values: object) -> bool:
    return isinstance(values, list) and all(type(value) is int for value in values)


def load_engine(
    path: str | os.PathLike[str], device: pytrt.Device | None = None, network: str | None = None
) -> pytrt.Engine:
    """Load one engine file onto a device; default the one it was made for.

    Args:
        path: what create_engines wrote.
        device: where it is to run.
        network: which of ALL_ARCHITECTURES it must be; default any.

    Raises:
        EngineError: it is missing, damaged or does not fit.
        DeviceError: the runtime is missing.
    """
    data, description = read_engine(path)
    if network not in (None, description.network):
        raise EngineError(
            f"{path} is an engine of {description.network}, not of {network}: engines come in the order P-, R-, O-, "
            "L-Net"
        )
    if network and network != "pnet" and description.details.get("layout") == "port":
        raise EngineError(f"{path} takes crops with x first, for PyTrtMtcnn: run create_engines without --port-layout")
    if device is None:
        device = device_of_flavour(description.flavour)
    elif device.flavour != description.flavour:
        raise EngineError(
            f"{path} is for {description.flavour}, not for {device.runtime}: run create_engines for this device"
        )
    try:
        return device.load_engine(data, description.precision)
    except EngineError as error:
        raise EngineError(f"{path}: {error}") from error


def description_path(engine: Path) -> Path:
    """The path of the JSON beside an engine."""
    return engine.with_name(engine.name + ".json")


def read_model(path: Path) -> bytes:
    """The bytes of an ONNX model.

    Raises:
        EngineError: it cannot be read.
    """
    return _read(path, "model")


def _read(path: Path, what: str, most: int = MOST_FILE_BYTES) -> bytes:
    try:
        return read_regular(path, most)
    except FileNotFoundError:
        mend = "run create_engines to make it" if what != "model" else "check the folder of models"
        if path.name.endswith(".onnx.json"):
            mend = "models are no engines: create_engines(models=FOLDER) makes engines of them"
        raise EngineError(f"there is no {what} {path}: {mend}") from None
    except OSError as error:
        raise EngineError(f"cannot read the {what} {path}: {error.strerror or error}") from error
