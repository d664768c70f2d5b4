"""MTCNN: TrtMtcnn behind the interface of the package `mtcnn` on PyPI, 0.1 and 1.0."""

from __future__ import annotations

import hashlib
import numbers
import os
import re
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.compat.mtcnn.bboxes import limit_bboxes, to_json
from mtcnn.compat.mtcnn.exceptions import DarkImage, InvalidImage
from mtcnn.compat.mtcnn.images import decode_bgr, is_file
from mtcnn.compat.mtcnn.stages import StageONet, StagePNet, StageRNet
from mtcnn.compat.pictures import dark_as
from mtcnn.detector import TrtMtcnn
from mtcnn.files import read_regular
from mtcnn.images import as_bgr, is_on_gpu, picture_shape
from mtcnn.params import DEFAULT_PRESET, Preset
from mtcnn.runtime.unused import warn_unused

__all__ = ["MTCNN"]

# mtcnn/data/mtcnn_weights.npy of mtcnn 0.1.1, from which mtcnn/models was made
WEIGHTS_SHA256 = "9e04e975abf93c7173e956df4b496d6da269e08b9e87f2daec963ee1176576b0"

_ALL_STAGES = (StagePNet, StageRNet, StageONet)
_COMMON_STAGES = {"face_detection_only": _ALL_STAGES[:2], "face_and_landmarks_detection": _ALL_STAGES}
_EVERYTHING = "face_and_landmarks_detection"
_STEPS_THRESHOLD = {False: (0.6, 0.7, 0.8), True: (0.6, 0.7, 0.7)}  # of 1.0, of 0.1
_JUSTIFICATIONS = ("center", "top", "topleft", "topright", "bottom", "bottomleft", "bottomright", "left", "right")
_USUAL_OVERLAPS = (0.5, 0.7, 0.7, 0.7)
_NETWORKS = {"pnet": "P-Net", "rnet": "R-Net", "onet": "O-Net"}  # as names of arguments have them
_SMALLEST = 4


class MTCNN:
    """The face detector with the constructor, calls and results of ``mtcnn.MTCNN`` on PyPI.

    One constructor serves both generations. With any of 0.1's arguments (``weights_file``, ``min_face_size``,
    ``steps_threshold``, ``scale_factor``) it behaves as 0.1: thresholds 0.6, 0.7, 0.7, keypoints are tuples.
    Otherwise as 1.0: thresholds 0.6, 0.7, 0.8, keypoints are lists. Any number of threads may share a detector.

    Args:
        stages: "face_and_landmarks_detection", "face_detection_only" (no O-Net, no landmarks), or the first
            of :mod:`mtcnn.stages`, as classes or instances. In its place also ``weights_file``, as 0.1 has it.
        device: as of :class:`mtcnn.TrtMtcnn`, or as TensorFlow says it: "CPU:0", "GPU:1". In its place also
            ``min_face_size``, as 0.1 has it.
        steps_threshold: least scores that P-Net, R-Net and O-Net let pass.
        scale_factor: ratio of neighbouring pyramid scales, in (0, 1); default 0.709.
        weights_file: only the file that comes with `mtcnn` 0.1, whose weights are built in.
        min_face_size: side of the smallest face looked for, pixels; default 20.
        preset: of :class:`mtcnn.TrtMtcnn`.

    Raises:
        TypeError, ValueError: a wrong argument.
        DeviceError, EngineError: as :class:`mtcnn.TrtMtcnn`.

    Example:
        >>> import cv2
        >>> from mtcnn import MTCNN
        >>> img = cv2.cvtColor(cv2.imread("docs/images/astronaut.jpg"), cv2.COLOR_BGR2RGB)
        >>> [sorted(face) for face in MTCNN().detect_faces(img)]
        [['box', 'confidence', 'keypoints']]
    """

    def __init__(
        self,
        stages: Any = _EVERYTHING,
        device: Any = "auto",
        steps_threshold: Sequence[float] | None = None,
        scale_factor: float | None = None,
        *,
        weights_file: Any = None,
        min_face_size: float | None = None,
        preset: Preset = DEFAULT_PRESET,
    ) -> None:
        if not isinstance(stages, (list, tuple)) and not (isinstance(stages, str) and stages in _COMMON_STAGES):
            stages, weights_file = _EVERYTHING, stages if weights_file is None else weights_file
        if isinstance(device, numbers.Real):
            device, min_face_size = "auto", device if min_face_size is None else min_face_size
        self._as_0_1 = any(given is not None for given in (weights_file, min_face_size, steps_threshold, scale_factor))
        if weights_file is not None:
            _check_weights(weights_file)
        self._stages = _make_stages(stages)
        self._device = device
        self._min_face_size = _minsize(20 if min_face_size is None else min_face_size)
        self._steps_threshold = checks.numbers_in_unit(
            _STEPS_THRESHOLD[self._as_0_1] if steps_threshold is None else steps_threshold,
            "steps_threshold",
            3,
            "P-Net, R-Net, O-Net",
        )
        self._scale_factor = _scale_factor(0.709 if scale_factor is None else scale_factor)
        networks = len(self._stages)
        # O-Net's suppression is of regressed boxes; without it another must be, or a face is found many times
        last: dict[str, Any] = {} if networks == 3 else {"networks": networks, "nms_boxes": "regressed"}
        self._detector = TrtMtcnn(device=_device(device), preset=preset, **last)

    @property
    def min_face_size(self) -> float:
        """Side of the smallest face looked for, pixels; may be set."""
        return self._min_face_size

    @min_face_size.setter
    def min_face_size(self, value: float) -> None:
        self._min_face_size = _minsize(value)

    @property
    def device(self) -> str:
        """What the constructor was given."""
        return str(self._device)

    @property
    def stages(self) -> list[Any]:
        """The stages, which have a ``name`` and an ``id``."""
        return list(self._stages)

    def get_stage(self, stage_id: int | None = None, stage_name: str | None = None) -> Any:
        """Return the stage with this id (1, 2, 3) or name ("Stage PNET", ...); None if there is none."""
        return next((stage for stage in self._stages if stage.id == stage_id or stage.name == stage_name), None)

    def detect_faces(
        self,
        image: Any,
        fit_to_image: bool = True,
        limit_boundaries_landmarks: bool = False,
        box_format: str = "xywh",
        output_type: str = "json",
        postprocess: bool = True,
        batch_stack_justification: str = "center",
        *,
        min_face_size: float | None = None,
        min_size: float = _SMALLEST,
        scale_factor: float | None = None,
        threshold_pnet: float | None = None,
        threshold_rnet: float | None = None,
        threshold_onet: float | None = None,
        nms_pnet1: float = 0.5,
        nms_pnet2: float = 0.7,
        nms_rnet: float = 0.7,
        nms_onet: float = 0.7,
    ) -> Any:
        """Find the faces in one picture or in a list of pictures of any sizes.

        Args:
            image: **RGB** (H, W, 3), levels 0..255, as an array, a PIL picture or a tensor on the CPU; a path;
                the bytes of a picture file; or a list of these. As in 1.0 none is turned by EXIF.
            fit_to_image: limit boxes to the picture.
            limit_boundaries_landmarks: with ``fit_to_image``, limit landmarks, too.
            box_format: "xywh": [x1, y1, x2 - x1, y2 - y1]; "xyxy": [x1, y1, x2, y2].
            output_type: "json" or "numpy".
            postprocess: False has the meaning of ``fit_to_image=False``.
            batch_stack_justification: checked, without effect: pictures of a list are not padded.
            min_face_size, scale_factor, threshold_pnet, threshold_rnet, threshold_onet: for this call, over
                the constructor's.
            min_size: checked, without effect, as in 1.0: P-Net sees 12 pixels.
            nms_pnet1, nms_pnet2, nms_rnet, nms_onet: greatest overlaps that survive: within a pyramid level,
                over all levels, after R-Net (intersection over union), after O-Net (over the smaller area).

        Returns:
            "json": a list of faces, best first; of a list of pictures, a list of such lists. A face is
            ``{"box": [int] * 4, "confidence": float, "keypoints": {"left_eye": [x, y], "right_eye",
            "nose", "mouth_left", "mouth_right"}}``, in whole pixels, rounded; without O-Net no "keypoints".
            "numpy": (n, 16) float64 of all pictures, ``[picture, box, confidence, x1..x5, y1..y5]``; without
            O-Net (n, 6).

        Raises:
            InvalidImage: what is no picture; a ValueError.
            OSError: a file cannot be read.
            TypeError, ValueError: another wrong argument.
        """
        fit = checks.flag(fit_to_image, "fit_to_image") & checks.flag(postprocess, "postprocess")
        limit_landmarks = checks.flag(limit_boundaries_landmarks, "limit_boundaries_landmarks")
        as_size = checks.choice(box_format, "box_format", ("xywh", "xyxy")) == "xywh"
        as_json = checks.choice(output_type, "output_type", ("json", "numpy")) == "json"
        checks.choice(batch_stack_justification, "batch_stack_justification", _JUSTIFICATIONS)
        checks.number(min_size, "min_size", 1, 1e9)
        usual = self._detector.params
        thresholds = {
            "threshold_pnet": threshold_pnet,
            "threshold_rnet": threshold_rnet,
            "threshold_onet": threshold_onet,
        }
        overlaps = {"nms_pnet1": nms_pnet1, "nms_pnet2": nms_pnet2, "nms_rnet": nms_rnet, "nms_onet": nms_onet}
        params: dict[str, Any] = {
            "minsize": self._min_face_size if min_face_size is None else _minsize(min_face_size),
            "factor": self._scale_factor if scale_factor is None else _scale_factor(scale_factor),
            "thresholds": self._of_networks(thresholds, self._steps_threshold, usual.thresholds),
            "nms_thresholds": self._of_networks(overlaps, _USUAL_OVERLAPS, usual.nms_thresholds),
        }
        is_batch = isinstance(image, (list, tuple))
        shapes: list[tuple[int, ...]] = []
        frames = _frames(image if is_batch else [image], is_batch, shapes)
        with dark_as("image", is_batch, DarkImage):
            found = self._detector.detect_batch(frames, **params)
        rows = self._rows(found)
        if fit:
            rows = limit_bboxes(rows, np.reshape(shapes, (-1, 3)), limit_landmarks)
        if not as_json:
            if as_size:
                rows[:, 3:5] -= rows[:, 1:3]
            return rows
        faces = to_json(rows, len(shapes), output_as_width_height=as_size)
        if self._as_0_1:
            for face in (face for per_image in faces for face in per_image if "keypoints" in face):
                face["keypoints"] = {name: tuple(point) for name, point in face["keypoints"].items()}
        return faces if is_batch else faces[0]

    predict = detect_faces

    def __repr__(self) -> str:
        return (
            f"MTCNN(stages={self._stages}, device={self._device!r}, min_face_size={self._min_face_size:g}, "
            f"steps_threshold={list(self._steps_threshold)}, scale_factor={self._scale_factor:g})"
        )

    def _of_networks(
        self, given: Mapping[str, float | None], usual: Sequence[float], others: Sequence[float]
    ) -> list[float]:
        """A number for each: what is given, else the usual one; for networks that do not run what the detector has.

        Args:
            given: by the names that arguments have here, as which they are told where they change nothing.
        """
        left_out = list(_NETWORKS)[len(self._stages) :]
        numbers = []
        for (name, number), own, other in zip(given.items(), usual, others, strict=True):
            value = own if number is None else checks.number(number, name, 0, 1)
            network = next((network for network in left_out if name.endswith(network)), None)
            if network and value != own:
                warn_unused(
                    f"{name}={value:g} has no effect: stages leave {_NETWORKS[network]} out; "
                    f"MTCNN(stages={_EVERYTHING!r}) runs it"
                )
            numbers.append(other if network else value)
        return numbers

    def _rows(self, found: list[tuple[npt.NDArray[Any], npt.NDArray[Any]]]) -> npt.NDArray[np.float64]:
        columns = 16 if len(self._stages) == 3 else 6
        parts = [np.empty((0, columns))]
        for i, (dets, landmarks) in enumerate(found):
            parts.append(np.column_stack([np.full(len(dets), i), dets, landmarks])[:, :columns])
        return np.concatenate(parts, dtype=np.float64)


def _frames(images: Sequence[Any], is_batch: bool, shapes: list[tuple[int, ...]]) -> Iterator[npt.NDArray[np.uint8]]:
    """The pictures as BGR, one at a time; their shapes are added to `shapes`."""
    for i, image in enumerate(images):
        frame = _frame(image, f"image[{i}]" if is_batch else "image")
        shapes.append(frame.shape)
        yield frame


def _frame(image: Any, name: str) -> npt.NDArray[np.uint8]:
    if is_file(image):
        return decode_bgr(image, name)
    if is_on_gpu(image):
        raise InvalidImage(f"{name} lies on a GPU: bring it to the CPU, RGB (H, W, 3); TrtMtcnn.detect takes it there")
    shape = picture_shape(image)
    if shape is None and hasattr(image, "__array__"):
        image = np.asarray(image)
        shape = image.shape
    if shape is not None and len(shape) == 4:
        raise InvalidImage(f"{name} holds several pictures, its shape is {shape}: detect_faces(list({name}))")
    try:
        return as_bgr(image, name, "rgb", turn=False)
    except (TypeError, ValueError) as error:
        raise InvalidImage(str(error)) from error


def _make_stages(stages: Any) -> list[Any]:
    chosen = _COMMON_STAGES[stages] if isinstance(stages, str) else stages
    made = [stage() if isinstance(stage, type) and issubclass(stage, _ALL_STAGES) else stage for stage in chosen]
    if not made or [type(stage) for stage in made] != list(_ALL_STAGES[: len(made)]):
        known = " or ".join(map(repr, _COMMON_STAGES))
        raise ValueError(f"stages must be {known}, or StagePNet, StageRNet, StageONet in this order, got {stages!r}")
    return made


def _device(device: Any) -> Any:
    """TensorFlow's name of a device, "GPU:1" or "/device:GPU:1", as ours; others as they are."""
    match = (
        re.fullmatch(r"/?(?:device:)?(CPU|GPU)(?::(\d{1,4}))?", device, re.IGNORECASE)
        if isinstance(device, str)
        else None
    )
    if not match:
        return device
    return "cpu" if match[1].upper() == "CPU" else f"cuda:{match[2] or 0}"


def _minsize(value: object) -> float:
    size = checks.number(value, "min_face_size", 1, 1e9)
    if size < _SMALLEST:
        warnings.warn(
            f"min_face_size={size:g} is below {_SMALLEST}, the least there is: {_SMALLEST} is used", stacklevel=3
        )
    return max(size, _SMALLEST)


def _scale_factor(value: object) -> float:
    return checks.number(value, "scale_factor", 0, 1, open_ends=True)


def _check_weights(weights_file: Any) -> None:
    """The weights that are built in are the only ones; a file of others, a pickle, is never loaded."""
    if hasattr(weights_file, "read"):
        content = weights_file.read()
    elif isinstance(weights_file, (str, os.PathLike)):
        try:
            content = read_regular(weights_file)
        except FileNotFoundError:
            stages = " or ".join(map(repr, _COMMON_STAGES))
            raise FileNotFoundError(
                f"there is no weights_file {str(weights_file)!r} (and stages are {stages})"
            ) from None
    else:
        raise TypeError(f"weights_file must be a path, got {weights_file!r}")
    if not isinstance(content, bytes) or hashlib.sha256(content).hexdigest() != WEIGHTS_SHA256:
        raise ValueError(
            "weights_file holds other weights than those of mtcnn 0.1, which are built in: "
            "convert them to ONNX, then create_engines(models=folder) and TrtMtcnn(engines)"
        )
