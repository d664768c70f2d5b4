"""OpenCV's own `cv2.FaceDetectorYN` and `mtcnn.compat.yunet` beside it: `make compat YUNET=FILE` runs it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from mtcnn.compat import yunet as ours


def check_yunet(model: str, paths: list[Path]) -> None:
    pair = [package.FaceDetectorYN.create(model, "", (90, 60)) for package in (cv2, ours)]
    for name in ("getInputSize", "getScoreThreshold", "getNMSThreshold", "getTopK"):
        values = [np.round(getattr(detector, name)(), 6).tolist() for detector in pair]
        assert values[0] == values[1], (name, values)
    blank = np.zeros((60, 90, 3), np.uint8)
    assert [detector.detect(blank) for detector in pair] == [(1, None)] * 2
    assert [fails(lambda detector=detector: detector.detect(blank[:50])) for detector in pair] == [True] * 2
    counts, shared = [0, 0], 0
    for path in paths:
        img = np.asarray(cv2.imread(str(path)), np.uint8)
        rows = []
        for detector in pair:
            detector.setInputSize((img.shape[1], img.shape[0]))
            answer, found = detector.detect(img)
            assert answer == 1 and (found is None or (found.shape[1:] == (15,) and found.dtype == np.float32))
            rows.append(np.empty((0, 15), np.float32) if found is None else found)
        counts = [count + len(found) for count, found in zip(counts, rows, strict=True)]
        for row in rows[0]:
            best = max(rows[1], key=lambda other: overlap(row, other), default=None)
            if best is not None and overlap(row, best) > 0.5:
                shared += 1
                marks = np.abs(row[4:14] - best[4:14]).reshape(5, 2).max() / row[2]
                assert marks < 0.25, (path, row, best)  # the same sides first
    print(
        f"cv2.FaceDetectorYN {cv2.__version__} finds {counts[0]} faces, ours {counts[1]}; {shared} in both (IoU > 0.5)"
    )
    assert shared > 0.7 * counts[0]


def fails(call: Callable[[], object]) -> bool:
    try:
        call()
    except (cv2.error, ValueError):
        return True
    return False


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    low, high = np.maximum(a[:2], b[:2]), np.minimum(a[:2] + a[2:4], b[:2] + b[2:4])
    both = float(np.prod(np.clip(high - low, 0, None)))
    return both / float(a[2] * a[3] + b[2] * b[3] - both)
