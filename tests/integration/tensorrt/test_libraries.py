"""What is said where TensorRT or a GPU is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

import pytrt
from mtcnn import DeviceError, EngineError, TrtMtcnn, create_engines
from mtcnn.engines import (
    NETWORKS,
    load_engine,
)
from mtcnn.engines.libraries import tensorrt_libraries
from mtcnn.engines.tensorrt import tensorrt
from tests.support.tensorrt import DRIVER_PROBLEM, RTX, files, needs_no_gpu, needs_rtx

pytestmark = pytest.mark.slow


@needs_no_gpu
class TestWithoutGpu:
    def test_detector_on_cuda(self) -> None:
        with pytest.raises(DeviceError) as caught:
            TrtMtcnn(device="cuda")
        assert DRIVER_PROBLEM in str(caught.value)
        assert 'device="cuda" cannot be used' in str(caught.value) and 'device="cpu" works' in str(caught.value)

    def test_full_tensorrt(self, tmp_path: Path) -> None:
        with pytest.raises(DeviceError, match="only on a machine with the GPU.*--flavour tensorrt-rtx"):
            create_engines(tmp_path, flavour="tensorrt")
        assert files(tmp_path) == {}

    @needs_rtx
    def test_plans_do_not_load(self, built: dict[str, Path]) -> None:
        for folder in built.values():
            for network in NETWORKS:
                with pytest.raises(DeviceError, match="NVIDIA driver.*install a newer driver"):
                    tensorrt(RTX).describe((folder / f"{network}.engine").read_bytes())

    @needs_rtx
    def test_detector_on_plans(self, built: dict[str, Path]) -> None:
        paths = [built["fp32"] / f"{network}.engine" for network in NETWORKS]
        missing = "NVIDIA driver" if pytrt.has_cuda() else "no CUDA kernels"
        for device in ("auto", "cuda"):
            with pytest.raises(DeviceError, match=missing if device == "auto" else "NVIDIA driver"):
                TrtMtcnn(paths, device=device)
        with pytest.raises(EngineError, match="is for tensorrt-rtx, not for native kernels.*run create_engines"):
            TrtMtcnn(paths, device="cpu")
        with pytest.raises(DeviceError, match=missing):
            load_engine(paths[0])
        with pytest.raises(DeviceError, match=missing):
            pytrt.PyTrtMtcnn(paths[1], (3, 24, 24))


class TestLibraries:
    """What TRT_MTCNN_TENSORRT may lead to."""

    def use(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        patch.setenv("TRT_MTCNN_TENSORRT", str(folder))

    def test_none(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.use(tmp_path, monkeypatch)
        with pytest.raises(DeviceError, match=r"libtensorrt_rtx.so.1 was not found.*pip install.*TRT_MTCNN_TENSORRT"):
            create_engines(tmp_path / "engines", flavour=RTX)
        with pytest.raises(DeviceError, match=r"libnvinfer.so.11\|10 was not found.*apt"):
            tensorrt("tensorrt")

    @needs_rtx
    def test_no_parser(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        runtime = Path(tensorrt_libraries(RTX).runtime)
        (tmp_path / runtime.name).symlink_to(runtime)
        self.use(tmp_path, monkeypatch)
        with pytest.raises(DeviceError, match=r"libtensorrt_rtx.so.1 is there, but its ONNX parser .* is not"):
            tensorrt(RTX)

    @pytest.mark.skipif(not pytrt.tensorrt_versions(), reason="this build was made without TensorRT's headers")
    @pytest.mark.parametrize("content", [b"", b"not a library\n" * 100])
    def test_no_library(self, content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"):
            (tmp_path / name).write_bytes(content)
        self.use(tmp_path, monkeypatch)
        with pytest.raises(DeviceError, match=f"cannot load {tmp_path}/libtensorrt_rtx.so.1"):
            tensorrt(RTX)

    @pytest.mark.skipif(not pytrt.tensorrt_versions(), reason="this build was made without TensorRT's headers")
    def test_another_library(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        for name in ("libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1"):
            (tmp_path / name).symlink_to(pytrt._pytrt.__file__)
        self.use(tmp_path, monkeypatch)
        with pytest.raises(DeviceError, match="has no function createInferBuilder_INTERNAL: its version does not fit"):
            tensorrt(RTX)

    @pytest.mark.skipif(bool(pytrt.tensorrt_versions()), reason="this build has TensorRT's headers")
    def test_build_without_headers(self) -> None:
        with pytest.raises(DeviceError, match="make tensorrt-headers"):
            pytrt.TensorRt("libtensorrt_rtx.so.1", "libtensorrt_onnxparser_rtx.so.1")
