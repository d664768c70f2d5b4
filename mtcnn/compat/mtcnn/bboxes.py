"""Detections as rows ``[image, x1, y1, x2, y2, score, x of five points, y of five points]``, and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.compat.mtcnn.landmarks import parse_landmarks, whole_pixels

__all__ = ["limit_bboxes", "parse_bbox", "to_json"]


def to_json(
    bboxes_batch: npt.NDArray[Any],
    images_count: int,
    input_as_width_height: bool = False,
    output_as_width_height: bool = True,
) -> list[list[dict[str, Any]]]:
    """Return for each image a list of ``{"box": [...], "confidence": float, "keypoints": {...}}``.

    Boxes and points are in whole pixels, rounded, all of it plain numbers that ``json.dumps`` takes.

    Args:
        bboxes_batch: (n, 16) rows, or (n, 6) without landmarks, which gives no "keypoints".
        images_count: images in the batch.
        input_as_width_height: rows hold [x, y, width, height] instead of [x1, y1, x2, y2].
        output_as_width_height: so does "box".

    Raises:
        ValueError: a row is of no such image, or holds NaN, infinity or what is far from any picture.
    """
    results: list[list[dict[str, Any]]] = [[] for _ in range(images_count)]
    rows = np.atleast_2d(bboxes_batch)
    for row, number in zip(rows, _image_numbers(rows, images_count), strict=True):
        box = parse_bbox(row, output_as_width_height, input_as_width_height).tolist()
        face = {"box": box, "confidence": float(row[5])}
        if len(row) > 6:
            face["keypoints"] = parse_landmarks(row)
        results[number].append(face)
    return results


def parse_bbox(
    bbox: Any, output_as_width_height: bool = True, input_as_width_height: bool = True
) -> npt.NDArray[np.int64]:
    """Return one box, (4,) in whole pixels, rounded: [x, y, width, height] or [x1, y1, x2, y2].

    Args:
        bbox: a face as a dict with "box", four numbers, or a row (6,) or (16,).
        output_as_width_height, input_as_width_height: what is returned and what is given.

    Raises:
        ValueError: anything else.
    """
    numbers = np.asarray(bbox.get("box") if isinstance(bbox, Mapping) else bbox)
    if numbers.shape in ((5,), (6,), (16,)):  # the first is the image's number
        numbers = numbers[1:5]
    if numbers.shape != (4,) or numbers.dtype.kind not in "iuf":
        raise ValueError(f'bbox must be a dict with "box", four numbers or a row of detect_faces, got {bbox!r}')
    x, y, right, bottom = numbers
    if input_as_width_height and not output_as_width_height:
        right, bottom = x + right, y + bottom
    elif output_as_width_height and not input_as_width_height:
        right, bottom = right - x, bottom - y
    return whole_pixels([x, y, right, bottom], "bbox")


def limit_bboxes(
    bboxes_batch: npt.NDArray[Any], images_shapes: npt.ArrayLike, limit_landmarks: bool = True
) -> npt.NDArray[Any]:
    """Return the rows with x in 0..width - 1 and y in 0..height - 1 of their image.

    Args:
        bboxes_batch: (n, 16) or (n, 6) rows ``[image, x1, y1, x2, y2, ...]``.
        images_shapes: (images, 2 or 3) ``[height, width, ...]``.
        limit_landmarks: the points, too.

    Raises:
        ValueError: a row is of no such image.
    """
    limited = np.array(bboxes_batch)
    shapes = np.asarray(images_shapes).reshape(-1, np.shape(images_shapes)[-1])
    sizes = shapes[_image_numbers(limited, len(shapes))]
    right, bottom = sizes[:, 1:2] - 1, sizes[:, 0:1] - 1
    limited[:, 1:4:2] = limited[:, 1:4:2].clip(0, right)
    limited[:, 2:5:2] = limited[:, 2:5:2].clip(0, bottom)
    if limit_landmarks and limited.shape[1] == 16:
        limited[:, 6:11] = limited[:, 6:11].clip(0, right)
        limited[:, 11:16] = limited[:, 11:16].clip(0, bottom)
    return limited


def _image_numbers(rows: npt.NDArray[Any], images: int) -> npt.NDArray[np.int64]:
    """Which image each row is of; a negative number is none, though an array would take it as one from the end."""
    numbers = rows[:, 0]
    if not ((numbers >= 0) & (numbers < images)).all():
        raise ValueError(f"bboxes_batch must have the number of an image first, 0 to {images - 1}, got {numbers}")
    return numbers.astype(np.int64)
