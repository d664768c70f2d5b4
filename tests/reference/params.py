"""The cascade's parameters and the presets, which are nothing but values of them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True)
class Params:
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)  # P-Net, R-Net, O-Net
    nms_thresholds: tuple[float, float, float, float] = (0.5, 0.7, 0.7, 0.7)  # level, all levels, R-, O-Net
    factor: float = 0.709
    max_size: tuple[int, int] | None = None  # (height, width): a larger image is shrunk first
    level_size: str = "ceil"  # "ceil" maps back by the exact scales, "floor" by the nominal one
    nms_boxes: str = "window"  # P-Net and R-Net: NMS on "window" boxes, then regress; or on "regressed" boxes
    whole_pixels: bool = False  # truncate and clip after every stage
    resize: str = "area"
    max_rnet: int = 10_000
    max_onet: int = 10_000
    mirror: bool = False  # O-Net on each crop and its mirror image, averaged; not in the first pass of several,
    mirror_first: bool = False  # or there, too,
    mirror_range: tuple[float, float] = (0.0, 1.0)  # for boxes with such a score for the crop
    second_pass: bool = False  # O-Net again on the result, averaged with the first
    second_pass_scales: tuple[float, ...] = (1.0,)  # once for each, in squares so many times as large
    tight_landmarks: bool = False  # those of the second pass from the smallest of these squares alone
    average_scores: bool = False  # over all passes; the first then keeps what may reach the threshold
    vote: float = 0  # of each box averaged, three at most: the share of what the score lacks of 1 that it takes
    average_above: float = 1  # IoU above which survivors are averaged with what they suppressed


PRESETS = {
    "fast": Params(),
    "accurate": Params(
        thresholds=(0.7, 0.7, 0.7),
        nms_thresholds=(0.6, 0.7, 0.7, 0.7),
        mirror=True,
        mirror_first=True,
        mirror_range=(0.15, 0.95),
        second_pass=True,
        second_pass_scales=(0.85, 1.1),
        tight_landmarks=True,
        average_scores=True,
        average_above=0.6,
        vote=0.2,
    ),
    "port": Params(
        thresholds=(0.7, 0.7, 0.7),
        max_size=(720, 1280),
        level_size="floor",
        nms_boxes="regressed",
        whole_pixels=True,
        resize="bilinear",
        max_rnet=256,
        max_onet=64,
    ),
}


def make_params(preset: str, **changes: Any) -> Params:
    """The preset's parameters with `changes` applied.

    Raises ValueError for an unknown preset and TypeError for an unknown parameter.
    """
    if preset not in PRESETS:
        raise ValueError(f"preset must be one of {', '.join(PRESETS)}, not {preset!r}")
    return replace(PRESETS[preset], **changes)
