"""What a detection costs, and the limit on it that a caller may set: ``max_work``.

A picture's work is counted in billions of multiply-adds:

    1,830 for each pixel of its pyramid's levels, which P-Net sees
    1,000,000 for each box that P-Net proposes, and for each that R-Net is shown: their suppression takes as long
    1,530,000 for each box that R-Net is shown
    12,900,000 for each crop that O-Net is shown: a box once or, where its mirror image may be, twice, and again
        for each scale of a second pass, as often as boxes come to O-Net at most
    16,200,000 for each face whose landmarks L-Net refines, where there is one

Each stage's share is known before it begins, from what the stage before has left: to the host, or on a GPU whose stages
nobody waits for between to the GPU, which ends such a picture there. What P-Net proposes is counted before it is
suppressed, on a CPU: there may be one box for each million that P-Net itself has left. A GPU does not count them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtcnn.params import Params

if TYPE_CHECKING:
    from pytrt import Stages

__all__ = [
    "LNET_FACE",
    "ONET_CROP",
    "PNET_PIXEL",
    "RNET_BOX",
    "SUPPRESSED_BOX",
    "FrameWork",
    "OverLimitError",
    "WorkLimit",
]

BILLION = 10**9
PNET_PIXEL = 1_830
SUPPRESSED_BOX = 1_000_000
RNET_BOX = 1_530_000
ONET_CROP = 12_900_000
LNET_FACE = 16_200_000
MOST_BOXES = (1 << 31) - 1
MOST_BUDGET = 1 << 62

Array = npt.NDArray[np.float32]


class OverLimitError(ValueError):
    """Some of a call's pictures would cost more than ``max_work``.

    Attributes:
        refused: what is to be said of each of these, by its index.
        faces: of all pictures, in order, where the others were worked on all the same; else None.
    """

    def __init__(self, refused: dict[int, str], faces: list[tuple[Array, Array]] | None = None) -> None:
        super().__init__(refused[min(refused)])
        self.refused, self.faces = refused, faces


class WorkLimit:
    """Adds up what the pictures of a call cost; does nothing where the parameters set no limit.

    Args:
        p: the parameters of the call.
        pictures: how many there are.

    Attributes:
        refused: what is to be said of each picture that would cost more, by its index.
    """

    def __init__(self, p: Params, pictures: int) -> None:
        self._p = p
        self._limit = None if p.max_work is None else math.floor(p.max_work * BILLION)
        self._spent = [0] * pictures  # whole multiply-adds, so that a GPU, which counts in int64, finds the same
        self.refused: dict[int, str] = {}

    def check(self, faces: list[tuple[Array, Array]] | None = None) -> None:
        """Raises OverLimitError, with the pictures' faces where they are known, if any picture is refused."""
        if self.refused:
            raise OverLimitError(self.refused, faces)

    def begin_pnet(self, pictures: Sequence[int], pyramids: Sequence[Sequence[tuple[int, int, float, float]]]) -> None:
        """pyramids: the levels of each picture, (height, width, scale_y, scale_x)."""
        if self._limit is None:
            return
        for picture, levels in zip(pictures, pyramids, strict=True):
            pixels = sum(height * width for height, width, _, _ in levels)
            what = f"P-Net's {pixels:,} pixels of {len(levels)} levels"
            self._spend(picture, PNET_PIXEL * pixels, what, "raise minsize, lower factor or set max_size")

    def of(self, pictures: Sequence[int]) -> FrameWork:
        """What these cost, as the frames of a detection."""
        return FrameWork(self, pictures)

    def box_costs(self) -> tuple[int, int, int]:
        """Of a box that R-Net, O-Net and L-Net are shown."""
        p = self._p
        again = len(p.second_pass_scales) if p.second_pass else 0
        first = 2 if p.mirror and (p.mirror_first or not again) else 1
        return RNET_BOX + SUPPRESSED_BOX, ONET_CROP * (first + again * (2 if p.mirror else 1)), LNET_FACE

    def _begin(self, stage: int, pictures: Sequence[int], boxes: Iterable[int]) -> None:
        """stage: 0, 1, 2 for R-Net, O-Net and L-Net, which is shown so many boxes of each picture."""
        cost = self.box_costs()[stage]
        for picture, n in zip(pictures, boxes, strict=True):
            what, mend = (
                (f"R-Net's {n:,} boxes", "raise thresholds[0] or minsize, or lower max_rnet"),
                (
                    f"O-Net's {n:,} boxes, up to {cost // ONET_CROP} crops each",
                    "raise thresholds[1] or minsize, lower max_onet, or use fewer second_pass_scales",
                ),
                (f"L-Net's {n:,} faces", "raise thresholds[2] or minsize"),
            )[stage]
            self._spend(picture, cost * n, what, mend)

    def _spend(self, picture: int, work: int, what: str, mend: str) -> None:
        self._spent[picture] += work
        assert self._limit is not None
        if self._spent[picture] > self._limit and picture not in self.refused:
            if len(self._p.rotations) > 1:  # "auto" is longer, too
                mend += "; of several rotations each costs as much"
            self.refused[picture] = (
                f"max_work is {self._limit / BILLION:g} billion multiply-adds, and a picture takes "
                f"{self._spent[picture] / BILLION:,.1f} with {what}: {mend}"
            )


class FrameWork:
    """What the frames of a detection cost, which are some of a call's pictures: see WorkLimit.of()."""

    def __init__(self, limit: WorkLimit, pictures: Sequence[int]) -> None:
        self._limit, self._pictures = limit, pictures

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit, so that nobody need know what stages have left."""
        return self._limit._limit is None

    def most_proposals(self) -> int:
        """Boxes that P-Net may propose in any of the frames."""
        return MOST_BOXES if self.unlimited else min(min(self.budgets(), default=0) // SUPPRESSED_BOX, MOST_BOXES)

    def begin(self, stage: int, stages: Stages, boxes: int) -> None:
        """Counts the boxes that R-Net, O-Net or L-Net (0, 1, 2) is about to be shown.

        Raises:
            OverLimitError: a frame would cost too much.
        """
        if self.unlimited:
            return
        alone = len(self._pictures) == 1
        found = [boxes] if alone else np.bincount(stages.boxes()[2], minlength=len(self._pictures)).tolist()
        self._limit._begin(stage, self._pictures, found)
        if not self._limit.refused.keys().isdisjoint(self._pictures):
            self._limit.check()

    def budgets(self) -> list[int]:
        """What each frame may still cost."""
        assert self._limit._limit is not None
        return [min(self._limit._limit - self._limit._spent[i], MOST_BUDGET) for i in self._pictures]

    def box_costs(self) -> tuple[int, int, int]:
        """As WorkLimit.box_costs()."""
        return self._limit.box_costs()

    def take(self, boxes: npt.NDArray[np.int32]) -> None:
        """boxes: (n, 3), of each frame those that R-Net, O-Net and L-Net were to be shown. Refuses, and raises not."""
        for stage, found in enumerate(boxes.T.tolist()):
            self._limit._begin(stage, self._pictures, found)
