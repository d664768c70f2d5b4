"""Which files of folders are films, and what those that are made of them are called."""

from __future__ import annotations

from pathlib import Path

from mtcnn.pipeline.film_codecs import ENDINGS

__all__ = ["FILM_ENDINGS", "name_of_film"]

FILM_ENDINGS = frozenset(
    [
        ".3gp",
        ".avi",
        ".flv",
        ".m2ts",
        ".m4v",
        ".mkv",
        ".mov",
        ".mp4",
        ".mpeg",
        ".mpg",
        ".mts",
        ".mxf",
        ".ogv",
        ".ts",
        ".vob",
        ".webm",
        ".wmv",
    ]
)


def name_of_film(name: Path) -> Path:
    """As it is where films of that ending are written, else as .mp4."""
    return name if name.suffix.lower() in ENDINGS else name.with_suffix(".mp4")
