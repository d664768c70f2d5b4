"""Which files of a folder are pictures that can be read here, by their endings; what is said of the others."""

from __future__ import annotations

import importlib.util
from collections import Counter
from functools import lru_cache
from pathlib import Path

from mtcnn.images.codec import codec
from mtcnn.pipeline.film_names import FILM_ENDINGS
from mtcnn.runtime.text import printable

__all__ = ["Skipped", "readable_suffixes"]

# By the ending that stands for the format.
_ENDINGS = {
    ".avif": (".avif",),
    ".bmp": (".bmp", ".dib"),
    ".gif": (".gif",),
    ".hdr": (".hdr", ".pic"),
    ".jp2": (".j2c", ".j2k", ".jp2", ".jpf", ".jpx"),
    ".jpg": (".jfi", ".jfif", ".jif", ".jpe", ".jpeg", ".jpg", ".mpo", ".pjp", ".pjpeg"),
    ".png": (".apng", ".png"),
    ".ppm": (".pam", ".pbm", ".pgm", ".pnm", ".ppm"),
    ".ras": (".ras", ".sr"),
    ".tiff": (".tif", ".tiff"),
    ".webp": (".webp",),
}
_BY_PILLOW_HEIF = (".heic", ".heif", ".hif")
_NEWER_OPENCV = "pip install -U opencv-python-headless"
_NEWER_PILLOW = "pip install -U pillow"
# What is said of those that are not read; of two texts the one where OpenCV reads pictures, and where Pillow does.
_HINTS: dict[str, str | tuple[str, str]] = {
    ".avif": (_NEWER_OPENCV, _NEWER_PILLOW),
    ".gif": (_NEWER_OPENCV, _NEWER_PILLOW),
    ".hdr": ("", "OpenCV reads it"),
    ".pic": ("", "OpenCV reads it"),
    **dict.fromkeys(_BY_PILLOW_HEIF, "pip install pillow-heif"),
    **dict.fromkeys(FILM_ENDINGS - {".ts"}, "mtcnn video reads films"),  # .ts is more often another thing
}
_KINDS = 5  # that are named


def readable_suffixes() -> frozenset[str]:
    """The endings, in lower case, of the formats that OpenCV or Pillow as it is installed and, where it is, pillow-heif
    read.

    Raises:
        MtcnnError: neither OpenCV nor Pillow is installed.
    """
    return _readable_by(codec().name)


@lru_cache(maxsize=2)
def _readable_by(library: str) -> frozenset[str]:
    found = {suffix for ending in codec().endings() for suffix in _ENDINGS[ending]}
    if importlib.util.find_spec("pillow_heif"):
        found.update(_BY_PILLOW_HEIF)
    return frozenset(found)


class Skipped:
    """Counts the files of folders that are not read: by their endings those that are no pictures, or none that can be
    read here; by their folders what commands made of pictures that are read."""

    def __init__(self) -> None:
        self._kinds: Counter[str] = Counter()
        self._made: Counter[str] = Counter()
        self._empty: list[str] = []

    def add(self, suffix: str) -> None:
        self._kinds[suffix.lower() if len(suffix) <= 12 else suffix[:11].lower() + "…"] += 1

    def add_made(self, folder: Path) -> None:
        """A file that a command wrote to a folder, of a picture that is read, too."""
        self._made[str(folder)] += 1

    def add_empty(self, argument: str) -> None:
        """An argument, a folder or a glob, that no picture was found by."""
        self._empty.append(argument)

    @property
    def empty(self) -> tuple[str, ...]:
        """What was named and holds no pictures."""
        return tuple(self._empty)

    def __bool__(self) -> bool:
        return bool(self._kinds or self._made)

    def __str__(self) -> str:
        """ "31 .heic (pip install pillow-heif), 2 .txt": first what something else would read, then the most."""
        kinds = sorted(self._kinds.items(), key=lambda kind: (kind[0] not in _HINTS, -kind[1], kind[0]))
        named = [f"{count} {printable(kind) or 'without ending'}{_hint(kind)}" for kind, count in kinds[:_KINDS]]
        if others := sum(count for _, count in kinds[_KINDS:]):
            named.append(f"{others} others")
        folders = self._made.most_common()
        named += [f"{count} in {printable(folder)} that mtcnn made of others" for folder, count in folders[:_KINDS]]
        if others := sum(count for _, count in folders[_KINDS:]):
            named.append(f"{others} that it made elsewhere")
        return ", ".join(named)


def _hint(suffix: str) -> str:
    hint = _HINTS.get(suffix, "")
    if isinstance(hint, tuple):
        hint = hint[codec().name == "Pillow"]
    return f" ({hint})" if hint else ""
