"""Engines that cannot be used as they are, told apart and built again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import pytrt
from mtcnn import DeviceError, EngineError, create_engines
from mtcnn.engines import (
    current_engines,
    engine_problem,
    engines_folder,
)
from mtcnn.engines.settings import BuildSettings
from mtcnn.engines.tensorrt import tensorrt
from tests.support.damaged_engines import HARM, change
from tests.support.tensorrt import RTX, model_bytes, needs_bindings, needs_no_gpu, needs_rtx

pytestmark = pytest.mark.slow


@needs_rtx
class TestProblems:
    @pytest.mark.parametrize("harm", HARM)
    def test_told_apart(self, harm: str, engines_copy: Path) -> None:
        assert engine_problem(engines_copy / "rnet.engine", RTX, "rnet") is None
        do, message = HARM[harm]
        do(engines_copy)
        problem = engine_problem(engines_copy / "rnet.engine", RTX, "rnet")
        assert problem is not None
        with pytest.raises(EngineError, match=message):
            current_engines(engines_copy, RTX, build=False)
        assert problem in str(pytest.raises(EngineError, current_engines, engines_copy, RTX, build=False).value)
        assert engine_problem(engines_copy / "pnet.engine", RTX, "pnet") is None

    def test_rebuilt(self, engines_copy: Path, caplog: pytest.LogCaptureFixture) -> None:
        HARM["cut off"][0](engines_copy)
        with caplog.at_level("INFO", "mtcnn"):
            paths = current_engines(engines_copy, RTX)
        assert "rnet.engine is damaged" in caplog.text
        assert paths == current_engines(engines_copy, RTX, build=False)
        caplog.clear()
        with caplog.at_level("INFO", "mtcnn"):
            current_engines(engines_copy, RTX)
        assert caplog.text == ""

    @needs_bindings
    def test_other_gpus(self, tmp_path: Path, engines_copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """The description beside what a driver would say: of this machine's own driver nothing is asked here."""
        create_engines(tmp_path / "86", flavour=RTX, settings=BuildSettings(targets=(86, 89)))
        change(details={"compute_capability": [8, 6], "gpu": "RTX 3090"})(engines_copy)

        def gpus(*capabilities: tuple[int, int]) -> None:
            found = [("a GPU", capability, 8 << 30) for capability in capabilities]
            monkeypatch.setattr(pytrt, "cuda_driver", lambda: ("", 13000, found))

        def problems(gpu: int = 0) -> tuple[str | None, str | None]:
            return (
                engine_problem(tmp_path / "86" / "rnet.engine", RTX, "rnet", gpu),
                engine_problem(engines_copy / "rnet.engine", RTX, "rnet", gpu),
            )

        gpus((8, 6), (8, 9), (12, 0))
        assert problems() == problems(0) == (None, None)
        assert problems(1) == (None, "rnet.engine was made for compute capability [8, 6]; GPU 1 has [8, 9]")
        assert problems(2) == (
            "rnet.engine was made for sm_86, sm_89; GPU 2 is sm_120",
            "rnet.engine was made for compute capability [8, 6]; GPU 2 has [12, 0]",
        )
        with pytest.raises(EngineError, match="rnet.engine was made for .*; GPU 2 has"):
            current_engines(engines_copy, RTX, build=False, gpu=2)
        gpus((12, 0), (8, 6))
        assert problems(1) == (None, None)
        assert problems(0) != (None, None)

    def test_folders_of_several_gpus(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        found = [("RTX 4090", (8, 9), 0), ("RTX 4090", (8, 9), 0), ("L40", (8, 9), 0), ("RTX 5090", (12, 0), 0)]
        monkeypatch.setattr(pytrt, "cuda_driver", lambda: ("", 13000, found))
        monkeypatch.setenv("TRT_MTCNN_ENGINES", str(tmp_path))
        assert [engines_folder(RTX, gpu).name for gpu in range(4)] == [
            RTX,
            RTX,
            f"{RTX}-sm_89-L40",
            f"{RTX}-sm_120-RTX-5090",
        ]

    def test_no_such_gpu(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        monkeypatch.setattr(pytrt, "cuda_driver", lambda: ("", 13000, [("RTX 4090", (8, 9), 0)]))
        with pytest.raises(DeviceError, match="there is no GPU 1: this machine has 1"):
            create_engines(tmp_path, flavour=RTX, settings=BuildSettings(gpu=1))

    @needs_no_gpu
    def test_gpu_without_a_driver(self) -> None:
        with pytest.raises(DeviceError, match=r"libcuda\.so\.1|GPU 0 cannot be used"):
            tensorrt(RTX).build(model_bytes("rnet"), [BuildSettings().profile("rnet")], gpu=0)

    def test_library_gone(self, engines_copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_TENSORRT", str(tmp_path))
        with pytest.raises(DeviceError, match="was not found"):
            current_engines(engines_copy, RTX)

    def test_folder_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        with pytest.raises(EngineError, match="cannot write to .*; choose another folder"):
            create_engines(tmp_path / "file" / "engines", flavour=RTX)
        if os.geteuid() != 0:  # whom modes do not bind
            closed = tmp_path / "closed"
            closed.mkdir(mode=0o500)
            with pytest.raises(EngineError, match="cannot write to .*Permission denied"):
                create_engines(closed, flavour=RTX)
