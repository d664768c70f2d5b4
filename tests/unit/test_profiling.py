"""detector.profile: the detection it times is the real one."""

from __future__ import annotations

import dataclasses
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import ClosedError, TrtMtcnn, cascade, profiling
from mtcnn.cascade import pyramid
from mtcnn.engines.libraries import openvino_library
from mtcnn.params import PRESETS
from mtcnn.profiling import STAGES, Profile


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_are_those_of_the_cascade(
    detector: TrtMtcnn, engines: dict[str, Path], astronaut: NDArray[np.uint8], preset: str
) -> None:
    profile = detector.profile(astronaut, minsize=30, preset=preset, repeats=2)
    p = dataclasses.replace(PRESETS[preset], minsize=30)
    device = pytrt.CpuDevice(openvino_library())
    stages = pytrt.Stages(device, *(device.load_engine(path.read_bytes()) for path in engines.values()))
    found: list[tuple[str, int]] = []
    ((dets, _),) = cascade.detect(stages, [astronaut], p, lambda stage, left: found.append((stage, left)))
    assert found == [
        ("load", 0),
        ("pnet", profile.rnet_boxes),
        ("rnet", profile.onet_boxes),
        ("onet", profile.faces),
    ]
    assert profile.rnet_boxes > profile.onet_boxes > profile.faces == len(dets) == 1
    assert profile.levels == tuple(level[:2] for level in pyramid(512, 512, 30, p.factor, p.level_size))
    assert profile.pixels == sum(h * w for h, w in profile.levels)
    assert (profile.height, profile.width, profile.repeats) == (512, 512, 2)
    assert profile.runtime == detector.runtime


def test_levels_are_those_of_the_shrunk_picture(detector: TrtMtcnn) -> None:
    profile = detector.profile(np.zeros((800, 1000, 3), np.uint8), max_size=(400, 2000), repeats=1)
    assert (profile.height, profile.width) == (800, 1000)
    assert profile.levels == tuple(level[:2] for level in pyramid(400, 500, 40, 0.709, "ceil"))


def test_no_faces_and_no_levels(detector: TrtMtcnn) -> None:
    profile = detector.profile(np.zeros((8, 200, 3), np.uint8), repeats=1)
    assert (profile.levels, profile.pixels, profile.rnet_boxes, profile.onet_boxes, profile.faces) == ((), 0, 0, 0, 0)
    assert profile.rnet_ms == profile.onet_ms == 0 < profile.total_ms


class SlowStages:
    """Stages whose calls take seconds, by a clock that nothing else moves."""

    def __init__(self, stages: pytrt.Stages, seconds: dict[str, float]) -> None:
        self._stages, self._seconds = stages, seconds
        self.has_lnet = stages.has_lnet
        self.now = 0.0

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._stages, name)

        def call(*arguments: Any, **named: Any) -> Any:
            self.now += self._seconds.get(name, 0)
            return method(*arguments, **named)

        return call


def test_times_are_put_down_to_their_stages(
    engines: dict[str, Path], astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch
) -> None:
    device = pytrt.CpuDevice(openvino_library())
    stages = pytrt.Stages(device, *(device.load_engine(path.read_bytes()) for path in engines.values()))
    slow: Any = SlowStages(stages, {"load": 1, "pnet": 2, "rnet": 3, "onet": 4, "unload": 5})
    monkeypatch.setattr(profiling, "time", SimpleNamespace(perf_counter=lambda: slow.now))
    waits = iter([60, 0, 20, 10])  # before the detections: the first is not timed, of the others 10 is in the middle

    def take_frame() -> NDArray[np.uint8]:
        slow.now += next(waits)
        return astronaut

    profile = profiling.measure(slow, take_frame, PRESETS["fast"], 3, "")
    assert {stage: getattr(profile, f"{stage}_ms") for stage in (*STAGES, "total")} == {
        "load": 11_000,
        "pnet": 2000,
        "rnet": 3000,
        "onet": 4000,
        "lnet": 0,
        "rest": 5000,
        "total": 25_000,
    }


def test_reads_well() -> None:
    profile = Profile(
        "native kernels (avx2)", 480, 640, ((144, 192), (102, 136)), 1234, 50, 3, 20, 0.5, 4.0, 2.5, 2.0, 1.0, 10.0
    )
    assert str(profile).splitlines() == [
        "640x480, faces: 3, mean of 20, native kernels (avx2)",
        "load      0.500 ms    5%",
        "P-Net     4.000 ms   40%  41,520 pixels on 2 levels",
        "R-Net     2.500 ms   25%  1,234 boxes",
        "O-Net     2.000 ms   20%  50 boxes",
        "rest      1.000 ms   10%",
        "total    10.000 ms",
    ]


def test_stages_add_up(engines: dict[str, Path], astronaut: NDArray[np.uint8], monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy now and then: a stage that waited in one detection did not in the others."""
    device = pytrt.CpuDevice(openvino_library())
    stages = pytrt.Stages(device, *(device.load_engine(path.read_bytes()) for path in engines.values()))
    seconds = {"load": 1.0, "pnet": 2.0, "rnet": 3.0, "onet": 4.0}
    slow: Any = SlowStages(stages, seconds)
    monkeypatch.setattr(profiling, "time", SimpleNamespace(perf_counter=lambda: slow.now))
    turns = iter(range(9))

    def take_frame() -> NDArray[np.uint8]:
        turn = next(turns)
        seconds.update(load=1.0, pnet=2.0, rnet=3.0, onet=4.0)
        seconds[("load", "pnet", "rnet", "onet")[turn % 4]] += 7.3 * turn
        return astronaut

    profile = profiling.measure(slow, take_frame, PRESETS["fast"], 8, "")
    assert sum(getattr(profile, f"{stage}_ms") for stage in STAGES) == pytest.approx(profile.total_ms)
    shares = [int(line.partition(" ms ")[2].partition("%")[0]) for line in str(profile).splitlines()[1:-1]]
    assert len(shares) == 5 and sum(shares) == 100


def test_shares_of_thirds() -> None:
    profile = Profile("", 1, 1, (), 0, 0, 0, 1, 1.0, 1.0, 1.0, 0.0, 0.0, 3.0)
    assert [line.split()[3] for line in str(profile).splitlines()[1:4]] == ["34%", "33%", "33%"]


@pytest.mark.parametrize("repeats", [0, 1.5, "2", 10**7])
def test_a_wrong_number_of_repeats(detector: TrtMtcnn, repeats: Any) -> None:
    with pytest.raises((TypeError, ValueError), match="repeats"):
        detector.profile(np.zeros((50, 50, 3), np.uint8), repeats=repeats)


def test_wrong_arguments_and_a_closed_detector(engines: dict[str, Path], astronaut: NDArray[np.uint8]) -> None:
    detector = TrtMtcnn(device="cpu")
    with pytest.raises(ValueError, match="minsize"):
        detector.profile(astronaut, minsize=3)
    with pytest.raises(TypeError, match="img"):
        detector.profile(None)  # type: ignore[arg-type]
    assert len(detector.detect(astronaut)[0]) == 1  # what failed has left nothing behind
    detector.close()
    with pytest.raises(ClosedError):
        detector.profile(astronaut)


def test_while_others_detect(detector: TrtMtcnn, astronaut: NDArray[np.uint8]) -> None:
    expected = detector.profile(astronaut, repeats=1)
    found: list[Profile] = []
    threads = [threading.Thread(target=lambda: found.append(detector.profile(astronaut, repeats=3))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    counts = [(p.rnet_boxes, p.onet_boxes, p.faces) for p in found]
    assert counts == [(expected.rnet_boxes, expected.onet_boxes, expected.faces)] * 3
