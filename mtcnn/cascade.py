"""The MTCNN cascade: three networks, each looking closer at fewer boxes.

Zhang, Zhang, Li, Qiao, "Joint Face Detection and Alignment using Multi-task Cascaded Convolutional
Networks", IEEE Signal Processing Letters 2016, arXiv:1604.02878.

This is the whole of it. What each stage does to pixels and boxes is native; see csrc/mtcnn.cpp.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import numpy.typing as npt

from mtcnn.params import Params
from mtcnn.rotations import is_upright, merged, turn_back, turned
from mtcnn.work import FrameWork, WorkLimit

if TYPE_CHECKING:
    from pytrt import Stages

__all__ = ["begin", "check_levels", "count_levels", "detect", "finish", "pyramid", "too_small_for"]

CELL = 12  # pixels that one P-Net cell sees
PORT_MINSIZE = 40  # a shrunk picture is searched for faces no smaller than this
MOST_LEVELS = 10_000
NO_LANDMARK_NET = (
    "landmark_net=True needs L-Net's engine: mtcnn export CAFFE_DIR --output models, then create_engines "
    "--models models"
)
SLACK = 1e-6  # so that rounding never loses a pixel: 720.0000000001 is 720

Array = npt.NDArray[np.float32]
Level = tuple[int, int, float, float]  # height, width, scale_y, scale_x
Observer = Callable[[str, int], None]  # told of each stage that has ended, and how many boxes it left


def detect(
    stages: Stages, images: Sequence[npt.NDArray[np.uint8]], p: Params, observe: Observer | None = None
) -> list[tuple[Array, Array]]:
    """Find the faces in BGR uint8 pictures (H, W, 3): for each its dets (n, 5) and landmarks (n, 10)."""
    work = WorkLimit(p, len(images))
    refines(stages, p)  # so that a missing L-Net is told of where there are no faces, too
    found: list[list[tuple[Array, Array]]] = [[] for _ in images]
    for degrees in map(int, (0, 90, 180, 270) if p.rotations == "auto" else p.rotations):
        upright = {i for i, faces in enumerate(found) if p.rotations == "auto" and faces and is_upright(faces[0])}
        left = [i for i in range(len(images)) if i not in upright | work.refused.keys()]
        turns = [turned(images[i], degrees) for i in left]
        for i, faces in zip(left, _detect_upright(stages, turns, p, work, left, observe), strict=True):
            height, width = images[i].shape[:2]
            found[i].append(turn_back(faces, degrees, height, width, has_landmarks=p.networks > 2))
    results = [faces[0] if p.rotations == (0,) else merged(faces) for faces in found]
    work.check(results)
    return results


def _detect_upright(
    stages: Stages,
    images: Sequence[npt.NDArray[np.uint8]],
    p: Params,
    work: WorkLimit,
    numbers: Sequence[int],
    observe: Observer | None,
) -> list[tuple[Array, Array]]:
    """numbers: by which `work` knows the pictures. Those that it refuses are left without faces."""
    frames = [working_size(img.shape[0], img.shape[1], p) for img in images]
    # P-Net runs on every 12 x 12 window of every scale and proposes those that may be faces.
    pyramids = [pyramid(height, width, minsize, p.factor, p.level_size) for height, width, _, minsize in frames]
    work.begin_pnet(numbers, pyramids)
    left = [i for i, number in enumerate(numbers) if number not in work.refused]
    results = [(np.empty((0, 5), np.float32), np.empty((0, 10), np.float32)) for _ in images]
    if not left:
        return results
    levels = [(place, *level) for place, i in enumerate(left) for level in pyramids[i]]
    try:
        _load(stages, [images[i] for i in left], [frames[i][:2] for i in left], p)
        run = _run_stages if observe or not stages.runs_ahead else _run_ahead
        run(stages, levels, p, work.of([numbers[i] for i in left]), observe or (lambda stage, left: None))
        found = _faces(stages, [frames[i][2] for i in left], p)
    finally:
        stages.unload()

    for i, faces in zip(left, found, strict=True):
        results[i] = faces
    return results


def begin(stages: Stages, images: Sequence[npt.NDArray[np.uint8]], p: Params) -> list[float]:
    """detect() as far as the wait for the device, where the stages run ahead, p turns nothing and sets no limit.

    Returns what finish() takes. The pictures are read until that has ended. unload() follows, on errors, too.
    """
    how = settings(stages, p)
    frames = [working_size(img.shape[0], img.shape[1], p) for img in images]
    levels = [
        (i, *level)
        for i, (height, width, _, minsize) in enumerate(frames)
        for level in pyramid(height, width, minsize, p.factor, p.level_size)
    ]
    _load(stages, images, [frame[:2] for frame in frames], p)
    stages.begin_detect(levels, **how)
    return [shrink for _, _, shrink, _ in frames]


def finish(stages: Stages, shrinks: Sequence[float], p: Params) -> list[tuple[Array, Array]]:
    """The faces in the pictures of begin()."""
    stages.finish_detect()
    return _faces(stages, shrinks, p)


def _load(stages: Stages, images: Sequence[npt.NDArray[np.uint8]], sizes: Sequence[tuple[int, int]], p: Params) -> None:
    windows = p.nms_boxes == "window"
    stages.load(images, sizes, resize=p.resize, nms_on_windows=windows, whole_pixels=p.whole_pixels)


def _faces(stages: Stages, shrinks: Sequence[float], p: Params) -> list[tuple[Array, Array]]:
    """The boxes by their pictures, whose scales are `shrinks`."""
    dets, landmarks, frame_of = stages.boxes()
    found = []
    for place, shrink in enumerate(shrinks):
        mine = slice(None)
        if len(shrinks) > 1:
            mine = slice(*np.searchsorted(frame_of, (place, place + 1)))  # boxes stand in order of their frames
        found.append(unshrink(dets[mine], landmarks[mine], shrink, p))
    return found


def _run_ahead(
    stages: Stages, levels: list[tuple[int, int, int, float, float]], p: Params, work: FrameWork, observe: Observer
) -> None:
    """The stages below, which a GPU need not be waited for between: their boxes stay there uncounted."""
    if work.unlimited:
        stages.detect(levels, **settings(stages, p))
        return
    stages.detect(levels, **settings(stages, p), budgets=work.budgets(), box_costs=work.box_costs())
    work.take(stages.work()[1])


def _run_stages(
    stages: Stages, levels: list[tuple[int, int, int, float, float]], p: Params, work: FrameWork, observe: Observer
) -> None:
    observe("load", 0)
    found = stages.pnet(
        levels, p.thresholds[0], p.nms_thresholds[0], p.nms_thresholds[1], p.max_rnet, work.most_proposals()
    )
    observe("pnet", found)
    # R-Net runs on each proposal at 24 x 24, rejects most and corrects the rest.
    if found and p.networks > 1:
        work.begin(0, stages, found)
        found = stages.rnet(p.thresholds[1], p.nms_thresholds[2], p.max_onet)
        observe("rnet", found)
    # O-Net runs on what is left at 48 x 48: the final boxes, scores and five landmarks.
    if found and p.networks > 2:
        work.begin(1, stages, found)
        found = stages.onet(p.thresholds[2], p.nms_thresholds[3], **onet_options(p))
        observe("onet", found)
        # L-Net, where there is one, runs on a patch about each landmark and moves it.
        if found and refines(stages, p):
            work.begin(2, stages, found)
            stages.lnet(flip=True)
            observe("lnet", found)


class OnetOptions(TypedDict, total=False):
    """What `Stages.onet` takes by name."""

    flip: bool
    flip_first: bool
    flip_range: tuple[float, float]
    tta_scales: tuple[float, ...]
    average_scores: bool
    tight_landmarks: bool
    average_above: float
    vote: float


class StageSettings(OnetOptions):
    """What `Stages.detect` and `Stages.refine` take by name."""

    thresholds: tuple[float, float, float]
    nms_thresholds: tuple[float, float, float, float]
    max_rnet: int
    max_onet: int
    networks: int
    refine_landmarks: bool


def onet_options(p: Params) -> OnetOptions:
    """O-Net's part of the parameters."""
    return {
        "flip": p.mirror,
        "flip_first": p.mirror_first,
        "flip_range": p.mirror_range,
        "tta_scales": p.second_pass_scales if p.second_pass else (),
        "average_scores": p.average_scores,
        "tight_landmarks": p.tight_landmarks,
        "average_above": p.average_above,
        "vote": p.vote,
    }


def settings(stages: Stages, p: Params) -> StageSettings:
    """What all stages at once need of the parameters."""
    return {
        "thresholds": p.thresholds,
        "nms_thresholds": p.nms_thresholds,
        "max_rnet": p.max_rnet,
        "max_onet": p.max_onet,
        "networks": p.networks,
        "refine_landmarks": p.networks > 2 and refines(stages, p),
        **onet_options(p),
    }


def refines(stages: Stages, p: Params) -> bool:
    """Whether landmarks are refined."""
    if p.landmark_net and not stages.has_lnet:
        raise ValueError(NO_LANDMARK_NET)
    return stages.has_lnet and p.landmark_net is not False


def working_size(height: int, width: int, p: Params) -> tuple[int, int, float, float]:
    """The size a picture is worked on at, the scale of that, and the smallest face to look for in it."""
    if p.max_size is None:
        return height, width, 1.0, p.minsize
    shrink = min(p.max_size[0] / height, p.max_size[1] / width)
    if shrink >= 1:
        return height, width, 1.0, p.minsize
    minsize = max(math.ceil(p.minsize * shrink - SLACK), PORT_MINSIZE)
    return math.ceil(height * shrink - SLACK), math.ceil(width * shrink - SLACK), shrink, minsize


@lru_cache(maxsize=256)
def pyramid(height: int, width: int, minsize: float, factor: float, level_size: str) -> tuple[Level, ...]:
    """The levels of a picture's pyramid: the first makes faces of `minsize` fill a cell.

    Returns (height, width, scale_y, scale_x) each; scales are level pixels per picture pixel.
    """
    levels: list[Level] = []
    scale = CELL / minsize
    while min(height, width) * scale >= CELL - SLACK:
        if level_size == "ceil":
            h, w = math.ceil(height * scale - SLACK), math.ceil(width * scale - SLACK)
            scale_y, scale_x = h / height, w / width
        else:
            h, w = int(height * scale + SLACK), int(width * scale + SLACK)
            scale_y = scale_x = scale
        if min(h, w) >= CELL:
            levels.append((h, w, scale_y, scale_x))
            check_levels(len(levels), factor)
        scale *= factor
    return tuple(levels)


def too_small_for(height: int, width: int, p: Params) -> str | None:
    """What of the parameters leaves no level of a picture to look for faces in, and the mend; None where some are."""
    worked_height, worked_width, shrink, minsize = working_size(height, width, p)
    if pyramid(worked_height, worked_width, minsize, p.factor, p.level_size):
        return None
    if shrink < 1:
        return f"max_size={p.max_size} shrinks it to less than the smallest face, {minsize:g} pixels; raise max_size"
    return f"the smallest face is larger, minsize={p.minsize:g}; lower minsize"


def count_levels(height: int, width: int, p: Params) -> int:
    """How many levels a picture's pyramid has, give or take one, and no more than it may have."""
    height, width, _, minsize = working_size(height, width, p)
    ratio = minsize / min(height, width)
    return 0 if ratio > 1 else int(min(math.log(ratio) / math.log(p.factor) + 1, MOST_LEVELS))


def check_levels(count: int, factor: float) -> None:
    """Refuse a pyramid that has no end, or nearly."""
    if count > MOST_LEVELS:
        raise ValueError(f"factor is too near 1: it makes more than {MOST_LEVELS} pyramid levels, got {factor!r}")


def unshrink(dets: Array, landmarks: Array, shrink: float, p: Params) -> tuple[Array, Array]:
    """From the working size's pixels to the picture's."""
    if shrink == 1:
        return dets, landmarks
    return _divide(dets, 4, shrink, p), _divide(landmarks, 10, shrink, p)


def _divide(rows: Array, columns: int, shrink: float, p: Params) -> Array:
    pixels: npt.NDArray[Any] = rows[:, :columns].astype(np.float64) / shrink
    rows[:, :columns] = np.trunc(pixels) if p.whole_pixels else pixels
    return rows
