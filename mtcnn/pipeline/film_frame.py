"""One picture of a film, with its place and its own time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mtcnn.pipeline.read import Picture

__all__ = ["FilmFrame"]


@dataclass(frozen=True, eq=False)
class FilmFrame:
    """A picture, upright, BGR.

    Attributes:
        index: its number in the film, from 0.
        seconds: its own time, from the film's beginning.
        duration: how long it is shown, seconds; 0: unknown.
        packets: of sound and subtitles, that came before it.
    """

    index: int
    seconds: float
    img: Picture
    duration: float = 0.0
    packets: Sequence[Any] = ()
