"""`mtcnn.compat` beside InsightFace's face_align and supervision themselves. `make facenet` runs it."""

from __future__ import annotations

import importlib.util
import sys
import sysconfig
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import supervision

from mtcnn import TrtMtcnn, points
from mtcnn.compat.insightface import estimate_norm, norm_crop
from mtcnn.compat.supervision import to_detections, to_key_points

ROOT = Path(__file__).resolve().parents[2]


def main() -> int:
    img = np.asarray(cv2.imread(str(ROOT / "docs" / "images" / "astronaut.jpg")), np.uint8)
    dets, landmarks = TrtMtcnn().detect(img)
    check_face_align(img, points(landmarks)[0])
    check_supervision(img, dets, landmarks)
    return 0


def check_face_align(img: np.ndarray, kps: np.ndarray) -> None:
    theirs = load("insightface/utils/face_align.py")
    worst, mean = 0.0, 0.0
    for size in (112, 128, 224, 256):
        worst = max(worst, np.abs(estimate_norm(kps, size) - theirs.estimate_norm(kps, size)).max())
        crops = norm_crop(img, kps, size).astype(float), theirs.norm_crop(img, kps, size)
        mean = max(mean, np.abs(crops[0] - crops[1]).mean())
    assert worst < 1e-3 and mean < 1, (worst, mean)
    print(f"InsightFace's norm_crop: matrices differ by {worst:.1e} at most, pixels by {mean:.2f} in the mean")


def load(path: str) -> Any:
    """One module of a package whose own imports need a framework."""
    spec = importlib.util.spec_from_file_location("face_align", Path(sysconfig.get_path("purelib")) / path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def check_supervision(img: np.ndarray, dets: np.ndarray, landmarks: np.ndarray) -> None:
    found = to_detections(dets, landmarks)
    assert len(found) == 1 and found.area[0] > 1000 and found.confidence[0] > 0.99
    drawn = supervision.BoxAnnotator().annotate(img.copy(), found)
    assert (drawn != img).any()
    assert len(to_detections(dets[:0], landmarks[:0])) == 0 and len(found[found.confidence > 1]) == 0
    key_points = to_key_points(landmarks)
    assert (supervision.VertexAnnotator(radius=3).annotate(img.copy(), key_points) != img).any()
    print(f"supervision {supervision.__version__}: drawn")


if __name__ == "__main__":
    sys.exit(main())
