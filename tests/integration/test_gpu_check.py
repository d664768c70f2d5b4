"""benchmarks/gpu/check.py, as far as a machine without a GPU can run it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

import pytrt
from mtcnn.engines import NETWORKS, models_folder
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

CHECK = ROOT / "benchmarks" / "gpu" / "check.py"


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """With engines and report in `folder`."""
    environment = os.environ | {"TRT_MTCNN_GPU_ENGINES": str(folder / "engines"), "OUT": str(folder)}
    command = [sys.executable, str(CHECK), "--no-build", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=200, env=environment)


@pytest.mark.skipif(not pytrt.cuda_driver()[0], reason="this machine has a GPU: make gpu-check")
def test_no_gpu(tmp_path: Path) -> None:
    ended = run(tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.startswith("no GPU to check: ")
    assert ended.stdout == ""
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_emulated(tmp_path: Path) -> None:
    ended = run(tmp_path, "--emulate", "--parts", "engines,speed,endurance", "--output", str(tmp_path / "report.json"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["emulated"] is True and report["failed"] == []
    assert report["machine"]["variants"] == [["emulated", "fp32"]]
    assert set(report["engines"]["emulated fp32"]["networks"]) == {"pnet", "rnet", "onet"}
    speed = report["speed"]["emulated fp32"]
    assert speed["failed"] == {}
    assert set(speed["faces"].values()) == {8}
    for times in speed["latency"].values():
        assert 0 < times["p5_ms"] <= times["median_ms"] <= times["p95_ms"]
    assert set(speed["floors"]) == set(speed["stages"])
    for name, stages in speed["stages"].items():
        assert set(stages) == {"load", "pnet", "rnet", "onet", "lnet", "rest"}
        assert set(speed["floors"][name]) == {"load", "pnet", "rnet", "onet"}
        assert all(least > 0 for least in speed["floors"][name].values())
    endurance = report["endurance"]["emulated fp32"]
    assert (endurance["frames"], endurance["threads"], endurance["failed"]) == (40, 2, {})
    assert "tests" not in report and "sanitize" not in report
    assert all(rate > 0 for rate in speed["throughput"].values())


# In place of compute-sanitizer, which is not there without CUDA's toolkit: says what it was told, runs the tests.
SANITIZER = """#!/bin/sh
echo "$@" >>"$LOG"
while [ "$1" != -m ]; do shift; done
shift 2
"$PYTHON" -m unittest -v tests.gpu.test_detect.TestItself.test_batches || exit 1
echo "========= ERROR SUMMARY: $ERRORS errors"
exit $CODE
"""


@pytest.mark.slow
@pytest.mark.parametrize(("errors", "code"), [(0, 0), (3, 99)])
def test_sanitizer(errors: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How it is found and called, and what becomes of what it says."""
    tool = tmp_path / "cuda" / "bin" / "compute-sanitizer"
    tool.parent.mkdir(parents=True)
    tool.write_text(SANITIZER)
    tool.chmod(0o755)
    log = tmp_path / "log"
    given = {"CUDA_HOME": tmp_path / "cuda", "PYTHON": sys.executable, "LOG": log, "ERRORS": errors, "CODE": code}
    for name, value in given.items():
        monkeypatch.setenv(name, str(value))
    ended = run(tmp_path, "--emulate", "--parts", "sanitize", "--output", str(tmp_path / "report.json"))
    assert ended.returncode == (1 if code else 0), ended.stdout
    report = json.loads((tmp_path / "report.json").read_text())
    assert {tool: found["summary"] for tool, found in report["sanitize"].items()} == dict.fromkeys(
        ("memcheck", "racecheck", "initcheck"), f"ERROR SUMMARY: {errors} errors"
    )
    assert all(found["tests"].startswith("Ran 1 test") for found in report["sanitize"].values())
    calls = log.read_text().splitlines()
    assert [call.split()[1] for call in calls] == ["memcheck", "racecheck", "initcheck"]
    assert all("--error-exitcode 99" in call and "tests.gpu.test_threads" in call for call in calls)
    assert len(report["failed"]) == (3 if code else 0)


def test_no_sanitizer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))
    if Path("/usr/local/cuda/bin/compute-sanitizer").exists():
        pytest.skip("this machine has compute-sanitizer")
    ended = run(tmp_path, "--emulate", "--parts", "sanitize", "--output", str(tmp_path / "report.json"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert json.loads((tmp_path / "report.json").read_text())["sanitize"] == {
        "left out": "compute-sanitizer is neither in CUDA_HOME nor in the PATH"
    }


def test_unknown_part(tmp_path: Path) -> None:
    ended = run(tmp_path, "--emulate", "--parts", "speed,sound")
    assert ended.returncode == 2
    assert "there is no sound; there are engines, speed, endurance, tests, sanitize" in ended.stderr


@pytest.fixture(scope="module")
def floors() -> ModuleType:
    spec = importlib.util.spec_from_file_location("floors", CHECK.with_name("floors.py"))
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class TestFloors:
    @pytest.mark.parametrize("network", NETWORKS)
    def test_operations_are_those_of_the_model(self, network: str, floors: ModuleType) -> None:
        onnx = pytest.importorskip("onnx")
        ort = pytest.importorskip("onnxruntime")
        height, width = {"pnet": (71, 90), "rnet": (24, 24), "onet": (48, 48)}[network]
        model = onnx.load(models_folder() / f"{network}.onnx")
        weights = {w.name: list(w.dims) for w in model.graph.initializer}
        layers = [node for node in model.graph.node if node.op_type in ("Conv", "Gemm")]
        for node in layers:
            model.graph.output.append(onnx.helper.make_empty_tensor_value_info(node.output[0]))
        session = ort.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        made = session.run([node.output[0] for node in layers], {"data": np.zeros((1, 3, height, width), np.float32)})
        counted = sum(2.0 * out.size * np.prod(weights[n.input[1]][1:]) for n, out in zip(layers, made, strict=True))
        assert floors.flops(getattr(floors, network.upper()), height, width) == pytest.approx(counted, rel=1e-12)

    def test_the_slowest_part_counts(self, floors: ModuleType) -> None:
        size, levels = (1080, 1920), [(324, 576), (230, 409)]

        def least(upload: float, memory: float, flops: float, half: bool = False) -> dict[str, float]:
            rates = floors.Rates(upload, memory, flops)
            return dict(floors.floors(rates, size, levels, (500, 120), half))

        assert least(25e9, 1e30, 1e30) == {"load": pytest.approx(0.24883), "pnet": 0, "rnet": 0, "onet": 0}
        computed = least(1e30, 1e30, 1e12)
        assert computed["onet"] == pytest.approx(120 * 25.8e6 / 1e9, rel=0.01)
        assert computed["rnet"] == pytest.approx(500 * 3.06e6 / 1e9, rel=0.01)
        assert least(1e30, 1e30, 1e12, half=True)["onet"] == 0
        assert least(1e30, 1e9, 1e30)["rnet"] == pytest.approx(1000 * 500 * 2 * 4 * 3 * 24 * 24 / 1e9)

    def test_rates(self, floors: ModuleType) -> None:
        assert all(rate > 1e8 for rate in floors._cpu_rates())


def test_carried_results(tmp_path: Path) -> None:
    """What one machine found is what another compares with, and differences are found."""
    data = tmp_path / "data"
    (data / "photos").mkdir(parents=True)
    shutil.copy(ROOT / "docs" / "images" / "astronaut.jpg", data / "photos")
    carried = tmp_path / "carried.json"
    environment = os.environ | {"TRT_MTCNN_DATA": str(data), "TRT_MTCNN_EMULATE": "1"}

    def python(*arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", *arguments]
        return subprocess.run(command, env=environment | more, cwd=ROOT, capture_output=True, text=True, timeout=200)

    made = python("tests.gpu.make_expected", "--data", str(carried))
    assert made.returncode == 0, made.stderr
    assert made.stdout == "carried.json: 3 results, 3 faces\n"
    test = ("unittest", "tests.gpu.test_detect.TestLabelledPictures.test_photos")
    ended = python(*test, TRT_MTCNN_GPU_EXPECTED=str(carried))
    assert ended.returncode == 0 and "OK" in ended.stderr, ended.stderr
    entries = json.loads(carried.read_text())
    entries[0]["dets"][0][0] += 3
    carried.write_text(json.dumps(entries))
    ended = python(*test, TRT_MTCNN_GPU_EXPECTED=str(carried))
    assert ended.returncode == 1 and "boxes, scores, landmarks differ by [3.0" in ended.stderr


@pytest.mark.slow
def test_the_gpus_tests_on_the_model_of_one() -> None:
    """What of them needs neither a GPU nor TensorRT, where all is done as a GPU and its streams would."""
    command = [sys.executable, "-m", "unittest", "tests.gpu.test_detect.TestItself", "tests.gpu.test_threads"]
    environment = os.environ | {"TRT_MTCNN_EMULATE": "asynchronous"}
    ended = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert ended.returncode == 0 and "OK" in ended.stderr, ended.stderr


def test_failures_are_recorded(tmp_path: Path) -> None:
    """What there is no time for is said so in a report that is written all the same, under its default name."""
    ended = run(tmp_path, "--emulate", "--limit", "1")
    assert ended.returncode == 1
    (path,) = tmp_path.glob("gpu-check-emulated-*.json")
    assert [(f["part"], f["why"]) for f in json.loads(path.read_text())["failed"]] == [
        ("machine", "there was no time left")
    ]
