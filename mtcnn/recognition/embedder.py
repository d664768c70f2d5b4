"""FaceEmbedder: a face recognition network of the user's, in ONNX, from aligned crops to vectors."""

from __future__ import annotations

import itertools
import logging
import math
import os
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

import pytrt
from mtcnn import checks
from mtcnn.align import height_width
from mtcnn.engines.devices import cpu_device, named_device
from mtcnn.engines.protobuf import BYTES, MalformedProtobufError, fields
from mtcnn.engines.settings import CUDA
from mtcnn.errors import DeviceError, EngineError
from mtcnn.files import read_regular
from mtcnn.images import check_not_dark
from mtcnn.recognition.embedder_plan import embedder_plan
from mtcnn.runtime.fixed import Fixed
from mtcnn.runtime.install import install_command

__all__ = ["EMBEDDER_HINT", "FaceEmbedder"]

log = logging.getLogger("mtcnn")

# Its own threshold in OpenCV: a cosine of 0.363.
EMBEDDER_HINT = (
    "none comes with this package; OpenCV's SFace (Apache-2.0, threshold 1.128) is one: curl -LO "
    "https://github.com/opencv/opencv_zoo/raw/main/models/face_recognition_sface/face_recognition_sface_2021dec.onnx"
)

Array = npt.NDArray[np.float32]

_MIN_SIDE, _MAX_SIDE = 12, 4096
_GRAPH = 7  # the field's number
_MOST_FIELDS = 100_000  # beside the graph: sets of operators, metadata, functions
_MOST_NUMBERS = 1 << 28  # in one array of the network, a gibibyte; ArcFace's ResNet-100 has 0.8 million a crop

# What ONNX's own metadata may say of an image input: github.com/onnx/onnx, docs/MetadataProps.md
_RANGES = {
    "NominalRange_0_255": (0.0, 1.0),
    "Normalized_0_1": (0.0, 1 / 255),
    "Normalized_1_1": (127.5, 1 / 127.5),
}
_USUAL = (127.5, 1 / 127.5)


class FaceEmbedder(Fixed):
    """Turns aligned faces into vectors of length 1: near ones are of one person.

    What is not given is read from the model: size and layout from its input's shape; order of colours and
    range of values from ONNX's image metadata; a model that begins by subtracting or scaling gets levels
    0..255. Where the model says nothing, it gets RGB, (x - 127.5) / 127.5.

    Args:
        model: path of the ONNX file; one float32 input (n, 3, h, w) or (n, h, w, 3), output (n, d).
        device: what a detector runs on, ``detector.device``; or as TrtMtcnn takes it, "cpu", "cuda:0"; default the
            CPU.
        size: (height, width) of the crops it takes, or one number for a square.
        colours: "rgb" or "bgr".
        mean, scale: the network gets (level - mean) * scale.
        output: name of the output, where it has several.
        mirror: add the vector of each crop's mirror image: a little surer, at twice the time.
        batch: crops that one call of the network takes at most.

    Raises:
        EngineError: no such file, or no embedder.
        DeviceError: OpenVINO is missing.
        TypeError, ValueError: a wrong argument, or one that the model contradicts.
    """

    _ARGUMENTS = frozenset({"model", "device", "colours", "mean", "scale", "output", "mirror", "batch"})

    def __init__(
        self,
        model: str | os.PathLike[str],
        device: pytrt.Device | str | None = None,
        *,
        size: tuple[int, int] | int | None = None,
        colours: str | None = None,
        mean: float | None = None,
        scale: float | None = None,
        output: str | None = None,
        mirror: bool = True,
        batch: int = 32,
    ) -> None:
        self._path = Path(os.fsdecode(model))
        try:
            data = read_regular(self._path)
        except OSError as error:
            hint = f"; {EMBEDDER_HINT}" if isinstance(error, FileNotFoundError) else ""
            raise EngineError(f"cannot read the embedder {self._path}: {error.strerror or error}{hint}") from error
        said = _read_model(data, self._path)
        self._channels_last = _channels_last(said.shape, self._path)
        self._size = _input_size(said.shape, self._channels_last, size)
        self._colours = checks.choice(colours or said.colours, "colours", ("rgb", "bgr"))
        self._mean = checks.number(said.mean if mean is None else mean, "mean", -1e6, 1e6)
        self._scale = checks.number(said.scale if scale is None else scale, "scale", -1e6, 1e6)
        self._mirror = checks.flag(mirror, "mirror")
        self._batch = checks.whole(batch, "batch", 1, 4096)
        self._fixed_batch = said.shape[0]
        if self._fixed_batch > 0:
            self._batch = self._fixed_batch
        if not isinstance(device, pytrt.Device):
            device = named_device("cpu" if device is None else checks.device(device, "device"))
        if device.flavour == CUDA:  # whose kernels run no other networks than MTCNN's
            log.info("the embedder runs on the CPU: on a GPU it needs TensorRT")
            device = cpu_device()
        if device.on_gpu:
            data = embedder_plan(
                data, self._shape(self._fixed_batch if self._fixed_batch > 0 else 1), self._batch, device.ordinal
            )
        try:
            self._engine = device.load_engine(data)
        except EngineError as error:
            raise EngineError(f"{self._path}: {error}") from error
        self._output, self._length = _output(self._engine.outputs, output, self._path)

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the crops that it takes."""
        return self._size

    def __repr__(self) -> str:
        return (
            f"FaceEmbedder({str(self._path)!r}, size={self._size}, colours={self._colours!r}, "
            f"mean={self._mean:g}, scale={self._scale:g}, mirror={self._mirror})"
        )

    def embed(self, crops: npt.NDArray[np.uint8]) -> Array:
        """Return the vectors (n, d) float32, each of length 1, of crops (n, height, width, 3) BGR uint8.

        Any number of threads may call it.

        Raises:
            ValueError: crops of another shape or dtype, or one of levels 0 and 1 alone.
            EngineError: the network gives zeros, NaN or infinity.
        """
        if isinstance(crops, (list, tuple)) and not crops:
            crops = np.empty((0, *self._size, 3), np.uint8)
        if not isinstance(crops, np.ndarray) or crops.dtype != np.uint8 or crops.shape[1:] != (*self._size, 3):
            got = f"{crops.dtype} {crops.shape}" if isinstance(crops, np.ndarray) else type(crops).__name__
            raise ValueError(f"crops must be uint8 (n, {self._size[0]}, {self._size[1]}, 3), got {got}")
        if len(crops) == 0:
            return np.empty((0, max(self._length, 0)), np.float32)
        for i in np.flatnonzero(crops[:, self._size[0] // 2, self._size[1] // 2, 1] <= 1):
            check_not_dark(crops[i], f"crops[{i}]")
        vectors = self._run(crops)
        if self._mirror:
            vectors = _unit(vectors, self._path) + _unit(self._run(crops[:, :, ::-1]), self._path)
        return _unit(vectors, self._path)

    def _run(self, crops: npt.NDArray[np.uint8]) -> Array:
        found = []
        for first in range(0, len(crops), self._batch):
            data = self._tensor(crops[first : first + self._batch])
            count = len(data)
            if count < self._fixed_batch:
                data = np.concatenate([data, np.repeat(data[-1:], self._fixed_batch - count, axis=0)])
            vectors = self._engine.infer(data)[self._output]
            found.append(vectors.reshape(len(vectors), -1)[:count])
        return np.concatenate(found)

    def _tensor(self, crops: npt.NDArray[np.uint8]) -> Array:
        if self._colours == "rgb":
            crops = crops[:, :, :, ::-1]
        if not self._channels_last:
            crops = crops.transpose(0, 3, 1, 2)
        data = np.ascontiguousarray(crops, np.float32)
        data -= np.float32(self._mean)
        data *= np.float32(self._scale)
        return data

    def _shape(self, batch: int) -> tuple[int, int, int, int]:
        return (batch, *self._size, 3) if self._channels_last else (batch, 3, *self._size)


class _ModelMetadata(NamedTuple):
    """What a model says of its input; -1 in the shape is any size."""

    shape: tuple[int, ...]
    colours: str
    mean: float
    scale: float


def _read_model(data: bytes, path: Path) -> _ModelMetadata:
    if not _is_onnx(data):  # which OpenVINO would offer to all that it reads, one of which logs what it thinks of it
        raise EngineError(f"{path} is no model that OpenVINO can read: it is no ONNX")
    openvino = _import_openvino()
    try:
        model = openvino.Core().read_model(data)
        inputs = model.inputs
        if len(inputs) != 1 or inputs[0].partial_shape.rank.is_dynamic:
            raise EngineError(f"{path} is no face embedder: it must have one input, (n, 3, h, w) or (n, h, w, 3)")
        shape = tuple(-1 if d.is_dynamic else d.get_length() for d in inputs[0].partial_shape)
        metadata = model.get_rt_info(["framework"]).astype(dict) if model.has_rt_info(["framework"]) else {}
        words = {name: value.astype(str) for name, value in metadata.items() if name.startswith("Image.")}
        normalises = _begins_with_arithmetic(inputs[0])
        _refuse_huge_arrays(model, path)
    except RuntimeError as error:
        why = str(error).strip().splitlines()[-1]
        if "external data" in why or "outside the base directory" in why:
            why = f"some of it lies in other files: onnx.save(onnx.load({str(path)!r}), {f'{path.stem}-whole.onnx'!r})"
        raise EngineError(f"{path} is no model that OpenVINO can read: {why}") from error
    mean, scale = (0.0, 1.0) if normalises else _USUAL
    if said := words.get("Image.NominalPixelRange"):
        if said not in _RANGES:
            raise EngineError(f"{path} asks for pixels in {said}, which is not among {', '.join(_RANGES)}")
        mean, scale = _RANGES[said]
    colours = "bgr" if words.get("Image.BitmapPixelFormat", "").startswith("Bgr") else "rgb"
    return _ModelMetadata(shape, colours, mean, scale)


def _is_onnx(data: bytes) -> bool:
    """Whether it is a message that has ONNX's graph: https://github.com/onnx/onnx, onnx.proto, ModelProto."""
    count = itertools.count()

    def end() -> None:
        if next(count) > _MOST_FIELDS:
            raise MalformedProtobufError("too many fields")

    try:
        return any(number == _GRAPH and kind == BYTES for number, kind, _, _ in fields(data, end))
    except MalformedProtobufError:
        return False


def _refuse_huge_arrays(model: Any, path: Path) -> None:
    """A file of a hundred bytes may ask for terabytes, which compiling the model would allocate."""
    for node in model.get_ops():
        for output in node.outputs():
            least = output.partial_shape.get_min_shape()  # of a batch of any size, 0
            if math.prod(max(1, size) for size in least) > _MOST_NUMBERS:
                made = " x ".join(map(str, least))
                raise EngineError(f"{path} is no face embedder: its {node.get_type_name()} makes an array of {made}")


def _import_openvino() -> Any:
    """OpenVINO's Python without its telemetry: that keeps a file in the user's home and reports each import."""
    name = "openvino_telemetry"
    before = sys.modules.get(name)
    sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # taken for not installed
    try:
        import openvino
    except ImportError as error:
        raise DeviceError(f"face embedders need OpenVINO: {install_command('openvino')}") from error
    finally:
        if before is None:
            sys.modules.pop(name, None)
    return openvino


def _begins_with_arithmetic(port: Any) -> bool:
    """Whether the network normalises levels itself."""
    for _ in range(4):
        users = list(port.get_target_inputs())
        if len(users) != 1:
            return False
        node = users[0].get_node()
        if node.get_type_name() in ("Subtract", "Multiply", "Divide"):
            return True
        if node.get_type_name() not in ("Transpose", "Convert"):
            return False
        port = node.output(0)
    return False


def _channels_last(shape: tuple[int, ...], path: Path) -> bool:
    if len(shape) == 4 and 3 in (shape[1], shape[3]):
        return shape[1] != 3
    raise EngineError(f"{path} is no face embedder: its input is {shape}, not (n, 3, h, w) or (n, h, w, 3)")


def _input_size(shape: tuple[int, ...], channels_last: bool, asked: tuple[int, int] | int | None) -> tuple[int, int]:
    own = shape[1:3] if channels_last else shape[2:4]
    if asked is None:
        if min(own) < 0:
            raise ValueError("the embedder takes any size: say which it was trained on, as in size=(112, 112)")
        return height_width(own)
    size = height_width(asked)
    if not _MIN_SIDE <= min(size) <= max(size) <= _MAX_SIDE:
        raise ValueError(f"size must be {_MIN_SIDE} to {_MAX_SIDE} pixels a side, got {size}")
    if any(mine not in (-1, wanted) for mine, wanted in zip(own, size, strict=True)):
        raise ValueError(f"size is {size}, but the embedder takes {own}")
    return size


def _output(outputs: list[tuple[str, tuple[int, int, int, int]]], asked: str | None, path: Path) -> tuple[str, int]:
    shapes = dict(outputs)
    if asked is None:
        if len(shapes) != 1:
            raise ValueError(
                f'{path} has several outputs: say which, as in output="{outputs[0][0]}", of {", ".join(shapes)}'
            )
        asked = outputs[0][0]
    if asked not in shapes:
        raise ValueError(f"{path} has no output {asked!r}, but {', '.join(shapes)}")
    _, length, height, width = shapes[asked]
    if height != 1 or width != 1:
        raise EngineError(f"{path} is no face embedder: its output {asked!r} is {shapes[asked]}, not (n, d)")
    return asked, length


def _unit(vectors: Array, path: Path) -> Array:
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    if not (np.isfinite(lengths).all() and (lengths > 0).all()):
        raise EngineError(f"{path} gives vectors of zeros, NaN or infinity: do its mean and scale fit it?")
    unit: Array = vectors / lengths
    return unit
