"""The error of files that hold no weights of MTCNN."""

from __future__ import annotations

from mtcnn.errors import MtcnnError

__all__ = ["WeightsError"]


class WeightsError(MtcnnError):
    """A file of weights is missing, damaged, or not of one of the three networks."""
