"""Engines built by TensorRT-RTX, which needs no GPU to build, and the settings that it is built with."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from mtcnn import EngineError, create_engines
from mtcnn.engines import (
    NETWORKS,
    current_engines,
    engine_problem,
    models_folder,
    read_engine,
)
from mtcnn.engines.settings import BuildSettings
from mtcnn.engines.tensorrt import tensorrt, tensorrt_version
from tests.support.tensorrt import DRIVER_PROBLEM, RTX, digest, files, model_bytes, needs_rtx

pytestmark = pytest.mark.slow

onnx = pytest.importorskip("onnx")


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
        for precision, folder in built.items():
            assert sorted(files(folder)) == sorted(f"{n}.engine{end}" for n in NETWORKS for end in ("", ".json"))
            assert current_engines(folder, RTX, build=False) == [folder / f"{n}.engine" for n in NETWORKS]
            assert current_engines(folder, RTX, build=False, precision=precision)

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
            ({"pnet_size": 640.0}, r"pnet_size must be a tuple of two whole numbers, \(height, width\), got 640"),
            ({"rnet_batch": 64}, r"rnet_batch must be a tuple of two whole numbers, \(opt, max\), got 64"),
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
        with pytest.raises(ValueError, match="flavour must be.*'tensorrt-rtx'.*got 'openvino'"):
            create_engines(tmp_path / "a", flavour="openvino")
        with pytest.raises(ValueError, match="precision must be one of.*got 'int8'"):
            create_engines(tmp_path / "a", precision="int8", flavour=RTX)
        with pytest.raises(ValueError, match="'bf16' is for CPUs"):
            create_engines(tmp_path / "a", precision="bf16", flavour=RTX)
        with pytest.raises(ValueError, match='targets must come with flavour="tensorrt-rtx"'):
            create_engines(tmp_path / "a", flavour="cpu", settings=BuildSettings(targets=(86,)))
        assert not (tmp_path / "a").exists()
