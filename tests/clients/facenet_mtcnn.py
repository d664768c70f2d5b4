"""facenet-pytorch's MTCNN and `mtcnn.compat.facenet` beside it: shapes, boxes, crops, times; and DeepFace's `fastmtcnn`
on ours.

`make facenet` runs it where PyTorch is.
"""

from __future__ import annotations

import importlib.metadata
import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import facenet_pytorch as original
import numpy as np
import torch
from PIL import Image

from mtcnn.compat import facenet as ours

ROOT = Path(__file__).resolve().parents[2]
ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"
DATA = Path(os.environ.get("TRT_MTCNN_DATA") or ROOT.parent / "shared" / "data")
BLANK = Image.new("RGB", (120, 90))


def main() -> int:
    pictures = [ASTRONAUT, *sorted(DATA.glob("photos/*.jpg")), *sorted(DATA.glob("wider100/images/*.jpg"))[:50]]
    check_shapes(Image.open(ASTRONAUT))
    check_crops(Image.open(ASTRONAUT))
    images = [Image.open(path).convert("RGB") for path in pictures]
    compare_boxes(images)
    check_deepface()
    return 0


def check_shapes(photo: Image.Image) -> None:
    """Every call that the original can answer has an answer of the same shape from ours."""
    array = np.asarray(photo)
    tensor = torch.tensor(array)
    for options in ({}, {"keep_all": True}, {"select_largest": False, "post_process": False}, {"image_size": 80}):
        theirs, own = original.MTCNN(**options), ours.MTCNN(**options)
        for name in ("image_size", "margin", "thresholds", "selection_method", "keep_all", "device"):
            assert getattr(theirs, name) == getattr(own, name), name
        for img in (
            photo,
            array,
            tensor,
            [photo, photo],
            (photo, BLANK.resize(photo.size)),
            np.stack([array] * 2),
            BLANK,
        ):
            calls: list[Callable[[Any], Any]] = [
                lambda m, img=img: m.detect(img),
                lambda m, img=img: m.detect(img, landmarks=True),
            ]
            faceless = img is BLANK or isinstance(img, tuple)
            if not faceless or options.get("keep_all") or img is BLANK:
                calls.append(lambda m, img=img: m(img, return_prob=True))
            for call in calls:
                assert (a := shape(call(theirs))) == (b := shape(call(own))), (type(img), options, a, b)
        for method in ("probability", "largest", "largest_over_threshold"):
            for img in (photo, [photo, photo]):
                chosen = [shape(m.select_boxes(*m.detect(img, landmarks=True), img, method)) for m in (theirs, own)]
                assert chosen[0] == chosen[1], (method, chosen)
    stacked = torch.nn.Sequential(ours.MTCNN(), torch.nn.Flatten(0))
    assert stacked.eval().to("cpu")(photo).shape == (3 * 160 * 160,)
    assert torch.equal(ours.prewhiten(tensor.float()), original.prewhiten(tensor.float()))
    assert torch.equal(ours.fixed_image_standardization(tensor), original.fixed_image_standardization(tensor))
    print("shapes: alike")


def shape(answer: Any) -> Any:
    """The nested shape of an answer, whose batches may be lists, object arrays or stacked."""
    if answer is None:
        return None
    if isinstance(answer, (tuple, list)) or (isinstance(answer, np.ndarray) and answer.ndim > 0):
        return [shape(part) for part in answer]
    return tuple(answer.shape) if isinstance(answer, torch.Tensor) else ()


def check_crops(photo: Image.Image) -> None:
    """The same box gives the same crop, whatever kind of picture; so do saved ones, under the same names."""
    array = np.asarray(photo)
    worst = 0.0
    for img in (photo, array, torch.tensor(array)):
        for box in ([179.2, 61.9, 266.4, 172.3], [-20.5, 300.2, 90.7, 530.1], [100.0, 100.0, 120.5, 130.0]):
            for size, margin in ((160, 0), (160, 40), (224, 14)):
                crops = [package.extract_face(img, np.array(box), size, margin) for package in (original, ours)]
                assert crops[0].shape == crops[1].shape and crops[0].dtype == crops[1].dtype
                worst = max(worst, float((crops[0] - crops[1]).abs().max()))
    assert worst == 0, worst
    with tempfile.TemporaryDirectory() as folder:
        for package, name in ((original, "theirs"), (ours, "ours")):
            package.MTCNN(keep_all=True)([photo, photo], [f"{folder}/{name}/{i}.png" for i in "ab"])
        assert sorted(os.listdir(f"{folder}/theirs")) == sorted(os.listdir(f"{folder}/ours"))
    means = [float(package.MTCNN(post_process=False)(photo).mean()) for package in (original, ours)]
    assert abs(means[0] - means[1]) < 3, means
    print(f"crops: of the same boxes alike; of each one's own, means {means[0]:.1f} and {means[1]:.1f}")


def compare_boxes(images: list[Image.Image]) -> None:
    """Of the original's faces, how many are among ours; and how long each takes for as many pictures."""
    theirs, usual = timed("facenet-pytorch", original.MTCNN(), images)
    for preset in ("original", "accurate", "fast"):
        own, seconds = timed(f"ours, preset {preset!r}", ours.MTCNN(preset=preset), images)
        overlaps = np.concatenate([best_overlaps(others, boxes) for others, boxes in zip(theirs, own, strict=True)])
        print(
            f"  {usual / seconds:.1f} times as fast; {sum(map(len, own))} faces, of the original's {len(overlaps)} "
            f"{(overlaps > 0.5).mean():.1%} are among them at an IoU of 0.5, {(overlaps >= 0.9).mean():.1%} at 0.9"
        )
        assert (overlaps > 0.5).mean() > 0.85, overlaps
        assert preset != "original" or (overlaps >= 0.9).mean() > 0.95, overlaps
    default = boxes_of(ours.MTCNN().detect(images[0])[0])
    assert (best_overlaps(theirs[0], default) >= 0.9).all()


def timed(name: str, mtcnn: Any, images: list[Image.Image]) -> tuple[list[np.ndarray], float]:
    """The boxes of each picture; the seconds for 100, of which those beyond the pictures there are come round again."""
    mtcnn.detect(images[0])
    began = time.perf_counter()
    found = [boxes_of(mtcnn.detect(images[i % len(images)])[0]) for i in range(100)]
    seconds = time.perf_counter() - began
    print(f"{name}: {seconds:.1f} s for 100 pictures")
    return found[: len(images)], seconds


def boxes_of(boxes: Any) -> np.ndarray:
    return np.empty((0, 4)) if boxes is None else np.asarray(boxes, float)


def best_overlaps(boxes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """For each box its greatest intersection over union with one of the others."""
    if len(others) == 0:
        return np.zeros(len(boxes))
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    both = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(b[:, 2:] - b[:, :2], axis=1) for b in (boxes, others)]
    return np.asarray((both / (areas[0][:, None] + areas[1] - both)).max(axis=1))


def check_deepface() -> None:
    """Its backend imports `facenet_pytorch`, and gets ours."""
    sys.modules["facenet_pytorch"] = ours
    with tempfile.TemporaryDirectory() as home:
        os.environ["DEEPFACE_HOME"] = home  # where it would keep weights
        from deepface import DeepFace
        from deepface.models.face_detection.FastMtCnn import FastMtCnnClient

        assert isinstance(FastMtCnnClient().model, ours.MTCNN)
        (face,) = DeepFace.extract_faces(str(ASTRONAUT), detector_backend="fastmtcnn")
        blank = DeepFace.extract_faces(np.array(BLANK), detector_backend="fastmtcnn", enforce_detection=False)
    area = face["facial_area"]
    assert abs(area["x"] - 179) < 5 and abs(area["y"] - 62) < 5 and area["left_eye"][0] > area["right_eye"][0], area
    assert face["confidence"] > 0.99 and blank[0]["confidence"] == 0
    print(f"DeepFace {importlib.metadata.version('deepface')}: fastmtcnn runs on ours:", area)


if __name__ == "__main__":
    sys.exit(main())
