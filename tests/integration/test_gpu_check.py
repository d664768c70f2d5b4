"""benchmarks/gpu/check.py, as far as a machine without a GPU can run it."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import pytrt
from benchmarks.gpu import counters, processes, summary
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
    parts = "engines,kernels,speed,endurance"
    ended = run(tmp_path, "--emulate", "--parts", parts, "--output", str(tmp_path / "report.json"))
    assert ended.returncode == 0, ended.stdout + ended.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["emulated"] is True and report["failed"] == []
    assert report["device"]["gpu"] == "emulated"
    assert len(report["smoke"]["faces"]) == 1 and report["smoke"]["runtime"] == "CUDA kernels, emulated"
    assert report["machine"]["variants"] == [["cpu", "fp32"]]  # which the networks run on
    variant, of_kernels = "cpu fp32", ("cuda fp32", "cuda fp16")
    assert set(report["engines"][variant]["networks"]) == {"pnet", "rnet", "onet"}
    assert set(report["seconds"]) == {"machine", "smoke", *(f"kernels {name}" for name in of_kernels)} | {
        f"{part} {variant}" for part in parts.split(",") if part != "kernels"
    }
    for name, suffix in zip(of_kernels, ("", "Fp16"), strict=True):
        (rows,) = report["kernels"][name]["frames"].values()
        kernels = {row["name"]: row for row in rows if row["kind"] == "kernel"}
        own = {"PnetConv1", "RnetConv2", "OnetDense"}
        assert {"SortRuns", "CropResize"} | {f"{kernel}{suffix}" for kernel in own} <= set(kernels)
        assert [name for name, row in kernels.items() if row["floor_us"] is None] == []  # the cost model knows each
        assert [row["launches"] for row in rows if row["kind"] == "wait"] > [0]
    speed = report["speed"][variant]
    assert speed["failed"] == {}
    assert set(speed["faces"].values()) == {1}
    for times in speed["latency"].values():
        assert 0 < times["p5_ms"] <= times["median_ms"] <= times["p95_ms"]
    assert set(speed["floors"]) == set(speed["stages"])
    for name, stages in speed["stages"].items():
        assert set(stages) == {"load", "pnet", "rnet", "onet", "lnet", "rest"}
        assert set(speed["floors"][name]) == {"load", "pnet", "rnet", "onet"}
        assert all(least > 0 for least in speed["floors"][name].values())
    endurance = report["endurance"][variant]
    assert (endurance["frames"], endurance["threads"], endurance["failed"]) == (20, 2, {})
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
    tools = ("memcheck", "initcheck")  # no kernel has shared memory, for which there is racecheck
    assert {tool: found["summary"] for tool, found in report["sanitize"].items()} == dict.fromkeys(
        tools, f"ERROR SUMMARY: {errors} errors"
    )
    assert all(found["tests"].startswith("Ran 1 test") for found in report["sanitize"].values())
    calls = log.read_text().splitlines()
    assert tuple(call.split()[1] for call in calls) == tools
    assert all("--error-exitcode 99" in call and "tests.gpu.test_threads" in call for call in calls)
    assert len(report["failed"]) == (2 if code else 0)


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
    assert "there is no sound; there are engines, tests, kernels, speed, torch, sanitize," in ended.stderr


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


def test_the_committed_results_are_those_of_the_cpu() -> None:
    """Else the GPU's tests fail on a GPU, for nothing."""
    command = [sys.executable, "-m", "tests.gpu.make_expected", "--check"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=200)
    assert (ended.returncode, ended.stdout) == (0, "expected.json: as found\n"), ended.stderr


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
        ("machine", "there was no time left"),
        ("run", "ended early: the native module does not load"),
    ]


def test_a_build_that_fails_ends_the_run(tmp_path: Path) -> None:
    """In a folder without sources, so that it fails at once."""
    folder = tmp_path / "benchmarks" / "gpu"
    folder.mkdir(parents=True)
    for name in ("check.py", "processes.py", "watchdog.py", "counters.py", "summary.py", "__init__.py"):
        shutil.copy(CHECK.with_name(name), folder)
    report = tmp_path / "report.json"
    command = [sys.executable, str(folder / "check.py"), "--emulate", "--output", str(report)]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    build, run = json.loads(report.read_text())["failed"]
    assert build["part"] == "build" and "setup.py" in build["why"]
    assert run == {"part": "run", "why": "ended early: the build failed"}


HANGS = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
print("child", child.pid, flush=True)
time.sleep(600)
"""


def is_running(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False


def test_a_part_that_hangs_is_ended_with_its_children() -> None:
    began = time.monotonic()
    ended = processes.run([sys.executable, "-c", HANGS], 1.5, dict(os.environ), ROOT)
    assert time.monotonic() - began < 20
    assert (ended.code, ended.hung, ended.gone) == (None, True, True)
    assert ended.problem == "stopped after 2 s"
    child = int(ended.output.split()[1])
    while is_running(child) and time.monotonic() - began < 20:  # it was killed, and is no child of ours to wait for
        time.sleep(0.01)
    assert not is_running(child)


def test_the_gpu_is_tried_again_after_a_part_that_hung(tmp_path: Path) -> None:
    """Where it detects, the run goes on; where it does not, the run ends."""
    folder = tmp_path / "benchmarks" / "gpu"
    folder.mkdir(parents=True)
    for name in ("check.py", "processes.py", "watchdog.py", "counters.py", "summary.py", "__init__.py"):
        shutil.copy(CHECK.with_name(name), folder)
    # In the parts' place: one hangs; what the smoke test says is in a file.
    (folder / "measure.py").write_text(
        "import pathlib, sys, time\n"
        "here = pathlib.Path(__file__)\n"
        "log = here.with_name('log')\n"
        "part = sys.argv[1]\n"
        "log.write_text((log.read_text() if log.exists() else '') + part + ' ')\n"
        "if part == 'engines' or (part == 'smoke' and here.with_name('wedged').exists()):\n"
        "    here.with_name('wedged').write_text('') if (here.with_name('wedges')).exists() else None\n"
        "    time.sleep(600)\n"
        'found = \'{"problem": null, "variants": [["cuda", "fp32"]]}\'\n'
        "pathlib.Path(sys.argv[2]).write_text(found if part == 'machine' else '{}')\n"
    )
    source = (folder / "check.py").read_text()
    assert '"engines": 200' in source and '"smoke": 30' in source
    source = source.replace('"engines": 200', '"engines": 2').replace('"smoke": 30', '"smoke": 2')
    source = source.replace("if limit < 5:", "if limit < 0.5:")
    (folder / "check.py").write_text(source)

    def check() -> tuple[list[str], dict[str, Any]]:
        (folder / "log").unlink(missing_ok=True)
        report = tmp_path / "report.json"
        command = [sys.executable, str(folder / "check.py"), "--emulate", "--no-build", "--output", str(report)]
        command += ["--parts", "engines,torch"]
        assert subprocess.run(command, capture_output=True, text=True, timeout=100).returncode == 1
        return (folder / "log").read_text().split(), json.loads(report.read_text())

    ran, report = check()
    assert ran == ["machine", "smoke", "engines", "smoke", "torch"]
    assert [f["part"] for f in report["failed"]] == ["engines cuda fp32"]
    (folder / "wedges").write_text("")
    ran, report = check()
    assert ran == ["machine", "smoke", "engines", "smoke"]
    assert report["failed"][-1] == {"part": "run", "why": "ended early: the GPU hangs"}


def test_the_watchdog_ends_a_run_that_is_stuck(tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    report.write_text('{"failed": [], "device": {"gpu": "x"}}')
    stuck = f"""
import os, subprocess, sys, time
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from benchmarks.gpu.processes import Watchdog
watchdog = Watchdog(0.5, Path({str(report)!r}), 0.5)
part = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
watchdog.watch(part.pid)
print(part.pid, flush=True)
time.sleep(600)
"""
    began = time.monotonic()
    ended = subprocess.run([sys.executable, "-c", stuck], capture_output=True, text=True, timeout=60)
    assert 1 <= time.monotonic() - began < 40
    assert ended.returncode == -9
    assert not is_running(int(ended.stdout))
    deadline = time.monotonic() + 10
    while not json.loads(report.read_text())["failed"] and time.monotonic() < deadline:
        time.sleep(0.05)
    found = json.loads(report.read_text())
    assert found["device"] == {"gpu": "x"}
    assert found["failed"] == [{"part": "watchdog", "why": "the run hung and was ended 1 s after its start"}]


def test_a_run_that_is_killed_leaves_nothing_behind(tmp_path: Path) -> None:
    killed = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from benchmarks.gpu.processes import Watchdog, run
watchdog = Watchdog(600, Path({str(tmp_path / "report.json")!r}))
watch, ours = watchdog.watch, os.getpid()
def tell(group):
    watch(group)
    print(group, flush=True)
    os.kill(ours, signal.SIGKILL)
watchdog.watch = tell
run([sys.executable, "-c", "import time; time.sleep(600)"], 500, dict(os.environ), Path("/"), watchdog)
"""
    ended = subprocess.run([sys.executable, "-c", killed], capture_output=True, text=True, timeout=60)
    assert ended.returncode == -9
    deadline = time.monotonic() + 10
    while is_running(int(ended.stdout)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(int(ended.stdout))


def test_the_watchdog_goes_with_the_run(tmp_path: Path) -> None:
    watchdog = processes.Watchdog(600, tmp_path / "report.json")
    watchdog.watch(0)
    watchdog.close()
    assert not (tmp_path / "report.json").exists()


def test_the_summary_of_a_gpus_report(capsys: pytest.CaptureFixture[str]) -> None:
    """As one has it, a kernel among them that the cost model does not know."""

    def row(name: str, us: float | None, floor: float | None, kind: str = "kernel") -> dict[str, Any]:
        return {"kind": kind, "name": name, "launches": 2, "amount": 8192, "us": us, "floor_us": floor}

    rows = [row("RnetConv2", 21.5, 18.7), row("New", 30, None), row("", None, None, "wait")]
    summary.say(
        {
            "failed": [{"part": "sanitize memcheck", "why": "ended with 99"}],
            "kernels": {"cuda fp32": {"frames": {"1 of 1920x1080, fast": rows}}},
            "torch": {"version": "2.11", "fp32": {"us": {"pnet": 400.4, "all": 900.0}}, "inputs": {}},
            "sanitize": {"memcheck": {"summary": "ERROR SUMMARY: 1 error", "tests": None}},
            "counters": {
                "RnetConv2": {"launches": [{"kernel": "k", "DRAM Throughput (%)": 12.5}]},
                "New": {"launches": [], "left out": "no permission"},
            },
        }
    )
    assert capsys.readouterr().out.splitlines() == [
        "memcheck: ERROR SUMMARY: 1 error",
        "cuda fp32: 1 of 1920x1080, fast: 103 us of the GPU in all that is enqueued; most of it:",
        "      2 x    30.00 us (floor not known) kernel New of 8,192",
        "      2 x    21.50 us (floor 18.70) kernel RnetConv2 of 8,192",
        "PyTorch fp32: pnet 400 us, all 900 us",
        "RnetConv2: DRAM Throughput (%) 12.5",
        "New: no permission",
        "FAILED sanitize memcheck: ended with 99",
    ]


PROFILER = """#!/bin/sh
echo "$@" >>"$LOG"
cat "$SAID"
"""


def test_profiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How it is called, and what becomes of what it says: in its place is what says the same."""
    tool = tmp_path / "cuda" / "bin" / "ncu"
    tool.parent.mkdir(parents=True)
    tool.write_text(PROFILER)
    tool.chmod(0o755)
    (tmp_path / "said").write_text(COUNTERS)
    for name, value in {"CUDA_HOME": tmp_path / "cuda", "LOG": tmp_path / "log", "SAID": tmp_path / "said"}.items():
        monkeypatch.setenv(name, str(value))
    arguments = ("--emulate", "--parts", "counters", "--output", str(tmp_path / "report.json"))
    ended = run(tmp_path, *arguments)
    assert ended.returncode == 0, ended.stdout
    assert set(json.loads((tmp_path / "report.json").read_text())["counters"]) == {"left out"}
    ended = run(tmp_path, *arguments, "--kernels", "RnetConv2,Compact")
    assert ended.returncode == 0, ended.stdout
    found = json.loads((tmp_path / "report.json").read_text())["counters"]
    assert list(found) == ["RnetConv2", "Compact"] and len(found["Compact"]["launches"]) == 2
    calls = (tmp_path / "log").read_text().splitlines()
    assert len(calls) == 2
    assert "--clock-control none" in calls[0]  # the GPU is left as it is
    assert "regex:[:<]RnetConv2[,>]" in calls[0] and "regex:[:<]Compact[,>]" in calls[1]


# As Nsight Compute 2025 writes it.
COUNTERS = """==PROF== Connected to process 1
"ID","Process ID","Process Name","Kernel Name","Section Name","Metric Name","Metric Unit","Metric Value"
"0","1","python3","run_kernel<RnetConv2>","GPU Speed Of Light Throughput","SM Frequency","Ghz","1.71"
"0","1","python3","run_kernel<RnetConv2>","GPU Speed Of Light Throughput","Elapsed Cycles","cycle","31,072"
"0","1","python3","run_kernel<RnetConv2>","Launch Statistics","Function Cache Configuration","","CachePreferNone"
"1","1","python3","run_kernel<RnetConv2>","GPU Speed Of Light Throughput","SM Frequency","Ghz","1.70"
"""


class TestCounters:
    def test_metrics_of_each_launch(self) -> None:
        assert counters.read_counters(COUNTERS) == {
            "launches": [
                {
                    "kernel": "run_kernel<RnetConv2>",
                    "SM Frequency (Ghz)": 1.71,
                    "Elapsed Cycles (cycle)": 31072.0,
                    "Function Cache Configuration": "CachePreferNone",
                },
                {"kernel": "run_kernel<RnetConv2>", "SM Frequency (Ghz)": 1.7},
            ]
        }

    def test_what_it_refuses_is_said(self) -> None:
        said = "==ERROR== ERR_NVGPUCTRPERM - The user does not have permission to access NVIDIA GPU Counters"
        assert counters.read_counters(f"begin\n{said}\n") == {"launches": [], "left out": said}

    def test_the_slowest_are_those_that_take_most_of_a_frame(self) -> None:
        def row(name: str, launches: int, us: float | None, kind: str = "kernel") -> dict[str, Any]:
            return {"kind": kind, "name": name, "launches": launches, "us": us}

        kernels = {
            "cuda fp32": {"frames": {"a": [row("A", 1, 9), row("B", 4, 3), row("", 1, 99, "upload"), row("C", 1, 5)]}},
            "cuda fp16": {"frames": {"a": [row("C", 2, 20), row("D", 9, None)]}},
        }
        assert counters.slowest_kernels(kernels, 3) == ["C", "B", "A"]
        assert counters.slowest_kernels({}, 3) == []
