"""The benchmark's arithmetic: matching, the floor, spreads, documents."""

from __future__ import annotations

import dataclasses
import itertools
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from benchmarks.peers.processor import processor
from benchmarks.speed import publish, quiet
from benchmarks.speed.compare import thread_counts
from benchmarks.speed.contest import Entry, race, throughput
from benchmarks.speed.curves import FACE_SIDE, FACES, FACES_SIZE, draw, fitted
from benchmarks.speed.faces import Agreement, agreement, match, overlaps
from benchmarks.speed.floor import MODELS, detection_flops, floor_ms, network_flops
from benchmarks.speed.labelled import count_faces, measure_labelled
from benchmarks.speed.quiet import Quiet
from benchmarks.speed.report import BEGIN, END, as_markdown, processors_table, readme_table, replace_block, speed_table
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
        p = dataclasses.replace(PRESETS["accurate"], **changes, mirror_range=(0.0, 1.0))
        assert detection_flops(profile, p) == pnet + 10 * rnet + 14 * onet
        assert detection_flops(profile, dataclasses.replace(p, mirror_first=False)) == pnet + 10 * rnet + 9 * onet
        some = dataclasses.replace(p, mirror_range=(0.2, 0.9))  # how many is not known
        assert detection_flops(profile, some) == pnet + 10 * rnet + 9 * onet
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


def told(*args: Any) -> Any:
    return ToldDetector(*args)


class CountedQuiet(Quiet):
    """No detector of this test has threads to wait for."""

    def wait(self) -> None:
        self.waits.append(0)


PICTURES = [Path("0"), Path("1")]
BOX, OTHER = [0, 0, 9, 9, 1.0], [50, 50, 59, 59, 1.0]


class TestRace:
    def test_each_at_the_threads_that_suit_it(self) -> None:
        pauses = CountedQuiet([])
        entries = [
            Entry("ours", 40, {1: told("ours", [2, 4], [BOX]), 2: told("ours", [1, 3], [BOX])}),
            Entry("theirs", 40, {1: told("theirs", [10, 20], [BOX, OTHER]), 2: told("theirs", [20, 30], [BOX, OTHER])}),
            Entry("broken", 40, {1: told("broken", [1, 1], [], "IndexError: no")}),
        ]
        ours, theirs, broken = race(entries, PICTURES, 2, pauses, "ours", "theirs")
        assert (ours["threads"], ours["median_ms"], ours["slower_on_more_threads"]) == (2, 2, False)
        assert (theirs["threads"], theirs["median_ms"], theirs["slower_on_more_threads"]) == (1, 15, True)
        assert (ours["paused_median_ms"], theirs["paused_median_ms"]) == (7, 20)  # of the same pictures
        assert theirs["by_threads"]["2"] == {"median_ms": 25, "paused_ms": 30, "rounds": 2}
        assert ours["ratios"]["40"]["median_ratio"] == 1 and theirs["ratios"]["40"]["median_ratio"] == 7.5
        assert (ours["found"], ours["missed"], ours["extra"], ours["faces"]) == (2, 2, 0, 2)
        assert (theirs["found"], theirs["missed"], theirs["extra"]) == (4, 0, 0)
        assert broken == {"detector": "broken", "minsize": 40, "error": "IndexError: no"}
        assert len(pauses.waits) == 2 * 4 * 2  # before every picture of every turn

    def test_ratios_are_to_the_same_smallest_face(self) -> None:
        entries = [
            Entry("ours", 40, {1: told("ours", [1, 1], [])}),
            Entry("ours", 20, {1: told("ours", [4, 4], [])}),
            Entry("theirs", 20, {1: told("theirs", [8, 8], [])}),
            Entry("yunet", None, {1: told("yunet", [12, 12], [])}),
        ]
        *_, theirs, yunet = race(entries, PICTURES, 1, CountedQuiet([]), "ours", "theirs")
        assert {k: v["median_ratio"] for k, v in theirs["ratios"].items()} == {"20": 2}
        assert {k: v["median_ratio"] for k, v in yunet["ratios"].items()} == {"40": 12, "20": 3}

    def test_hopeless_numbers_of_threads_are_given_up(self) -> None:
        detectors = {n: told("", [ms, ms], []) for n, ms in ((1, 50), (2, 10), (4, 11), (8, 40))}
        (result,) = race([Entry("", 40, detectors)], PICTURES, 5, CountedQuiet([]), "", "")
        assert {n: t["rounds"] for n, t in result["by_threads"].items()} == {"1": 5, "2": 5, "4": 5, "8": 2}
        assert result["threads"] == 2 and result["slower_on_more_threads"]

    def test_throughput(self) -> None:
        detectors: list[Any] = [ToldDetector("ours", [2], []), ToldDetector("broken", [1], [], "no")]
        ours, broken = throughput(detectors, Path("0"), 40, 2, 1, 0.1, CountedQuiet([]))
        assert ours == {"detector": "ours", "callers": 2, "median_per_s": 1000, "p10_per_s": 1000, "p90_per_s": 1000}
        assert broken == {"detector": "broken", "callers": 2, "error": "no"}

    def test_thread_counts(self) -> None:
        assert [thread_counts(n) for n in (1, 2, 6, 8)] == [[1], [1, 2], [1, 2, 4, 6], [1, 2, 4, 8]]


class TestQuiet:
    def test_it_waits_for_threads_that_spin(self) -> None:
        code = "import time\nprint(flush=True)\nend = time.perf_counter() + 0.8\n"
        code += "while time.perf_counter() < end: pass\nimport sys\nsys.stdin.read()"
        with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as spinning:
            assert spinning.stdin is not None and spinning.stdout is not None
            spinning.stdout.readline()
            pauses = Quiet([spinning.pid])
            began = time.perf_counter()
            pauses.wait()
            assert time.perf_counter() - began > 0.7
            pauses.wait()
            spinning.stdin.close()
        first, second = pauses.waits
        assert first > 0.7 and second > 0.14
        told = pauses.as_json()
        assert (told["pauses"], told["never_quiet"]) == (2, 0) and 0 <= told["machine_busy"] <= 1

    def test_who_never_rests_is_told(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(quiet, "LONGEST", 0.3)
        with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as spinning:
            pauses = Quiet([spinning.pid])
            time.sleep(0.2)
            pauses.wait()
            spinning.kill()
        assert pauses.as_json()["never_quiet"] == 1

    def test_a_process_that_ended_is_quiet(self) -> None:
        with subprocess.Popen([sys.executable, "-c", ""]) as ended:
            pass
        assert quiet.cpu_seconds(ended.pid) == 0


LABELS = {
    "images": [{"id": 1}, {"id": 2}],
    "annotations": [
        {"image_id": 1, "bbox": [0, 0, 30, 30], "ignore": 0},
        {"image_id": 1, "bbox": [100, 100, 15, 15], "ignore": 1},
        {"image_id": 1, "bbox": [200, 200, 8, 8], "ignore": 1},  # too small for either column, and no false alarm
        {"image_id": 2, "bbox": [0, 0, 40, 40], "ignore": 0},
    ],
}


class TestLabelled:
    def test_counts(self) -> None:
        first = [[0, 0, 29, 29, 0.9], [100, 100, 114, 114, 0.8], [200, 200, 207, 207, 0.7], [300, 300, 330, 330, 0.9]]
        found = count_faces(LABELS, [first, []])
        assert found == {"found": 1, "labelled": 2, "small_found": 1, "small": 1, "false_positives": 0.5}

    def test_threads_are_chosen_on_the_first_pictures(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("benchmarks.speed.labelled.GROUP", 1)
        slow, fast = told("", [9, 9], []), told("", [1, 2], [[0, 0, 39, 39, 0.9]])
        broken = Entry("broken", 40, {1: told("", [1, 1], [], "no")}, error="no")
        entries = [Entry("ours", 20, {1: slow, 2: fast}), broken]
        ours, failed = measure_labelled(entries, LABELS, PICTURES, CountedQuiet([]))
        assert (ours["threads"], ours["ms"], slow.asked) == (2, 6.5, 1)
        assert (ours["found"], ours["labelled"], ours["false_positives"]) == (2, 2, 0)
        assert failed == {"detector": "broken", "minsize": 40, "error": "no"}


class TestProcessor:
    @pytest.mark.parametrize(
        ("cpuinfo", "name", "slug", "extensions"),
        [
            (
                "vendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t: 17\nmodel name\t: AMD EPYC\n"
                "flags\t: avx2 avx512f\n",
                "AMD EPYC (Zen 4)",
                "amd-epyc-zen-4",
                ("avx2", "avx512f"),
            ),
            (
                "vendor_id: GenuineIntel\ncpu family: 6\nmodel: 143\nmodel name: Intel(R) Xeon(R) CPU @ 2.10GHz\n"
                "flags: amx_bf16\n",
                "Intel(R) Xeon(R) CPU @ 2.10GHz (Sapphire Rapids)",
                "intel-xeon-sapphire-rapids",
                ("amx_bf16",),
            ),
            (
                "processor: 0\nFeatures: fp asimd asimdhp bf16 sve\nCPU part: 0xd40\n",
                "Arm (Neoverse V1)",
                "arm-neoverse-v1",
                ("asimd", "asimdhp", "bf16", "sve"),
            ),
            ("", "CPU", "", ()),
        ],
    )
    def test_names(self, cpuinfo: str, name: str, slug: str, extensions: tuple[str, ...]) -> None:
        chip = processor(cpuinfo)
        assert (chip.name, chip.slug, chip.extensions) == (name, slug, extensions)


def result(name: str, minsize: float | None, ms: float, **more: Any) -> dict[str, Any]:
    times = {f"{paused}{key}_ms": ms for key in ("median", "p10", "p90") for paused in ("", "paused_")}
    row: dict[str, Any] = {"detector": name, "minsize": minsize, "threads": 2, **times, "paused_median_ms": 2 * ms}
    row |= {"first_ms": ms, "faces": 5, "slower_on_more_threads": False}
    row["by_threads"] = {str(n): {"median_ms": ms * 2 / n, "paused_ms": ms, "rounds": 3} for n in (1, 2)}
    row["ratios"] = {"40": dict.fromkeys(("median_ratio", "p10_ratio", "p90_ratio"), ms / 10)}
    return row | more


def curve() -> dict[str, Any]:
    found = {"fast": [result("fast", 40, ms, faces=n) for ms, n in ((2, 0), (4, 10), (22, 100), (42, 200))]}
    found["frail"] = [{"detector": "frail", "error": "no"}, *found["fast"][1:]]
    found["bad"] = [{"detector": "bad", "error": "no"}] * 4
    return {"x": "faces", "minsize": 40, "labels": ["0", "10", "100", "200"], **fitted(found, [0, 10, 100, 200])}


def report() -> dict[str, Any]:
    ours = result("trt-mtcnn accurate", 40, 10, found=4, missed=1, extra=1)
    theirs = result("peer", 40, 90, threads=1, slower_on_more_threads=True, found=5, missed=0, extra=0)
    theirs["by_threads"] = {n: {"median_ms": ms, "paused_ms": ms, "rounds": 3} for n, ms in (("1", 90), ("2", 140))}
    small = result("trt-mtcnn accurate", 20, 25, ratios={"20": {"median_ratio": 1, "p10_ratio": 1, "p90_ratio": 1}})
    bad = {"detector": "bad", "minsize": 40, "error": "it|broke"}
    both = {n: dict.fromkeys(("median_ratio", "p10_ratio", "p90_ratio"), r) for n, r in (("40", 5.0), ("20", 2.0))}
    results = [ours, theirs, bad, small, result("yunet", None, 50, ratios=both)]
    counts = {
        "threads": 2,
        "ms": 3.0,
        "found": 300,
        "labelled": 480,
        "small_found": 7,
        "small": 9,
        "false_positives": 0.25,
    }
    return {
        "machine": "CPU (Core), 2 cores, 2026-11-29",
        "processor": {"name": "CPU (Core)", "extensions": []},
        "cores": 2,
        "date": "2026-11-29",
        "command": "make bench",
        "minutes": 7.5,
        "rounds": 3,
        "quiet": {"pauses": 90, "median_s": 0.15, "longest_s": 0.4, "never_quiet": 0, "machine_busy": 0.01},
        "versions": {"trt-mtcnn fast": {"numpy": "2"}, "peer": {"peer": "1.0", "onnxruntime": "1.31", "python": "3"}},
        "peak": {"gflops": 200.0, "gb_per_s": 20.0},
        "race": [{"work": "street-1080p", "size": "1920x1080", "pictures": 3, "results": results}],
        "labelled": [
            {"detector": "trt-mtcnn accurate", "minsize": 40, **counts},
            {"detector": "bad", "minsize": 40, "error": "it|broke"},
        ],
        "floor": [
            {
                "work": "street-1080p",
                "minsize": 40,
                "detector": "trt-mtcnn accurate",
                "gflop": 1.0,
                "floor_ms": 5.0,
                "median_ms": 10.0,
                "ratio": 2.0,
            }
        ],
        "throughput": [
            {"work": "street-1080p", "kind": "2 threads", "detector": "fast", "median_per_s": 150.0},
            {"work": "street-1080p", "kind": "2 threads", "detector": "bad", "error": "no"},
        ],
        "footprint": [
            {
                "detector": "trt-mtcnn accurate",
                "peak_mb": 80.4,
                "start_to_first_face": summarise([100.0]).as_json("ms"),
            },
            {"detector": "bad", "error": "no"},
        ],
        "import": {"import mtcnn": summarise([1.5]).as_json("ms")},
        "curves": [curve()],
    }


def are_tables(text: str) -> int:
    """How many there are; each row has as many cells as its head."""
    lines = text.splitlines()
    heads = [i for i, line in enumerate(lines) if line.startswith("| ---")]
    for i in heads:
        end = next(k for k in range(i, len(lines) + 1) if k == len(lines) or not lines[k].startswith("|"))
        assert {line.count("|") for line in lines[i - 1 : end]} == {lines[i].count("|")}
    return len(heads)


class TestReport:
    def test_markdown(self) -> None:
        text = as_markdown(report())
        lines = text.splitlines()
        assert lines[0] == "CPU (Core), 2 cores, 2026-11-29. Beside peer 1.0 (onnxruntime 1.31)."
        for line in (
            "**street 1080p**, 1920x1080, mean of 3 pictures",
            "| peer | 40 | 1 | 90.00 | 90.00..90.00 | 180.00 | 90.00..90.00 | 9 | 9.00..9.00 "
            "| 90 | 5 | 1: 90.00, 2: 140.00 | 5 / 0 / 0 |",
            "| bad | 40 | failed | it/broke |  |  |  |  |  |  |  |  |  |",
            "- peer, street 1080p, smallest face 40: 90.0 ms with 1, 140 ms with 2",
            "float32 matrix product and memory read, 2 cores: 200 GFLOP/s, 20.0 GB/s.",
            "| street-1080p, smallest face 40 | trt-mtcnn accurate | 1.00 | 5.00 | 10.00 | 2.00 |",
            "| fast | 150.0 |",
            "| trt-mtcnn accurate | 80 | 100 (100..100) |",
            "| trt-mtcnn accurate | 40 | 2 | 300 of 480 | 7 of 9 | 0.25 | 3.00 |",
            "| `import mtcnn` | 1.5 |",
            "| fast | 2.00 | 4.00 | 22.00 | 42.00 | 2.00 ms + 0.2 ms a face | 0% |",
            "| frail | failed | 4.00 | 22.00 | 42.00 | 2.00 ms + 0.2 ms a face | 0% |",
        ):
            assert line in lines
        assert are_tables(text) == 9

    def test_a_table_for_each_picture_and_one_for_labelled_faces(self) -> None:
        text = speed_table(report())
        lines = text.splitlines()
        for line in (
            "| trt-mtcnn accurate | 40 | 2 | 10.0 | 20.0 | 1 |",
            "| peer | 40 | 1 | 90.0 | 180 | 9 |",
            "| bad | 40 |  | failed |  |  |",
            "| YuNet in OpenCV | any | 2 | 50.0 | 100 | 5 (40 px), 2 (20 px) |",
            "| trt-mtcnn accurate | 40 | 300 | 7 | 0.25 | 3.0 |",
            "| peer | 40 |  |  |  |  |",
        ):
            assert line in lines
        assert are_tables(text) == 2

    def test_readme_s_and_the_processors(self) -> None:
        lines = readme_table(report()).splitlines()
        assert "| trt-mtcnn accurate | 10.0 | 20.0 | 20.0 | 80 | 100 |" in lines
        assert "| peer | 90.0 | 180 | 90.0 |  |  |" in lines
        assert len(lines) == 2 + 4  # none of the smaller faces
        other = report() | {"processor": {"name": "Other"}, "date": "2026-12-01"}
        (*_, first, second) = processors_table([report(), other]).splitlines()
        assert first == "| CPU (Core) | 2 | 2026-11-29 | 10.0 | 90.0 (9) |  | 50.0 (5) |"
        assert second.startswith("| Other | 2 | 2026-12-01 | 10.0 |")

    def test_parts_that_were_not_measured_are_left_out(self) -> None:
        kept = ("machine", "command", "minutes", "quiet")
        text = as_markdown({key: report()[key] for key in kept} | {"versions": {}, "peak": {}})
        assert "#" not in text and are_tables(text) == 0

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


class TestPublish:
    def test_documents_hold_the_newest_and_every_processor(self, tmp_path: Path) -> None:
        pytest.importorskip("matplotlib", reason="pip install '.[bench]'")
        older = report() | {"date": "2026-11-01", "machine": "older"}
        other = report() | {"date": "2026-11-02", "processor": {"name": "Other", "extensions": []}}
        foreign: dict[str, Any] = {"machine": "as it was in 2026", "latency": []}
        paths = {}
        for i, content in enumerate((older, report(), other, foreign)):
            paths[tmp_path / f"{i}.json"] = content
            (tmp_path / f"{i}.json").write_text(json.dumps(content))
        found = publish.newest_of_each_processor(paths)
        assert [path.name for path in found] == ["1.json", "2.json"]
        page, readme, plot = tmp_path / "speed.md", tmp_path / "README.md", tmp_path / "images" / "speed.svg"
        for document in (page, readme):
            document.write_text(f"before\n\n{BEGIN}\n{END}\n\nafter\n")
        publish.publish(found, page, readme, plot)
        text = page.read_text()
        assert "([all of it](1.md))" in text and "![Time over pixels and over faces](images/speed.svg)" in text
        assert "| Other | 2 | 2026-11-02 |" in text and "older" not in text
        assert are_tables(text) == 3 and are_tables(readme.read_text()) == 1 and plot.exists()
        assert (tmp_path / "2.md").read_text().startswith("# Speed: CPU (Core), 2 cores")

    def test_no_report(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("sys.argv", ["publish", str(tmp_path / "absent.json")])
        with pytest.raises(SystemExit):
            publish.main()
        assert "there is no file" in capsys.readouterr().err
