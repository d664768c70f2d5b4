"""Engines for other machines' GPUs."""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import mtcnn.engines
from mtcnn import DeviceError, EngineError, create_engines
from mtcnn.engines import (
    NETWORKS,
    engine_problem,
    read_engine,
)
from mtcnn.engines.onnx_float16 import to_float16
from mtcnn.engines.settings import BuildSettings, parse_target
from mtcnn.engines.tensorrt import build_tensorrt, tensorrt_version
from mtcnn.runtime.install import install_command
from tests.support.tensorrt import DRIVER_PROBLEM, RTX, digest, files, model_bytes, needs_bindings, needs_rtx

pytestmark = pytest.mark.slow


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
        with pytest.raises(DeviceError, match="tensorrt_rtx_bindings.*" + re.escape(install_command(RTX))):
            create_engines(tmp_path, flavour=RTX, settings=BuildSettings(targets=(86,)))
        assert files(tmp_path) == {}
