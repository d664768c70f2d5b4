"""Pictures found by their names: files, folders with all that is below them, globs."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mtcnn.pipeline.read import Found

__all__ = ["SUFFIXES", "find_pictures"]

SUFFIXES = {".bmp", ".jp2", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp"}


def find_pictures(arguments: Iterable[str | os.PathLike[str]], without: Path | None = None) -> Iterator[Found]:
    """Files as they are named; folders' pictures with all that is below them, in order; globs, ** included.

    without: a folder within those that is left out.
    """
    for argument in arguments:
        path = Path(argument)
        if path.is_dir():
            yield from _in_folder(path, without.resolve() if without else None)
        elif not path.exists() and glob.has_magic(str(argument)):
            for match in sorted(glob.iglob(str(argument), recursive=True)):
                if Path(match).is_file():
                    yield Found(Path(match), Path(os.path.basename(match)))
        else:
            yield Found(path, Path(path.name))


def _in_folder(folder: Path, without: Path | None) -> Iterator[Found]:
    closed: list[Path] = []
    for where, folders, files in os.walk(folder, onerror=lambda error: closed.append(Path(error.filename))):
        if without is not None:
            folders[:] = [name for name in folders if Path(where, name).resolve() != without]
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            path = Path(where, name)
            if path.suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Found(path, path.relative_to(folder))
    for path in closed:  # folders: reading them will tell why
        yield Found(path, path.relative_to(folder))
