"""face_recognition's ``face_locations``, found by MTCNN in place of dlib.

``import face_recognition`` becomes ``from mtcnn.compat import face_recognition``. What is not found here
(``face_encodings``, ``face_landmarks``, ``compare_faces``, ...) is that package's own, where it is installed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.compat.pictures import bgr_from_rgb, read_bgr
from mtcnn.detector import TrtMtcnn
from mtcnn.runtime.once import made_once

__all__ = ["batch_face_locations", "build_detector", "face_locations", "load_image_file"]

Location = tuple[int, int, int, int]
Model = Literal["hog", "cnn"]
Mode = Literal["RGB", "L"]

_SMALLEST = 64  # pixels: of the face in dlib's least square, whose side is 80 or a little less
_MOST_TIMES = 4  # of upsampling, which make that 4, the detector's least
_GRAY = np.array([0.114, 0.587, 0.299])  # of BGR: ITU-R BT.601
_ORIGINALS = {"compare_faces", "face_distance", "face_encodings", "face_landmarks"}

if TYPE_CHECKING:
    compare_faces: Any
    face_distance: Any
    face_encodings: Any
    face_landmarks: Any


if not TYPE_CHECKING:  # to which any name would be there

    def __getattr__(name: str) -> Any:
        if name not in _ORIGINALS:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        try:
            import face_recognition
        except (ImportError, SystemExit) as error:  # it exits where its models are missing
            raise ImportError(
                f"{name} is the package face_recognition's own: pip install face_recognition; "
                "mtcnn.FaceVerifier compares faces without it"
            ) from error
        return getattr(face_recognition, name)


@made_once()
def build_detector() -> TrtMtcnn:
    """Return the detector that all calls share."""
    return TrtMtcnn()


def face_locations(img: Any, number_of_times_to_upsample: int = 1, model: Model = "hog") -> list[Location]:
    """Return the faces of a picture, ``(top, right, bottom, left)`` in whole pixels within it, best first.

    Args:
        img: RGB (H, W, 3) or gray (H, W), an array or a PIL picture, which is not turned as its EXIF orientation says.
        number_of_times_to_upsample: 0 to 4: faces from 64, 32, 16, 8 or 4 pixels on are looked for.
        model: "hog" or "cnn", without effect.

    Raises:
        TypeError, ValueError: a wrong argument.
    """
    checks.choice(model, "model", get_args(Model))
    minsize = _minsize(number_of_times_to_upsample)
    frame = bgr_from_rgb(img)
    dets, _ = build_detector().detect(frame, minsize)
    return _locations(dets, frame.shape)


def batch_face_locations(
    images: Iterable[Any], number_of_times_to_upsample: int = 1, batch_size: int = 128
) -> list[list[Location]]:
    """Return `face_locations` of each picture, of any sizes.

    Args:
        batch_size: without effect: the detector takes so many together as its memory allows.
    """
    checks.whole(batch_size, "batch_size", 1, 1 << 31)
    minsize = _minsize(number_of_times_to_upsample)
    if (isinstance(images, np.ndarray) and images.ndim < 4) or not isinstance(images, Iterable):
        raise TypeError("images must be a list of pictures; for a single one call face_locations(img)")
    shapes = []

    def frames() -> Iterator[npt.NDArray[np.uint8]]:
        for i, img in enumerate(images):
            frame = bgr_from_rgb(img, f"images[{i}]")
            shapes.append(frame.shape)
            yield frame

    found = build_detector().detect_batch(frames(), minsize)
    return [_locations(dets, shape) for (dets, _), shape in zip(found, shapes, strict=True)]


def load_image_file(file: Any, mode: Mode = "RGB") -> npt.NDArray[np.uint8]:
    """Return the picture in a file, RGB (H, W, 3) or, with `mode` "L", gray (H, W); not turned by its EXIF orientation.

    Args:
        file: a path, or an open file of bytes.

    Raises:
        OSError: it cannot be read, or is no picture.
        ValueError: another `mode`.
    """
    checks.choice(mode, "mode", get_args(Mode))
    bgr = read_bgr(file, "file", turn=False)
    if mode == "RGB":
        return np.ascontiguousarray(bgr[:, :, ::-1])
    gray: npt.NDArray[np.uint8] = np.rint(bgr @ _GRAY).astype(np.uint8)
    return gray


def _minsize(times: int) -> float:
    return _SMALLEST / float(2 ** checks.whole(times, "number_of_times_to_upsample", 0, _MOST_TIMES))


def _locations(dets: npt.NDArray[np.float32], shape: tuple[int, ...]) -> list[Location]:
    """Of each box the first and last pixels, which count, within the picture."""
    height, width = shape[:2]
    limits = np.array([width, height, width, height])
    boxes = np.clip(np.rint(dets[:, :4]), 0, limits).astype(int)
    return [(top, right, bottom, left) for left, top, right, bottom in boxes.tolist()]
