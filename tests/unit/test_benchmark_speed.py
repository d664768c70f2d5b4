"""The benchmark's arithmetic: matching, the floor, spreads, documents."""

from __future__ import annotations

import dataclasses
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.speed.contest import latency, throughput
from benchmarks.speed.curves import FACE_SIDE, FACES, FACES_SIZE, draw, fitted
from benchmarks.speed.faces import Agreement, agreement, match, overlaps
from benchmarks.speed.floor import MODELS, detection_flops, floor_ms, network_flops
from benchmarks.speed.report import BEGIN, END, as_markdown, replace_block
from benchmarks.speed.summary import Summary, fit_line, summarise
from benchmarks.speed.work import Work, grid_of_faces
from mtcnn.params import PRESETS
from mtcnn.profiling import Profile

BOXES = arrays(np.float64, st.tuples(st.integers(0, 6), st.just(4)), elements=st.integers(0, 20)).map(
    lambda b: np.hstack([b[:, :2], b[:, :2] + b[:, 2:]])
)


class TestFaces:
    def test_overlaps_by_hand(self) -> None:
        a = [[0, 0, 9, 9], [100, 100, 109, 109]]
        b = [[0, 0, 9, 9], [5, 0, 14, 9], [10, 0, 19, 9]]  # the last begins where the first ends
        assert overlaps(a, b).tolist() == [[1, 50 / 150, 0], [0, 0, 0]]

    @pytest.mark.parametrize("empty", [[], np.empty((0, 5))])
    def test_no_faces(self, empty: Any) -> None:
        assert match(empty, [[0, 0, 9, 9]]) == match([[0, 0, 9, 9]], empty) == match(empty, empty) == []

    @given(BOXES, BOXES)
    def test_pairs_are_good_and_none_is_left(self, a: Any, b: Any) -> None:
        iou = overlaps(a, b)
        pairs = match(a, b)
        rows, columns = {i for i, _ in pairs}, {j for _, j in pairs}
        assert len(rows) == len(columns) == len(pairs)
        assert all(iou[i, j] >= 0.5 for i, j in pairs)
        left = itertools.product(set(range(len(a))) - rows, set(range(len(b))) - columns)
        assert all(iou[i, j] < 0.5 for i, j in left)

    def test_a_box_is_matched_once_and_best_first(self) -> None:
        reference = [[0, 0, 99, 99]]
        assert match(reference, [[0, 0, 99, 89], [0, 0, 99, 98]]) == [(0, 1)]

    def test_agreement_over_pictures(self) -> None:
        one, two = [0, 0, 9, 9, 0.9], [50, 50, 59, 59, 0.8]
        assert agreement([[one, two], [one], []], [[one], [two], [two]]) == Agreement(found=1, missed=2, extra=2)


class TestSummary:
    def test_quantiles(self) -> None:
        assert summarise([*range(101)]) == Summary(50, 10, 90)
        assert summarise([7.0]) == Summary(7, 7, 7)

    @given(st.floats(0.1, 100), st.floats(0.001, 10))
    def test_a_line_is_found(self, a: float, b: float) -> None:
        x = np.array([0, 1, 5, 100, 500])
        assert fit_line(x, a + b * x) == pytest.approx((a, b, 0), rel=1e-3, abs=1e-4)

    def test_the_error_is_the_largest_relative_one(self) -> None:
        *_, error = fit_line([0, 1, 2], [10, 20, 40])
        assert 0.05 < error < 0.2


class TestFloor:
    def test_pnet(self) -> None:
        # 12 x 12: convolutions on 10x10, 3x3 and 1x1 pixels, the heads on one.
        macs = 100 * 27 * 10 + 9 * 90 * 16 + 144 * 32 + 32 * 6
        assert network_flops(MODELS / "pnet.onnx", 12, 12) == 2 * macs
        # Of a large picture each cell adds four pixels of the first and one of the others.
        cell = 2 * (4 * 27 * 10 + 90 * 16 + 144 * 32 + 32 * 6)
        assert cell == 14_640
        assert network_flops(MODELS / "pnet.onnx", 1002, 1002) == pytest.approx(496 * 496 * cell, rel=0.01)

    def test_rnet_and_onet(self) -> None:
        rnet = 22**2 * 27 * 28 + 9**2 * 28 * 9 * 48 + 3**2 * 48 * 4 * 64 + 576 * 128 + 128 * 6
        onet = 46**2 * 27 * 32 + 21**2 * 32 * 9 * 64 + 8**2 * 64 * 9 * 64 + 3**2 * 64 * 4 * 128 + 1152 * 256 + 256 * 16
        assert network_flops(MODELS / "rnet.onnx", 24, 24) == 2 * rnet
        assert network_flops(MODELS / "onet.onnx", 48, 48) == 2 * onet

    def test_a_detection(self) -> None:
        profile = Profile("", 24, 24, ((24, 24), (12, 12)), 10, 5, 2, 1, *[1.0] * 6)
        pnet = network_flops(MODELS / "pnet.onnx", 24, 24) + network_flops(MODELS / "pnet.onnx", 12, 12)
        rnet, onet = network_flops(MODELS / "rnet.onnx", 24, 24), network_flops(MODELS / "onet.onnx", 48, 48)
        assert detection_flops(profile, PRESETS["fast"]) == pnet + 10 * rnet + 5 * onet
        # Five boxes, two faces once more or twice more, some or all of them mirrored.
        changes = {"mirror": True, "mirror_first": True, "second_pass": True, "second_pass_scales": (1.0,)}
        p = dataclasses.replace(PRESETS["accurate"], **changes)
        assert detection_flops(profile, p) == pnet + 10 * rnet + 14 * onet
        assert detection_flops(profile, dataclasses.replace(p, mirror_first=False)) == pnet + 10 * rnet + 9 * onet
        assert detection_flops(profile, dataclasses.replace(p, mirror=False)) == pnet + 10 * rnet + 7 * onet
        twice = dataclasses.replace(p, second_pass_scales=(0.8, 1.0))
        assert detection_flops(profile, twice) == pnet + 10 * rnet + 18 * onet
        twice = dataclasses.replace(twice, mirror_first=False)
        assert detection_flops(profile, dataclasses.replace(twice, second_pass=False)) == pnet + 10 * rnet + 10 * onet

    def test_milliseconds(self) -> None:
        peak = {"gflops": 100.0, "gb_per_s": 10.0}
        assert floor_ms(2e9, 0, peak) == pytest.approx(20)
        assert floor_ms(0, 6_220_800, peak) == pytest.approx(0.62208)


class TestWork:
    @given(st.integers(0, 12))
    def test_grid_of_faces(self, count: int) -> None:
        face = np.full((10, 10, 3), 7, np.uint8)
        picture = grid_of_faces(face, count, 45, 39)
        assert picture.shape == (39, 45, 3)
        assert (picture == 7).sum() == count * 300
        assert ((picture == 7) | (picture == 128)).all()

    def test_too_many_faces(self) -> None:
        with pytest.raises(ValueError, match="13 faces of 10 pixels do not fit"):
            grid_of_faces(np.zeros((10, 10, 3), np.uint8), 13, 45, 39)

    def test_the_curve_s_faces_fit(self) -> None:
        width, height = FACES_SIZE
        assert max(FACES) <= (width // FACE_SIDE) * (height // FACE_SIDE)

    def test_size(self) -> None:
        small, large = np.zeros((3, 5, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)
        assert Work("", (small, small)).size == "5x3"
        assert Work("", (small, large)).size == "various"


class ToldDetector:
    """A detector's process that answers what it is told to."""

    def __init__(self, name: str, ms: list[float], dets: list[list[float]], error: str = "") -> None:
        self.name, self.asked, self._ms, self._dets, self._error = name, 0, ms, dets, error

    def call(self, image: Path, minsize: float, calls: int = 1, warm: float = 0) -> dict[str, Any]:
        if self._error:
            return {"error": self._error}
        self.asked += 1
        ms = self._ms[int(image.name)] + (0 if warm else 5)  # after a pause
        return {"ms": [ms] * calls, "dets": self._dets}

    def throughput(self, image: Path, minsize: float, callers: int, seconds: float) -> dict[str, Any]:
        return {"error": self._error} if self._error else {"per_second": 1000 * callers / self._ms[0]}


class TestContest:
    def test_latency(self) -> None:
        box = [0, 0, 9, 9, 1.0]
        detectors: list[Any] = [
            ToldDetector("ours", [1, 3], [box]),
            ToldDetector("theirs", [10, 20], [box, [50, 50, 59, 59, 1.0]]),
            ToldDetector("broken", [1, 1], [], "IndexError: no"),
        ]
        ours, theirs, broken = latency(detectors, [Path("0"), Path("1")], 40, 2, "theirs")
        assert (ours["median_ms"], theirs["median_ms"]) == (2, 15)  # means over the pictures
        assert (ours["paused_ms"], theirs["paused_ms"]) == (6, 15)  # of the first picture
        assert (ours["ratio"], theirs["ratio"]) == (1, 7.5)
        assert (ours["found"], ours["missed"], ours["extra"], ours["faces"]) == (2, 2, 0, 2)
        assert (theirs["found"], theirs["missed"], theirs["extra"]) == (4, 0, 0)
        assert broken == {"detector": "broken", "error": "IndexError: no"}

    def test_throughput(self) -> None:
        detectors: list[Any] = [ToldDetector("ours", [2], []), ToldDetector("broken", [1], [], "no")]
        ours, broken = throughput(detectors, Path("0"), 40, 2, 1, 0.1)
        assert ours == {"detector": "ours", "callers": 2, "median_per_s": 1000, "p10_per_s": 1000, "p90_per_s": 1000}
        assert broken == {"detector": "broken", "callers": 2, "error": "no"}


def result(name: str, ms: float, **more: Any) -> dict[str, Any]:
    times = dict.fromkeys(("median_ms", "p10_ms", "p90_ms", "first_ms"), ms)
    return {"detector": name, **times, "paused_ms": 2 * ms, "ratio": 1.0, **more}


def curve() -> dict[str, Any]:
    found = {"fast": [result("fast", ms, faces=n) for ms, n in ((2, 0), (4, 10), (22, 100), (42, 200))]}
    found["frail"] = [{"detector": "frail", "error": "no"}, *found["fast"][1:]]
    found["bad"] = [{"detector": "bad", "error": "no"}] * 4
    return {"x": "faces", "minsize": 40, "labels": ["0", "10", "100", "200"], **fitted(found, [0, 10, 100, 200])}


def report() -> dict[str, Any]:
    same = {"work": "street", "minsize": 40, "cores": 2}
    results = [result("fast", 10, faces=5, found=4, missed=1, extra=1), {"detector": "bad", "error": "it|broke"}]
    return {
        "machine": "CPU, 2 cores, 2026-11-21",
        "versions": {"trt-mtcnn fast": {"numpy": "2"}, "peer": {"peer": "1.0", "onnxruntime": "1.31", "python": "3"}},
        "peak": {"2": {"gflops": 200.0, "gb_per_s": 20.0}},
        "latency": [same | {"size": "640x480", "pictures": 3, "results": results}],
        "floor": [same | {"detector": "fast", "gflop": 1.0, "floor_ms": 5.0, "median_ms": 10.0, "ratio": 2.0}],
        "throughput": [
            {"work": "street", "cores": 2, "kind": "2 threads", "detector": "fast", "median_per_s": 150.0},
            {"work": "street", "cores": 2, "kind": "2 threads", "detector": "bad", "error": "no"},
        ],
        "footprint": [
            {"detector": "fast", "peak_mb": 80.4, "start_to_first_face": summarise([100.0]).as_json("ms")},
            {"detector": "bad", "error": "no"},
        ],
        "import": {"import mtcnn": summarise([1.5]).as_json("ms")},
        "curves": [curve()],
    }


class TestReport:
    def test_markdown(self) -> None:
        lines = as_markdown(report(), "plot.svg").splitlines()
        assert lines[0] == "CPU, 2 cores, 2026-11-21. Beside peer 1.0 (onnxruntime 1.31)."
        for line in (
            "**street**, 640x480, mean of 3 pictures, minsize 40, 2 cores",
            "| fast | 10.00 | 10.00..10.00 | 1.00 | 20.00 | 10 | 5 | 4 / 1 / 1 |",
            "| bad | failed | it/broke |  |  |  |  |  |",
            "float32 matrix product and memory read, 2 cores: 200 GFLOP/s, 20.0 GB/s.",
            "| street, minsize 40, 2 cores | fast | 1.00 | 5.00 | 10.00 | 2.00 |",
            "| fast | 150.0 |",
            "| fast | 80 | 100 (100..100) |",
            "| `import mtcnn` | 1.5 |",
            "![Time over pixels and over faces](plot.svg)",
            "| fast | 2.00 | 4.00 | 22.00 | 42.00 | 2.00 ms + 0.2 ms a face | 0% |",
            "| frail | failed | 4.00 | 22.00 | 42.00 | 2.00 ms + 0.2 ms a face | 0% |",
        ):
            assert line in lines
        rows = [line.count("|") for line in lines if line.startswith("|")]
        heads = [i for i, line in enumerate(lines) if line.startswith("| ---")]
        assert len(heads) == 6 and sum(rows) > 0
        for i in heads:  # each row has as many cells as its head
            end = next(k for k in range(i, len(lines) + 1) if k == len(lines) or not lines[k].startswith("|"))
            assert {line.count("|") for line in lines[i - 1 : end]} == {lines[i].count("|")}

    def test_parts_that_were_not_measured_are_left_out(self) -> None:
        text = as_markdown({"machine": "CPU", "versions": {}, "peak": {}})
        assert text.strip() == "CPU."

    def test_replace_block(self, tmp_path: Path) -> None:
        document = tmp_path / "speed.md"
        document.write_text(f"# Speed\n\n{BEGIN}\nold\n{END}\n\nmore\n")
        replace_block(document, "new\n")
        replace_block(document, "newer\n")
        assert document.read_text() == f"# Speed\n\n{BEGIN}\nnewer\n{END}\n\nmore\n"

    @pytest.mark.parametrize("text", ["", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n{BEGIN}\n{END}\n"])
    def test_a_document_without_marks(self, tmp_path: Path, text: str) -> None:
        document = tmp_path / "speed.md"
        document.write_text(text)
        with pytest.raises(ValueError, match=r"speed\.md must hold the lines"):
            replace_block(document, "new")
        assert document.read_text() == text

    def test_the_plot_is_the_same_each_time(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="pip install '.[bench]'")
        for name in ("a.svg", "b.svg"):
            draw([curve(), curve() | {"x": "pixels"}], tmp_path / name)
        assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
        text = (tmp_path / "a.svg").read_text()
        assert "faces in a 3840x2160 picture" in text and "megapixels" in text
