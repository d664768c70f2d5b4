"""Calls that once crashed, hung or raised something else: each gets an error that says what is wrong, or an answer."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import pytrt
from mtcnn import EngineError, FaceAligner, TrtMtcnn, draw_faces, find_central_face
from mtcnn.engines import NETWORKS, engine_problem, load_engine, read_engine
from mtcnn.engines.devices import cpu_device
from mtcnn.engines.libraries import openvino_library
from pytrt import testing
from tests.conftest import ROOT

HUGE = 10**400
IMG = np.zeros((20, 30, 3), np.uint8)
STAGES = pytrt.Stages.__new__(pytrt.Stages)  # arguments are looked at first


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda n: pytrt.resize(IMG, n, 5), "height"),
        (lambda n: pytrt.resize(IMG, 5, n), "width"),
        (lambda n: pytrt.crop_resize(IMG, [[0, 0, 5, 5]], n), "side"),
        (lambda n: pytrt.crop_resize(IMG, [[0, 0, 5, n]], 5), "windows"),
        (lambda n: pytrt.warp_affine(IMG, np.eye(3)[:2], n, 5), "height"),
        (lambda n: pytrt.warp_affine(IMG, [[1, 0, 0], [0, 1, n]], 5, 5), "matrix"),
        (lambda n: pytrt.nms([[0, 0, 1, 1]], [1], 0.5, keep=n), "keep"),
        (lambda n: pytrt.nms([[0, 0, 1, 1]], [n], 0.5), "scores"),
        (lambda n: pytrt.nms([[0, 0, 1, n]], [1], 0.5), "boxes"),
        (lambda n: pytrt.nms([[0, 0, 1, 1]], [1], 0.5, groups=[n]), "groups"),
        (lambda n: testing.pack_levels([(n, 12)]), "height of a level"),
        (lambda n: testing.pack_levels([(12, 12)], [n]), "widths"),
        (lambda n: testing.pack_levels([(12, 12)], max_height=n), "max_height"),
        (lambda n: pytrt.CpuDevice(openvino_library(), n), "threads"),
        (lambda n: testing.EmulatedGpu(openvino_library(), n), "threads"),
        (lambda n: pytrt.CudaDevice("", "", n), "ordinal"),
        (lambda n: STAGES.load([IMG], [(n, 5)]), "height in sizes"),
        (lambda n: STAGES.pnet([], 0.5, 0.5, 0.5, n), "keep"),
        (lambda n: STAGES.pnet([(n, 20, 30, 1, 1)], 0.5, 0.5, 0.5, 10), "frame of a level"),
        (lambda n: STAGES.pnet([(0, 20, n, 1, 1)], 0.5, 0.5, 0.5, 10), "width of a level"),
        (lambda n: STAGES.rnet(0.5, 0.5, n), "keep"),
    ],
)
@pytest.mark.parametrize("number", [2**31, HUGE, -(2**31) - 1, -HUGE])
def test_numbers_that_no_int_holds(call: Callable[[int], object], name: str, number: int) -> None:
    if name in ("scores", "boxes", "matrix") and abs(number) < HUGE:
        pytest.skip("a float holds it")
    with pytest.raises(ValueError, match=name):
        call(number)


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda x: pytrt.nms([[0, 0, 1, 1]], [1], x), "threshold"),
        (lambda x: pytrt.propose(np.ones((2, 1, 1)), np.ones((4, 1, 1)), x, 1, 0.5), "scale_y"),
        (lambda x: STAGES.onet(0.5, 0.5, average_above=x), "average_above"),
        (lambda x: STAGES.onet(0.5, 0.5, vote=x), "vote"),
        (lambda x: STAGES.onet(0.5, 0.5, flip_range=(0, x)), "flip_range"),
        (lambda x: STAGES.pnet([], x, 0.5, 0.5, 10), "threshold"),
        (lambda x: STAGES.onet(0.5, x), "nms_threshold"),
    ],
)
def test_numbers_that_no_float_holds(call: Callable[[Any], object], name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} is too large"):
        call(HUGE)
    with pytest.raises(TypeError, match=f"{name} must be a number, got str"):
        call("0.5")


@pytest.mark.parametrize(
    "call",
    [
        lambda: find_central_face((100, 100), [[HUGE, 0, 1, 1, 1]]),
        lambda: find_central_face((HUGE, 100), [[0, 0, 1, 1, 1]]),
        lambda: find_central_face(memoryview(IMG), [[0, 0, 1, 1, 1]]),  # type: ignore[arg-type]
        lambda: draw_faces(IMG, [[0, 0, HUGE, 1, 1]]),
        lambda: draw_faces(IMG, [[0, 0, 1, 1, 1]], [[HUGE] * 10]),
        lambda: FaceAligner().align(IMG, [HUGE] * 10),
        lambda: FaceAligner((HUGE, 5)).align(IMG, range(10)),
    ],
)
def test_faces_too_far_away(call: Callable[[], object]) -> None:
    with pytest.raises((TypeError, ValueError)):
        call()


def test_nms_of_boxes_as_large_as_floats_go() -> None:
    rng = np.random.default_rng(0)
    boxes = rng.uniform(-3e38, 3e38, (300, 4)).astype(np.float32)
    boxes = np.c_[np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])]
    boxes[::3] = rng.uniform(0, 100, (100, 1)) + [0, 0, 50, 50]  # next to nothing of the others
    scores = rng.uniform(size=300).astype(np.float32)
    kept = pytrt.nms(boxes, scores, 0.5)
    usual = np.arange(0, 300, 3)
    alone = usual[pytrt.nms(boxes[usual], scores[usual], 0.5)]
    assert [i for i in kept if i % 3 == 0] == alone.tolist()


@pytest.mark.parametrize("window", [(-(2**31), 0, 5, 5), (0, 0, 2**31 - 1, 5), (0, float("nan"), 5, 5)])
def test_windows_far_outside(window: Any) -> None:
    with pytest.raises(ValueError, match="windows must hold whole numbers within"):
        pytrt.crop_resize(IMG, [window], 24)


def test_levels_of_more_tiles_than_memory_holds() -> None:
    with pytest.raises(ValueError, match="levels are too large"):
        testing.pack_levels([(2**24, 2**24)], [12], 12)


def test_levels_that_would_take_hours(engines: dict[str, Path]) -> None:
    device = cpu_device()
    stages = pytrt.Stages(device, *(load_engine(engines[net], device) for net in NETWORKS))
    stages.load([IMG], [IMG.shape[:2]])
    with pytest.raises(ValueError, match="levels are too large"):
        stages.pnet([(0, 2**24, 2**24, 1.0, 1.0)], 0.6, 0.5, 0.7, 100)
    assert stages.pnet([(0, 20, 30, 1.0, 1.0)], 0.0, 1.0, 1.0, 1000) == 50


def test_levels_of_more_rows_and_columns_than_memory_holds(engines: dict[str, Path]) -> None:
    device = testing.EmulatedGpu(openvino_library(), 1)
    stages = pytrt.Stages(device, *(load_engine(engines[net], device) for net in NETWORKS))
    stages.load([IMG], [IMG.shape[:2]])
    with pytest.raises(MemoryError):
        stages.pnet([(0, 1, 2**24, 1.0, 1.0)] * 200, 0.6, 0.5, 0.7, 100)
    assert stages.pnet([(0, 20, 30, 1.0, 1.0)], 0.0, 1.0, 1.0, 1000) == 50


@pytest.mark.slow
def test_what_cannot_be_allocated_on_a_thread_of_the_pool(tmp_path: Path) -> None:
    """It reaches the caller, and the detector works on."""
    code = """
import resource, sys
import numpy as np
from mtcnn import TrtMtcnn
detector = TrtMtcnn(device="cpu", threads=4)
img = np.random.default_rng(0).integers(0, 255, (3000, 3000, 3), np.uint8)
before = len(detector.detect(img[:300, :300])[0])
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 200_000_000, resource.RLIM_INFINITY))
try:
    detector.detect(img, 12, thresholds=(0, 0.9, 0.9))
except MemoryError:
    print("MemoryError")
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
assert len(detector.detect(img[:300, :300])[0]) == before
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == "MemoryError" and done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("factor", [1 - 1e-6, 1 - 1e-16])
def test_a_factor_that_makes_endless_pyramids(factor: float, detector: TrtMtcnn) -> None:
    with pytest.raises(ValueError, match="factor is too near 1: it makes more than 10000 pyramid levels"):
        detector.detect(np.zeros((100, 100, 3), np.uint8), factor=factor)


def test_a_batch_of_pyramids_that_memory_cannot_hold() -> None:
    """16 million levels, which take over a gigabyte as Python's objects."""
    code = """
import resource
import numpy as np
from mtcnn import TrtMtcnn
detector = TrtMtcnn(device="cpu", threads=1, max_work=1)
now = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + 300_000_000, resource.RLIM_INFINITY))
try:
    detector.detect_batch([np.zeros((13, 13, 3), np.uint8)] * 2000, 12, factor=0.99999)
except ValueError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.startswith("images[0]: max_work is 1 billion"), done.stdout + done.stderr


def test_thresholds_without_end(detector: TrtMtcnn) -> None:
    with pytest.raises(ValueError, match="thresholds must be 3 numbers .* got more"):
        detector.detect(IMG, thresholds=itertools.repeat(0.5))


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_a_picture_that_claims_to_be_larger_than_memory(dtype: type, detector: TrtMtcnn) -> None:
    with pytest.raises(ValueError, match="img is too large"):
        detector.detect(np.broadcast_to(np.zeros((1, 1, 3), dtype), (1 << 20, 1 << 20, 3)))


@pytest.mark.parametrize(
    "use",
    [
        lambda: pytrt.Engine.__new__(pytrt.Engine).input,
        lambda: pytrt.Engine.__new__(pytrt.Engine).outputs,
        lambda: pytrt.Engine.__new__(pytrt.Engine).infer(np.zeros((1, 3, 12, 12), np.float32)),
        lambda: pytrt.CpuDevice.__new__(pytrt.CpuDevice).runtime,
        lambda: pytrt.CpuDevice.__new__(pytrt.CpuDevice).threads,
        lambda: pytrt.CpuDevice.__new__(pytrt.CpuDevice).load_engine(b""),
        lambda: pytrt.Stages(pytrt.CpuDevice.__new__(pytrt.CpuDevice), *[pytrt.Engine.__new__(pytrt.Engine)] * 3),
        lambda: pytrt.Stages(cpu_device(), *[pytrt.Engine.__new__(pytrt.Engine)] * 3),
        lambda: pytrt.TensorRt.__new__(pytrt.TensorRt).version,
        lambda: pytrt.TensorRt.__new__(pytrt.TensorRt).build(b"", []),
        lambda: pytrt.TensorRt.__new__(pytrt.TensorRt).describe(b""),
    ],
)
def test_objects_that_were_never_made(use: Callable[[], object]) -> None:
    with pytest.raises(TypeError, match="was never made"):
        use()


@pytest.mark.parametrize("details", [{"targets": 5}, {"targets": [8.6]}, {"compute_capability": "86"}])
def test_details_that_are_no_numbers(details: dict[str, Any], engines: dict[str, Path], tmp_path: Path) -> None:
    path = copied(engines["pnet"], tmp_path, details=details)
    with pytest.raises(EngineError, match="is damaged: run create_engines again"):
        read_engine(path)
    assert "is damaged" in str(engine_problem(path, "cpu", "pnet"))


def copied(engine: Path, folder: Path, content: bytes | None = None, **fields: Any) -> Path:
    """A copy of an engine and its description, some of it changed."""
    import hashlib

    data = engine.read_bytes() if content is None else content
    description = json.loads(engine.with_name(engine.name + ".json").read_text())
    description |= {"engine_sha256": hashlib.sha256(data).hexdigest(), **fields}
    path = folder / engine.name
    path.write_bytes(data)
    path.with_name(path.name + ".json").write_text(json.dumps(description))
    return path


def small_network(side: int, outputs: dict[str, tuple[int, ...]]) -> bytes:
    """Takes pictures as the real one does; its outputs are zeros of fixed shapes, however many it is given."""
    sides: list[Any] = [side or "h", side or "w"]
    data = helper.make_tensor_value_info("data", TensorProto.FLOAT, ["n", 3, *sides])
    constants = [
        helper.make_node(
            "Constant", [], [f"{name}_zeros"], value=onnx.numpy_helper.from_array(np.ones(shape, np.float32))
        )
        for name, shape in outputs.items()
    ]
    nodes = [helper.make_node("ReduceMean", ["data"], ["mean"], keepdims=0)]
    nodes += [helper.make_node("Mul", [f"{name}_zeros", "mean"], [name]) for name in outputs]
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in outputs.items()]
    graph = helper.make_graph(constants + nodes, "small", [data], infos)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(
    ("name", "outputs"),
    [
        ("pnet", {"prob1": (1, 2, 1, 1), "boxes": (1, 4, 40, 40)}),
        ("pnet", {"prob1": (1, 2, 250, 250), "boxes": (1, 4, 1, 1)}),
        ("rnet", {"prob1": (1, 2, 1, 1), "boxes": (64, 4, 1, 1)}),
        ("rnet", {"prob1": (64, 2, 1, 1), "boxes": (1, 4, 1, 1)}),
        ("onet", {"prob1": (32, 2, 1, 1), "boxes": (32, 4, 1, 1), "landmarks": (1, 10, 1, 1)}),
    ],
)
def test_networks_whose_outputs_are_too_small(
    name: str, outputs: dict[str, tuple[int, ...]], engines: dict[str, Path], tmp_path: Path
) -> None:
    """Their descriptions fit the files: only the shapes tell."""
    model = small_network({"pnet": 0, "rnet": 24, "onet": 48}[name], outputs)
    paths = engines | {name: copied(engines[name], tmp_path, model)}
    device = cpu_device()
    stages = pytrt.Stages(device, *(load_engine(paths[net], device, net) for net in NETWORKS))
    img = np.random.default_rng(0).integers(0, 255, (200, 200, 3), np.uint8)
    stages.load([img], [img.shape[:2]])
    with pytest.raises(EngineError, match=r'the output "\w+" is .*, smaller than'):
        stages.pnet([(0, 200, 200, 1.0, 1.0)], 0.0, 1.0, 1.0, 100)
        stages.rnet(0.0, 1.0, 100)
        stages.onet(0.0, 1.0)


# Goes for a sequence, but has no parts: going through it is a NotImplementedError.
TABLE = memoryview(np.full((3, 4), 20, np.uint8))


@pytest.mark.parametrize(
    ("call", "name"),
    [
        (lambda table: TrtMtcnn(table), "engines"),
        (lambda table: FaceAligner(table), "size"),
        (lambda table: testing.pack_levels(table), "levels"),
        (lambda table: testing.pack_levels([table]), r"levels\[0\]"),
        (lambda table: testing.pack_levels([(12, 12)], table), "widths"),
        (lambda table: STAGES.load(table, [(5, 5)]), "images"),
        (lambda table: STAGES.load([IMG], table), "sizes"),
        (lambda table: STAGES.onet(0.5, 0.5, tta_scales=table), "tta_scales"),
        (lambda table: STAGES.pnet(table, 0.5, 0.5, 0.5, 10), "levels"),
    ],
)
@pytest.mark.parametrize("value", [TABLE, 5.5, object()], ids=lambda value: type(value).__name__)
def test_what_is_no_sequence(call: Callable[[Any], object], name: str, value: Any) -> None:
    with pytest.raises(TypeError, match=f"{name} must be"):
        call(value)


def test_a_batch_in_a_memoryview(detector: TrtMtcnn) -> None:
    with pytest.raises(TypeError, match="images must be a list of pictures"):
        detector.detect_batch(TABLE)
    assert len(detector.detect_batch(memoryview(np.zeros((2, 30, 40, 3), np.uint8)))) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: testing.pack_levels([(12, 12), (12,)]), r"levels\[1\] must be \(height, width\), got 1 values"),
        (lambda: STAGES.load([IMG], [(5, 5, 3)]), r"sizes\[0\] must be \(height, width\), got 3 values"),
        (lambda: STAGES.pnet([(0, 20, 30)], 0.5, 0.5, 0.5, 10), r"levels\[0\] must be \(frame, .*, got 3 values"),
        (lambda: pytrt.nms([1, 2, 3], [1], 0.5), r"boxes must have the shape \(n, 4\), got \(3,\)"),
        (lambda: pytrt.crop_resize(IMG, [1, 2, 3], 24), r"windows must have the shape \(n, 4\), got \(3,\)"),
        (lambda: pytrt.nms(["a"], [1], 0.5), "boxes must be an array of numbers"),
        (lambda: pytrt.nms([[0, 0, 1, 1]], [{}], 0.5), "scores must be an array of numbers"),
    ],
)
def test_rows_of_another_length(call: Callable[[], object], message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=message):
        call()
