"""The MTCNN cascade in plain NumPy and ONNX Runtime: what the native implementation is compared with.

`detect` gives the result; `trace` gives every stage's intermediate results as well, and each step is a
function of its own. Coordinates are pixels; boxes are float32 and inclusive (w = x2 - x1 + 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .averages import average_suppressed, mirror_mean, voted
from .boxes import (
    is_proper,
    regress,
    rounded_squares,
    sides,
    square,
    truncate_and_clip,
    whole_windows,
)
from .landmarks import refine
from .nets import run_onet, run_pnet, run_rnet
from .nms import nms
from .params import Params, make_params
from .resize import Image, Mips, resample, to_input

CELL, STRIDE = 12, 2  # P-Net's window and step
TOLERANCE = 1e-6  # so that a product that should be a whole number counts as one

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Level:
    """A pyramid level: its size, and the scales by which its coordinates map back to the image."""

    scale: float
    height: int
    width: int
    scale_y: float
    scale_x: float


@dataclass(frozen=True)
class Proposals:
    """P-Net's cells over the threshold, in row-major order of the grid."""

    windows: Array  # (n, 4)
    scores: Array  # (n,)
    reg: Array  # (n, 4), as the network gives it
    regressed: Array  # (n, 4)

    def take(self, index: NDArray[Any]) -> Proposals:
        return Proposals(self.windows[index], self.scores[index], self.reg[index], self.regressed[index])


@dataclass(frozen=True)
class PNetStage:
    levels: list[Level]
    inputs: list[Array]  # a level each, (1, 3, h, w)
    proposals: list[Proposals]  # a level each, before any NMS
    level_nms: list[Proposals]  # a level each, best first
    boxes: Array  # (n, 4) what goes to R-Net
    scores: Array  # (n,)


@dataclass(frozen=True)
class RNetStage:
    squares: Array  # (n, 4)
    windows: NDArray[np.int64]  # (n, 4) x, y, w, h of the crops
    crops: Array  # (n, 3, 24, 24)
    prob: Array  # (n,)
    reg: Array  # (n, 4)
    boxes: Array  # (m, 4) what goes to O-Net, best first
    scores: Array  # (m,)


@dataclass(frozen=True)
class ONetStage:
    squares: Array  # (n, 4)
    windows: NDArray[np.int64]
    crops: Array  # (n, 3, 48, 48)
    prob: Array  # (n,)
    reg: Array  # (n, 4)
    marks: Array  # (n, 10), as the network gives them
    dets: Array  # (m, 5) best first
    landmarks: Array  # (m, 10)


@dataclass(frozen=True)
class Trace:
    img: Image  # what the cascade saw: the image, shrunk where max_size says so
    shrink: float  # 1 where not shrunk
    minsize: float
    pnet: PNetStage
    rnet: RNetStage
    onet: ONetStage
    dets: Array  # (m, 5) in the pixels of the caller's image
    landmarks: Array  # (m, 10)


def detect(
    img: Image, minsize: float = 40, preset: str = "fast", lnet: bytes | None = None, **params: Any
) -> tuple[Array, Array]:
    """Faces in `img`, BGR uint8 (H, W, 3): `dets` (n, 5) x1, y1, x2, y2, score and `landmarks` (n, 10).

    `params` are fields of `Params` and replace the preset's; `lnet` is the ONNX model that refines the landmarks.
    """
    result = trace(img, minsize, preset, lnet, **params)
    return result.dets, result.landmarks


def trace(img: Image, minsize: float = 40, preset: str = "fast", lnet: bytes | None = None, **params: Any) -> Trace:
    """As `detect`, with everything on the way."""
    p = make_params(preset, **params)
    img, minsize, s = shrink(img, minsize, p)
    mips = Mips(img)
    pnet = pnet_stage(mips, minsize, p)
    rnet = rnet_stage(mips, pnet.boxes, p)
    onet = onet_stage(mips, rnet.boxes, p)
    landmarks = onet.landmarks
    if lnet is not None:
        landmarks = refine(mips, onet.dets[:, :4], landmarks, lnet, p.resize)
        if p.whole_pixels:
            truncate_and_clip(landmarks[:, :5], landmarks[:, 5:], mips.width, mips.height)
    dets, landmarks = unshrink(onet.dets, landmarks, s, p)
    return Trace(img, s, minsize, pnet, rnet, onet, dets, landmarks)


def shrink(img: Image, minsize: float, p: Params) -> tuple[Image, float, float]:
    """The image within `max_size`, the minsize that goes with it, and the scale (1: nothing was done)."""
    height, width = img.shape[:2]
    s = min(p.max_size[0] / height, p.max_size[1] / width) if p.max_size else 1.0
    if s >= 1:
        return img, minsize, 1.0
    h, w = ceil(height * s - TOLERANCE), ceil(width * s - TOLERANCE)
    planes = resample(Mips(img), 0, 0, width, height, w, h, p.resize)
    small = np.floor(planes + 0.5).astype(np.uint8).transpose(1, 2, 0)
    return small, max(ceil(minsize * s - TOLERANCE), 40), s


def unshrink(dets: Array, landmarks: Array, s: float, p: Params) -> tuple[Array, Array]:
    """Back to the pixels of the caller's image."""
    if s == 1:
        return dets, landmarks
    boxes, marks = dets[:, :4].astype(np.float64) / s, landmarks.astype(np.float64) / s
    if p.whole_pixels:
        boxes, marks = np.trunc(boxes), np.trunc(marks)
    return np.column_stack([boxes, dets[:, 4]]).astype(np.float32), marks.astype(np.float32)


# --- P-Net ----------------------------------------------------------------------------------------


def pyramid_levels(height: int, width: int, minsize: float, p: Params) -> list[Level]:
    """The levels on which a face of `minsize` pixels and its multiples by 1/factor are 12 pixels large."""
    levels = []
    scale = CELL / minsize
    while min(height, width) * scale >= CELL - TOLERANCE:
        if p.level_size == "ceil":
            h, w = ceil(height * scale - TOLERANCE), ceil(width * scale - TOLERANCE)
            level = Level(scale, h, w, h / height, w / width)
        else:
            h, w = int(height * scale + TOLERANCE), int(width * scale + TOLERANCE)
            level = Level(scale, h, w, scale, scale)
        if min(h, w) >= CELL:
            levels.append(level)
        scale *= p.factor
    return levels


def level_input(mips: Mips, level: Level, mode: str) -> Array:
    """P-Net's input (1, 3, h, w) at a level."""
    return to_input(resample(mips, 0, 0, mips.width, mips.height, level.width, level.height, mode))


def propose(prob: Array, reg: Array, level: Level, threshold: float) -> Proposals:
    """The cells of the maps `prob` (gh, gw) and `reg` (4, gh, gw) with prob >= threshold."""
    y, x = np.nonzero(prob >= threshold)
    scale = np.array([level.scale_x, level.scale_y] * 2)
    corners = np.stack([x, y, x, y], axis=1) * STRIDE + np.array([0, 0, CELL - 1, CELL - 1])
    windows = (corners / scale).astype(np.float32)
    cell_reg = reg[:, y, x].T
    regressed = regress(windows, cell_reg, CELL / level.scale_x, CELL / level.scale_y)
    return Proposals(windows, prob[y, x], cell_reg, regressed)


def pnet_stage(mips: Mips, minsize: float, p: Params) -> PNetStage:
    levels = pyramid_levels(mips.height, mips.width, minsize, p)
    inputs = [level_input(mips, level, p.resize) for level in levels]
    proposals = [propose(*run_pnet(data), level, p.thresholds[0]) for data, level in zip(inputs, levels, strict=True)]
    level_nms = [suppress(found, p.nms_thresholds[0], p) for found in proposals]
    kept = suppress(concatenate(level_nms), p.nms_thresholds[1], p)
    kept = kept.take(np.arange(min(len(kept.scores), p.max_rnet)))
    kept = kept.take(is_proper(kept.regressed))
    boxes = kept.regressed.copy()
    if p.whole_pixels:
        truncate_and_clip(boxes[:, 0::2], boxes[:, 1::2], mips.width, mips.height)
    return PNetStage(levels, inputs, proposals, level_nms, boxes, kept.scores)


def suppress(found: Proposals, threshold: float, p: Params) -> Proposals:
    """NMS on the windows or on the proper regressed boxes, best first."""
    if p.nms_boxes == "window":
        return found.take(nms(found.windows, found.scores, threshold))
    found = found.take(is_proper(found.regressed))
    return found.take(nms(found.regressed, found.scores, threshold))


def concatenate(found: list[Proposals]) -> Proposals:
    none = Proposals(*(np.empty(shape, np.float32) for shape in ((0, 4), 0, (0, 4), (0, 4))))
    parts = [none, *found]
    return Proposals(
        np.concatenate([part.windows for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.reg for part in parts]),
        np.concatenate([part.regressed for part in parts]),
    )


# --- R-Net and O-Net ------------------------------------------------------------------------------


def squares_and_windows(
    boxes: Array, p: Params, scale: float = 1
) -> tuple[NDArray[np.intp], Array, Array, Array, NDArray[np.int64]]:
    """The boxes that become squares of at least a pixel: their indices, these squares, in whole pixels, their widths
    and heights, and the windows (x, y, w, h) to crop."""
    squares, side = square(boxes, scale)
    if p.whole_pixels:
        squares = np.trunc(squares)
    else:
        squares = rounded_squares(squares, side)
    index = np.flatnonzero(is_proper(squares))
    squares = squares[index]
    return index, squares, *sides(squares), whole_windows(squares)


def crop(mips: Mips, windows: NDArray[np.int64], size: int, mode: str) -> Array:
    """The windows (n, 4) x, y, w, h as network input (n, 3, size, size); zeros outside the image."""
    crops = [to_input(resample(mips, x, y, w, h, size, size, mode)) for x, y, w, h in windows.tolist()]
    return np.concatenate([np.empty((0, 3, size, size), np.float32), *crops])


def rnet_stage(mips: Mips, boxes: Array, p: Params) -> RNetStage:
    _, squares, w, h, windows = squares_and_windows(boxes, p)
    crops = crop(mips, windows, 24, p.resize)
    prob, reg = run_rnet(crops)

    index = np.flatnonzero(prob >= p.thresholds[1])
    regressed = regress(squares, reg, w, h)
    if p.nms_boxes == "regressed":
        index = index[is_proper(regressed[index])]
        index = index[nms(regressed[index], prob[index], p.nms_thresholds[2])][: p.max_onet]
    else:
        index = index[nms(squares[index], prob[index], p.nms_thresholds[2])][: p.max_onet]
        index = index[is_proper(regressed[index])]
    kept = regressed[index]
    if p.whole_pixels:
        truncate_and_clip(kept[:, 0::2], kept[:, 1::2], mips.width, mips.height)
    return RNetStage(squares, windows, crops, prob, reg, kept, prob[index])


@dataclass(frozen=True)
class OnetPass:
    """O-Net's outputs for the squares about some boxes, without those of boxes that became no proper square."""

    index: NDArray[np.intp]  # of the boxes that the rows are of
    squares: Array
    windows: NDArray[np.int64]
    crops: Array
    prob: Array
    reg: Array
    marks: Array
    regressed: Array  # (n, 4)
    landmarks: Array  # (n, 10), pixels


def onet_pass(
    mips: Mips,
    boxes: Array,
    p: Params,
    mirror: bool,
    scale: float = 1,
    mirror_range: tuple[float, float] = (-np.inf, np.inf),
) -> OnetPass:
    """mirror: crops whose score is in `mirror_range` are averaged with their mirror images."""
    index, squares, w, h, windows = squares_and_windows(boxes, p, scale)
    crops = crop(mips, windows, 48, p.resize)
    prob, reg, marks = run_onet(crops)
    low, high = mirror_range
    twice = np.flatnonzero((prob >= low) & (prob <= high) & mirror)
    if twice.size:
        plain = prob[twice], reg[twice], marks[twice]
        means = mirror_mean(plain, run_onet(np.ascontiguousarray(crops[twice, :, :, ::-1])))
        prob, reg, marks = prob.copy(), reg.copy(), marks.copy()
        prob[twice], reg[twice], marks[twice] = means
    inset = 1 if p.whole_pixels else 0  # tensorrt_demos multiplies by x2 - x1
    landmarks = np.concatenate(
        [
            squares[:, 0:1] + (w - inset)[:, np.newaxis] * marks[:, :5],
            squares[:, 1:2] + (h - inset)[:, np.newaxis] * marks[:, 5:],
        ],
        axis=1,
    )
    return OnetPass(index, squares, windows, crops, prob, reg, marks, regress(squares, reg, w, h), landmarks)


def second_pass(mips: Mips, boxes: Array, scores: Array, landmarks: Array, p: Params) -> tuple[Array, Array, Array]:
    """The mean over each face's passes: the given one, and one a scale of `second_pass_scales` that leaves an area;
    of landmarks, with `tight_landmarks`, over the given one and the smallest scale's."""
    passes, passes_of_landmarks = np.ones(len(boxes), np.float32), np.ones(len(boxes), np.float32)
    sums = boxes.copy(), scores.copy()
    sum_of_landmarks = landmarks.copy()
    smallest = int(np.argmin(p.second_pass_scales))
    for i, scale in enumerate(p.second_pass_scales):
        again = onet_pass(mips, boxes, p, p.mirror, scale)
        proper = is_proper(again.regressed)
        seen = again.index[proper]
        passes[seen] += 1
        for total, values in zip(sums, (again.regressed, again.prob), strict=True):
            total[seen] += values[proper]
        if i == smallest or not p.tight_landmarks:
            passes_of_landmarks[seen] += 1
            sum_of_landmarks[seen] += again.landmarks[proper]
    boxes, landmarks = sums[0] / passes[:, np.newaxis], sum_of_landmarks / passes_of_landmarks[:, np.newaxis]
    return boxes, sums[1] / passes if p.average_scores else scores, landmarks


def onet_stage(mips: Mips, boxes: Array, p: Params) -> ONetStage:
    mirrors_first = p.mirror and (p.mirror_first or not p.second_pass)
    first = onet_pass(mips, boxes, p, mirrors_first, mirror_range=p.mirror_range)
    average_scores = p.second_pass and p.average_scores
    votes = p.vote > 0 and p.average_above < 1
    least = t = p.thresholds[2]
    if average_scores or votes:
        mean = 1 - (1 - t) / (1 - p.vote) ** 3 if votes else t  # which votes can lift to t
        further = len(p.second_pass_scales) if average_scores else 0
        least = max(t / 4, mean - further * (1 - mean))
    passed = np.flatnonzero((first.prob >= least) & is_proper(first.regressed))
    regressed, prob, landmarks = first.regressed[passed], first.prob[passed], first.landmarks[passed]
    index = nms(regressed, prob, p.nms_thresholds[3], "min")
    kept, scores = regressed[index], prob[index]
    if p.average_above < 1:
        kept, landmarks, neighbours = average_suppressed(regressed, prob, landmarks, index, p)
    else:
        landmarks = landmarks[index]
    if p.second_pass and len(kept):
        kept, scores, landmarks = second_pass(mips, kept, scores, landmarks, p)
    if votes:
        scores = voted(scores, neighbours, p.vote)
    if average_scores or votes:
        order = np.argsort(-scores, kind="stable")
        order = order[scores[order] >= p.thresholds[2]]
        kept, scores, landmarks = kept[order], scores[order], landmarks[order]
    if p.whole_pixels:
        truncate_and_clip(kept[:, 0::2], kept[:, 1::2], mips.width, mips.height)
        truncate_and_clip(landmarks[:, :5], landmarks[:, 5:], mips.width, mips.height)
    dets = np.column_stack([kept, scores])
    return ONetStage(first.squares, first.windows, first.crops, first.prob, first.reg, first.marks, dets, landmarks)
