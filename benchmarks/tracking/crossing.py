"""A film of two people who cross, made by moving labelled photographs, so that who is where is known."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt

__all__ = ["COUNT", "FPS", "crossing", "persons"]

COUNT, FPS = 75, 25.0
_HEIGHT, _WIDTH = 480, 854
_SIDE = 150  # of the photographs
# A face's box by its eyes and the corners of its mouth: about as the detector draws it.
_WIDER, _TALLER = 2.1, 2.3

Pixels = npt.NDArray[np.uint8]
Person = tuple[Pixels, npt.NDArray[np.float64]]  # a photograph, and the box of its face


def persons(data: Path, first: int, second: int) -> tuple[Person, Person]:
    """Two of the labelled photographs of data/lfw_landmarks."""
    with (data / "lfw_landmarks" / "landmarks.csv").open(newline="") as file:
        rows = list(csv.reader(file))[1:]
    return _person(data, rows[first]), _person(data, rows[second])


def _person(data: Path, row: list[str]) -> Person:
    img = np.asarray(cv2.imread(str(data / "lfw_landmarks" / row[0])), np.uint8)
    numbers = np.array(row[1:11], float)
    points = numbers.reshape(2, 5).T
    low, high = points.min(axis=0), points.max(axis=0)
    centre, half = (low + high) / 2, (high - low) / 2 * (_WIDER, _TALLER)
    return img, np.concatenate([centre - half, centre + half])


def crossing(
    people: tuple[Person, Person], hidden: float = 1.0
) -> Iterator[tuple[Pixels, npt.NDArray[np.int64], npt.NDArray[np.float32]]]:
    """Pictures, and the numbers and boxes of the faces that are to be seen in them.

    Person 1 goes from left to right before person 2, who goes from right to left and is half hidden, or wholly, in the
    middle.

    hidden: how much of the second face the first one's photograph covers where they meet, 0 to 1.
    """
    for i in range(COUNT):
        share = i / (COUNT - 1)
        img = np.full((_HEIGHT, _WIDTH, 3), 96, np.uint8)
        img[:, :, 1] += np.linspace(0, 60, _WIDTH).astype(np.uint8)
        low = _HEIGHT / 2 - _SIDE / 2
        places = {
            2: (30 + (1 - share) * (_WIDTH - _SIDE - 60), low - (1 - hidden) * 80),
            1: (30 + share * (_WIDTH - _SIDE - 60), low + 10 * np.sin(6 * share)),
        }
        boxes = {}
        for number, (x, y) in places.items():  # the second first, so that it is behind
            left, top = round(x), round(y)
            photo, box = people[number - 1]
            img[top : top + _SIDE, left : left + _SIDE] = photo
            boxes[number] = box + (left, top, left, top)
        front = (round(places[1][0]), round(places[1][1]))
        seen = [1] if _covered(boxes[2], front) > 0.3 else [1, 2]
        yield img, np.array(seen, np.int64), np.array([boxes[number] for number in seen], np.float32)


def _covered(box: npt.NDArray[np.float64], corner: tuple[int, int]) -> float:
    """How much of a box a photograph there covers."""
    sides = np.minimum(box[2:], np.add(corner, _SIDE)) - np.maximum(box[:2], corner)
    return float(np.clip(sides, 0, None).prod() / (box[2:] - box[:2]).prod())
