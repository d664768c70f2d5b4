"""Which of the detected faces the picture is of."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.images import MOST_PIXELS, Picture, picture_shape
from mtcnn.landmarks import as_numbers
from mtcnn.params import FACE_CHOICES, FaceChoice

__all__ = ["FACE_CHOICES", "as_dets", "choose_face", "find_central_face"]


def find_central_face(img: Picture | Sequence[int], dets: npt.ArrayLike) -> int | None:
    """Return the index of the most central face, or None where there is none.

    That is the face with the least sum of squared distances from its corners (x1, y1) and (x2, y2) to the
    centre (W / 2, H / 2). The sum grows with the box too: of two faces about one point the smaller wins.
    Among equals the first wins, which from ``detect`` is the one with the best score.

    Args:
        img: the picture, (H, W) or (H, W, C), or just its shape, ``(height, width)`` or ``img.shape``.
        dets: (n, 5) ``[x1, y1, x2, y2, score]`` as from ``detect``, or (n, 4), in pixels.

    Example:
        >>> find_central_face((100, 200), [[0, 0, 20, 20, 0.99], [90, 40, 110, 60, 0.8]])
        1
    """
    height, width = _height_width(img)
    boxes = as_dets(dets)[:, :4]
    if len(boxes) == 0:
        return None
    offsets = boxes - (width / 2, height / 2, width / 2, height / 2)
    return int(np.argmin((offsets**2).sum(axis=1)))


def choose_face(img: Picture | Sequence[int], dets: npt.ArrayLike, by: FaceChoice = "prominent") -> int | None:
    """Return the index of the face that a picture is of, or None where there is none.

    Args:
        img: the picture, (H, W) or (H, W, C), or just its (height, width).
        dets: (n, 5) ``[x1, y1, x2, y2, score]`` as from ``detect``.
        by: "prominent": the greatest area less twice the squared distance of its centre from the picture's,
            in pixels; "central": what `find_central_face` finds; "largest": by area; "best": by score.

    Raises:
        TypeError, ValueError: a wrong argument.
    """
    checks.choice(by, "by", FACE_CHOICES)
    central = find_central_face(img, dets)
    if central is None or by == "central":
        return central
    faces = as_dets(dets)
    if by == "best":
        if faces.shape[1] != 5:
            raise ValueError('dets must have scores, (n, 5), to choose by="best"')
        return int(np.argmax(faces[:, 4]))
    x1, y1, x2, y2 = faces[:, :4].T
    area = (x2 - x1) * (y2 - y1)
    if by == "largest":
        return int(np.argmax(area))
    height, width = _height_width(img)
    distance = ((x1 + x2 - width) / 2) ** 2 + ((y1 + y2 - height) / 2) ** 2
    return int(np.argmax(area - 2 * distance))


def as_dets(dets: npt.ArrayLike, name: str = "dets") -> npt.NDArray[np.float64]:
    """Return ``dets``, (n, 4) or (n, 5) finite numbers, as float64. An empty list counts as no faces."""
    if dets is None:
        raise TypeError(f"{name} must be an array (n, 5), got None")
    array = as_numbers(dets, name)
    if array.shape == (0,):
        return np.empty((0, 5))
    if array.ndim != 2 or array.shape[1] not in (4, 5):
        mend = f"; for one face pass {name}[np.newaxis]" if array.shape in ((4,), (5,)) else ""
        if array.shape[1:] in ((10,), (5, 2)):
            mend = ", which are landmarks: boxes are what detect returns first"
        raise ValueError(f"{name} must have the shape (n, 5) or (n, 4), got {array.shape}{mend}")
    if not np.isfinite(array).all():
        raise ValueError(f"{name} holds NaN or infinity")
    return array


def _height_width(img: Picture | Sequence[int]) -> tuple[int, int]:
    shape = picture_shape(img)
    if shape is not None and len(shape) not in (2, 3):
        raise ValueError(f"img must have the shape (H, W) or (H, W, C), got {shape}")
    sides: Any = img if shape is None else shape
    try:
        height, width = (operator.index(n) for n in tuple(sides)[:2])
    except (TypeError, ValueError, NotImplementedError):  # the last of a memoryview with several dimensions
        raise TypeError(f"img must be a picture or its (height, width), got {img!r:.80}") from None
    if height < 1 or width < 1:
        raise ValueError(f"img is empty: its height and width are {height} and {width}")
    if max(height, width) > MOST_PIXELS:
        raise ValueError(f"img is too large: its sides must be up to {MOST_PIXELS} pixels")
    return height, width
