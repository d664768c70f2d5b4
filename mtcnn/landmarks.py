"""The five points of faces, from whatever order of numbers they come in."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from mtcnn.templates import ARCFACE

__all__ = ["FivePoints", "as_numbers", "as_points", "points"]

FivePoints: TypeAlias = npt.NDArray[Any] | Sequence[Sequence[float]]  # (5, 2)

# How well five points, turned, scaled and shifted, lie on an average face, 1 where exactly. Of 1,808 faces, profiles
# among them, the least was 0.87, and of mirror images the most was 0.61. Of 989 detections in photographs, half of them
# lying on their side, 99.2% lie better than the same numbers in a wrong order, by this much, and one lies worse.
_LEAST_FIT = 0.85
_GOOD_FIT = 0.9
_CLEARLY = 0.02
_MOST = float(np.finfo(np.float32).max)


def points(landmarks: npt.ArrayLike, name: str = "landmarks") -> npt.NDArray[np.float32]:
    """Return the five points of each face as (n, 5, 2) float32 ``[x, y]``, from the landmarks that ``detect`` returns.

    Left eye, right eye (as the viewer sees them), nose, left and right corner of the mouth.

    Args:
        landmarks: (n, 10) rows ``[x1..x5, y1..y5]``, one such row (10,), or points (n, 5, 2) or (5, 2).
            ``reshape(5, 2)`` of a row is none of these, nor is a row ``[x1, y1, x2, y2, ...]``.
        name: what to call the argument in an error.

    Raises:
        TypeError: no numbers.
        ValueError: another shape, NaN or infinity, numbers in another order, or a mirror image of a face.

    Example:
        >>> points([30, 65, 48, 34, 63, 52, 51, 72, 92, 93])[0, 0].tolist()
        [30.0, 52.0]
    """
    array = as_numbers(landmarks, name)
    if array.shape in ((10,), (5, 2)):
        return as_points(array, name)[np.newaxis].astype(np.float32)
    if array.shape == (0,):
        return np.empty((0, 5, 2), np.float32)
    if array.ndim not in (2, 3) or array.shape[1:] not in ((10,), (5, 2)):
        raise ValueError(f"{name} must have the shape (n, 10), (10,), (n, 5, 2) or (5, 2), got {array.shape}")
    faces = [as_points(face, f"{name}[{i}]") for i, face in enumerate(array)]
    return np.asarray(faces, np.float32).reshape(-1, 5, 2)


def as_points(landmarks: npt.ArrayLike, name: str = "landmarks") -> npt.NDArray[np.float64]:
    """Return one face's landmarks, (10,) ``[x1..x5, y1..y5]`` or (5, 2), as float64 (5, 2) ``[x, y]``."""
    array = as_numbers(landmarks, name)
    is_row = array.shape == (10,)
    if not is_row and array.shape != (5, 2):
        several = array.ndim > 1 and array.shape[1:] in ((10,), (5, 2))
        mend = f"; one face's are {name}[i], and align_all takes several" if several else ""
        if array.shape in ((4,), (5,)):
            mend = ", which is a box: its points are the same row of what detect returns second"
        raise ValueError(f"{name} must have the shape (10,) or (5, 2), got {array.shape}{mend}")
    if not (np.abs(array) <= _MOST).all():
        raise ValueError(f"{name} holds NaN or infinity")
    face = array.reshape(2, 5).T if is_row else array
    other = array.reshape(5, 2) if is_row else array.reshape(2, 5).T
    fit = _fit(face)
    if fit < _LEAST_FIT and _fit(face[:, ::-1]) > _GOOD_FIT:
        raise ValueError(
            f"{name} seems to be the mirror image of a face: points are [x, y], the left eye (as the viewer sees it) "
            f"first; in a picture that was mirrored left and right change places"
        )
    if _fit(other) > max(_GOOD_FIT, fit + _CLEARLY):
        if is_row:
            raise ValueError(
                f"{name} seems to hold x1, y1, x2, y2, ...; a row is x1..x5, y1..y5: pass {name}.reshape(5, 2)"
            )
        raise ValueError(
            f"{name} seems to be reshape(5, 2) of a row x1..x5, y1..y5, which is no row of points: "
            f"pass the row itself, or mtcnn.points(row)[0]"
        )
    return face


def as_numbers(values: npt.ArrayLike, name: str) -> npt.NDArray[np.float64]:
    """Return an array of numbers as float64: real ones, none of which is masked."""
    if values is None:
        raise TypeError(f"{name} must be an array of numbers, got None")
    if np.ma.is_masked(values):
        raise ValueError(f"{name} is a masked array, and some of it is masked: leave those rows out")
    try:
        array = np.asarray(values)
        if array.dtype.kind == "c":
            raise TypeError("they are complex")
        if array.dtype.kind in "SUMm" or (array.dtype.kind == "O" and any(isinstance(v, str) for v in array.flat)):
            raise TypeError("they are text or dates")
        return np.asarray(array, dtype=np.float64)
    except (TypeError, ValueError, OverflowError) as error:
        raise TypeError(f"{name} must be an array of numbers: {error}") from None


def _fit(face: npt.NDArray[np.float64]) -> float:
    """How well the points, turned, scaled and shifted, lie on the average face: 0 to 1; 1 where they say nothing."""
    largest = float(np.abs(face).max())
    z = _about_mean(face / largest if largest > 0 else face)
    norm = float(np.linalg.norm(z))
    return float(abs(np.vdot(z, _AVERAGE))) / norm if norm > 1e-10 else 1.0


def _about_mean(face: npt.NDArray[np.float64]) -> npt.NDArray[np.complex128]:
    z = face[:, 0] + 1j * face[:, 1]
    about: npt.NDArray[np.complex128] = z - z.mean()
    return about


_AVERAGE = _about_mean(ARCFACE) / np.linalg.norm(_about_mean(ARCFACE))
