"""MTCNN: TrtMtcnn behind the interface of facenet-pytorch's detector."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.compat.facenet import original
from mtcnn.compat.facenet.crops import extract_face, path_of_face, picture_size
from mtcnn.compat.facenet.selection import METHODS, Method, by_area, choose
from mtcnn.compat.facenet.tensors import Module, fixed_image_standardization, import_torch
from mtcnn.compat.pictures import bgr_from_rgb, dark_as, is_tensor, numpy_from_tensor
from mtcnn.detector import TrtMtcnn
from mtcnn.images import check_not_dark
from mtcnn.params import DEFAULT_PRESET, Preset, make_params

__all__ = ["MTCNN"]

_SMALLEST = 4


class MTCNN(Module):
    """The face detector with the constructor, calls and results of ``facenet_pytorch.MTCNN``.

    A ``torch.nn.Module`` where PyTorch is installed; it has no parameters, and ``to`` moves nothing: `device` says
    where it runs. Without PyTorch ``detect`` and ``select_boxes`` work; calls that return tensors say what to install.

    Args:
        image_size: side of the crops, pixels.
        margin: how much more than the box they show, in pixels of the crop, half on each side.
        min_face_size: side of the smallest face looked for, pixels; below 12 it is taken as 12.
        thresholds: least scores that P-Net, R-Net and O-Net let pass.
        factor: ratio of neighbouring pyramid scales, in (0, 1).
        post_process: crops are ``(x - 127.5) / 128``, else levels 0..255.
        select_largest: faces are ordered by area and the largest is taken, else by score and the best.
        selection_method: "probability", "largest", "largest_over_threshold" or "center_weighted_size", over
            `select_largest` when a face is taken.
        keep_all: crops of all faces, not of one.
        device: of the networks: "cpu", "cuda:1", a ``torch.device``; None: a GPU where one can be used, else the CPU.
            All results lie in the CPU's memory.
        preset: "original", facenet-pytorch's own arithmetic: nearly its boxes and points, on the CPU alone; or one of
            :class:`mtcnn.TrtMtcnn`, several times as fast and with better boxes, which differ from the original's.
            None: "original", and on a GPU, which does not run that, "accurate".

    Raises:
        TypeError, ValueError: a wrong argument.
        DeviceError, EngineError: as :class:`mtcnn.TrtMtcnn`.

    Example:
        >>> import cv2
        >>> from mtcnn.compat.facenet import MTCNN
        >>> img = cv2.cvtColor(cv2.imread("docs/images/astronaut.jpg"), cv2.COLOR_BGR2RGB)
        >>> boxes, probs, points = MTCNN().detect(img, landmarks=True)
        >>> boxes.shape, probs.shape, points.shape
        ((1, 4), (1,), (1, 5, 2))
    """

    def __init__(
        self,
        image_size: int = 160,
        margin: float = 0,
        min_face_size: float = 20,
        thresholds: Sequence[float] = (0.6, 0.7, 0.7),
        factor: float = 0.709,
        post_process: bool = True,
        select_largest: bool = True,
        selection_method: Method | None = None,
        keep_all: bool = False,
        device: Any = None,
        *,
        preset: Preset | Literal["original"] | None = None,
    ) -> None:
        super().__init__()
        self.image_size = image_size
        self.margin = margin
        self.min_face_size = min_face_size
        self.thresholds = list(thresholds) if isinstance(thresholds, tuple) else thresholds
        self.factor = factor
        self.post_process = post_process
        self.select_largest = select_largest
        self.selection_method: Method = selection_method or ("largest" if select_largest else "probability")
        self.keep_all = keep_all
        checks.choice(self.selection_method, "selection_method", METHODS)
        checks.whole(image_size, "image_size", 1, 1 << 15)
        checks.number(margin, "margin", 0, image_size - 1e-6)
        params = self._params()
        if min_face_size < _SMALLEST:
            warnings.warn(f"min_face_size={min_face_size} is taken as {_SMALLEST}, the least there is", stacklevel=2)
        if preset == "original":
            self._detector = TrtMtcnn(device="cpu", **params)
        else:
            self._detector = TrtMtcnn(device=_device(device), preset=preset or DEFAULT_PRESET, **params)
        self._as_original = preset == "original" or (preset is None and not self._detector.device.on_gpu)
        self.device = _torch_device(self._detector) if device is None else device

    def detect(self, img: Any, landmarks: bool = False) -> tuple[Any, ...]:
        """Find the faces in a picture, or in each of several of any sizes.

        Args:
            img: RGB, levels 0..255: a PIL picture, an array or a tensor (H, W, 3); several as a list of these, or as
                (n, H, W, 3). PIL pictures are not turned as their EXIF data says.
            landmarks: return the five points, too.

        Returns:
            ``(boxes, probs)`` or ``(boxes, probs, points)``, float32: (n, 4) ``[x1, y1, x2, y2]``, not limited to the
            picture, (n,) and (n, 5, 2) ``[x, y]``, largest face first if `select_largest`, else best first; None,
            ``[None]`` and None where there is no face. Of several pictures, object arrays of these.

        Raises:
            TypeError, ValueError: no picture, or channels that come first.
        """
        pictures, is_batch = _as_list(img)
        frames = (bgr_from_rgb(p, f"img[{i}]" if is_batch else "img") for i, p in enumerate(pictures))
        with dark_as("img", is_batch):
            faces = [self._as_result(*found) for found in self._find(frames)]
        columns = [[face[k] for face in faces] for k in range(3 if landmarks else 2)]
        return tuple(_object_array(column) if is_batch else column[0] for column in columns)

    def forward(self, img: Any, save_path: Any = None, return_prob: bool = False) -> Any:
        """Return the crop of a picture's face, or of all faces, as a tensor; None where there is no face.

        Args:
            img: as for :meth:`detect`.
            save_path: where the crop is written, levels 0..255, too; a list of paths for several pictures. Further
                faces of a picture go to ``name_2.jpg``, ``name_3.jpg``, ...
            return_prob: return ``(crops, probs)``.

        Returns:
            float32 (3, image_size, image_size), with `keep_all` (n, 3, image_size, image_size), or None; of several
            pictures a list of these.

        Raises:
            MtcnnError: PyTorch is not installed.
            TypeError, ValueError, OSError: as :meth:`detect` and :func:`extract_face`.
        """
        import_torch()
        boxes, probs, points = self.detect(img, landmarks=True)
        if not self.keep_all:
            boxes, probs, points = self.select_boxes(boxes, probs, points, img, method=self.selection_method)
        crops = self.extract(img, boxes, save_path)
        return (crops, probs) if return_prob else crops

    def select_boxes(
        self,
        all_boxes: Any,
        all_probs: Any,
        all_points: Any,
        imgs: Any,
        method: Method = "probability",
        threshold: float = 0.9,
        center_weight: float = 2.0,
    ) -> tuple[Any, Any, Any]:
        """Return one face of each picture, from what :meth:`detect` returned for ``imgs``.

        Args:
            method: "probability", "largest", "largest_over_threshold" or "center_weighted_size".
            threshold: the score that "largest_over_threshold" asks for.
            center_weight: of the squared distance from the picture's centre, for "center_weighted_size".

        Returns:
            Of one picture (1, 4), its score, (1, 5, 2), or None three times. Of several, arrays (n, 1, 4), (n, 1) and
            (n, 1, 5, 2); object arrays with None, ``[None]`` and None where a picture has no face.
        """
        checks.choice(method, "method", METHODS)
        pictures, is_batch = _as_list(imgs)
        if not is_batch:
            all_boxes, all_probs, all_points = [all_boxes], [all_probs], [all_points]
        for name, found in (("all_boxes", all_boxes), ("all_probs", all_probs), ("all_points", all_points)):
            _check_one_each(name, found, len(pictures))
        chosen: list[tuple[Any, Any, Any]] = []
        for picture, boxes, probs, points in zip(pictures, all_boxes, all_probs, all_points, strict=True):
            i = None
            if boxes is not None and len(boxes):
                boxes, probs, points = (np.asarray(a, np.float32) for a in (boxes, probs, points))
                _check_shapes(boxes, probs, points)
                i = choose(boxes, probs, picture_size(picture), method, threshold, center_weight)
            chosen.append((None, [None], None) if i is None else (boxes[[i]], probs[[i]], points[[i]]))
        if not is_batch:
            boxes, probs, points = chosen[0]
            return boxes, probs[0], points
        columns = [[face[k] for face in chosen] for k in range(3)]
        whole = chosen and all(boxes is not None for boxes, _, _ in chosen)
        boxes, probs, points = (np.array(column) if whole else _object_array(column) for column in columns)
        return boxes, probs, points

    def extract(self, img: Any, batch_boxes: Any, save_path: Any = None) -> Any:
        """Return the crops of boxes, the first of each picture or with `keep_all` all: as :meth:`forward` does; None
        where there are no boxes.
        """
        torch = import_torch()
        pictures, is_batch = _as_list(img)
        paths = _save_paths(save_path, len(pictures))
        all_boxes = batch_boxes if is_batch else [batch_boxes]
        _check_one_each("batch_boxes", all_boxes, len(pictures))
        crops: list[Any] = []
        for picture, boxes, path in zip(pictures, all_boxes, paths, strict=True):
            if boxes is not None and np.ndim(boxes) == 1 and len(boxes):
                raise ValueError(
                    "batch_boxes must have a list of boxes for each picture, (n, 4); for a single one [box]"
                )
            if boxes is None or len(boxes) == 0:
                crops.append(None)
                continue
            faces = [
                extract_face(
                    picture, box, self.image_size, self.margin, None if path is None else path_of_face(path, i)
                )
                for i, box in enumerate(boxes if self.keep_all else boxes[:1])
            ]
            if self.post_process:
                faces = [fixed_image_standardization(face) for face in faces]
            crops.append(torch.stack(faces) if self.keep_all else faces[0])
        return crops if is_batch else crops[0]

    def __repr__(self) -> str:
        return (
            f"MTCNN(image_size={self.image_size}, margin={self.margin}, min_face_size={self.min_face_size}, "
            f"thresholds={self.thresholds}, keep_all={self.keep_all}, device={self.device!r})"
        )

    def _find(self, frames: Iterator[npt.NDArray[np.uint8]]) -> list[tuple[Any, Any]]:
        params = self._params()
        if not self._as_original:
            return list(self._detector.detect_batch(frames, **params))
        networks = [engine.infer for engine in self._detector._engines]
        checked = make_params("fast", params)
        results = []
        for i, frame in enumerate(frames):
            found = original.detect(networks, frame, checked.minsize, checked.thresholds, checked.factor)
            if not len(found[0]):
                check_not_dark(frame, f"images[{i}]")
            results.append(found)
        return results

    def _params(self) -> dict[str, Any]:
        """The attributes may have been set since the last call."""
        smallest = max(checks.number(self.min_face_size, "min_face_size", 1, 1e9), _SMALLEST)
        return {"minsize": smallest, "thresholds": self.thresholds, "factor": self.factor}

    def _as_result(self, dets: npt.NDArray[np.float32], landmarks: npt.NDArray[np.float32]) -> tuple[Any, Any, Any]:
        if len(dets) == 0:
            return None, [None], None
        order = by_area(dets) if self.select_largest else np.arange(len(dets))
        points = landmarks[order].reshape(-1, 2, 5).transpose(0, 2, 1)
        return dets[order, :4], dets[order, 4], np.ascontiguousarray(points)


def _as_list(img: Any) -> tuple[Sequence[Any], bool]:
    """The pictures, and whether there are several."""
    if is_tensor(img) and img.ndim == 4:
        numpy_from_tensor(img[:0])  # refuses channels that come first
        return list(img), True
    if isinstance(img, (list, tuple)) or (isinstance(img, np.ndarray) and (img.ndim == 4 or img.dtype == object)):
        return list(img), True
    return [img], False


def _check_one_each(name: str, found: Any, pictures: int) -> None:
    """Refuse what is not as long as the pictures are many."""
    expected = f"{name} must have an entry for each of the {pictures} pictures, got"
    try:
        count = len(found)
    except TypeError:
        raise TypeError(f"{expected} {checks.shown(found)}") from None
    if count != pictures:
        raise ValueError(f"{expected} {count}")


def _check_shapes(boxes: Any, probs: Any, points: Any) -> None:
    count = len(boxes)
    for name, array, shape in (
        ("all_boxes", boxes, (count, 4)),
        ("all_probs", probs, (count,)),
        ("all_points", points, (count, 5, 2)),
    ):
        if array.shape != shape:
            raise ValueError(f"{name} of a picture with {count} boxes must have the shape {shape}, got {array.shape}")


def _object_array(values: list[Any]) -> npt.NDArray[Any]:
    array = np.empty(len(values), dtype=object)
    for i, value in enumerate(values):
        array[i] = value
    return array


def _save_paths(save_path: Any, count: int) -> Sequence[Any]:
    if save_path is None:
        return [None] * count
    paths = [save_path] if isinstance(save_path, (str, bytes, os.PathLike)) else list(islice(save_path, count + 1))
    if len(paths) != count:
        got = len(paths) if len(paths) < count else "more"
        raise ValueError(f"save_path must have a path for each of the {count} pictures, got {got}")
    return paths


def _device(device: Any) -> Any:
    """As TrtMtcnn takes it; PyTorch also has torch.device("cuda") and the number of a GPU."""
    if device is None:
        return "auto"
    return f"cuda:{device}" if isinstance(device, int) and not isinstance(device, bool) else str(device)


def _torch_device(detector: TrtMtcnn) -> Any:
    name = f"cuda:{getattr(detector.device, 'ordinal', 0)}" if detector.device.on_gpu else "cpu"
    try:
        return import_torch().device(name)
    except Exception:
        return name
