"""The cascade's parameters, checked, and the presets, which are nothing but values of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, cast, get_args

from mtcnn import checks

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

__all__ = [
    "ALL_FACES",
    "DEFAULT_MAX_WORK",
    "DEFAULT_PRESET",
    "FACE_CHOICES",
    "PRESETS",
    "RESULT_FORMATS",
    "TEMPLATES",
    "CallParams",
    "DetectorParams",
    "FaceChoice",
    "Params",
    "Preset",
    "Template",
    "least_score",
    "make_params",
    "unknown_parameter",
]

# How mtcnn.central.choose_face can choose; here, since the command line's help needs it without NumPy.
FaceChoice: TypeAlias = Literal["prominent", "central", "largest", "best"]
FACE_CHOICES: tuple[FaceChoice, ...] = get_args(FaceChoice)
# Of `mtcnn detect`: see mtcnn.pipeline.records.
RESULT_FORMATS = ("table", "csv", "json", "jsonl", "coco", "yolo", "parquet")
ALL_FACES: Literal["all"] = "all"  # where a command can take them
# Where the five points go in a crop: see mtcnn.templates. Here for the same reason.
Template: TypeAlias = Literal["seed", "arcface", "ffhq"]
TEMPLATES: tuple[Template, ...] = get_args(Template)

Preset: TypeAlias = Literal["accurate", "fast", "port"]

# Of servers, in billions of multiply-adds. A 3840x2160 picture with faces from 20 pixels takes 10 to 811, whatever it
# shows; 900 take some seconds of two cores.
DEFAULT_MAX_WORK = 900.0

_Resize: TypeAlias = Literal["area", "bilinear"]
_LevelSize: TypeAlias = Literal["ceil", "floor"]
_NmsBoxes: TypeAlias = Literal["window", "regressed"]
_MOST_BOXES = 1_000_000


@dataclass(frozen=True)
class Params:
    """Everything that a call to ``detect`` can set.

    Attributes:
        minsize: side of the smallest face looked for, pixels, >= 4. Below 12, what P-Net sees, the picture is enlarged.
        factor: ratio of neighbouring pyramid scales, in (0, 1).
        thresholds: least scores that P-Net, R-Net and O-Net let pass.
        nms_thresholds: greatest overlaps that survive within a pyramid level, over all levels, after R-Net
            (intersection over union) and after O-Net (intersection over the smaller area).
        max_rnet, max_onet: boxes a picture that go on to R-Net and O-Net, best first.
        max_size: (height, width) that a larger picture is shrunk to first, or one number for both; None: never.
        level_size: "ceil" rounds level sizes up and maps back by the exact scales, "floor" rounds down and
            maps back by the nominal scale.
        nms_boxes: P-Net and R-Net suppress "window" boxes and then regress, or "regressed" ones.
        whole_pixels: truncate boxes and landmarks to whole pixels and clip them after every stage.
        resize: "area" averages what an output pixel covers, "bilinear" samples between pixel centres.
        mirror: O-Net also runs on the mirror image of each crop, and the two results are averaged. With
            ``second_pass``, only that pass does so.
        mirror_first: with ``second_pass``, the first pass does so, too.
        mirror_range: (low, high); where the first pass does so, only for boxes whose score for the crop is in this
            range: what looks hopeless or certain is not worth a second look.
        second_pass: O-Net runs again on the faces that it found; their boxes and landmarks are averaged with those of
            the first pass (test-time augmentation).
        second_pass_scales: the second pass runs once for each of these, on squares so many times as large as the box.
        tight_landmarks: of the second pass's landmarks only those of the smallest square count, in which the face has
            the most pixels; with those of the first pass they are averaged.
        average_scores: with ``second_pass``, a face's score is the mean over all runs of O-Net, and it is the mean that
            must reach O-Net's threshold t. The first of 1 + n runs passes scores from max(t/4, t - n*(1 - t)) on:
            lower ones cannot reach that mean, as n further scores are 1 at most, or hardly ever do.
        average_above: the final suppression makes each survivor the mean, weighted by score, of itself and
            those that it suppressed with an intersection over union above this; 1: never.
        vote: each box so averaged, three at most, takes this share from what the face's score lacks of 1, before the
            score is compared with O-Net's threshold; the first pass then keeps what votes may lift there. 0: none.
        rotations: degrees that a picture is turned by, clockwise, and searched; of a face found at several turns the
            best is kept. "auto": 90, 180 and 270 only for pictures in which no upright face has a score of 0.98.
        networks: how many of P-Net, R-Net and O-Net run; without O-Net landmarks are zeros.
        landmark_net: whether L-Net refines the landmarks: None, where the detector has its engine.
        max_work: most billions of multiply-adds that a picture may cost, as :mod:`mtcnn.work` counts them; what would
            cost more is a ValueError. None: no limit.
    """

    minsize: float = 40
    factor: float = 0.709
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    nms_thresholds: tuple[float, float, float, float] = (0.5, 0.7, 0.7, 0.7)
    max_rnet: int = 10_000
    max_onet: int = 10_000
    max_size: tuple[int, int] | None = None
    level_size: _LevelSize = "ceil"
    nms_boxes: _NmsBoxes = "window"
    whole_pixels: bool = False
    resize: _Resize = "area"
    mirror: bool = False
    mirror_first: bool = False
    mirror_range: tuple[float, float] = (0.0, 1.0)
    second_pass: bool = False
    second_pass_scales: tuple[float, ...] = (1.0,)
    tight_landmarks: bool = False
    average_scores: bool = False
    average_above: float = 1.0
    vote: float = 0.0
    rotations: tuple[int, ...] | str = (0,)
    networks: int = 3
    landmark_net: bool | None = None
    max_work: float | None = None

    def __post_init__(self) -> None:
        checked = {
            "minsize": checks.number(self.minsize, "minsize", low=4, high=1e9),
            "factor": checks.number(self.factor, "factor", low=0, high=1, open_ends=True),
            "thresholds": checks.numbers_in_unit(self.thresholds, "thresholds", 3, "P-Net, R-Net, O-Net"),
            "nms_thresholds": checks.numbers_in_unit(
                self.nms_thresholds, "nms_thresholds", 4, "level, all levels, R-Net, O-Net"
            ),
            "max_rnet": checks.whole(self.max_rnet, "max_rnet", 1, _MOST_BOXES),
            "max_onet": checks.whole(self.max_onet, "max_onet", 1, _MOST_BOXES),
            "max_size": checks.size(self.max_size, "max_size"),
            "level_size": checks.choice(self.level_size, "level_size", get_args(_LevelSize)),
            "nms_boxes": checks.choice(self.nms_boxes, "nms_boxes", get_args(_NmsBoxes)),
            "whole_pixels": checks.flag(self.whole_pixels, "whole_pixels"),
            "resize": checks.choice(self.resize, "resize", get_args(_Resize)),
            "mirror": checks.flag(self.mirror, "mirror"),
            "mirror_first": checks.flag(self.mirror_first, "mirror_first"),
            "mirror_range": checks.range_in_unit(self.mirror_range, "mirror_range"),
            "second_pass": checks.flag(self.second_pass, "second_pass"),
            "second_pass_scales": checks.some_numbers(self.second_pass_scales, "second_pass_scales", 0.25, 4, most=16),
            "tight_landmarks": checks.flag(self.tight_landmarks, "tight_landmarks"),
            "average_scores": checks.flag(self.average_scores, "average_scores"),
            "average_above": checks.number(self.average_above, "average_above", low=0, high=1),
            "vote": checks.number(self.vote, "vote", low=0, high=0.9),
            "rotations": checks.rotations(self.rotations, "rotations"),
            "networks": checks.whole(self.networks, "networks", 1, 3),
            "landmark_net": None if self.landmark_net is None else checks.flag(self.landmark_net, "landmark_net"),
            "max_work": None if self.max_work is None else checks.number(self.max_work, "max_work", 0, 1e12),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)


PRESETS: Mapping[Preset, Params] = {
    # The arithmetic of tensorrt_demos (github.com/jkjung-avt/tensorrt_demos), for parity.
    "port": Params(
        thresholds=(0.7, 0.7, 0.7),
        max_size=(720, 1280),
        max_rnet=256,
        max_onet=64,
        level_size="floor",
        nms_boxes="regressed",
        whole_pixels=True,
        resize="bilinear",
        landmark_net=False,
    ),
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
}
DEFAULT_PRESET: Preset = "accurate"

_NAMES = tuple(f.name for f in fields(Params))
_MADE_WITH = ("engines", "device", "threads", "precision")  # a detector; its calls take none of them
# What the packages mtcnn and facenet-pytorch, and detectors of other kinds, call them.
_ELSEWHERE = {
    "min_face_size": "minsize",
    "min_size": "minsize",
    "scale_factor": "factor",
    **dict.fromkeys(("steps_threshold", "threshold_pnet", "threshold_rnet", "threshold_onet"), "thresholds"),
    **dict.fromkeys(("nms_pnet1", "nms_pnet2", "nms_rnet", "nms_onet"), "nms_thresholds"),
    "conf_threshold": "thresholds",
    "confidence": "thresholds",
    "iou_threshold": "nms_thresholds",
}
_ARGUMENTS = ("color", "preset")  # of calls, which are no parameters: a misspelt one comes as a parameter


class CallParams(TypedDict, total=False):
    """For type checkers: the fields of `Params` but ``minsize``, which calls name themselves."""

    factor: float
    thresholds: Sequence[float] | npt.NDArray[np.floating[Any]]
    nms_thresholds: Sequence[float] | npt.NDArray[np.floating[Any]]
    max_rnet: int
    max_onet: int
    max_size: Sequence[int] | int | None
    level_size: _LevelSize
    nms_boxes: _NmsBoxes
    whole_pixels: bool
    resize: _Resize
    mirror: bool
    mirror_first: bool
    mirror_range: Sequence[float]
    second_pass: bool
    second_pass_scales: Sequence[float]
    tight_landmarks: bool
    average_scores: bool
    average_above: float
    vote: float
    rotations: Sequence[int] | Literal["auto"]
    networks: int
    landmark_net: bool | None
    max_work: float | None


class DetectorParams(CallParams, total=False):
    """For type checkers: the fields of `Params`."""

    minsize: float


def make_params(preset: str | Params, changes: Mapping[str, Any]) -> Params:
    """``preset`` (a name, or parameters to start from) with ``changes``.

    Raises:
        TypeError: a change names no parameter, or has the wrong type.
        ValueError: an unknown preset, or a value out of range.
    """
    if isinstance(preset, Params):
        base = preset
    elif isinstance(preset, str) and preset in PRESETS:
        base = PRESETS[cast(Preset, preset)]
    else:
        wanted = f"preset must be one of {', '.join(map(repr, PRESETS))}, got {checks.shown(preset)}"
        raise ValueError(wanted + checks.meant(preset, PRESETS, {}))
    if not changes:
        return base
    for name in changes:
        if name not in _NAMES:
            raise unknown_parameter(name, _ARGUMENTS)
    return replace(base, **changes)


def least_score(p: Params, score: float) -> tuple[float, ...]:
    """The thresholds with `score` for the last of the networks that run: what it finds has that score at least."""
    return (*p.thresholds[: p.networks - 1], score, *p.thresholds[p.networks :])


def unknown_parameter(name: str, others: Sequence[str] = ()) -> TypeError:
    """What is said of a name that is no parameter's.

    others: names that may have been meant, too.
    """
    if name in _MADE_WITH:
        return TypeError(
            f"{name} is no parameter of a call: it is chosen when the detector is made, TrtMtcnn({name}=...)"
        )
    import difflib  # which takes longer to import than all of this module

    names = {known: known for known in (*_NAMES, *others)} | _ELSEWHERE
    alike = difflib.get_close_matches(str(name)[:80], names, n=1)
    meant = f" did you mean {names[alike[0]]}?" if alike else ""
    return TypeError(f"unknown parameter {name!r:.80}:{meant} the parameters are {', '.join(_NAMES)}")
