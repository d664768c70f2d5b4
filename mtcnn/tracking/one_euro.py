"""The One Euro filter: smooth where nothing moves, without lag where something does.

Casiez, Roussel, Vogel, "1€ Filter: A Simple Speed-based Low-pass Filter for Noisy Input in Interactive Systems",
CHI 2012.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["OneEuro"]

Vector: TypeAlias = npt.NDArray[np.float64]


class OneEuro:
    """Smooths numbers that come one after the other.

    Args:
        least_cutoff: hertz, of what rests: less is smoother.
        per_speed: hertz more for each unit a second: more lags less.
        speed_cutoff: hertz, of the speeds.
    """

    def __init__(self, least_cutoff: float = 2.0, per_speed: float = 8.0, speed_cutoff: float = 1.0) -> None:
        self._least, self._per_speed, self._speed_cutoff = least_cutoff, per_speed, speed_cutoff
        self._value: Vector | None = None
        self._speed: Vector = np.zeros(0)

    def __call__(self, value: Vector, seconds: float, unit: float = 1.0) -> Vector:
        """The smoothed value.

        Args:
            seconds: since the value before.
            unit: what speeds are counted in, as the side of a face.
        """
        if self._value is None or seconds <= 0:
            self._value, self._speed = value, np.zeros_like(value)
            return value
        weight = _weight(self._speed_cutoff, seconds)
        self._speed = self._speed + weight * ((value - self._value) / (seconds * unit) - self._speed)
        weights = _weight(self._least + self._per_speed * np.abs(self._speed), seconds)
        self._value = self._value + weights * (value - self._value)
        return self._value


def _weight(cutoff: float | Vector, seconds: float) -> float | Vector:
    """Of the new value in a low-pass filter of that cutoff, hertz."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * seconds))
