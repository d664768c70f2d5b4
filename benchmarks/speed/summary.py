"""Times to a median and a spread."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

__all__ = ["Summary", "fit_line", "summarise"]


@dataclass(frozen=True)
class Summary:
    median: float
    p10: float
    p90: float

    def as_json(self, unit: str) -> dict[str, float]:
        return {f"{name}_{unit}": round(value, 4) for name, value in vars(self).items()}


def summarise(values: Sequence[float]) -> Summary:
    low, middle, high = (float(v) for v in np.quantile(values, (0.1, 0.5, 0.9)))
    return Summary(middle, low, high)


def fit_line(x: ArrayLike, y: ArrayLike) -> tuple[float, float, float]:
    """The line y = a + b x of least squares of the relative error, and the largest relative error: (a, b, error)."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    b, a = np.polyfit(x, y, 1, w=1 / y)
    return float(a), float(b), float(np.abs((a + b * x) / y - 1).max())
