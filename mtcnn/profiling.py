"""Where the time of a detection goes."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mtcnn import cascade
from mtcnn.params import Params

if TYPE_CHECKING:
    from pytrt import Stages

__all__ = ["Profile", "measure"]

STAGES = ("load", "pnet", "rnet", "onet", "lnet", "rest")
_TITLES = {"load": "load", "pnet": "P-Net", "rnet": "R-Net", "onet": "O-Net", "lnet": "L-Net", "rest": "rest"}


@dataclass(frozen=True)
class Profile:
    """What :meth:`mtcnn.TrtMtcnn.profile` measured: milliseconds, which add up to the total.

    Each is the mean over that half of ``repeats`` detections which took neither longest nor least. A stage's time has
    all it does: P-Net's the pyramid and suppression, R-Net's and O-Net's the crops and suppression.
    """

    runtime: str
    """What ran the networks."""
    height: int
    """Of the picture, pixels."""
    width: int
    levels: tuple[tuple[int, int], ...]
    """(height, width) of each level of the pyramid that P-Net saw."""
    rnet_boxes: int
    """Boxes that P-Net left to R-Net."""
    onet_boxes: int
    """Boxes that R-Net left to O-Net."""
    faces: int
    repeats: int
    load_ms: float
    """Checking the picture and taking it: mips on a CPU, the upload to a GPU."""
    pnet_ms: float
    rnet_ms: float
    onet_ms: float
    rest_ms: float
    """Handing out the results."""
    total_ms: float
    lnet_ms: float = 0
    """Refining the landmarks; 0 where that is not done."""

    @property
    def pixels(self) -> int:
        """How many P-Net saw, on all levels."""
        return sum(height * width for height, width in self.levels)

    def __str__(self) -> str:
        counts = {
            "pnet": f"{self.pixels:,} pixels on {len(self.levels)} levels",
            "rnet": f"{self.rnet_boxes:,} boxes",
            "onet": f"{self.onet_boxes:,} boxes",
            "lnet": f"{self.faces:,} faces",
        }
        lines = [f"{self.width}x{self.height}, faces: {self.faces}, mean of {self.repeats}, {self.runtime}"]
        times = [getattr(self, f"{stage}_ms") for stage in STAGES]
        for stage, ms, share in zip(STAGES, times, _percents(times), strict=True):
            if stage == "lnet" and ms == 0:
                continue
            lines.append(f"{_TITLES[stage]:<6}{ms:9.3f} ms {share:4}%  {counts.get(stage, '')}".rstrip())
        return "\n".join([*lines, f"{'total':<6}{self.total_ms:9.3f} ms"])


class StageTimer:
    """Watches one detection from the moment it is made."""

    def __init__(self, stages: Stages) -> None:
        self.left: dict[str, int] = {}  # boxes, by the stage that left them
        self.ms = dict.fromkeys((*STAGES, "total"), 0.0)
        self._stages = stages
        self._began = self._last = time.perf_counter()

    def __call__(self, stage: str, left: int) -> None:
        if stage == "load":
            self._stages.boxes()  # waits for the copy to a GPU, as counting boxes does in the other stages
        self.left[stage] = self.left.get(stage, 0) + left  # of all turns
        now = time.perf_counter()
        self.ms[stage] += 1000 * (now - self._last)
        self._last = now

    def end(self) -> None:
        now = time.perf_counter()
        self.ms["rest"] = 1000 * (now - self._began) - sum(self.ms.values())
        self.ms["total"] = 1000 * (now - self._began)


def measure(
    stages: Stages, take_frame: Callable[[], npt.NDArray[np.uint8]], p: Params, repeats: int, runtime: str
) -> Profile:
    """Times ``repeats`` detections after one that is not timed; take_frame: checks and converts the picture."""
    timers = []
    for _ in range(1 + repeats):
        timer = StageTimer(stages)
        frame = take_frame()
        ((dets, _),) = cascade.detect(stages, [frame], p, timer)
        timer.end()
        timers.append(timer)
    height, width = frame.shape[:2]
    work_height, work_width, _, minsize = cascade.working_size(height, width, p)
    usual = _usual(timers[1:])
    levels = cascade.pyramid(work_height, work_width, minsize, p.factor, p.level_size)
    return Profile(
        runtime=runtime,
        height=height,
        width=width,
        levels=tuple(level[:2] for level in levels),
        rnet_boxes=timer.left["pnet"],
        onet_boxes=timer.left.get("rnet", 0),
        faces=len(dets),
        repeats=repeats,
        **{f"{name}_ms": float(np.mean([t.ms[name] for t in usual])) for name in timer.ms},
    )


def _usual(timers: list[StageTimer]) -> list[StageTimer]:
    """The middle half by the total. Means over the same detections add up, which medians of each stage do not."""
    out = (len(timers) + 1) // 4
    return sorted(timers, key=lambda timer: timer.ms["total"])[out : len(timers) - out]


def _percents(parts: list[float]) -> list[int]:
    """Of the sum, in whole percents that add up to 100: what is left goes to the largest remainders."""
    shares = np.array(parts) * 100 / max(sum(parts), 1e-9)
    whole = np.floor(shares).astype(int)
    most = np.argsort(whole - shares, kind="stable")[: round(shares.sum()) - whole.sum()]
    whole[most] += 1
    return [int(share) for share in whole]
