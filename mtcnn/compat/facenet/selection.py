"""Which of a picture's faces is taken."""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from mtcnn import checks

__all__ = ["METHODS", "Method", "by_area", "choose"]

Method = Literal["probability", "largest", "largest_over_threshold", "center_weighted_size"]
METHODS: tuple[Method, ...] = get_args(Method)


def by_area(boxes: npt.NDArray[Any]) -> npt.NDArray[np.intp]:
    """The order of boxes, (n, 4) or (n, 5), largest first; equals stay as they are."""
    return np.argsort(-_areas(boxes), kind="stable")


def choose(
    boxes: npt.NDArray[Any],
    probs: npt.NDArray[Any],
    size: tuple[int, int],
    method: str,
    threshold: float,
    center_weight: float,
) -> int | None:
    """Return the index of the face that `method` takes, None where none is good enough.

    Args:
        boxes, probs: (n, 4) and (n,), n >= 1.
        size: (width, height) of the picture.
        method: "probability", the best score; "largest"; "largest_over_threshold": of those with a score above
            `threshold`; "center_weighted_size": area less `center_weight` times the squared distance from the
            picture's centre, pixels.
    """
    checks.choice(method, "method", METHODS)
    if method == "probability":
        return int(np.argmax(probs))
    areas = _areas(boxes)
    if method == "center_weighted_size":
        offsets = (boxes[:, :2] + boxes[:, 2:]) / 2 - np.array(size) / 2
        areas = areas - center_weight * (offsets**2).sum(axis=1)
    elif method == "largest_over_threshold":
        good = probs > threshold
        if not good.any():
            return None
        areas = np.where(good, areas, -np.inf)
    return int(np.argmax(areas))


def _areas(boxes: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    sides = boxes[:, 2:4].astype(np.float64) - boxes[:, :2]
    areas: npt.NDArray[np.float64] = sides[:, 0] * sides[:, 1]
    return areas
