"""One face of a picture, where a picture is of one person."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mtcnn import checks

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["CHOICES", "choose_face"]

CHOICES = ("prominent", "central", "largest", "best")


def choose_face(img: npt.NDArray[Any] | Sequence[int], dets: npt.ArrayLike, by: str = "prominent") -> int | None:
    """Return the index of the face that a picture is of, or None where there is none.

    Args:
        img: the picture, (H, W) or (H, W, C), or just its (height, width).
        dets: (n, 5) ``[x1, y1, x2, y2, score]`` as from ``detect``.
        by: "prominent": the greatest area less twice the squared distance of its centre from the picture's,
            in pixels; "central": what `find_central_face` finds; "largest": by area; "best": by score.

    Raises:
        TypeError, ValueError: a wrong argument.
    """
    import numpy as np  # here: the command line's --help wants CHOICES alone

    from mtcnn.central import as_dets, find_central_face

    checks.choice(by, "by", CHOICES)
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
    height, width = (img.shape if isinstance(img, np.ndarray) else img)[:2]
    distance = ((x1 + x2 - width) / 2) ** 2 + ((y1 + y2 - height) / 2) ** 2
    return int(np.argmax(area - 2 * distance))
