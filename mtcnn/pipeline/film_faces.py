"""The faces of a whole film, so that what is found in one picture is known in those around it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mtcnn.detector import TrtMtcnn
from mtcnn.images import dark_pictures
from mtcnn.pipeline.known_people import KnownPeople
from mtcnn.pipeline.video import Frames
from mtcnn.tracking import Tracker

__all__ = ["Sighting", "around", "faces_of_film"]

Box = npt.NDArray[np.float64]

HOLD = 0.5  # seconds before a face is first found and after it is last found, and half of the longest gap
_GROWN = 1.25  # sides of a box between those that were found


@dataclass(frozen=True, eq=False)
class Sighting:
    """A face found in the picture of an index. is_kept: of a person who is not to be hidden."""

    index: int
    box: Box
    is_kept: bool


def faces_of_film(
    film: Frames, detector: TrtMtcnn, people: KnownPeople | None, seen: Callable[[], None]
) -> tuple[list[list[Box]], list[float], int]:
    """The boxes to hide in each picture of a film, which is read to its end; the pictures' times; how many faces were
    found that are kept.

    seen: called after each picture.
    """
    least = detector.params.thresholds[2]
    tracker = Tracker(new_score=least, low_score=least, carry=0.0, remember=2 * HOLD + 1e-6, smooth=False)
    found: dict[int, list[Sighting]] = {}
    times: list[float] = []
    while (frame := film.read()) is not None:
        with dark_pictures():  # as where a film fades
            dets, landmarks = detector.detect(frame.img)
        times.append(frame.seconds)
        tracks = tracker.update(dets, landmarks, times[-1])
        with dark_pictures():
            kept = people.among(frame.img, tracks.dets, tracks.landmarks) if people else np.zeros(len(tracks), bool)
        for number, det, is_kept in zip(tracks.ids, tracks.dets, kept, strict=True):
            sighting = Sighting(len(times) - 1, det[:4].astype(np.float64), bool(is_kept))
            found.setdefault(int(number), []).append(sighting)
        seen()
    hidden: list[list[Box]] = [[] for _ in times]
    for sightings in found.values():
        for one in around(sightings, times):
            if not one.is_kept:
                hidden[one.index].append(one.box)
    return hidden, times, sum(one.is_kept for sightings in found.values() for one in sightings)


def around(sightings: Sequence[Sighting], times: Sequence[float]) -> list[Sighting]:
    """A face's sightings, in order, with those that are to be taken for granted: between two that are at most twice
    HOLD apart it is where a straight line leads; before the first, after the last and into longer gaps it stays where
    it is, for HOLD."""
    filled = list(sightings)
    for before, after in zip([None, *sightings], [*sightings, None], strict=True):
        if before and after and times[after.index] - times[before.index] <= 2 * HOLD + 1e-6:
            passed = times[after.index] - times[before.index]
            for k in range(before.index + 1, after.index):
                share = (times[k] - times[before.index]) / passed if passed > 0 else 0.5
                box = (1 - share) * before.box + share * after.box
                filled.append(Sighting(k, _grown(box), before.is_kept and after.is_kept))
            continue
        if before:
            k = before.index + 1
            while k < len(times) and times[k] - times[before.index] <= HOLD + 1e-6:
                filled.append(Sighting(k, _grown(before.box), before.is_kept))
                k += 1
        if after:
            k = after.index - 1
            while k >= 0 and times[after.index] - times[k] <= HOLD + 1e-6:
                filled.append(Sighting(k, _grown(after.box), after.is_kept))
                k -= 1
    return filled


def _grown(box: Box) -> Box:
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * _GROWN
    return np.concatenate([centre - half, centre + half])
