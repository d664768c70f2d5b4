"""InsightFace itself and `mtcnn.compat.insightface` beside it: `make compat` runs it.

Its weights are on no package index. Its `FaceAnalysis` and detector run with a model of constants, that says where our
faces are: what they make of these is what ours has to answer.
"""

from __future__ import annotations

import importlib.metadata
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from insightface.app import FaceAnalysis
from insightface.app.common import Face
from insightface.utils import face_align
from onnx import TensorProto, helper, numpy_helper

from mtcnn.compat import insightface as ours

SIDE = 512
BLANK = np.zeros((SIDE, SIDE, 3), np.uint8)


def check_insightface(path: Path) -> None:
    img = two_faces(np.asarray(cv2.imread(str(path)), np.uint8))
    dets, kpss = ours.Detector().detect(img)
    assert len(dets) == 2
    app = analysis_that_says(dets, kpss)
    own = ours.Detector()
    own.prepare(ctx_id=0, det_size=(SIDE, SIDE))
    for most in (0, 1, 2, 5):
        for metric in ("default", "max"):
            theirs = app.det_model.detect(img, max_num=most, metric=metric)
            same(theirs, own.detect(img, max_num=most, metric=metric))
            faces = [package.get(img, max_num=most, det_metric=metric) for package in (app, own)]
            for a, b in zip(*faces, strict=True):
                assert set(a) == set(b) == {"bbox", "kps", "det_score"}
                same((a.bbox, a.kps), (b.bbox, b.kps))
                assert abs(a.det_score - b["det_score"]) < 1e-6 and a.gender is b.gender is None
    none = analysis_that_says(dets[:0], kpss[:0])
    same(none.det_model.detect(BLANK), own.detect(BLANK))
    assert none.get(BLANK) == [] == own.get(BLANK)
    check_face()
    check_face_align(img, kpss[0])
    for face in own.get(img):
        face.kps = None
        for package in (app, own):
            assert (package.draw_on(img, [face]) != img).any()
    print(f"InsightFace {importlib.metadata.version('insightface')}: FaceAnalysis, Face and norm_crop answer alike")


def two_faces(photo: np.ndarray) -> np.ndarray:
    """A large face near a corner, a smaller one nearer the middle."""
    img = BLANK.copy()
    img[:300, :300] = cv2.resize(photo, (300, 300), interpolation=cv2.INTER_AREA)
    img[200:400, 250:450] = cv2.resize(photo, (200, 200), interpolation=cv2.INTER_AREA)
    return img


def analysis_that_says(dets: np.ndarray, kpss: np.ndarray) -> Any:
    """The package's own FaceAnalysis, of a model whose outputs are these faces, each in a cell of stride 8."""
    strides = (8, 16, 32)
    outputs: dict[str, np.ndarray] = {}
    for kind, width in (("score", 1), ("bbox", 4), ("kps", 10)):
        for stride in strides:
            outputs[f"{kind}_{stride}"] = np.zeros((2 * (SIDE // stride) ** 2, width), np.float32)
    for i, (det, kps) in enumerate(zip(dets, kpss, strict=True)):
        middle = np.array([i * 8.0, 0.0])  # of the cell
        outputs["score_8"][2 * i] = det[4]
        outputs["bbox_8"][2 * i] = np.concatenate([middle - det[:2], det[2:4] - middle]) / 8
        outputs["kps_8"][2 * i] = ((kps - middle) / 8).reshape(-1)
    graph = helper.make_graph(
        [helper.make_node("Identity", [f"{name}_is"], [name]) for name in outputs],
        "detector",
        [helper.make_tensor_value_info("input.1", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, value.shape) for name, value in outputs.items()],
        [numpy_helper.from_array(value, f"{name}_is") for name, value in outputs.items()],
    )
    with tempfile.TemporaryDirectory() as folder:
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(model, str(Path(folder) / "det_10g.onnx"))
        app = FaceAnalysis(name=folder, allowed_modules=["detection"], providers=["CPUExecutionProvider"])
        app.prepare(ctx_id=-1, det_size=(SIDE, SIDE))  # reads it again
    return app


def same(theirs: tuple[Any, ...], own: tuple[Any, ...]) -> None:
    for a, b in zip(theirs, own, strict=True):
        assert a.shape == b.shape and a.dtype == b.dtype == np.float32, (a.shape, b.shape)
        assert np.allclose(a, b, atol=1e-3), np.abs(a - b).max()


def check_face() -> None:
    for kind in (Face, ours.Face):
        face = kind(bbox=np.arange(4.0), det_score=0.5)
        assert face.bbox is face["bbox"] and face.kps is None and face.sex is None and face.normed_embedding is None
        face.embedding = np.array([3.0, 4.0])
        face["gender"] = 0
        assert face["embedding"] is face.embedding and face.embedding_norm == 5 and face.sex == "F"
        assert face.normed_embedding.tolist() == [0.6, 0.8] and sorted(face) == [
            "bbox",
            "det_score",
            "embedding",
            "gender",
        ]
        assert kind({"age": 5}).age == 5 and kind({"a": {"b": 1}}).a.b == 1 and kind(a=[{"b": 1}]).a[0].b == 1


def check_face_align(img: np.ndarray, kps: np.ndarray) -> None:
    worst, mean = 0.0, 0.0
    for size in (112, 128, 224, 256):
        worst = max(worst, np.abs(ours.estimate_norm(kps, size) - face_align.estimate_norm(kps, size)).max())
        crops = ours.norm_crop(img, kps, size).astype(float), face_align.norm_crop(img, kps, size)
        mean = max(mean, np.abs(crops[0] - crops[1]).mean())
    assert worst < 1e-3 and mean < 1, (worst, mean)
    print(f"InsightFace's norm_crop: matrices differ by {worst:.1e} at most, pixels by {mean:.2f} in the mean")
