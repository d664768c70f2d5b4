"""Engines built by TensorRT-RTX, which needs no GPU to build, and every way in which that can fail."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mtcnn.engines
import pytrt
from mtcnn import DeviceError, EngineError, TrtMtcnn, create_engines
from mtcnn.cli.create_engines import main
from mtcnn.engines import (
    NETWORKS,
    current_engines,
    engine_problem,
    engines_folder,
    load_engine,
    models_folder,
    read_engine,
)
from mtcnn.engines.libraries import openvino_library, tensorrt_libraries
from mtcnn.engines.onnx_float16 import to_float16
from mtcnn.engines.settings import BuildSettings, parse_target
from mtcnn.engines.tensorrt import build_tensorrt, tensorrt, tensorrt_version
from tests.conftest import ROOT

onnx = pytest.importorskip("onnx")
ort = pytest.importorskip("onnxruntime")

RTX = "tensorrt-rtx"
DRIVER_PROBLEM = pytrt.cuda_driver()[0]
SIDES = {"rnet": 24, "onet": 48}


def missing() -> str | None:
    """Why TensorRT-RTX cannot build here."""
    if not any(version.startswith("11.") for version in pytrt.tensorrt_versions()):
        return "this build was made without the headers of TensorRT 11: make tensorrt-headers, then build again"
    try:
        tensorrt_libraries(RTX)
    except DeviceError as error:
        return str(error)
    return None


WHY_NOT = missing()
needs_rtx = pytest.mark.skipif(WHY_NOT is not None, reason=f"TensorRT-RTX cannot build here: {WHY_NOT}")
needs_bindings = pytest.mark.skipif(
    not importlib.util.find_spec("tensorrt_rtx_bindings"),
    reason="targets need TensorRT-RTX's Python package: pip install 'trt-mtcnn[tensorrt-rtx]'",
)
needs_no_gpu = pytest.mark.skipif(not DRIVER_PROBLEM, reason="this machine has a GPU")


def model_bytes(network: str) -> bytes:
    return (models_folder() / f"{network}.onnx").read_bytes()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ".lock"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of engines by precision."""
    folder = tmp_path_factory.mktemp("rtx")
    for precision in ("fp32", "fp16"):
        create_engines(folder / precision, precision=precision, flavour=RTX)
    return {precision: folder / precision for precision in ("fp32", "fp16")}


@pytest.fixture
def engines_copy(built: dict[str, Path], tmp_path: Path) -> Path:
    """A folder of engines to do harm to."""
    return Path(shutil.copytree(built["fp32"], tmp_path / "engines"))


@needs_rtx
class TestBuild:
    @pytest.mark.parametrize("precision", ["fp32", "fp16"])
    @pytest.mark.parametrize("network", NETWORKS)
    def test_engine_and_its_description(self, network: str, precision: str, built: dict[str, Path]) -> None:
        path = built[precision] / f"{network}.engine"
        engine = path.read_bytes()
        assert engine[:4] == b"vtrt"  # a plan and nothing around it
        said = json.loads(path.with_name(f"{network}.engine.json").read_text())
        details = said.pop("details")
        assert said == {
            "network": network,
            "model_sha256": digest(model_bytes(network)),
            "engine_sha256": digest(engine),
            "flavour": RTX,
            "flavour_version": tensorrt_version(RTX),
            "precision": precision,
            "format": 2,
        }
        assert details["profile"] == [list(shape) for shape in BuildSettings().profile(network)]
        assert ("compute_capability" in details) == (not DRIVER_PROBLEM)
        assert engine_problem(path, RTX, network) is None
        assert read_engine(path)[0] == engine

    def test_folder_holds_engines_and_descriptions_only(self, built: dict[str, Path]) -> None:
        for folder in built.values():
            assert sorted(files(folder)) == sorted(f"{n}.engine{end}" for n in NETWORKS for end in ("", ".json"))
            assert current_engines(folder, RTX, build=False) == [folder / f"{n}.engine" for n in NETWORKS]

    def test_float16_halves_the_weights(self, built: dict[str, Path]) -> None:
        sizes = {p: (folder / "onet.engine").stat().st_size for p, folder in built.items()}
        weights = 4 * 389_040
        assert sizes["fp32"] - sizes["fp16"] > 0.4 * weights

    def test_library(self) -> None:
        library = tensorrt(RTX)
        assert library.is_rtx
        assert library.version.startswith("1.")

    def test_profiles_can_be_set(self, tmp_path: Path) -> None:
        settings = BuildSettings(pnet_size=(320, 480), pnet_batch=(1, 2), rnet_batch=(8, 32), onet_batch=(4, 8))
        create_engines(tmp_path, flavour=RTX, settings=settings)
        profiles = {n: read_engine(tmp_path / f"{n}.engine")[1].details["profile"] for n in NETWORKS}
        assert profiles == {
            "pnet": [[1, 3, 12, 12], [1, 3, 320, 480], [2, 3, 320, 480]],
            "rnet": [[1, 3, 24, 24], [8, 3, 24, 24], [32, 3, 24, 24]],
            "onet": [[1, 3, 48, 48], [4, 3, 48, 48], [8, 3, 48, 48]],
        }

    def test_workspace_and_optimization_level_reach_the_builder(self) -> None:
        model, profile = model_bytes("rnet"), BuildSettings().profile("rnet")
        library = tensorrt(RTX)
        assert library.build(model, [profile], workspace=1 << 30, optimization_level=0)[0]
        with pytest.raises(EngineError, match="workspace"):
            library.build(model, [profile], workspace=1 << 16)

    def test_custom_models(self, tmp_path: Path) -> None:
        """A model that differs from the package's own makes engines that are stale for the package."""
        shutil.copytree(models_folder(), tmp_path / "models")
        model = onnx.load(tmp_path / "models" / "rnet.onnx")
        model.doc_string = "another"
        onnx.save(model, tmp_path / "models" / "rnet.onnx")
        create_engines(tmp_path / "engines", tmp_path / "models", flavour=RTX)
        problem = engine_problem(tmp_path / "engines" / "rnet.engine", RTX, "rnet")
        assert problem == "rnet.engine was made from another model"


class TestSettings:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"pnet_size": (11, 640)}, "pnet_size"),
            ({"pnet_batch": (2, 1)}, "pnet_batch"),
            ({"rnet_batch": (0, 4)}, "rnet_batch"),
            ({"onet_batch": (65, 64)}, "onet_batch"),
            ({"workspace": -1}, "workspace"),
            ({"optimization_level": 6}, "optimization_level"),
            ({"optimization_level": -2}, "optimization_level"),
        ],
    )
    def test_wrong_settings_are_named(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ValueError, match=message):
            BuildSettings(**settings)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"pnet_size": 640}, "pnet_size must be a tuple of two whole numbers, got 640"),
            ({"pnet_size": (640, 640.0)}, r"pnet_size\[1\] must be a whole number"),
            ({"rnet_batch": (1, 2, 3)}, "rnet_batch must be a tuple of two"),
            ({"workspace": 1.5}, "workspace must be a whole number"),
            ({"optimization_level": None}, "optimization_level must be a whole number"),
            ({"targets": 86}, "targets must be a tuple"),
            ({"targets": ("sm_86",)}, r"targets\[0\] must be a whole number"),
        ],
    )
    def test_wrong_types_are_named(self, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(TypeError, match=message):
            BuildSettings(**settings)

    def test_best_p_net_shape_stays_within_a_small_canvas(self) -> None:
        assert BuildSettings(pnet_size=(100, 2000)).profile("pnet")[1] == (1, 3, 100, 768)

    @needs_rtx
    @pytest.mark.parametrize(
        ("profile", "error", "message"),
        [
            (((8, 3, 24, 24), (4, 3, 24, 24), (256, 3, 24, 24)), ValueError, "min <= opt <= max"),
            (((1, 3, 24, 24), (64, 3, 24, 24), (32, 3, 24, 24)), ValueError, "min <= opt <= max"),
            (
                ((0, 3, 24, 24), (1, 3, 24, 24), (1, 3, 24, 24)),
                ValueError,
                "sizes in profiles must be at least 1, got 0",
            ),
            (((1, 3, 20, 20), (1, 3, 20, 20), (1, 3, 20, 20)), EngineError, "profile has min=20"),
            (((1, 4, 24, 24), (1, 4, 24, 24), (1, 4, 24, 24)), EngineError, "axis 1"),
        ],
    )
    def test_profiles_that_do_not_fit(self, profile: Any, error: type[Exception], message: str) -> None:
        with pytest.raises(error, match=message):
            tensorrt(RTX).build(model_bytes("rnet"), [profile])

    @needs_rtx
    def test_wrong_numbers_at_the_lowest_level(self) -> None:
        library, model, profile = tensorrt(RTX), model_bytes("rnet"), BuildSettings().profile("rnet")
        with pytest.raises(ValueError, match="workspace"):
            library.build(model, [profile], workspace=-1)
        with pytest.raises(ValueError, match="optimization_level"):
            library.build(model, [profile], optimization_level=6)
        with pytest.raises(EngineError, match="no optimization profile"):
            library.build(model, [])

    def test_wrong_flavour_and_precision(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match="flavour must be.*'tensorrt-rtx'.*got 'cuda'"):
            create_engines(tmp_path / "a", flavour="cuda")
        with pytest.raises(ValueError, match="precision must be one of.*got 'int8'"):
            create_engines(tmp_path / "a", precision="int8", flavour=RTX)
        with pytest.raises(ValueError, match="'bf16' is for CPUs"):
            create_engines(tmp_path / "a", precision="bf16", flavour=RTX)
        with pytest.raises(ValueError, match="targets need flavour tensorrt-rtx"):
            create_engines(tmp_path / "a", flavour="cpu", settings=BuildSettings(targets=(86,)))
        assert not (tmp_path / "a").exists()


class TestTargets:
    @pytest.mark.parametrize("text", ["sm_86", "sm86", "SM_86", "86", "8.6", " 8.6 "])
    def test_ways_to_name_one(self, text: str) -> None:
        assert parse_target(text) == 86

    def test_two_digit_major(self) -> None:
        assert parse_target("12.0") == parse_target("sm_120") == 120

    @pytest.mark.parametrize("text", ["", "sm_", "sm_8", "8.65", "sm_90a", "ampere", "-86", "sm_86;sm_89"])
    def test_what_names_none(self, text: str) -> None:
        with pytest.raises(ValueError, match="target must be like sm_86 or 8.6"):
            parse_target(text)

    @needs_rtx
    @needs_bindings
    def test_plans_for_one_and_for_several(self, tmp_path: Path) -> None:
        plans = set()
        for targets in [(86,), (89,), (120,), (86, 89)]:
            folder = tmp_path / "-".join(map(str, targets))
            create_engines(folder, flavour=RTX, settings=BuildSettings(targets=targets))
            for network in NETWORKS:
                plan, description = read_engine(folder / f"{network}.engine")
                assert description.details["targets"] == list(targets)
                assert "compute_capability" not in description.details
                assert description.details["profile"] == [list(s) for s in BuildSettings().profile(network)]
                assert description.flavour_version == tensorrt_version(RTX)
                assert engine_problem(folder / f"{network}.engine", RTX, network) is None or not DRIVER_PROBLEM
                assert plan[:4] == b"vtrt"
                plans.add(digest(plan))
        assert len(plans) == 4 * len(NETWORKS)

    @needs_bindings
    def test_code_in_the_plan_differs_by_target(self) -> None:
        """Not only a build's random parts, or what the header says of targets: the bulk of it."""

        def build(target: int) -> NDArray[np.uint8]:
            built = build_tensorrt(RTX, "pnet", model_bytes("pnet"), BuildSettings(targets=(target,)))
            return np.frombuffer(built.engine, np.uint8)

        def apart(a: NDArray[np.uint8], b: NDArray[np.uint8]) -> float:
            if len(a) != len(b):
                return 1.0
            return float((a != b).mean())

        again = apart(build(86), build(86))
        assert apart(build(86), build(120)) > again

    @needs_bindings
    @pytest.mark.parametrize("targets", [(61,), (90,), (86, 90)])
    def test_unsupported_ones(self, targets: tuple[int, ...], tmp_path: Path) -> None:
        with pytest.raises(EngineError) as caught:
            create_engines(tmp_path, flavour=RTX, settings=BuildSettings(targets=targets))
        refused = next(t for t in targets if t in (61, 90))
        assert f"does not build for sm_{refused}" in str(caught.value)
        assert "it does for sm_75, sm_80, sm_86, sm_89, sm_120, sm_121" in str(caught.value)
        assert files(tmp_path) == {}

    @needs_bindings
    def test_settings_reach_the_builder(self) -> None:
        model = model_bytes("rnet")
        with pytest.raises(EngineError, match="workspace"):
            build_tensorrt(RTX, "rnet", model, BuildSettings(targets=(86,), workspace=1 << 16))
        with pytest.raises(EngineError, match="profile has min=12"):
            build_tensorrt(RTX, "pnet", model, BuildSettings(targets=(86,)))
        built = build_tensorrt(
            RTX, "rnet", model, BuildSettings(targets=(86,), workspace=1 << 30, optimization_level=0)
        )
        assert built.details["targets"] == [86]

    @needs_bindings
    def test_float16(self) -> None:
        sizes = [
            len(build_tensorrt(RTX, "onet", model, BuildSettings(targets=(86,))).engine)
            for model in (model_bytes("onet"), to_float16(model_bytes("onet")))
        ]
        assert sizes[0] - sizes[1] > 0.4 * 4 * 389_040

    @needs_bindings
    def test_progress_and_cancelling(self) -> None:
        said: list[tuple[str, int, int]] = []

        def interrupt(*what: Any) -> None:
            said.append(what)
            raise KeyboardInterrupt

        before = threading.active_count()
        with pytest.raises(KeyboardInterrupt):
            build_tensorrt(RTX, "onet", model_bytes("onet"), BuildSettings(targets=(86, 89, 120)), interrupt)
        assert threading.active_count() == before  # the build has ended, too
        (what, done, steps) = said[0]
        assert what.startswith("onet: ") and 0 <= done <= steps

    @needs_bindings
    def test_cancelled_build_stops(self) -> None:
        from mtcnn.engines import rtx_targets

        monitor = rtx_targets.Monitor()
        monitor.cancel()
        settings = BuildSettings(targets=(86,))
        with pytest.raises(EngineError, match="cannot build the engine"):
            rtx_targets.build(model_bytes("onet"), settings.profile("onet"), settings, monitor)
        assert monitor.phases() == []

    def test_package_missing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "tensorrt_rtx_bindings", None)
        monkeypatch.delitem(sys.modules, "mtcnn.engines.rtx_targets", raising=False)
        monkeypatch.delattr(mtcnn.engines, "rtx_targets", raising=False)
        with pytest.raises(DeviceError, match=r"tensorrt_rtx_bindings.*pip install 'trt-mtcnn\[tensorrt-rtx\]'"):
            create_engines(tmp_path, flavour=RTX, settings=BuildSettings(targets=(86,)))
        assert files(tmp_path) == {}


@needs_rtx
class TestProgress:
    def test_phases_are_reported(self) -> None:
        progress, seen, done = pytrt.BuildProgress(), set(), threading.Event()

        def watch() -> None:
            while not done.is_set():
                seen.update(progress.phases())

        watcher = threading.Thread(target=watch)
        watcher.start()
        tensorrt(RTX).build(model_bytes("onet"), [BuildSettings().profile("onet")], progress=progress)
        done.set()
        watcher.join()
        names = {name for name, _, _ in seen}
        assert "Building engine" in names
        assert all(0 <= step <= steps for _, step, steps in seen)
        assert progress.phases() == []

    def test_callback(self, tmp_path: Path) -> None:
        said: list[tuple[str, int, int]] = []
        create_engines(tmp_path, flavour=RTX, progress=lambda *what: said.append(what))
        own = [what for what in said if what[0] == "done" or what[0].endswith(": building")]
        assert own == [("pnet: building", 0, 3), ("rnet: building", 1, 3), ("onet: building", 2, 3), ("done", 3, 3)]

    def test_cancelled_before_and_during(self) -> None:
        library, model, profile = tensorrt(RTX), model_bytes("onet"), BuildSettings().profile("onet")
        progress = pytrt.BuildProgress()
        progress.cancel()
        with pytest.raises(pytrt.BuildCancelled):
            library.build(model, [profile], progress=progress)

        progress = pytrt.BuildProgress()

        def cancel_once_it_builds() -> None:
            while not progress.phases():
                pass
            progress.cancel()

        thread = threading.Thread(target=cancel_once_it_builds)
        thread.start()
        with pytest.raises(pytrt.BuildCancelled):
            library.build(model, [profile], progress=progress)
        thread.join()

    @pytest.mark.parametrize("network", ["pnet", "onet"])
    def test_ctrl_c(self, network: str, engines_copy: Path, tmp_path: Path) -> None:
        """The command ends with 130 and leaves what was there as it was, whatever it had already built."""
        before = files(engines_copy)
        # Ctrl-C comes while the thread that builds the network is running.
        script = f"""
import os, signal, sys, threading, time
from mtcnn.cli.create_engines import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background may have been told to ignore it

def press():
    while not any(thread.name == "build-{network}" for thread in threading.enumerate()):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGINT)

threading.Thread(target=press, daemon=True).start()
sys.exit(main(["--flavour", "{RTX}", "--precision", "fp16", "--output", sys.argv[1]]))
"""
        for folder in (engines_copy, tmp_path / "new"):
            command = [sys.executable, "-c", script, str(folder)]
            ended = subprocess.run(command, capture_output=True, text=True, timeout=60, cwd=ROOT)
            assert ended.returncode == 130, ended.stderr
            assert "engines that were there are as they were" in " ".join(ended.stderr.split())
            assert "Traceback" not in ended.stderr
            assert ended.stdout == ""
        assert files(engines_copy) == before
        assert files(tmp_path / "new") == {}


def a_model(nodes: Sequence[Any], inputs: Sequence[str], shape: Sequence[Any] = ("n", 3, 24, 24)) -> bytes:
    """An ONNX model; shapes of outputs are left open."""
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    ins = [helper.make_tensor_value_info(name, kind, shape) for name in inputs]
    out = helper.make_tensor_value_info("y", kind, None)
    graph = helper.make_graph(nodes, "made up", ins, [out])
    return bytes(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]).SerializeToString())


def node(kind: str, *inputs: str, **attributes: int) -> Any:
    return onnx.helper.make_node(kind, list(inputs), ["y"], name=f"a_{kind}", **attributes)


@needs_rtx
class TestModels:
    @pytest.mark.parametrize(
        ("model", "message"),
        [
            (b"no model at all " * 50, "Failed to parse the ONNX model"),
            (model_bytes("rnet")[:5000], "Failed to parse the ONNX model"),
            (model_bytes("rnet")[:-1], "Failed to parse the ONNX model"),
            (a_model([node("Frobnicate", "x")], ["x"]), r"a_Frobnicate \(Frobnicate\).*Plugin not found"),
            (a_model([node("Add", "x", "z")], ["x", "z"]), "one input of four dimensions"),
            (a_model([node("Relu", "x")], ["x"], ["n", 3, 24]), "one input of four dimensions"),
            (a_model([node("Cast", "x", to=10)], ["x"]), '"y" is not float32'),
            (b"", "one input of four dimensions"),
        ],
        ids=["garbage", "half", "a byte short", "unknown op", "two inputs", "three dimensions", "float16", "empty"],
    )
    def test_broken_ones_in_the_parsers_words(self, model: bytes, message: str, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=message):
            tensorrt(RTX).build(model, [BuildSettings().profile("rnet")])
        if importlib.util.find_spec("tensorrt_rtx_bindings"):
            with pytest.raises(EngineError, match=message.replace(r"a_Frobnicate \(Frobnicate\).*", "")):
                build_tensorrt(RTX, "rnet", model, BuildSettings(targets=(86,)))
        shutil.copytree(models_folder(), tmp_path / "models")
        (tmp_path / "models" / "rnet.onnx").write_bytes(model)
        with pytest.raises(EngineError, match=message):
            create_engines(tmp_path / "engines", tmp_path / "models", flavour=RTX)
        assert files(tmp_path / "engines") == {}  # P-Net, which was well, is not left behind alone

    def test_broken_ones_in_float16(self, tmp_path: Path) -> None:
        shutil.copytree(models_folder(), tmp_path / "models")
        for model in (b"no model at all", model_bytes("rnet")[:5000], a_model([node("Frobnicate", "x")], ["x"])):
            (tmp_path / "models" / "rnet.onnx").write_bytes(model)
            with pytest.raises(EngineError, match="ONNX"):
                create_engines(tmp_path / "engines", tmp_path / "models", "fp16", flavour=RTX)

    def test_missing_one(self, tmp_path: Path) -> None:
        with pytest.raises(EngineError, match=r"there is no model .*pnet\.onnx: check the folder of models"):
            create_engines(tmp_path / "engines", tmp_path, flavour=RTX)

    @pytest.mark.parametrize(("name", "content"), [("rnet", "pnet"), ("pnet", "onet"), ("onet", "rnet")])
    def test_one_network_under_anothers_name(self, name: str, content: str, tmp_path: Path) -> None:
        shutil.copytree(models_folder(), tmp_path / "models")
        shutil.copy(models_folder() / f"{content}.onnx", tmp_path / "models" / f"{name}.onnx")
        with pytest.raises(EngineError, match=f"{name}.onnx .*it is not a {name}"):
            create_engines(tmp_path / "engines", tmp_path / "models", flavour=RTX)


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


def change(**fields: Any) -> Callable[[Path], None]:
    """Changes fields of R-Net's description; None removes one."""

    def harm(folder: Path) -> None:
        path = folder / "rnet.engine.json"
        said = json.loads(path.read_text()) | fields
        path.write_text(json.dumps({k: v for k, v in said.items() if v is not None}))

    return harm


def rewrite(name: str, edit: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def harm(folder: Path) -> None:
        (folder / name).write_bytes(edit((folder / name).read_bytes()))

    return harm


def flip(data: bytes) -> bytes:
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]


HARM: dict[str, tuple[Callable[[Path], object], str]] = {
    "no engine": (lambda f: (f / "rnet.engine").unlink(), "there is no "),
    "no description": (lambda f: (f / "rnet.engine.json").unlink(), "there is no description .*rnet.engine.json"),
    "cut off": (rewrite("rnet.engine", lambda b: b[:-100]), "rnet.engine is damaged"),
    "empty": (rewrite("rnet.engine", lambda b: b""), "rnet.engine is damaged"),
    "a bit flipped": (rewrite("rnet.engine", flip), "rnet.engine is damaged"),
    "description cut off": (rewrite("rnet.engine.json", lambda b: b[:50]), "rnet.engine.json is damaged"),
    "description no JSON": (rewrite("rnet.engine.json", lambda b: b"\xff\x00"), "rnet.engine.json is damaged"),
    "description a list": (rewrite("rnet.engine.json", lambda b: b"[]"), "rnet.engine.json is of another version"),
    "other format": (change(format=99), "rnet.engine.json is of another version"),
    "field missing": (change(flavour_version=None), "rnet.engine.json is damaged"),
    "field unknown": (change(colour="red"), "rnet.engine.json is damaged"),
    "precision unknown": (change(precision="int3"), "rnet.engine.json is damaged"),
    "flavour unknown": (change(flavour="onnxruntime"), "rnet.engine.json is damaged"),
    "other flavour": (change(flavour="tensorrt"), "rnet.engine is for tensorrt, not tensorrt-rtx"),
    "a CPU's": (change(flavour="cpu"), "rnet.engine is for cpu, not tensorrt-rtx"),
    "other network": (change(network="onet"), "rnet.engine is an engine of onet"),
    "stale": (change(model_sha256="0" * 64), "rnet.engine was made from another model"),
    "other version": (change(flavour_version="1.0.9"), r"rnet.engine was made by tensorrt-rtx 1.0.9; 1\.\d"),
    "other files": (
        lambda f: (f / "rnet.engine").write_bytes((f / "onet.engine").read_bytes()),
        "rnet.engine is damaged or not the one that rnet.engine.json describes",
    ),
}


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


@needs_rtx
class TestCommand:
    def run(self, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
        code = main(["--flavour", RTX, *arguments])
        said = capsys.readouterr()
        return code, said.out, " ".join(said.err.split())

    @needs_bindings
    def test_builds(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, out, err = self.run(
            capsys,
            "--output",
            str(tmp_path),
            "--target",
            "sm_86,8.9",
            "--pnet-size",
            "640x960",
            "--rnet-batch",
            "16,64",
        )
        assert code == 0, err
        assert out.splitlines() == [str(tmp_path / f"{network}.engine") for network in NETWORKS]
        details = [read_engine(Path(line))[1].details for line in out.splitlines()]
        assert [d["targets"] for d in details] == [[86, 89]] * 3
        assert details[0]["profile"][2] == [8, 3, 640, 960]
        assert details[1]["profile"][1:] == [[16, 3, 24, 24], [64, 3, 24, 24]]

    def test_no_build(self, engines_copy: Path, capsys: pytest.CaptureFixture[str]) -> None:
        before = files(engines_copy)
        code, out, _ = self.run(capsys, "--output", str(engines_copy), "--no-build")
        assert code == 0
        assert out.splitlines() == [str(engines_copy / f"{network}.engine") for network in NETWORKS]
        assert files(engines_copy) == before
        HARM["stale"][0](engines_copy)
        before = files(engines_copy)
        code, out, err = self.run(capsys, "--output", str(engines_copy), "--no-build")
        assert (code, out) == (1, "")
        assert "rnet.engine was made from another model" in err
        assert files(engines_copy) == before

    def test_no_build_of_nothing(self, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        code, _, err = self.run(capsys, "--output", str(tmp_path / "none"), "--no-build")
        assert code == 1 and "there is no " in err
        assert not (tmp_path / "none").exists()

    @pytest.mark.parametrize(
        ("arguments", "code", "message"),
        [
            pytest.param(["--target", "sm_90"], 1, "does not build for sm_90", marks=needs_bindings),
            (["--target", "hopper"], 2, "target must be like"),
            (["--pnet-size", "640"], 2, "--pnet-size"),
            (["--rnet-batch", "64,8"], 2, "rnet_batch"),
            (["--onet-batch", "a,b"], 2, "--onet-batch"),
            (["--workspace", "-5"], 2, "--workspace"),
            (["--optimization-level", "9"], 2, "optimization_level"),
            (["--precision", "bf16"], 2, "for CPUs"),
            (["--models", "/nowhere"], 1, "there is no model"),
        ],
    )
    def test_refusals(
        self, arguments: list[str], code: int, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        got, out, err = self.run(capsys, "--output", str(tmp_path), *arguments)
        assert (got, out) == (code, "")
        assert message in err and "Traceback" not in err
        assert files(tmp_path) == {}

    @pytest.mark.parametrize("arguments", [["--flavour", "vulkan"], ["--precision", "int8"], ["--workspace", "much"]])
    def test_argparse_refusals(self, arguments: list[str]) -> None:
        with pytest.raises(SystemExit) as caught:
            main(arguments)
        assert caught.value.code == 2


@needs_rtx
class TestTwoProcesses:
    def start(self, code: str, folder: Path) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-c", code, str(folder)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def test_building_into_one_folder(self, tmp_path: Path) -> None:
        codes = [
            "import sys; from mtcnn.cli.create_engines import main; "
            f"sys.exit(main(['--flavour', '{RTX}', '--output', sys.argv[1], '--precision', '{precision}']))"
            for precision in ("fp32", "fp16")
        ]
        runs = [self.start(code, tmp_path) for code in codes]
        for run in runs:
            _, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
        assert current_engines(tmp_path, RTX, build=False)
        # One came after the other: the engines are of one of them, not a mixture.
        assert len({read_engine(tmp_path / f"{network}.engine")[1].precision for network in NETWORKS}) == 1
        assert sorted(files(tmp_path)) == sorted(f"{n}.engine{end}" for n in NETWORKS for end in ("", ".json"))

    def test_first_use_builds_once(self, tmp_path: Path) -> None:
        code = (
            "import logging, sys; from pathlib import Path; from mtcnn.engines import current_engines; "
            "logging.basicConfig(level='INFO', stream=sys.stdout, format='%(message)s'); "
            f"current_engines(Path(sys.argv[1]), '{RTX}')"
        )
        runs = [self.start(code, tmp_path) for _ in range(3)]
        said = ""
        for run in runs:
            out, err = run.communicate(timeout=120)
            assert run.returncode == 0, err
            said += out
        assert said.count("building engines in") == 1


class TestFloat16:
    """The converted models beside the originals, both run by ONNX Runtime."""

    def difference(self, network: str, pictures: NDArray[np.float32]) -> dict[str, float]:
        model = model_bytes(network)
        outputs = []
        for version in (model, to_float16(model)):
            session = ort.InferenceSession(version, providers=["CPUExecutionProvider"])
            outputs.append(dict(zip((o.name for o in session.get_outputs()), session.run(None, {"data": pictures}))))
        return {name: float(np.abs(outputs[0][name] - outputs[1][name]).max()) for name in outputs[0]}

    def windows(self, face: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.int32]:
        """The face shifted and scaled, and squares from all over the picture."""
        centre, side = (face[:2] + face[2:]) / 2, float(face[3] - face[1])
        n = 64
        centres = np.concatenate([centre + rng.normal(0, side / 6, (n, 2)), rng.uniform(0, 512, (n, 2))])
        halves = np.concatenate([side * rng.uniform(0.35, 0.8, n), rng.uniform(6, 120, n)])[:, None]
        return np.concatenate([centres - halves, centres + halves], axis=1).round().astype(np.int32)

    @pytest.mark.parametrize("network", ["rnet", "onet"])
    def test_crops_of_a_photo(self, network: str, astronaut: NDArray[np.uint8], detector: TrtMtcnn) -> None:
        face = detector.detect(astronaut)[0][0, :4]
        windows = self.windows(face, np.random.default_rng(0))
        crops = pytrt.crop_resize(astronaut, windows, SIDES[network])
        apart = self.difference(network, crops)
        assert apart["prob1"] < 5e-3
        assert apart["boxes"] < 1e-2  # of the box's side
        assert apart.get("landmarks", 0) < 1e-2

    def test_photo(self, astronaut: NDArray[np.uint8]) -> None:
        for side in (60, 154, 400, 512):
            apart = self.difference("pnet", pytrt.resize(astronaut, side, side)[np.newaxis])
            assert apart["prob1"] < 5e-3
            assert apart["boxes"] < 1e-2

    @pytest.mark.parametrize("network", NETWORKS)
    def test_random_pictures(self, network: str) -> None:
        side = SIDES.get(network, 96)
        rng = np.random.default_rng(1)
        pictures = (rng.integers(0, 256, (32, 3, side, side)) - 127.5) / 128
        apart = self.difference(network, pictures.astype(np.float32))
        assert apart["prob1"] < 5e-3
        assert apart["boxes"] < 1e-2

    @pytest.mark.parametrize("network", NETWORKS)
    def test_what_is_converted(self, network: str) -> None:
        half = onnx.load_from_string(to_float16(model_bytes(network)))
        onnx.checker.check_model(half, full_check=True)
        float32, float16 = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
        kinds = {i.name: i.data_type for i in half.graph.initializer}
        layers = [n for n in half.graph.node if n.op_type in ("Conv", "Gemm", "MatMul")]
        outputs = {o.name for o in half.graph.output}
        softmaxes = {n.input[0] for n in half.graph.node if n.op_type == "Softmax"}
        heads = {n.name for n in layers if (outputs | softmaxes) & set(n.output)}
        assert len(heads) == len(outputs)
        kept = heads | {layers[0].name}
        assert {n.name: kinds[n.input[1]] for n in layers} == {
            n.name: float32 if n.name in kept else float16 for n in layers
        }
        for value in (*half.graph.input, *half.graph.output):
            assert value.type.tensor_type.elem_type == float32
        session = ort.InferenceSession(half.SerializeToString(), providers=["CPUExecutionProvider"])
        side = SIDES.get(network, 30)
        for output in session.run(None, {"data": np.zeros((1, 3, side, side), np.float32)}):
            assert output.dtype == np.float32

    def test_unnamed_nodes(self) -> None:
        """The converter knows nodes by their names; a model without any is converted all the same."""
        model = onnx.load_from_string(model_bytes("rnet"))
        for n in model.graph.node:
            n.name = ""
        halves = [to_float16(bytes(m)) for m in (model_bytes("rnet"), model.SerializeToString())]
        kinds = [[i.data_type for i in onnx.load_from_string(half).graph.initializer] for half in halves]
        assert kinds[0] == kinds[1]
        assert onnx.TensorProto.FLOAT16 in kinds[0]
