"""Flavour "cuda", a GPU without TensorRT: its engines, when it is taken, and its faces beside the CPU's."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from benchmarks.gpu import agreement
from mtcnn import DeviceError, EngineError, TrtMtcnn, create_engines
from mtcnn.cascade import detect as run_cascade
from mtcnn.engines import NETWORKS, current_engines, engine_problem, load_engine, models_folder, read_engine
from mtcnn.engines import devices as found_devices
from mtcnn.engines import engines_folder as found_folder
from mtcnn.engines.settings import CUDA
from mtcnn.params import make_params
from pytrt.testing import EmulatedGpu
from tests.conftest import DATA, ROOT, read_picture
from tests.integration.test_gpu_code import assert_agree, assert_same
from tests.support import pictures
from tests.support.emulated import MODES, emulated_gpu, kernel_detector
from tests.support.lnet import lnet_model

Image = NDArray[np.uint8]


def bf16_detector() -> TrtMtcnn:
    return kernel_detector(precision="bf16")


@pytest.fixture(scope="module")
def cuda_engines(engines_folder: Path) -> dict[str, Path]:
    return dict(zip(NETWORKS, create_engines(flavour=CUDA), strict=True))


@pytest.fixture(scope="module", params=MODES)
def gpu(request: pytest.FixtureRequest, cuda_engines: Any) -> Iterator[TrtMtcnn]:
    """One for all tests, so that each finds what others left in its memory."""
    device = emulated_gpu(request.param, kernels=True)
    with kernel_detector(gpu=device) as shared:
        yield shared
    if request.param == "asynchronous":
        assert device.misuses() == []


class TestEngines:
    def test_are_the_models(self, cuda_engines: dict[str, Path]) -> None:
        """Made without a GPU, as any version reads them."""
        for network, path in cuda_engines.items():
            data, description = read_engine(path)
            assert data == (models_folder() / f"{network}.onnx").read_bytes()
            assert (description.flavour, description.precision) == (CUDA, "fp32")
            assert engine_problem(path, CUDA, network) is None
        assert current_engines(cuda_engines["pnet"].parent, CUDA, build=False) == list(cuda_engines.values())

    def test_are_not_another_flavours(self, cuda_engines: dict[str, Path], engines: dict[str, Path]) -> None:
        device = emulated_gpu(kernels=True)
        assert device.flavour == CUDA
        with pytest.raises(EngineError, match=r"rnet.engine is for cpu, not for CUDA kernels.*run create_engines"):
            load_engine(engines["rnet"], device)
        with pytest.raises(EngineError, match=r"rnet.engine is for cuda, not for native kernels"):
            load_engine(cuda_engines["rnet"], pytrt.CpuDevice("", 1))

    def test_float16(self, cuda_engines: dict[str, Path]) -> None:
        """The same file: its weights are rounded when they are loaded."""
        with kernel_detector(precision="fp16") as rounded:
            assert rounded.precision == "fp16"
        path = found_folder(CUDA, precision="fp16") / "onet.engine"
        assert path.read_bytes() == cuda_engines["onet"].read_bytes()
        assert read_engine(path)[1].precision == "fp16"
        assert engine_problem(path, CUDA, "onet", precision="fp32") == "onet.engine is fp16, not fp32"
        with kernel_detector(precision="auto") as exact:
            assert exact.precision == "fp32"

    def test_no_bfloat16(self, tmp_path: Path) -> None:
        for make in (lambda: create_engines(tmp_path, flavour=CUDA, precision="bf16"), bf16_detector):
            with pytest.raises(ValueError, match="precision 'bf16' is for CPUs: a GPU's engines are 'fp32' or 'fp16'"):
                make()

    def test_of_other_networks(self, tmp_path: Path) -> None:
        models = tmp_path / "models"
        shutil.copytree(models_folder(), models, ignore=shutil.ignore_patterns("*.py"))
        shutil.copy(models / "onet.onnx", models / "rnet.onnx")
        with pytest.raises(EngineError, match=r"rnet.onnx is onet, not rnet"):
            create_engines(tmp_path / "engines", models, flavour=CUDA)
        assert not list((tmp_path / "engines").glob("*.engine"))


class TestChoice:
    """What device="cuda" takes, on machines with a driver, a GPU of some kind, and some TensorRT or none."""

    @pytest.fixture(autouse=True)
    def machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.capability = (9, 0)
        self.libraries: set[str] = set()
        monkeypatch.delenv("TRT_MTCNN_TENSORRT", raising=False)
        monkeypatch.setattr(pytrt, "cuda_driver", lambda: ("", 13000, [("GPU", self.capability, 1 << 34)]))
        monkeypatch.setattr(pytrt, "has_cuda", lambda: True)
        monkeypatch.setattr(pytrt, "tensorrt_versions", lambda: ["11.1.0"])
        monkeypatch.setattr(found_devices, "tensorrt_libraries", self.find)

    def find(self, flavour: str) -> None:
        if flavour not in self.libraries:
            raise DeviceError(f"{flavour} was not found")

    @pytest.mark.parametrize(
        ("libraries", "capability", "flavour"),
        [
            ([], (9, 0), CUDA),
            (["tensorrt"], (9, 0), "tensorrt"),
            (["tensorrt", "tensorrt-rtx"], (8, 6), "tensorrt"),
            (["tensorrt-rtx"], (8, 6), "tensorrt-rtx"),
            (["tensorrt-rtx"], (12, 0), "tensorrt-rtx"),
            (["tensorrt-rtx"], (9, 0), CUDA),  # which it does not run on
        ],
    )
    def test_tensorrt_first(self, libraries: list[str], capability: tuple[int, int], flavour: str) -> None:
        self.libraries, self.capability = set(libraries), capability
        assert found_devices.gpu_flavour() == found_devices.machine_flavour() == flavour

    def test_a_build_without_headers(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.libraries = {"tensorrt"}
        monkeypatch.setattr(pytrt, "tensorrt_versions", list)
        assert found_devices.gpu_flavour() == CUDA
        with pytest.raises(DeviceError, match="made without TensorRT's headers"):
            found_devices.tensorrt_flavour()

    def test_a_tensorrt_that_was_asked_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_TENSORRT", "/nowhere")
        with pytest.raises(DeviceError, match="TensorRT is not installed: tensorrt was not found"):
            found_devices.gpu_flavour()

    def test_a_build_without_kernels(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(pytrt, "has_cuda", lambda: False)
        with pytest.raises(DeviceError, match="this build has no CUDA kernels"):
            found_devices.gpu_flavour()
        assert found_devices.machine_flavour() == "cpu"

    def test_other_networks_need_tensorrt(self) -> None:
        """An embedder, say."""
        with pytest.raises(DeviceError, match="TensorRT is not installed: tensorrt was not found"):
            found_devices.named_device("cuda")
        assert found_devices.named_device("auto") is found_devices.named_device("cpu")


def test_is_the_kernels(gpu: TrtMtcnn) -> None:
    assert isinstance(gpu.device, EmulatedGpu)
    assert gpu.runtime == "CUDA kernels, emulated"
    assert gpu.precision == "fp32"


@pytest.mark.parametrize("preset", ["fast", "port"])
def test_faces(preset: str, gpu: TrtMtcnn, detector: TrtMtcnn, face: Image) -> None:
    canvas = pictures.noise(150, 211, grain=30, seed=3)
    for side, x, y in [(40, 5, 5), (60, 60, 5), (90, 130, 40)]:
        pictures.paste(canvas, pictures.scaled(face, side), x, y)
    assert assert_agree(gpu, detector, canvas, 24, preset) >= 2
    batch = [canvas, canvas[:97, 50:], np.zeros((1, 1, 3), np.uint8), pictures.scaled(face, 61)]
    theirs = detector.detect_batch(batch, 30, preset=preset)
    for a, b in zip(gpu.detect_batch(batch, 30, preset=preset), theirs, strict=True):
        assert_same(a, b)


@pytest.mark.parametrize(
    "size", [(12, 12), (12, 90), (13, 13), (25, 61), (101, 33)], ids=lambda size: "{}x{}".format(*size)
)
def test_sizes(size: tuple[int, int], gpu: TrtMtcnn, detector: TrtMtcnn, face: Image) -> None:
    img = pictures.noise(*size, grain=4)
    pictures.paste(img, pictures.scaled(face, max(12, min(size) - 3)), 2, 1)
    # With thresholds this low, boxes of all kinds reach every stage; many reach beyond the picture.
    caps = {"thresholds": (0.05, 0.1, 0.05), "max_rnet": 60, "max_onet": 20}
    for preset in ("fast", "port"):
        assert_agree(gpu, detector, img, 12, preset, **caps)


@pytest.mark.slow
def test_levels_that_are_cut(cuda_engines: dict[str, Path], engines: dict[str, Path], face: Image) -> None:
    """A level larger than what is worked on at once, and one beside it."""
    img = pictures.tiled(pictures.scaled(face, 21), 50, 50)
    height, width = img.shape[:2]
    assert height * width > 1 << 20
    found = []
    for on, files in ((emulated_gpu(kernels=True), cuda_engines), (pytrt.CpuDevice("", 1), engines)):
        stages = pytrt.Stages(on, *(load_engine(files[network], on, network) for network in NETWORKS))
        stages.load([img], [(height, width)])
        levels = [(0, 300, 200, 300 / height, 200 / width), (0, height, width, 1.0, 1.0)]
        found.append((stages.pnet(levels, 0.95, 0.5, 0.7, 10**6), stages.boxes()))
        stages.unload()
    (count, boxes), (cpu_count, cpu_boxes) = found
    assert count == cpu_count > 50
    assert np.ptp(boxes[0][:, 1]) > 1000  # from the first tile to the last
    for a, b in zip(boxes, cpu_boxes, strict=True):
        np.testing.assert_allclose(np.sort(a, axis=0), np.sort(b, axis=0), rtol=0, atol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_landmark_net(mode: str, tmp_path: Path, face: Image) -> None:
    models = tmp_path / "models"
    shutil.copytree(models_folder(), models, ignore=shutil.ignore_patterns("*.py"))
    (models / "lnet.onnx").write_bytes(lnet_model())
    img = pictures.scaled(face, 90)
    with (
        kernel_detector(mode, engines=create_engines(tmp_path / "cuda", models, flavour=CUDA)) as ours,
        TrtMtcnn(create_engines(tmp_path / "cpu", models, flavour="cpu"), "cpu") as theirs,
    ):
        for preset in ("fast", "accurate"):
            assert_same(ours.detect(img, preset=preset), theirs.detect(img, preset=preset))
        plain = theirs.detect(img, landmark_net=False)[1]
        assert len(plain) == 1 and np.abs(plain - ours.detect(img)[1]).max() > 0.1


def test_engines_out_of_order(cuda_engines: dict[str, Path]) -> None:
    device = emulated_gpu(kernels=True)
    loaded = {network: load_engine(path, device) for network, path in cuda_engines.items()}
    with pytest.raises(EngineError, match="not in the order P-Net, R-Net, O-Net, L-Net"):
        pytrt.Stages(device, loaded["pnet"], loaded["onet"], loaded["rnet"])
    other = emulated_gpu("asynchronous", kernels=True)
    with pytest.raises(EngineError, match="another device"):
        pytrt.Stages(other, *loaded.values())


@pytest.mark.parametrize("name", ["2007_007763.jpg", "identification1.jpg"])
def test_photographs(name: str, cuda_engines: Any, detector: TrtMtcnn) -> None:
    img = read_picture(DATA / "photos" / name)
    with kernel_detector() as gpu:
        assert assert_agree(gpu, detector, img, 60, "accurate") > 0


@pytest.mark.parametrize("mode", MODES)
def test_float16_faces(mode: str, cuda_engines: Any, detector: TrtMtcnn, face: Image) -> None:
    """A picture, a batch with levels and frames that end within a tile, and one without faces."""
    canvas = pictures.noise(97, 131, grain=30, seed=3)
    pictures.paste(canvas, pictures.scaled(face, 60), 50, 20)
    batch = [canvas, canvas[:, 40:], np.zeros((1, 1, 3), np.uint8), pictures.scaled(face, 61), canvas[:12, :13]]
    device = emulated_gpu(mode, kernels=True)
    with kernel_detector(gpu=device, precision="fp16") as gpu:
        for preset in ("fast", "accurate"):
            theirs = detector.detect_batch(batch, 30, preset=preset)
            found = gpu.detect_batch(batch, 30, preset=preset)
            for a, b in zip(found, theirs, strict=True):
                assert_fp16(a, b)
            assert_same(gpu.detect(canvas, 30, preset=preset), found[0])  # whatever lies beside it
            assert [len(dets) for dets, _ in found] == [1, 1, 0, 1, 0]
    if mode == "asynchronous":
        assert device.misuses() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "preset"),
    [
        ("photos/identification1.jpg", "fast"),
        ("wider100/images/0_Parade_Parade_0_72.jpg", "accurate"),
    ],
)
def test_float16_decides_as_float32(name: str, preset: Any, cuda_engines: Any, detector: TrtMtcnn) -> None:
    """With P-Net and R-Net rounded to float16, a face is 8 pixels off in the one and another appears in the other."""
    img = read_picture(DATA / name)
    with kernel_detector(precision="fp16") as gpu:
        ours, theirs = (d.detect(img, preset=preset) for d in (gpu, detector))
    assert_fp16(ours, theirs)


def assert_fp16(ours: Any, theirs: Any) -> None:
    assert len(ours[0]) == len(theirs[0])
    np.testing.assert_allclose(ours[0][:, :4], theirs[0][:, :4], rtol=0, atol=2)
    np.testing.assert_allclose(ours[0][:, 4], theirs[0][:, 4], rtol=0, atol=1e-2)
    np.testing.assert_allclose(ours[1], theirs[1], rtol=0, atol=2)


def test_agreement_is_measured(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    picture = str(ROOT / "docs" / "images" / "astronaut.jpg")
    for most, code in (("1e-3", 0), ("0", 1)):
        monkeypatch.setattr("sys.argv", ["agreement", "--emulate", "--preset", "fast", "--most", most, picture])
        assert agreement.main() == code
        assert "1 pictures, 1 faces, 0 pictures with others; largest differences" in capsys.readouterr().out
    faces = np.float32([[0, 0, 9, 9, 0.9], [20, 0, 29, 9, 0.9]]), np.zeros((2, 10), np.float32)
    assert agreement.differences(faces, faces) == (0, 0)
    assert agreement.differences((faces[0][::-1], faces[1]), faces) == (0, 0)
    assert agreement.differences((faces[0][:1], faces[1][:1]), faces) is None
    assert agreement.differences((faces[0][[0, 0]], faces[1]), faces) is None
    assert agreement.differences((faces[0] + np.float32([2, 0, 0, 0, 0]), faces[1]), faces) == (2, 0)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "precision"), [("allocate", "fp16"), ("kernel", "fp32"), ("kernel", "fp16")])
def test_calls_that_fail_once(kind: str, precision: str, cuda_engines: dict[str, Path], face: Image) -> None:
    """Call k fails, for some k up to the last: what comes after is as if nothing had."""
    gpu = emulated_gpu("asynchronous", kernels=True)
    small = pictures.noise(40, 44, grain=9, seed=1)
    pictures.paste(small, pictures.scaled(face, 34), 4, 3)
    params = make_params("fast", {"minsize": 24})
    models = [path.read_bytes() for path in cuda_engines.values()]
    loaded = [gpu.load_engine(model, precision) for model in models]
    expected = run_cascade(pytrt.Stages(gpu, *loaded), [small], params)
    k, failed = 0, True
    while failed:
        gpu.fail(kind, k)
        try:
            stages = pytrt.Stages(gpu, *(gpu.load_engine(model, precision) for model in models))
            run_cascade(stages, [small], params)
        except DeviceError:
            pass
        failed = gpu.mend()
        stages = stages if kind == "kernel" else pytrt.Stages(gpu, *loaded)
        for _ in range(2):
            assert_same(run_cascade(stages, [small], params)[0], expected[0])
        k += 1 + k // 2
    assert k > 20
    assert gpu.misuses() == []
