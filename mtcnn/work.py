"""What a detection costs, and the limit on it that a caller may set: ``max_work``.

A picture's work is counted in billions of multiply-adds:

    1,830 for each pixel of its pyramid's levels, which P-Net sees
    1,000,000 for each box that P-Net proposes, and for each that R-Net is shown: their suppression takes as long
    1,530,000 for each box that R-Net is shown
    12,900,000 for each crop that O-Net is shown: a box once or, with ``mirror``, twice, and again for each scale of a
        second pass, as often as boxes come to O-Net at most
    16,200,000 for each face whose landmarks L-Net refines, where there is one

Each stage's share is known before it begins, from what the stage before has left. What P-Net proposes is counted before
it is suppressed, on a CPU: there may be one box for each million that P-Net itself has left. A GPU does not count them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from mtcnn.params import Params

if TYPE_CHECKING:
    from pytrt import Stages

__all__ = ["LNET_FACE", "ONET_CROP", "PNET_PIXEL", "RNET_BOX", "SUPPRESSED_BOX", "WorkLimit"]

BILLION = 1e9
PNET_PIXEL = 1_830
SUPPRESSED_BOX = 1_000_000
RNET_BOX = 1_530_000
ONET_CROP = 12_900_000
LNET_FACE = 16_200_000
MOST_BOXES = (1 << 31) - 1


class WorkLimit:
    """Adds up what the pictures of a call cost; does nothing where the parameters set no limit.

    Args:
        p: the parameters of the call.
        pictures: how many there are.
    """

    def __init__(self, p: Params, pictures: int) -> None:
        self._p = p
        self._limit = None if p.max_work is None else p.max_work * BILLION
        self._spent = np.zeros(pictures)
        self._whole: tuple[np.ndarray, list[int]] | None = None  # what the pictures are some of, and which

    def of(self, pictures: Sequence[int]) -> WorkLimit:
        """The limit of some of the pictures alone, with what they have cost so far; shared with this one."""
        part = WorkLimit(self._p, 0)
        part._spent, part._whole = self._spent[list(pictures)], (self._spent, list(pictures))
        return part

    @property
    def unlimited(self) -> bool:
        """Whether there is no limit, so that nobody need know what stages have left."""
        return self._limit is None

    def begin_pnet(self, levels: Sequence[tuple[int, int, int, float, float]]) -> None:
        """levels: (picture, height, width, scale_y, scale_x) each."""
        if self._limit is None:
            return
        pixels = np.zeros(len(self._spent))
        for picture, height, width, _, _ in levels:
            pixels[picture] += height * width
        self._spend(
            PNET_PIXEL * pixels,
            f"P-Net's {pixels.max(initial=0):,.0f} pixels of {len(levels) // max(1, len(pixels))} levels",
            "raise minsize, lower factor or set max_size",
        )

    def most_proposals(self) -> int:
        """Boxes that P-Net may propose in any of the pictures."""
        if self._limit is None:
            return MOST_BOXES
        left = self._limit - self._spent.max(initial=0)
        return int(min(left / SUPPRESSED_BOX, MOST_BOXES))

    def begin_rnet(self, stages: Stages, boxes: int) -> None:
        if self._limit is not None:
            found = self._by_picture(stages, boxes)
            self._spend(
                (RNET_BOX + SUPPRESSED_BOX) * found,
                f"R-Net's {found.max():,.0f} boxes",
                "raise thresholds[0] or minsize, or lower max_rnet",
            )

    def begin_onet(self, stages: Stages, boxes: int) -> None:
        if self._limit is not None:
            found = self._by_picture(stages, boxes)
            crops = self._crops_of_a_box()
            self._spend(
                ONET_CROP * crops * found,
                f"O-Net's {found.max():,.0f} boxes, up to {crops} crops each",
                "raise thresholds[1] or minsize, lower max_onet, or use fewer second_pass_scales",
            )

    def begin_lnet(self, stages: Stages, boxes: int) -> None:
        if self._limit is not None:
            found = self._by_picture(stages, boxes)
            self._spend(LNET_FACE * found, f"L-Net's {found.max():,.0f} faces", "raise thresholds[2] or minsize")

    def _crops_of_a_box(self) -> int:
        p = self._p
        again = len(p.second_pass_scales) if p.second_pass else 0
        first = 2 if p.mirror and (p.mirror_first or not again) else 1
        return first + again * (2 if p.mirror else 1)

    def _by_picture(self, stages: Stages, boxes: int) -> np.ndarray:
        if len(self._spent) == 1:
            return np.array([float(boxes)])
        return np.bincount(stages.boxes()[2], minlength=len(self._spent)).astype(float)

    def _spend(self, work: np.ndarray, what: str, mend: str) -> None:
        self._spent += work
        if self._whole is not None:
            whole, pictures = self._whole
            whole[pictures] = self._spent
        assert self._limit is not None
        most = self._spent.max(initial=0)
        if most > self._limit:
            raise ValueError(
                f"max_work is {self._limit / BILLION:g} billion multiply-adds, and a picture takes "
                f"{most / BILLION:,.1f} with {what}: {mend}"
            )
