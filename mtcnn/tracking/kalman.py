"""Motion of boxes: a Kalman filter with constant velocity for each of centre x, centre y, width and height."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

__all__ = ["BoxMotion"]

Vector: TypeAlias = npt.NDArray[np.float64]

# In sides of the box. Acceleration is per second squared: what people on foot and cameras in hands do.
_MEASURED = 0.04
_FIRST_SPEED = 2.0
_ACCELERATION = 6.0


class BoxMotion:
    """Where a box is and how it moves, by what was measured of it.

    The four numbers do not depend on each other, so that a covariance is three numbers of each: of the position, of
    the velocity, and of both.
    """

    def __init__(self, box: Vector) -> None:
        self._position = _centred(box)
        self._velocity = np.zeros(4)
        self._side = self._position[2:].max()
        self._pp = np.full(4, (_MEASURED * self._side) ** 2)
        self._pv = np.zeros(4)
        self._vv = np.full(4, (_FIRST_SPEED * self._side) ** 2)

    def box(self) -> Vector:
        """x1, y1, x2, y2, as expected now."""
        centre, half = self._position[:2], np.maximum(self._position[2:], 1) / 2
        return np.concatenate([centre - half, centre + half])

    def predict(self, seconds: float) -> None:
        """Go on in time."""
        noise = (_ACCELERATION * self._side) ** 2
        self._position = self._position + seconds * self._velocity
        self._pp = self._pp + seconds * (2 * self._pv + seconds * self._vv) + noise * seconds**4 / 4
        self._pv = self._pv + seconds * self._vv + noise * seconds**3 / 2
        self._vv = self._vv + noise * seconds**2

    def update(self, box: Vector) -> None:
        """Take what was measured."""
        measured = _centred(box)
        total = self._pp + (_MEASURED * measured[2:].max()) ** 2
        gain_p, gain_v = self._pp / total, self._pv / total
        difference = measured - self._position
        self._position = self._position + gain_p * difference
        self._velocity = self._velocity + gain_v * difference
        self._vv = self._vv - gain_v * self._pv
        self._pv = (1 - gain_p) * self._pv
        self._pp = (1 - gain_p) * self._pp
        self._side = self._position[2:].max()

    def stop_growing(self) -> None:
        """Where nothing is measured, a box that shrinks or grows on would end as nothing, or as everything."""
        self._velocity[2:] = 0


def _centred(box: Vector) -> Vector:
    corner, other = box[:2], box[2:4]
    return np.concatenate([(corner + other) / 2, np.maximum(other - corner, 1e-3)])
