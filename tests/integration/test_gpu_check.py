"""benchmarks/gpu/check.py, as far as a machine without a GPU can run it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import pytrt
from tests.conftest import ROOT

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
    ended = run(tmp_path, "--emulate", "--no-tests", "--output", str(tmp_path / "report.json"))
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
    for stages in speed["stages"].values():
        assert {"load", "pnet", "rnet", "onet", "boxes"} <= set(stages)
    assert all(rate > 0 for rate in speed["throughput"].values())


def test_failures_are_recorded(tmp_path: Path) -> None:
    """What there is no time for is said so in a report that is written all the same, under its default name."""
    ended = run(tmp_path, "--emulate", "--limit", "1")
    assert ended.returncode == 1
    (path,) = tmp_path.glob("gpu-check-emulated-*.json")
    assert [(f["part"], f["why"]) for f in json.loads(path.read_text())["failed"]] == [
        ("machine", "there was no time left")
    ]
