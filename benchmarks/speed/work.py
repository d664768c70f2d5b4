"""The pictures that detectors are timed on."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.peers.processes import ROOT

__all__ = ["Work", "chosen_work", "grid_of_faces", "read_picture", "standard_work"]

Image = NDArray[np.uint8]
ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"


@dataclass(frozen=True)
class Work:
    """Pictures that stand for one kind, timed together: figures are means over them."""

    name: str
    pictures: tuple[Image, ...]

    @property
    def size(self) -> str:
        sizes = {f"{picture.shape[1]}x{picture.shape[0]}" for picture in self.pictures}
        return sizes.pop() if len(sizes) == 1 else "various"

    def save(self, folder: Path) -> list[Path]:
        """The pictures as .npy files in the folder."""
        paths = [folder / f"{self.name.replace(' ', '-')}-{i}.npy" for i in range(len(self.pictures))]
        for path, picture in zip(paths, self.pictures, strict=True):
            np.save(path, picture)
        return paths


def standard_work(data: Path, full: bool) -> list[Work]:
    """What the published figures are of. data: the folder of labelled data; without it a picture of the repository."""
    if not data.is_dir():
        print(f"{data} is absent: timing {ASTRONAUT.name} only (see --data, --images)", file=sys.stderr)
        return [Work("astronaut", (read_picture(str(ASTRONAUT)),))]
    frames = tuple(every(data / "photos" / "crowd-1080p.mp4", 10 if full else 50))
    street = [
        Work("street-1080p", frames),
        Work("street-480p", tuple(resized(frame, 640, 480) for frame in frames)),
    ]
    if not full:
        return street
    labelled = json.loads((data / "wider100" / "annotations.json").read_text())["images"]
    wider = [data / "wider100" / image["file_name"] for image in labelled][::10]
    return [
        *street,
        Work("portrait-1080p", (read_picture(str(data / "photos" / "obama-1080p.jpg")),)),
        Work("photo-1000x664", (read_picture(str(data / "photos" / "detection1.jpg")),)),
        Work("wider-face", tuple(read_picture(str(path)) for path in wider)),
    ]


def chosen_work(specs: Iterable[str]) -> list[Work]:
    """PATH or PATH#FRAME, each for itself."""
    return [Work(Path(spec).name, (read_picture(spec),)) for spec in specs]


def read_picture(spec: str) -> Image:
    path, _, frame = spec.partition("#")
    picture: Any = next(every(Path(path), 1, int(frame)), None) if frame else cv2.imread(path)
    if picture is None:
        sys.exit(f"{spec} cannot be read")
    return np.asarray(picture, np.uint8)


def every(film: Path, step: int, first: int = 0) -> Iterator[Image]:
    """Every step-th frame of a film."""
    video = cv2.VideoCapture(str(film))
    video.set(cv2.CAP_PROP_POS_FRAMES, first)
    try:
        while True:
            good, frame = video.read()
            if not good:
                return
            yield np.asarray(frame, np.uint8)
            for _ in range(step - 1):
                if not video.grab():
                    return
    finally:
        video.release()


def resized(picture: Image, width: int, height: int) -> Image:
    shrinks = width * height < picture.shape[0] * picture.shape[1]
    mode = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(picture, (width, height), interpolation=mode), np.uint8)


def grid_of_faces(face: Image, count: int, width: int, height: int) -> Image:
    """Gray, with so many copies of a square picture of a face, evenly spread.

    Raises:
        ValueError: they do not fit.
    """
    side = face.shape[0]
    columns, rows = width // side, height // side
    if count > columns * rows:
        raise ValueError(f"{count} faces of {side} pixels do not fit into {width} x {height}")
    picture = np.full((height, width, 3), 128, np.uint8)
    for i in range(count):
        place = i * columns * rows // count
        y, x = place // columns * side, place % columns * side
        picture[y : y + side, x : x + side] = face
    return picture
