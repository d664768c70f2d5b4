"""What is fuzzed: each target makes hostile calls out of a fuzzer's bytes. Only documented errors may come out."""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

import pytrt
from mtcnn import FaceAligner, MtcnnError, TrtMtcnn, draw_faces, find_central_face
from mtcnn.align import similarity_transform
from mtcnn.engines import NETWORKS, create_engines, engine_problem, load_engine, models_folder, read_engine
from mtcnn.engines.devices import cpu_device
from mtcnn.engines.libraries import openvino_library
from mtcnn.engines.networks import ALL_ARCHITECTURES
from mtcnn.export.weights import read_content, read_weights
from mtcnn.params import Params
from pytrt import testing
from tests.fuzz.choices import Choices
from tests.fuzz.weight_structures import hdf5, onnx_fields, pickles, zips
from tests.support import weight_files
from tests.support.lnet import lnet_model, lnet_weights

DOCUMENTED = (ValueError, TypeError, MtcnnError, MemoryError)
PARAMS = tuple(Params.__dataclass_fields__)
THRESHOLDS = (0.0, 0.1, 0.5, 0.7, 1.0)


@contextlib.contextmanager
def only_documented_errors() -> Iterator[None]:
    with warnings.catch_warnings(), np.errstate(all="ignore"), contextlib.suppress(*DOCUMENTED):
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=1)
def engines() -> list[Path]:
    return create_engines(tempfile.mkdtemp(prefix="fuzz-engines-"), flavour="cpu")


@lru_cache(maxsize=1)
def detector() -> TrtMtcnn:
    return TrtMtcnn(engines(), device="cpu", threads=1)


@lru_cache(maxsize=1)
def stages() -> pytrt.Stages:
    return pytrt.Stages(cpu_device(1), *(load_engine(path, cpu_device(1)) for path in engines()))


@lru_cache(maxsize=4)
def gpu_stages(asynchronous: bool, kernels: bool) -> tuple[testing.EmulatedGpu, pytrt.Stages]:
    gpu = testing.EmulatedGpu(openvino_library(), 1, asynchronous=asynchronous, kernels=kernels)
    return gpu, pytrt.Stages(gpu, *(gpu.load_engine(Path(path).read_bytes()) for path in engines()))


@lru_cache(maxsize=3)
def network(name: str) -> pytrt.PyTrtMtcnn:
    return pytrt.PyTrtMtcnn(engines()[NETWORKS.index(name)])


def check_faces(found: tuple[Any, Any]) -> None:
    dets, landmarks = found
    assert dets.dtype == landmarks.dtype == np.float32
    assert dets.shape == (len(dets), 5) and landmarks.shape == (len(dets), 10)
    assert np.isfinite(dets).all() and np.isfinite(landmarks).all()
    assert (np.diff(dets[:, 4]) <= 0).all()


def parameter(c: Choices, name: str) -> Any:
    usual: dict[str, Callable[[], Any]] = {
        "minsize": lambda: c.pick((4, 7.5, 12, 12.5, 20, 40, 1e9)),
        "factor": lambda: c.pick((0.709, 0.5, 0.9, 0.01, 1 - 1e-9, 1 - 1e-16, 5e-324)),
        "thresholds": lambda: tuple(c.pick(THRESHOLDS) for _ in range(3)),
        "nms_thresholds": lambda: [c.pick(THRESHOLDS) for _ in range(4)],
        "max_rnet": lambda: c.pick((1, 3, 100, 1_000_000)),
        "max_onet": lambda: c.pick((1, 3, 100, 1_000_000)),
        "max_size": lambda: c.pick((None, (1, 1), (20, 1 << 24), (50, 40))),
        "level_size": lambda: c.pick(("ceil", "floor")),
        "nms_boxes": lambda: c.pick(("window", "regressed")),
        "resize": lambda: c.pick(("area", "bilinear")),
        "average_above": lambda: c.pick((0.0, 0.3, 0.6, 1.0)),
        "mirror_range": lambda: sorted(c.pick(THRESHOLDS) for _ in range(2)),
        "vote": lambda: c.pick((0.0, 0.2, 0.9)),
        "preset": lambda: c.pick(("accurate", "fast", "port")),
    }
    return c.value(usual.get(name, c.yes))


def detect(data: bytes) -> None:
    """Pictures of every kind and all parameters."""
    c = Choices(data)
    params = {name: parameter(c, name) for name in (c.pick(("preset", *PARAMS)) for _ in range(c.whole(0, 5)))}
    with only_documented_errors():
        if c.whole(0, 3):
            check_faces(detector().detect(c.image(), **params))
        else:
            images = [c.image() for _ in range(c.whole(0, 4))]
            many: Any = c.value(lambda: c.pick((images, tuple(images), iter(images))))
            results = detector().detect_batch(many, **params)
            for found in results:
                check_faces(found)


def faces(data: bytes) -> None:
    """What is done with faces that were found."""
    c = Choices(data)
    dets = lambda: c.reals(c.whole(0, 4), c.pick((4, 5, 5, 6)))  # noqa: E731
    landmarks = lambda: c.reals(*c.pick(((10,), (5, 2), (0, 10), (2, 10), (3, 5, 2), (3, 2, 5))))  # noqa: E731
    size = lambda: c.pick(((112, 96), (112, 112), (1, 1), (7, 300), (2**20, 2**20), (-1, 5)))  # noqa: E731
    calls: list[Callable[[], Any]] = [
        lambda: find_central_face(c.image() if c.yes() else c.anything(), c.value(dets)),
        lambda: draw_faces(c.image(), c.value(dets), c.value(lambda: None if c.yes() else landmarks())),
        lambda: FaceAligner(c.value(size)).align(c.image(), c.value(landmarks)),
        lambda: FaceAligner(c.value(size)).align_all(c.image(), c.value(landmarks)),
        lambda: FaceAligner().transform(c.value(landmarks)),
        lambda: similarity_transform(c.value(lambda: c.reals(3, 2)), c.value(lambda: c.reals(3, 2))),
    ]
    with only_documented_errors():
        c.pick(calls)()


def native(data: bytes) -> None:
    """The native operations alone."""
    c = Choices(data)
    side = lambda: c.pick((1, 2, 11, 12, 13, 24, 48, 100, 1000))  # noqa: E731
    mode = lambda: c.pick(("area", "bilinear"))  # noqa: E731
    windows = lambda: np.sort(  # noqa: E731
        np.int64([[c.pick((-(2**31), -(10**8), -5, 0, 3, 50, 10**6, 10**8, 2**31 - 1)) for _ in "1234"] for _ in "12"])
    )[:, [0, 2, 1, 3]]
    n = c.whole(0, 200)
    grid = c.whole(1, 9), c.whole(1, 40)
    plane = lambda k: lambda: c.reals(k, *grid)  # noqa: E731
    sizes = lambda: [(c.pick((1, 12, 300, 2**24)), c.pick((1, 12, 300, 2**24))) for _ in range(c.whole(0, 9))]  # noqa: E731
    calls: list[Callable[[], Any]] = [
        lambda: pytrt.resize(c.image(), c.value(side), c.value(side), c.value(mode)),
        lambda: testing.halve(c.image()),
        lambda: pytrt.crop_resize(c.image(), c.value(windows), c.value(side), c.value(mode)),
        lambda: pytrt.nms(
            c.value(lambda: c.reals(n, 4)),
            c.value(lambda: c.reals(n)),
            c.value(c.real),
            c.value(lambda: c.pick(("union", "min"))),
            c.value(lambda: None if c.yes() else np.int32([c.whole(0, 3) for _ in range(n)])),
            c.value(lambda: c.whole(0, 300)),
        ),
        lambda: pytrt.propose(c.value(plane(2)), c.value(plane(4)), c.value(c.real), c.value(c.real), c.value(c.real)),
        lambda: testing.pack_levels(c.value(sizes), c.value(lambda: (128, 512)), c.value(lambda: c.whole(12, 600))),
        lambda: pytrt.warp_affine(c.image(), c.value(lambda: c.reals(2, 3)), c.value(side), c.value(side)),
    ]
    with only_documented_errors():
        c.pick(calls)()


def stage(data: bytes) -> None:
    """The three stages in any order, and what they are made of."""
    call_stages(Choices(data), stages())


def gpu_stage(data: bytes) -> None:
    """The same with the GPU's code, at once or as a GPU and its streams would run it, where anything may fail."""
    c = Choices(data)
    gpu, made = gpu_stages(asynchronous := c.yes(), kernels=len(data) % 2 == 1)
    if asynchronous and c.yes():
        gpu.fail(c.pick(sorted(gpu.counts())), c.whole(0, 60))
    call_stages(c, made)
    if asynchronous:
        gpu.mend()
        assert gpu.misuses() == []


def call_stages(c: Choices, stages: pytrt.Stages) -> None:
    ratio = lambda: c.pick((0.3, 1.0, 2.5, 1e-9, 1e9, 1e-300))  # noqa: E731
    side = lambda: c.pick((1, 12, 13, 60, 300))  # noqa: E731
    level = lambda: [c.value(lambda: c.whole(0, 2)), extent(), extent(), c.value(ratio), c.value(ratio)]  # noqa: E731
    unit = lambda: c.value(lambda: c.pick(THRESHOLDS))  # noqa: E731
    keep = lambda: c.value(lambda: c.whole(0, 100))  # noqa: E731

    def extent() -> Any:  # not what takes minutes, or memory: the sanitizer ends the process where there is none
        value = c.value(side)
        return 2**31 if isinstance(value, int) and 1000 < value < 2**31 else value

    def load() -> None:
        count = c.whole(0, 3)
        images = [c.picture() if c.yes() else c.image() for _ in range(count)]
        sizes = c.value(lambda: [(extent(), extent()) for _ in range(count)])
        flags = {name: c.yes() for name in ("nms_on_windows", "whole_pixels")}
        stages.load(images, sizes, resize=c.value(lambda: "area"), **flags)

    def onet() -> None:
        flags = {name: c.yes() for name in ("flip", "flip_first", "average_scores", "tight_landmarks")}
        scales = c.value(lambda: [c.value(ratio) for _ in range(c.whole(0, 2))])
        between = c.value(lambda: (unit(), unit()))
        stages.onet(unit(), unit(), flip_range=between, tta_scales=scales, average_above=unit(), vote=unit(), **flags)

    calls: list[Callable[[], Any]] = [
        load,
        lambda: stages.pnet(c.value(lambda: [level() for _ in range(c.whole(0, 4))]), unit(), unit(), unit(), keep()),
        lambda: stages.rnet(unit(), unit(), keep()),
        onet,
        lambda: stages.boxes(),
        lambda: stages.unload(),
    ]
    for call in [load] + [c.pick(calls) for _ in range(c.whole(0, 7))]:
        with only_documented_errors():
            call()
    with only_documented_errors():
        stages.unload()


def networks(data: bytes) -> None:
    """One network; devices and what loads them."""
    c = Choices(data)
    name = c.pick(NETWORKS)
    side = {"pnet": c.whole(10, 40), "rnet": 24, "onet": 48}[name]
    path = c.value(lambda: engines()[0])
    dims = lambda: c.pick(((3, 24, 24), (2, 1, 1), (4, 1, 1), (10, 1, 1)))  # noqa: E731
    calls: list[Callable[[], Any]] = [
        lambda: network(name).forward(c.value(lambda: c.reals(c.whole(0, 9), 3, side, side))),
        lambda: network(name)._engine.infer(c.value(lambda: c.reals(c.whole(0, 9), 3, side, side))),
        lambda: pytrt.PyTrtMtcnn(path, c.value(dims), c.value(dims), c.value(dims)),
        lambda: pytrt.CpuDevice(c.value(openvino_library), c.value(lambda: 1)),
        lambda: testing.EmulatedGpu(c.value(openvino_library), c.value(lambda: 1)),
        lambda: cpu_device(1).load_engine(c.value(lambda: b"no model"), c.value(lambda: c.pick(("fp32", "bf16")))),
        lambda: TrtMtcnn(c.value(engines), c.value(lambda: "cpu"), threads=c.value(lambda: 1)),
        lambda: pytrt.Stages(*(c.anything() for _ in range(4))),
        lambda: c.pick((pytrt.Engine, pytrt.CpuDevice, pytrt.Stages, pytrt.Device, pytrt.TensorRt))(c.anything()),
    ]
    with only_documented_errors():
        network(name).set_batchsize(c.value(lambda: 0))
    with only_documented_errors():
        c.pick(calls)()
    network(name).set_batchsize(0)


def files(data: bytes) -> None:
    """Engine files and the JSON beside them, some bytes of which are others."""
    c = Choices(data)
    name = c.pick(NETWORKS)
    source = engines()[NETWORKS.index(name)]
    with tempfile.TemporaryDirectory(prefix="fuzz-files-") as folder:
        path = Path(folder, source.name)
        beside = path.with_name(path.name + ".json")
        shutil.copy(source, path)
        shutil.copy(source.with_name(beside.name), beside)
        fields = json.loads(beside.read_text())
        kind = c.whole(0, 3)
        if kind == 0:
            beside.write_bytes(mutated(c, beside.read_bytes()))
        elif kind == 1:
            fields[c.pick((*fields, "more"))] = json_value(c)
            beside.write_text(json.dumps(fields))
        elif kind == 2:
            fields["details"] = {
                c.pick(("layout", "profile", "targets", "compute_capability", "gpu")): json_value(c) for _ in "12"
            }
            fields["flavour"] = c.pick(("cpu", "tensorrt", "tensorrt-rtx"))
            beside.write_text(json.dumps(fields))
        else:
            path.write_bytes(mutated(c, path.read_bytes()))
        if c.whole(0, 9) == 9:  # a plan, as far as a machine without its GPU reads it
            plan = b"ftrt" + c.rest()
            path.write_bytes(plan)
            fields |= {"flavour": "tensorrt-rtx", "engine_sha256": hashlib.sha256(plan).hexdigest()}
            beside.write_text(json.dumps(fields))
        with only_documented_errors():
            read_engine(path)
        with only_documented_errors():
            assert isinstance(engine_problem(path, c.pick(("cpu", "tensorrt-rtx")), name), (str, type(None)))
        with only_documented_errors():
            load_engine(path, network=c.pick((None, name)))


def models(data: bytes) -> None:
    """ONNX with some bytes changed, to the reader of our own; OpenVINO never sees it."""
    c = Choices(data)
    name = c.pick((*NETWORKS, "lnet"))
    model = lnet_model() if name == "lnet" else (models_folder() / f"{name}.onnx").read_bytes()
    kind = c.whole(0, 3)
    if kind == 0:
        content = c.rest()
    elif kind == 1:  # most of the bytes are weights; the graph is told before and after
        content = mutated(c, model[:700]) + model[700:]
    elif kind == 2:
        content = model[:-1500] + mutated(c, model[-1500:])
    else:
        content = mutated(c, model)
    with only_documented_errors():
        engine = native_device().load_engine(content, c.pick(("fp32", "bf16", "fp16")))
        side = ALL_ARCHITECTURES[name].side or c.whole(12, 40)
        engine.infer(c.reals(c.whole(1, 3), ALL_ARCHITECTURES[name].channels, side, side))


def weights(data: bytes) -> None:
    """Files of weights with some bytes changed."""
    c = Choices(data)
    kind = c.pick(("npy", "lz4", "zip", "legacy", "h5", "onnx", "caffe", "lnet", "facenet"))
    content = weight_file(kind)
    if c.whole(0, 2):  # most of the bytes are weights; the pickles are told before and after
        content = mutated(c, content[:2000]) + content[2000:]
    else:
        content = mutated(c, content)
    with only_documented_errors():
        for found in read_content(content, "file"):
            assert found.network in ALL_ARCHITECTURES and all(array.dtype == np.float32 for array in found.arrays())


@lru_cache(maxsize=9)
def weight_file(kind: str) -> bytes:
    pnet = read_weights([models_folder() / "pnet.onnx"])["pnet"]
    tensors = weight_files.torch_tensors(pnet)
    if kind == "npy":
        return weight_files.mtcnn_0({"pnet": pnet})
    if kind == "lz4":
        return weight_files.mtcnn_1(pnet)
    if kind == "h5":
        return weight_files.keras_2(pnet)
    if kind == "caffe":
        return weight_files.caffe(pnet, "PReLU")
    if kind == "lnet":
        return weight_files.caffe(lnet_weights())
    if kind == "facenet":
        return weight_files.facenet(pnet)
    if kind == "onnx":
        return (models_folder() / "pnet.onnx").read_bytes()
    return weight_files.torch_zip(tensors) if kind == "zip" else weight_files.torch_legacy(tensors)


@lru_cache(maxsize=1)
def native_device() -> pytrt.CpuDevice:
    return pytrt.CpuDevice("", 1)


def mutated(c: Choices, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(c.whole(1, 4)):
        at = c.whole(0, max(len(changed) - 1, 300))
        kind = c.whole(0, 3)
        if kind == 0 and at < len(changed):
            changed[at] ^= c.whole(1, 255)
        elif kind == 1:
            changed[at:at] = c.take(c.whole(1, 20))
        elif kind == 2:
            del changed[at : at + c.whole(1, 200)]
        else:
            changed[at : at + 4] = c.take(4)
    return bytes(changed[: c.whole(0, 2**16)] if c.whole(0, 9) == 9 else changed)


def json_value(c: Choices, depth: int = 0) -> Any:
    kinds: list[Callable[[], Any]] = [
        lambda: c.pick((None, True, 0, -1, 1, 86, 2**70, 1e308, float("nan"), "", "fp32", "x" * 99, "\ud800")),
        lambda: c.pick(("pnet", "cpu", "bf16", "port", [8, 9], [89], [], {})),
    ]
    if depth < 3:
        kinds += [
            lambda: [json_value(c, depth + 1) for _ in range(c.whole(0, 3))],
            lambda: {str(i): json_value(c, depth + 1) for i in range(c.whole(0, 3))},
        ]
    return c.pick(kinds)()


def answers(data: bytes) -> None:
    """What servers answer to mtcnn.serving.Client."""
    from tests.fuzz import answers as made  # here: the other targets do without tritonclient

    c = Choices(data)
    c.pick((made.by_http, made.by_grpc))(c)


def folders(data: bytes) -> None:
    """Folders of files that `mtcnn detect` runs over, is stopped in, and takes up."""
    from tests.fuzz import folders as made  # here: the other targets do without OpenCV

    made.run_over(Choices(data), detector())


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(detect, faces, native, stage, gpu_stage, networks, files, models, answers, folders),
        *(weights, pickles, zips, hdf5, onnx_fields),
    )
}
