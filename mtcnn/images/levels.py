"""Levels in 0..255: which numbers are levels, and how those in other ranges become levels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["as_uint8"]

# How far interpolation (Lanczos': up to 75) and a little noise may leave 0..255; what goes further is another range.
_LEAST, _MOST = -100, 355
# The black of video. A picture of floats that is nowhere brighter is in 0..1, -1..1 or normalised, or too dark for
# a face to be found.
_BLACK = 16
_DEPTHS = (10, 12, 14, 16)  # bits a channel


def as_uint8(levels: npt.NDArray[Any], name: str, value: str) -> npt.NDArray[np.uint8]:
    """Return numbers as uint8, floats rounded half up and clipped.

    Args:
        name: what to call them in an error.
        value: them, as an expression of the caller's.

    Raises:
        ValueError: NaN, infinity, or another range than 0..255; the message says how they become levels.
    """
    if levels.dtype == np.uint8:
        return levels
    if levels.dtype.kind == "f":
        return _round_floats(levels, name, value)
    low, high = int(levels.min()), int(levels.max())
    if low < 0 or high > 255:
        mend = f": {_scale(low, high, value)}" if low >= 0 and high < 1 << 16 else ""
        raise ValueError(f"{name} holds {levels.dtype} values from {low} to {high}, must lie in 0..255{mend}")
    return levels.astype(np.uint8)


def _round_floats(levels: npt.NDArray[Any], name: str, value: str) -> npt.NDArray[np.uint8]:
    low, high = float(levels.min()), float(levels.max())
    if not math.isfinite(low) or not math.isfinite(high):
        raise ValueError(f"{name} holds NaN or infinity; levels must lie in 0..255")
    whole = np.floor(levels)
    if mend := _mend(levels, whole, low, high, value):
        where = "in 0..1" if low >= 0 and high <= 1 else f"from {_short(low)} to {_short(high)}"
        raise ValueError(f"{name} holds floats {where}, levels must lie in 0..255: {mend}")
    # the fraction is exact, levels + 0.5 would not be
    rounded = whole + (levels - whole >= 0.5)
    clipped: npt.NDArray[Any] = np.clip(rounded, 0, 255)
    return clipped.astype(np.uint8)


def _mend(levels: npt.NDArray[Any], whole: npt.NDArray[Any], low: float, high: float, value: str) -> str | None:
    """What makes levels of floats in another range; None where they are levels."""
    if high > _MOST:
        return _scale(low, high, value) if low >= 0 or low < -255 or high > 510 else f"clip, np.clip({value}, 0, 255)"
    if high <= _BLACK:
        # as from uint8; but 0 and 1 alone may as well be black and white
        is_levels = low >= 0 and (high >= 2 or low == high) and bool((whole == levels).all())
        return None if is_levels else _enlarge(low, high, low < 0 and _about_zero(levels), value)
    if low < _LEAST or (low < 0 and _about_zero(levels)):
        return f"add the mean that was subtracted, {value} + mean; where it is noise, np.clip({value}, 0, 255)"
    return None


def _short(number: float) -> str:
    return f"{number:.4g}" if abs(number) < 1e4 or abs(number) >= 1e9 else f"{number:.0f}"


def _about_zero(levels: npt.NDArray[Any]) -> bool:
    """Whether what lies below 0 weighs more than half of what lies above."""
    return bool(levels.mean(dtype=np.float64) < np.abs(levels).mean(dtype=np.float64) / 3)


def _enlarge(low: float, high: float, about_zero: bool, value: str) -> str:
    clip = f"np.clip({value}, 0, 1) * 255"
    if low >= 0:
        mend = f"multiply by 255, {value} * 255" if high <= 1 else f"as 0..1, {clip}"
        return f"{mend}; a picture that is almost black, np.rint({value}).astype(np.uint8)"
    if low >= -0.5 and high <= 2 and not about_zero:
        return f"clip to 0..1 and multiply by 255, {clip}"
    if low >= -1.3 and high <= 1.3:
        return f"as -1..1, ({value} + 1) * 127.5"
    return f"undo the normalisation, ({value} * std + mean) * 255; 0..1 with noise, {clip}"


def _scale(low: float, high: float, value: str) -> str:
    if low < _LEAST or high >= 1 << 16:
        return f"scale them, ({value} - {low:.6g}) * (255 / {high - low:.6g})"
    bits = next(bits for bits in _DEPTHS if high < 1 << bits)
    deep = f"for 16-bit pictures divide by 257, {value} / 257"
    return deep if bits == 16 else f"for {bits}-bit pictures, {value} * (255 / {(1 << bits) - 1}); {deep}"
