"""The GPU under test: whether there is one, engines for it, and results to compare with.

unittest only, for pytest may be missing where GPUs are rented: `python -m unittest tests.gpu.test_detect`, or pytest.

TRT_MTCNN_EMULATE=plain or =asynchronous runs the tests on pytrt.testing.EmulatedGpu of that mode instead, which tests
the code but neither the GPU nor TensorRT; 1 is plain. There the networks run on the CPU, and so the variant is called.
=kernels is plain, too, and runs their kernels, which take ten times as long as loops.
TRT_MTCNN_QUICK=1 makes fewer calls; TRT_MTCNN_PRECISIONS=fp32 leaves float16 out.
"""

from __future__ import annotations

import ctypes
import importlib
import importlib.util
import json
import os
import unittest
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, wraps
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

import pytrt
from mtcnn import DeviceError, EngineError, TrtMtcnn, create_engines
from mtcnn.engines import NETWORKS, engine_problem, read_engine
from mtcnn.engines import precision as engine_precision
from mtcnn.engines.settings import CPU, CUDA, FLAVOURS, TENSORRT_FLAVOURS, BuildSettings
from mtcnn.engines.tensorrt import tensorrt
from mtcnn.params import Preset
from tests.gpu.frames import ROOT, Image

Faces = tuple[NDArray[np.float32], NDArray[np.float32]]

MODE = {"1": "plain"}.get(os.environ.get("TRT_MTCNN_EMULATE", ""), os.environ.get("TRT_MTCNN_EMULATE", ""))
EMULATED = bool(MODE)
QUICK = EMULATED or os.environ.get("TRT_MTCNN_QUICK") == "1"
PRECISIONS = tuple(os.environ.get("TRT_MTCNN_PRECISIONS", "fp32,fp16").split(","))
SAME = 1e-3  # pixels: sums may be taken in another order
GPU_FLAVOURS = [flavour for flavour in reversed(FLAVOURS) if flavour != CPU]  # first what needs the least
DATA = Path(os.environ.get("TRT_MTCNN_DATA") or ROOT.parent / "shared" / "data")
# GPUs that NVIDIA lists for TensorRT-RTX 1.x; on others it may refuse to work, which is then no fault of ours.
RTX_GPUS = {(7, 5), (8, 0), (8, 6), (8, 9), (12, 0), (12, 1)}


def photos() -> list[Path]:
    """Of the labelled data."""
    return sorted(DATA.glob("photos/*.jpg"))


def wider() -> list[Path]:
    """Every other picture of wider100."""
    return sorted(DATA.glob("wider100/images/*"))[::2]


class Variant(NamedTuple):
    """Engines of one flavour and precision."""

    flavour: str
    precision: str


class Bounds(NamedTuple):
    """What may differ from float32 on the CPU: pixels, score, and the score's distance from the threshold within
    which a face may come or go."""

    boxes: float
    scores: float
    landmarks: float
    doubt: float


BOUNDS = {"fp32": Bounds(1, 1e-3, 1, 2e-3), "fp16": Bounds(2, 1e-2, 2, 3e-2)}


@cache
def why_not() -> str | None:
    """Why no GPU can be tested here."""
    if EMULATED or variants():
        return None
    return "no GPU to test: " + "; ".join(dict.fromkeys(filter(None, map(flavour_problem, GPU_FLAVOURS))))


def flavour_problem(flavour: str) -> str | None:
    """Why the networks cannot run so here."""
    if problem := pytrt.cuda_driver()[0]:
        return problem
    if not pytrt.has_cuda():
        return "this build has no CUDA kernels: it was built without nvcc"
    try:
        if flavour in TENSORRT_FLAVOURS:
            tensorrt(flavour)
    except DeviceError as error:
        return str(error)
    return None


class GpuTest(unittest.TestCase):
    """Skipped, with the reason, where no GPU can be used."""

    @classmethod
    def setUpClass(cls) -> None:
        if reason := why_not():
            raise unittest.SkipTest(reason)


VariantTest = Callable[[Any, Variant], None]


def each_variant(
    test: VariantTest, precisions: tuple[str, ...] = PRECISIONS, flavours: Sequence[str] = FLAVOURS
) -> Callable[[GpuTest], None]:
    """Runs a test in a subtest for every flavour and precision; skipped where TensorRT-RTX cannot run this GPU."""

    @wraps(test)
    def run(self: GpuTest) -> None:
        chosen = [v for v in variants() if v.precision in precisions and v.flavour in flavours]
        if not chosen:
            self.skipTest(f"nothing here runs {' or '.join(flavours)} in {' or '.join(precisions)}")
        for variant in chosen:
            with self.subTest(flavour=variant.flavour, precision=variant.precision):
                try:
                    detector(variant)
                except (DeviceError, EngineError) as error:
                    if variant.flavour == "tensorrt-rtx" and capability() not in RTX_GPUS:
                        self.skipTest(f"TensorRT-RTX does not run on this GPU: {error}")
                    raise
                test(self, variant)

    return run


def needed(test: unittest.TestCase, package: str) -> Any:
    """The package, or the test is skipped."""
    if not importlib.util.find_spec(package):
        test.skipTest(f"{package} is not installed")
    return importlib.import_module(package)


def assert_same(ours: Faces, theirs: Faces, atol: float = SAME) -> None:
    for x, y in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(x, y, rtol=0, atol=atol)


def each_variant_in_fp32(test: VariantTest) -> Callable[[GpuTest], None]:
    return each_variant(test, ("fp32",))


def each_tensorrt(test: VariantTest) -> Callable[[GpuTest], None]:
    """Runs a test for TensorRT's flavours, in each precision; skipped where it is not installed."""
    return each_variant(test, flavours=TENSORRT_FLAVOURS)


def each_tensorrt_in_fp32(test: VariantTest) -> Callable[[GpuTest], None]:
    return each_variant(test, ("fp32",), TENSORRT_FLAVOURS)


def capability() -> tuple[int, int]:
    _, _, gpus = pytrt.cuda_driver()
    return gpus[0][1] if gpus else (0, 0)


@cache
def variants() -> list[Variant]:
    """What can run here, first what needs the least."""
    flavours = [CUDA if MODE == "kernels" else CPU] if EMULATED else usable_flavours()
    return [
        Variant(flavour, precision)
        for flavour in flavours
        for precision in PRECISIONS
        if not engine_precision.why_not(precision, flavour)
        if precision == "fp32" or not conversion_problem(flavour)
    ]


def usable_flavours() -> list[str]:
    return [flavour for flavour in GPU_FLAVOURS if not flavour_problem(flavour)]


def conversion_problem(flavour: str) -> str | None:
    """What is missing to make float16 engines of a flavour."""
    missing = [name for name in ("onnx", "onnxconverter_common") if not importlib.util.find_spec(name)]
    return f"{' and '.join(missing)} not installed" if missing and flavour in TENSORRT_FLAVOURS else None


def work_folder() -> Path:
    """Where engines are kept between runs."""
    return Path(os.environ.get("TRT_MTCNN_GPU_ENGINES") or ROOT / "build" / "gpu" / "engines")


@cache
def engines(variant: Variant) -> list[Path]:
    """Engines of a variant, built where they are missing or stale."""
    folder = work_folder() / f"{variant.flavour}-{variant.precision}"
    paths = [folder / f"{network}.engine" for network in NETWORKS]
    fits = all(
        engine_problem(path, variant.flavour, network) is None and read_engine(path)[1].precision == variant.precision
        for path, network in zip(paths, NETWORKS, strict=True)
    )
    if fits:
        return paths
    return create_engines(folder, precision=variant.precision, flavour=variant.flavour, settings=settings())


def settings(**changes: Any) -> BuildSettings:
    """With one timing cache for all: what one build has measured, the next need not."""
    return BuildSettings(timing_cache=work_folder() / "timing.cache", **changes)


@cache
def detector(variant: Variant) -> TrtMtcnn:
    """A detector on the GPU, shared by all tests."""
    return make_detector(variant)


def make_detector(variant: Variant, **arguments: Any) -> TrtMtcnn:
    if EMULATED:
        from tests.support.emulated import emulated_detector, kernel_detector

        if MODE == "kernels":
            return kernel_detector(precision=variant.precision, **arguments)
        return emulated_detector(MODE, **arguments)
    return TrtMtcnn(engines(variant), device="cuda", **arguments)


@cache
def cpu_detector() -> TrtMtcnn:
    return TrtMtcnn(device="cpu")


def expected_faces(img: Image, minsize: float, preset: Preset, **params: Any) -> Faces:
    """What the CPU path finds, whose kernels are in the module: nothing else need be installed."""
    return cpu_detector().detect(img, minsize, preset=preset, **params)


CARRIED = os.environ.get("TRT_MTCNN_GPU_EXPECTED")


@cache
def carried_results() -> dict[str, Faces]:
    """What the CPU path found in the labelled pictures on another machine; see make_expected.py."""
    entries = json.loads(Path(CARRIED).read_text()) if CARRIED else []
    return {
        key_of(e["picture"], e["minsize"], e["preset"]): (
            np.array(e["dets"], np.float32).reshape(-1, 5),
            np.array(e["landmarks"], np.float32).reshape(-1, 10),
        )
        for e in entries
    }


def key_of(picture: str, minsize: float, preset: str) -> str:
    return f"{picture} {minsize:g} {preset}"


@cache
def expected_results() -> list[dict[str, Any]]:
    """The committed results; see make_expected.py."""
    results: list[dict[str, Any]] = json.loads(Path(__file__).with_name("expected.json").read_text())
    return results


def compare(ours: Faces, theirs: Faces, bounds: Bounds, least_score: float) -> tuple[float, float, float]:
    """The largest differences of boxes, scores and landmarks, faces paired by place.

    Raises AssertionError where one has a face that the other lacks, unless its score is near enough to the least.
    """
    (dets, marks), (ref_dets, ref_marks) = ours, theirs
    if dets.dtype != np.float32 or marks.dtype != np.float32 or dets.shape[1:] != (5,) or marks.shape[1:] != (10,):
        raise AssertionError(f"results of {dets.dtype} {dets.shape} and {marks.dtype} {marks.shape}")
    ref_dets, ref_marks = np.asarray(ref_dets).reshape(-1, 5), np.asarray(ref_marks).reshape(-1, 10)
    apart = np.abs(dets[:, np.newaxis, :4] - ref_dets[:, :4]).max(axis=2, initial=0) if len(dets) else None
    largest = np.zeros(3)
    free = set(range(len(dets)))
    for i, (box, points) in enumerate(zip(ref_dets, ref_marks, strict=True)):
        near = [j for j in free if apart is not None and apart[j, i] <= 4 * bounds.boxes]
        if not near:
            if box[4] > least_score + bounds.doubt:
                raise AssertionError(f"the face at {box.round(1).tolist()} is missing among {dets.round(1).tolist()}")
            continue
        j = min(near, key=lambda j: float(apart[j, i]) if apart is not None else 0)
        free.remove(j)
        found = (
            np.abs(dets[j, :4] - box[:4]).max(),
            abs(dets[j, 4] - box[4]),
            np.abs(marks[j] - points).max(),
        )
        largest = np.maximum(largest, found)
    for j in free:
        if dets[j, 4] > least_score + bounds.doubt:
            raise AssertionError(f"there is a face too many, at {dets[j].round(3).tolist()}")
    if not (largest <= bounds[:3]).all():
        raise AssertionError(f"boxes, scores, landmarks differ by {largest.round(5).tolist()}, more than {bounds[:3]}")
    return float(largest[0]), float(largest[1]), float(largest[2])


@contextmanager
def cuda_driver_calls(ordinal: int = 0) -> Iterator[Callable[..., None]]:
    """Calls of CUDA's driver in the GPU's primary context, which is the CUDA runtime's; an error is a RuntimeError."""
    driver = ctypes.CDLL("libcuda.so.1")
    device, context = ctypes.c_int(), ctypes.c_void_p()

    def call(name: str, *arguments: Any) -> None:
        status = getattr(driver, name)(*arguments)
        if status != 0:
            raise RuntimeError(f"{name}: CUDA error {status}")

    call("cuInit", 0)
    call("cuDeviceGet", ctypes.byref(device), ordinal)
    call("cuDevicePrimaryCtxRetain", ctypes.byref(context), device)
    call("cuCtxPushCurrent_v2", context)
    try:
        yield call
    finally:
        call("cuCtxPopCurrent_v2", ctypes.byref(ctypes.c_void_p()))
        call("cuDevicePrimaryCtxRelease_v2", device)


def cuda_attribute(which: int, ordinal: int = 0) -> int:
    """A CUdevice_attribute of the GPU, by its number in cuda.h."""
    value = ctypes.c_int()
    with cuda_driver_calls(ordinal) as call:
        call("cuDeviceGetAttribute", ctypes.byref(value), which, ordinal)
    return value.value


def free_gpu_memory(ordinal: int = 0) -> int:
    """Bytes free on the GPU."""
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    with cuda_driver_calls(ordinal) as call:
        call("cuMemGetInfo_v2", ctypes.byref(free), ctypes.byref(total))
    return free.value


@contextmanager
def in_pinned_memory(pixels: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """A copy of an array in memory that CUDA has pinned."""
    address = ctypes.c_void_p()
    with cuda_driver_calls() as call:
        call("cuMemHostAlloc", ctypes.byref(address), ctypes.c_size_t(pixels.nbytes), 0)
        try:
            assert address.value
            pinned = np.ctypeslib.as_array((ctypes.c_uint8 * pixels.nbytes).from_address(address.value))
            pinned = pinned.reshape(pixels.shape)
            pinned[...] = pixels
            yield pinned
        finally:
            call("cuMemFreeHost", address)


@contextmanager
def in_gpu_memory(pixels: NDArray[np.uint8]) -> Iterator[int]:
    """The address of a copy of a C-contiguous array in the GPU's memory."""
    address = ctypes.c_uint64()
    with cuda_driver_calls() as call:
        call("cuMemAlloc_v2", ctypes.byref(address), ctypes.c_size_t(pixels.nbytes))
        try:
            call("cuMemcpyHtoD_v2", address, ctypes.c_void_p(pixels.ctypes.data), ctypes.c_size_t(pixels.nbytes))
            yield address.value
        finally:
            call("cuMemFree_v2", address)
