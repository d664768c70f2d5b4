"""The package retina-face itself and `mtcnn.compat.retinaface` beside it: `make compat` runs it.

Its weights are on no package index. So it runs twice: as it is, with random weights, and with a network in their place
that says where our faces are, in its own anchors: its code then makes of our faces what it makes of its own.
"""

from __future__ import annotations

import base64
import importlib.metadata
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

os.environ["DEEPFACE_BACKEND_ENGINE"] = "pytorch"
os.environ["DEEPFACE_HOME"] = tempfile.mkdtemp()  # where it looks for weights
from retinaface import RetinaFace as original
from retinaface.model.retinaface_pth_model import RetinaFace as Network

from mtcnn import TrtMtcnn, points
from mtcnn.compat import retinaface as ours

STRIDES = (32, 16, 8)
_ANCHOR = 32.0  # pixels: the side of the first anchor of stride 8, about (7.5, 7.5)


def check_retina_face(paths: list[Path]) -> None:
    check_random_weights(paths[0])
    check_errors(paths[0])
    faces, worst = 0, 0.0
    for path in paths:
        img = np.asarray(cv2.imread(str(path)), np.uint8)
        found, difference = check_picture(img)
        faces, worst = faces + found, max(worst, difference)
    version = importlib.metadata.version("retina-face")
    print(
        f"retina-face {version}: {faces} faces of {len(paths)} pictures in the same words, crops differ by {worst:.2f}"
    )


def check_random_weights(path: Path) -> None:
    """The package whole, weights aside: types, keys, order, and what it says where there is no face."""
    torch.manual_seed(1)
    folder = Path(os.environ["DEEPFACE_HOME"], ".deepface", "weights")
    folder.mkdir(parents=True)
    torch.save(Network().state_dict(), folder / "retinaface.pth")
    small = cv2.resize(np.asarray(cv2.imread(str(path)), np.uint8), (128, 128))
    theirs = original.detect_faces(small, threshold=0.5, allow_upscaling=False)
    scores = [face["score"] for face in theirs.values()]
    assert len(scores) > 1 and scores == sorted(scores, reverse=True)
    assert shape(theirs["face_1"]) == shape(ours.detect_faces(str(path))["face_1"])
    assert original.detect_faces(small, threshold=1.0, allow_upscaling=False) == {} == ours.detect_faces(small, 1.0)
    crops = original.extract_faces(small, 1.0, allow_upscaling=False), ours.extract_faces(small, 1.0)
    assert crops == ([], []), crops


def shape(face: dict[str, Any]) -> Any:
    """Names, in their order, how many numbers, and of which kind."""
    whole = all(isinstance(n, (int, np.integer)) for n in face["facial_area"])
    named = [(name, len(point), all(float(n) == n for n in point)) for name, point in face["landmarks"].items()]
    return list(face), isinstance(face["score"], (float, np.floating)), len(face["facial_area"]), whole, named


def check_errors(path: Path) -> None:
    """Wrong inputs: where the original raises a ValueError, ours may be caught as one; ours takes what it refuses."""
    text = str(path)
    for wrong in ("nowhere.jpg", "http://localhost:9/a.jpg"):
        assert raised(lambda wrong=wrong: ours.detect_faces(wrong), ValueError)
    assert raised(lambda: original.detect_faces("nowhere.jpg"), ValueError)
    assert raised(lambda: original.detect_faces(5), ValueError) and raised(lambda: ours.detect_faces(5), TypeError)
    gray = np.asarray(cv2.imread(text, cv2.IMREAD_GRAYSCALE))
    assert raised(lambda: original.detect_faces(gray), ValueError) and len(ours.detect_faces(gray)) == 1
    data = "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
    img = np.asarray(cv2.imread(text), np.uint8)
    assert ours.detect_faces(data) == ours.detect_faces(Path(text)) == ours.detect_faces(img)


def raised(call: Callable[[], object], kind: type[Exception]) -> bool:
    try:
        call()
    except kind:
        return True
    return False


def check_picture(img: np.ndarray) -> tuple[int, float]:
    """Of our faces, through the original's code: the same answer. How many; how much crops differ at most, levels."""
    detector = ours.build_model()
    model = network_that_says(img, detector)
    theirs, own = original.detect_faces(img, model=model), ours.detect_faces(img)
    assert list(theirs) == list(own), (list(theirs), list(own))
    for name, face in own.items():
        other = theirs[name]
        assert shape(face) == shape(other) and abs(face["score"] - other["score"]) < 1e-6
        # a side that is a whole number to 1e-4 may be cut to either
        assert max(abs(a - b) for a, b in zip(face["facial_area"], other["facial_area"], strict=True)) <= 1
        marks = [np.array(list(one["landmarks"].values()), float) for one in (face, other)]
        assert np.abs(marks[0] - marks[1]).max() < 0.01
    worst = 0.0
    if all(face["facial_area"] == theirs[name]["facial_area"] for name, face in own.items()):
        kinds: list[dict[str, Any]] = [{}, {"align": False}, {"expand_face_area": 35}]
        kinds += [{"target_size": (120, 80)}, {"align": False, "target_size": (64, 96), "min_max_norm": False}]
        for options in kinds:
            crops = [package.extract_faces(img, model=m, **options) for package, m in ((original, model), (ours, None))]
            for a, b in zip(*crops, strict=True):
                assert a.shape == b.shape and a.dtype == b.dtype, (options, a.shape, b.shape)
                if a.size:
                    worst = max(worst, float(np.abs(a.astype(float) - b).mean()))
        assert worst < 1, worst
    return len(own), worst


def network_that_says(img: np.ndarray, detector: TrtMtcnn) -> Callable[[torch.Tensor], list[torch.Tensor]]:
    """A network for the original whose outputs are our faces, one a cell of stride 8."""
    usual = detector.params.thresholds
    dets, landmarks = detector.detect(img, thresholds=(*usual[:2], 0.9))

    def answer(tensor: torch.Tensor) -> list[torch.Tensor]:
        height, width = tensor.shape[1:3]
        scale = height / img.shape[0], width / img.shape[1]
        assert abs(scale[0] - scale[1]) < 0.01
        short, long = sorted(img.shape[:2])
        exact = 1024 / short if round(1024 / short * long) <= 1980 else 1980 / long
        outputs = []
        for stride in STRIDES:
            cells = (1, -(-height // stride), -(-width // stride))
            scores, boxes, marks = (torch.zeros(*cells, count, dtype=torch.float64) for count in (4, 8, 20))
            if stride == 8:
                for i, (det, five) in enumerate(zip(dets.astype(float), points(landmarks).astype(float), strict=True)):
                    row, column = divmod(i, cells[2])
                    middle = np.array([column, row]) * stride + 7.5
                    low, high = det[:2] * exact, det[2:4] * exact
                    scores[0, row, column, 2] = det[4]
                    boxes[0, row, column, :2] = torch.from_numpy(((low + high) / 2 - middle) / _ANCHOR)
                    boxes[0, row, column, 2:4] = torch.from_numpy(np.log((high - low + 1) / _ANCHOR))
                    marks[0, row, column, :10] = torch.from_numpy(((five * exact - middle) / _ANCHOR).reshape(-1))
            outputs += [scores, boxes, marks]
        return outputs

    return answer
