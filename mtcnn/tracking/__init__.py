"""Faces followed through a film: the same number for the same face."""

from __future__ import annotations

from mtcnn.tracking.tracker import Tracker
from mtcnn.tracking.tracks import Tracks

__all__ = ["Tracker", "Tracks"]
