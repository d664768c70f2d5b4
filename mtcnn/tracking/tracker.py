"""Tracker: faces followed from picture to picture.

The association is ByteTrack's: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box",
ECCV 2022, arXiv:2110.06864: first boxes with good scores, then those with bad ones for the faces that are left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn import checks
from mtcnn.central import as_dets
from mtcnn.detector import TrtMtcnn
from mtcnn.images import Color, Picture, as_bgr, dark_pictures
from mtcnn.landmarks import points
from mtcnn.params import least_score
from mtcnn.rotations import upright_turns
from mtcnn.runtime.fixed import Fixed
from mtcnn.runtime.unused import untold
from mtcnn.tracking.association import assign, nearness, overlaps
from mtcnn.tracking.kalman import BoxMotion
from mtcnn.tracking.one_euro import OneEuro
from mtcnn.tracking.tracks import Array, Tracks

__all__ = ["Tracker"]

Pixels = npt.NDArray[np.uint8]

# Of what R-Net and O-Net are shown of a face that is expected: somewhat more than it, as P-Net's windows are.
_MARGIN = 1.1
_SEARCHED = 2.5  # sides around a face that is not there
_SEARCH_FOR = 0.1  # seconds: that costs more
# O-Net once, without the views that it is shown of each face in a full detection.
_ONE_PASS: Any = {"second_pass": False, "mirror": False}
# Least scores there, where a face is likely: R-Net's only orders them.
_REFINED = (0.0, 0.3)
_LEAST_OVERLAP, _LEAST_OVERLAP_BAD = 0.2, 0.4  # with what is expected, of good and of bad scores
_MOST_HELD = 1 << 30  # bytes of pictures that wait for what later ones tell
_FARTHEST = 1e9  # pixels: areas are still exact enough
_LEAST_NEAR = 1e-3  # of who is no longer found
_SAME = 0.4  # overlap of two boxes that are of one face
_DOUBT = 1.0  # seconds that a face is followed by bad scores alone


class Tracker(Fixed):
    """Numbers for faces, which stay the same from picture to picture of a film; for one film at a time.

    Args:
        detector: finds the faces for :meth:`step`; None where they come from elsewhere, to :meth:`update`.
        every: of so many pictures one is looked at everywhere; in those between R-Net and O-Net look where faces are
            expected, which takes a small part of the time.
        new_score: least score of a face that is new; None: the threshold of the detector's last network, O-Net, else
            0.7.
        low_score: least score of one that is known.
        carry: seconds that a face is still given, where it was, when it is no longer found.
        remember: seconds after which a face that comes back gets a new number; however long it is between two
            pictures, those of the one are still known in the next.
        smooth: smooth the five points, without lag (One Euro filter).
        fps: pictures a second, where no times are given.

    Raises:
        TypeError, ValueError: a wrong argument.

    Example:
        >>> from mtcnn import TrtMtcnn, Tracker
        >>> tracker = Tracker(TrtMtcnn())
        >>> for i, img in enumerate(pictures):  # doctest: +SKIP
        ...     tracks = tracker.step(img, seconds=i / 25)
        ...     print(tracks.ids, tracks.dets[:, :4])
    """

    _ARGUMENTS = frozenset({"detector", "every", "new_score", "low_score", "carry", "remember", "smooth", "fps"})

    def __init__(
        self,
        detector: TrtMtcnn | None = None,
        *,
        every: int = 10,
        new_score: float | None = None,
        low_score: float = 0.3,
        carry: float = 0.2,
        remember: float = 1.0,
        smooth: bool = True,
        fps: float = 25.0,
    ) -> None:
        self._detector = None if detector is None else checks.instance(detector, TrtMtcnn, "detector")
        self._every = checks.whole(every, "every", 1, 1_000_000)
        if new_score is None:
            new_score = 0.7 if detector is None else detector.params.thresholds[detector.params.networks - 1]
        self._new_score = checks.number(new_score, "new_score", 0, 1)
        self._low_score = min(checks.number(low_score, "low_score", 0, 1), self._new_score)
        self._carry = checks.number(carry, "carry", 0, 1e6) + 1e-6  # sums of times are rounded
        self._remember = max(checks.number(remember, "remember", 0, 1e6), self._carry)
        self._smooth = checks.flag(smooth, "smooth")
        self._interval = 1 / checks.number(fps, "fps", 0, 1e6, open_ends=True)
        self.reset()

    def reset(self) -> None:
        """Forget all faces: what comes next is another film. Numbers go on."""
        self._followed: list[_Followed] = []
        self._now = 0.0
        self._count = 0
        self._next = getattr(self, "_next", 1)

    def step(self, img: Picture, seconds: float | None = None, *, color: Color = "bgr") -> Tracks:
        """The faces of the next picture.

        Args:
            img, color: as ``detect`` takes them, in the CPU's memory.
            seconds: the picture's time, which only rises; None: one `fps` after the last.

        Raises:
            MtcnnError: SciPy is not installed.
            TypeError, ValueError: a wrong argument, or no detector was given.
        """
        if self._detector is None:
            raise ValueError("detector must be given to Tracker for step(); or hand your own faces to update()")
        bgr = as_bgr(img, color=color)
        is_full = self._count % self._every == 0
        self._go_on(seconds)
        with dark_pictures():  # as films have where they fade
            return self._step(bgr, is_full)

    def _step(self, bgr: Pixels, is_full: bool) -> Tracks:
        assert self._detector is not None
        if not is_full:
            self._look_again(bgr)
            return self._tracks(detected=False)
        p = self._detector.params
        low = min(p.thresholds[p.networks - 1], self._low_score)
        self._associate(*self._detector.detect(bgr, thresholds=least_score(p, low)), may_begin=True)
        self._look_again(bgr)
        return self._tracks(detected=True)

    def follow(self, pictures: Iterable[tuple[Picture, float]], *, color: Color = "bgr") -> Iterator[Tracks]:
        """The faces of each picture of a film, in order, `every` pictures late, or as many as 1 GB holds.

        What :meth:`step` does, and then backwards: where all of a picture is looked at, faces that are new, or were
        lost before, are looked for in the pictures before it, too. So a face has a number from where it comes in.

        Args:
            pictures: each with its time, seconds.

        Raises:
            As :meth:`step`.
        """
        waiting: list[tuple[Pixels, Tracks]] = []
        for img, seconds in _pairs(pictures):
            bgr = as_bgr(img, color=color)
            tracks = self.step(bgr, seconds)
            if tracks.detected:
                yield from self._filled(waiting, tracks)
                waiting = []
            waiting.append((bgr, tracks))
            if sum(picture.nbytes for picture, _ in waiting) > _MOST_HELD:
                yield waiting.pop(0)[1]
        yield from (tracks for _, tracks in waiting)

    def _filled(self, waiting: list[tuple[Pixels, Tracks]], last: Tracks) -> list[Tracks]:
        """The tracks of pictures that wait, with the faces of the one after them that they lack."""
        filled = [tracks for _, tracks in waiting]
        later = last
        for k in range(len(waiting) - 1, -1, -1):
            there = filled[k].ids[filled[k].found]
            lacking = later.select(later.found & ~np.isin(later.ids, there))
            if not len(lacking) or filled[k].detected:
                break
            for look in (self._refined, self._searched):
                with dark_pictures():
                    dets, landmarks = look(waiting[k][0], lacking.dets[:, :4].astype(np.float64), lacking.landmarks)
                known = filled[k].dets[filled[k].found, :4]
                is_new = overlaps(dets, known).max(axis=1, initial=0) < _SAME
                dets, landmarks = dets[is_new], landmarks[is_new]
                pairs = assign(overlaps(lacking.dets, dets), _LEAST_OVERLAP)
                rows, columns = np.array(pairs, np.intp).reshape(-1, 2).T
                found = Tracks(lacking.ids[rows], dets[columns], landmarks[columns], np.ones(len(rows), bool))
                filled[k] = filled[k].without(found.ids).joined(found)
                lacking = lacking.without(found.ids)
                if not len(lacking):
                    break
            later = filled[k]
        return filled

    def update(self, dets: npt.ArrayLike, landmarks: npt.ArrayLike, seconds: float | None = None) -> Tracks:
        """The faces of the next picture, of which you have found these.

        Args:
            dets, landmarks: (n, 5) and (n, 10), as from ``detect``, or points (n, 5, 2); low scores help to follow
                faces.
            seconds: as for :meth:`step`.

        Raises:
            MtcnnError: SciPy is not installed.
            TypeError, ValueError: a wrong argument.
        """
        faces = as_dets(dets)
        marks = points(landmarks).transpose(0, 2, 1).reshape(-1, 10)
        if faces.shape[1] != 5 or len(marks) != len(faces):
            raise ValueError(f"dets must be (n, 5) with landmarks (n, 10), got {faces.shape} and {marks.shape}")
        for name, array in (("dets", faces), ("landmarks", marks)):
            if not (np.abs(array) <= _FARTHEST).all():
                raise ValueError(f"{name} must lie within {_FARTHEST:.0e} pixels")
        self._go_on(seconds)
        self._associate(faces, marks, may_begin=True)
        return self._tracks(detected=True)

    def _go_on(self, seconds: float | None) -> None:
        now = self._now + self._interval if seconds is None else checks.number(seconds, "seconds", -1e9, 1e9)
        passed = self._interval if not self._count else now - self._now
        if passed < 0:
            raise ValueError(f"seconds must rise, got {now:g} after {self._now:g}; reset() begins another film")
        for face in self._followed:
            face.go_on(passed)
        self._followed = [
            face
            for face in self._followed
            if (face.gap <= self._remember or face.missed == 1) and face.doubt <= max(_DOUBT, self._remember, passed)
        ]
        self._now = now
        self._count += 1

    def _look_again(self, img: Pixels) -> None:
        """For the faces that are not found yet: where they are expected, then around there."""
        for look, longest in ((self._refined, self._carry), (self._searched, min(_SEARCH_FOR, self._carry))):
            if lost := [face for face in self._followed if face.missed and face.is_within(longest)]:
                boxes = np.array([face.motion.box() for face in lost])
                dets, landmarks = look(img, boxes, np.array([face.landmarks for face in lost]))
                known = np.array([face.det()[:4] for face in self._followed if not face.missed]).reshape(-1, 4)
                is_new = overlaps(dets, known).max(axis=1, initial=0) < _SAME  # else it is another's face
                self._associate(dets[is_new], landmarks[is_new], may_begin=False)

    def _refined(self, img: Pixels, boxes: npt.NDArray[np.float64], landmarks: npt.NDArray[Any]) -> tuple[Array, Array]:
        """Faces where R-Net and O-Net find them from boxes that are expected, turned as they were."""
        assert self._detector is not None
        p = self._detector.params
        thresholds = (p.thresholds[0], *_REFINED[3 - p.networks :], *p.thresholds[p.networks :])
        grown = np.array([_grown(box, _MARGIN) for box in boxes]).reshape(-1, 4)
        turns = upright_turns(landmarks, self._detector.params.rotations)
        found = [
            self._detector.refine(img, grown[turns == turn], thresholds=thresholds, rotations=(turn,), **_ONE_PASS)
            for turn in np.unique(turns).tolist()
        ]
        return _joined(found)

    def _searched(
        self, img: Pixels, boxes: npt.NDArray[np.float64], landmarks: npt.NDArray[Any]
    ) -> tuple[Array, Array]:
        """Faces in the small pictures around boxes that are expected, turned as they were."""
        assert self._detector is not None
        thresholds = least_score(self._detector.params, self._low_score)
        found = []
        turns = upright_turns(landmarks, self._detector.params.rotations).tolist()
        for box, turn in zip(boxes, turns, strict=True):
            x1, y1, x2, y2 = np.clip(np.rint(_grown(box, _SEARCHED)), 0, [*img.shape[1::-1]] * 2).astype(int)
            side = float(max(box[2:] - box[:2]))
            if min(x2 - x1, y2 - y1) < 12:
                continue
            with untold():  # these are no numbers of the caller's
                dets, landmarks = self._detector.detect(
                    img[y1:y2, x1:x2],
                    minsize=max(12.0, 0.6 * side),
                    thresholds=thresholds,
                    rotations=(turn,),
                    **_ONE_PASS,
                )
            dets[:, :4] += np.array([x1, y1, x1, y1], np.float32)
            landmarks += np.repeat(np.array([x1, y1], np.float32), 5)
            found.append((dets, landmarks))
        return _joined(found)

    def _associate(self, dets: npt.NDArray[Any], landmarks: npt.NDArray[Any], *, may_begin: bool) -> None:
        is_good = dets[:, 4] >= self._new_score
        is_fair = ~is_good & (dets[:, 4] >= min(self._low_score, _REFINED[1]))
        left = [face for face in self._followed if face.missed]
        good, bad = np.flatnonzero(is_good), np.flatnonzero(is_fair)
        left, good = self._match(left, dets, landmarks, good, _LEAST_OVERLAP)
        carried = [face for face in left if face.is_within(self._carry)]
        self._match(carried, dets, landmarks, bad, _LEAST_OVERLAP_BAD)
        # Who comes out from behind another had moved on unseen: as what hid them, it seemed to stand still.
        lost = [face for face in left if face.missed > 1]
        _, good = self._match(lost, dets, landmarks, good, _LEAST_NEAR, nearness)
        if may_begin:
            for i in good:
                self._followed.append(_Followed(self._next, dets[i], landmarks[i], smooth=self._smooth))
                self._next += 1

    def _match(
        self,
        faces: list[_Followed],
        dets: npt.NDArray[Any],
        landmarks: npt.NDArray[Any],
        rows: npt.NDArray[np.intp],
        least: float,
        alike: Callable[[npt.NDArray[Any], npt.NDArray[Any]], npt.NDArray[np.float64]] = overlaps,
    ) -> tuple[list[_Followed], npt.NDArray[np.intp]]:
        """Give the faces those rows of dets that are theirs, `alike` what is expected; returns what is left of both."""
        expected = np.array([face.motion.box() for face in faces]).reshape(-1, 4)
        pairs = assign(alike(expected, dets[rows, :4]), least)
        for i, j in pairs:
            row = rows[j]
            faces[i].take(dets[row], landmarks[row], is_good=bool(dets[row, 4] >= self._new_score))
        taken = {i for i, _ in pairs}
        rest = np.setdiff1d(np.arange(len(rows)), [j for _, j in pairs])
        return [face for i, face in enumerate(faces) if i not in taken], rows[rest]

    def _tracks(self, detected: bool) -> Tracks:
        shown = [face for face in self._followed if face.gap <= self._carry]
        return Tracks(
            np.array([face.number for face in shown], np.int64),
            np.array([face.det() for face in shown], np.float32).reshape(-1, 5),
            np.array([face.landmarks for face in shown], np.float32).reshape(-1, 10),
            np.array([not face.missed for face in shown], bool),
            detected,
        )


class _Followed:
    """A face, and what is known of it. gap: seconds since it was found, missed: pictures, this one, too; doubt: seconds
    since it was found with a good score."""

    def __init__(self, number: int, det: npt.NDArray[Any], landmarks: npt.NDArray[Any], *, smooth: bool) -> None:
        self.number = number
        self._smooth = OneEuro() if smooth else None
        self.gap = self.doubt = self._passed = 0.0
        self.missed = 0
        self._det = np.asarray(det, np.float64)
        self.motion = BoxMotion(self._det)
        self.landmarks = np.asarray(landmarks, np.float64)
        if self._smooth:
            self._smooth(self.landmarks, 0.0)

    def go_on(self, seconds: float) -> None:
        before = self.motion.box()
        self.motion.predict(seconds)
        if self.missed:
            self.motion.stop_growing()
        moved = (self.motion.box() - before).reshape(2, 2).mean(axis=0)
        self.landmarks = self.landmarks + np.repeat(moved, 5)
        self.gap += seconds
        self.missed += 1
        self.doubt += seconds
        self._passed += seconds

    def take(self, det: npt.NDArray[Any], landmarks: npt.NDArray[Any], *, is_good: bool) -> None:
        self._det = np.asarray(det, np.float64)
        self.motion.update(self._det)
        points = np.asarray(landmarks, np.float64)
        side = float(max(self._det[2:4] - self._det[:2]))
        self.landmarks = self._smooth(points, self._passed, max(side, 1.0)) if self._smooth else points
        self.gap = self._passed = 0.0
        self.missed = 0
        if is_good:
            self.doubt = 0.0

    def is_within(self, seconds: float) -> bool:
        """Whether it was found so long ago at most, or in the picture before."""
        return self.missed <= 1 or self.gap <= seconds

    def det(self) -> npt.NDArray[np.float64]:
        box = self.motion.box() if self.missed else self._det[:4]
        return np.append(box, self._det[4])


def _pairs(pictures: Iterable[tuple[Picture, float]]) -> Iterator[tuple[Picture, float]]:
    expected = "pictures must be (img, seconds) pairs"
    if not isinstance(pictures, Iterable):
        raise TypeError(f"{expected}, one after the other, got {checks.shown(pictures)}")
    for i, pair in enumerate(pictures):
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TypeError(f"{expected}, got {type(pair).__name__} as pictures[{i}]")
        yield pair[0], pair[1]


def _joined(found: list[tuple[Array, Array]]) -> tuple[Array, Array]:
    if not found:
        return np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)
    return np.concatenate([dets for dets, _ in found]), np.concatenate([marks for _, marks in found])


def _grown(box: npt.NDArray[np.float64], times: float) -> npt.NDArray[np.float64]:
    centre, half = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) / 2 * times
    grown: npt.NDArray[np.float64] = np.clip(np.concatenate([centre - half, centre + half]), -1e6, 1e6)
    return grown
