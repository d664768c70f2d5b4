"""The benchmark's processes, with our own detector."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks.peers.processes import ROOT, Detector, first_face
from benchmarks.speed.contest import Entry, race
from benchmarks.speed.floor import machine_peak
from benchmarks.speed.footprint import footprints, import_times
from benchmarks.speed.quiet import Quiet
from mtcnn import TrtMtcnn

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bench") / "astronaut.npy"
    np.save(path, cv2.imread(str(ROOT / "docs" / "images" / "astronaut.jpg")))
    return path


@pytest.fixture(scope="module")
def ours(engines: dict[str, Path]) -> Iterator[Detector]:
    detector = Detector("trt-mtcnn fast", cores=1, engines=[str(path) for path in engines.values()])
    yield detector
    detector.close()


def test_it_finds_what_a_detector_here_finds(ours: Detector, detector: TrtMtcnn, image: Path) -> None:
    answer = ours.call(image, 40, 3)
    assert len(answer["ms"]) == 3 and all(ms > 0 for ms in answer["ms"])
    assert answer["dets"] == detector.detect(np.load(image), preset="fast")[0].tolist()


def test_it_keeps_to_its_cores(ours: Detector) -> None:
    assert len(os.sched_getaffinity(ours.process.pid)) == 1


def test_it_starts_as_many_threads_as_it_is_told(engines: dict[str, Path], image: Path) -> None:
    paths = [str(path) for path in engines.values()]
    started = []
    for threads in (1, 3):
        detector = Detector("trt-mtcnn fast", threads=threads, engines=paths)
        detector.call(image, 40)
        started.append(len(os.listdir(f"/proc/{detector.process.pid}/task")))
        detector.close()
    assert started[0] == 1 and started[1] >= 3


def test_threads_share_the_work(ours: Detector, image: Path) -> None:
    assert ours.throughput(image, 40, callers=2, seconds=0.2)["per_second"] > 0


def test_memory_is_of_the_process_alone(ours: Detector) -> None:
    ballast = np.ones(1 << 27, np.uint8)  # this process is larger than the one asked
    assert 20 < ours.peak_memory() < 250 and ballast[-1] == 1


def test_what_fails_is_told(ours: Detector, image: Path) -> None:
    assert "minsize" in ours.call(image, 3)["error"]
    assert "minsize" in ours.throughput(image, 3, callers=2, seconds=0.1)["error"]
    assert len(ours.call(image, 40)["dets"]) == 1


def test_a_contest(ours: Detector, image: Path) -> None:
    quiet = Quiet.of([ours.process.pid])
    (result,) = race([Entry(ours.name, 40, {1: ours})], [image], 1, quiet, ours.name, ours.name)
    assert (result["found"], result["missed"], result["extra"], result["threads"]) == (1, 0, 0, 1)
    assert result["ratios"]["40"]["median_ratio"] == 1 and len(quiet.waits) == 1
    assert 0 < result["p10_ms"] <= result["median_ms"] <= result["p90_ms"]


def test_start_and_memory(engines: dict[str, Path], image: Path) -> None:
    params = {"engines": [str(path) for path in engines.values()]}
    answer = first_face("trt-mtcnn fast", image, 40, **params)
    assert answer["faces"] == 1 and answer["ms"] > 10
    good, bad = footprints(
        {"good": ("trt-mtcnn fast", params), "bad": ("trt-mtcnn fast", {"engines": []})}, image, 40, 1
    )
    assert good["peak_mb"] > 20 and good["start_to_first_face"]["median_ms"] > 10
    assert bad["detector"] == "bad" and bad["error"]


def test_imports() -> None:
    times = import_times(1)
    assert 0 < times["import mtcnn"]["median_ms"] < times["from mtcnn import TrtMtcnn"]["median_ms"]


@pytest.mark.slow
@pytest.mark.slow
def test_float16_is_near_and_not_the_same(detector: TrtMtcnn, image: Path) -> None:
    pytest.importorskip("onnxconverter_common")
    pytest.importorskip("onnxruntime")
    dets, landmarks = detector.detect(np.load(image), 40)
    far = {}
    for precision in ("fp32", "fp16"):
        reference = Detector("reference accurate", precision=precision)
        answer = reference.call(image, 40)
        reference.close()
        assert np.abs(np.array(answer["landmarks"]) - landmarks).max() < 0.5
        far[precision] = np.abs(np.array(answer["dets"]) - dets).max()
    assert far["fp32"] < 1e-3 < far["fp16"] < 0.5


def test_the_machine_s_peak() -> None:
    peak = machine_peak(1)
    assert peak["gflops"] > 0.5 and peak["gb_per_s"] > 0.1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--yunet", "absent.onnx"], "there is no file absent.onnx"),
        (["--threads", "10000"], "that this process may use"),
        (["--threads", "0"], "that this process may use"),
        (["--images", "absent.jpg"], "absent.jpg cannot be read"),
    ],
)
def test_wrong_arguments(arguments: list[str], said: str) -> None:
    said_so("benchmarks.speed.compare", arguments, said)


def test_wrong_arguments_of_accuracy(tmp_path: Path) -> None:
    said_so("benchmarks.accuracy.compare", ["--data", str(tmp_path), "--yunet", "absent.onnx"], "no file absent.onnx")


def said_so(module: str, arguments: list[str], said: str) -> None:
    command = [sys.executable, "-m", module, *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode != 0 and said in done.stderr and "Traceback" not in done.stderr


def test_films_are_read_frame_by_frame(tmp_path: Path) -> None:
    from benchmarks.speed.work import every, read_picture

    film = tmp_path / "film.avi"
    writer = cv2.VideoWriter(str(film), cv2.VideoWriter_fourcc(*"MJPG"), 10, (64, 64))
    for level in range(0, 200, 20):
        writer.write(np.full((64, 64, 3), level, np.uint8))
    writer.release()
    means = [round(float(frame.mean()), -1) for frame in every(film, 4)]
    assert means == [0, 80, 160]
    assert round(float(read_picture(f"{film}#3").mean()), -1) == 60
