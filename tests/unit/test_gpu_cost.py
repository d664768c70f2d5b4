"""benchmarks/gpu/cost.py: the cost model's counts beside those of the networks."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from benchmarks.gpu import cost, floors
from benchmarks.gpu.cost import GPUS, LAYERS, Facts, Work, work_of
from benchmarks.gpu.model import GROUP, overlapped, rows_of, stages_of, total
from benchmarks.gpu.trace import GRAPH_US, WAIT_US
from mtcnn.detector import COPIED_BATCH_PIXELS
from tests.conftest import ROOT

FACTS = Facts(1, (1080, 1920), [(324, 576), (230, 409)], proposals=1364, rnet=565, onet=77)
H200 = GPUS["h200"]


@pytest.mark.parametrize(("net", "layers", "side"), [("rnet", floors.RNET, 24), ("onet", floors.ONET, 48)])
def test_operations_of_crops_are_those_of_the_networks(net: str, layers: list[floors.Layer], side: int) -> None:
    for half in (False, True):
        names = {name for name, (of, _) in LAYERS.items() if of == net and name.endswith("Fp16") == half}
        names |= {f"{net.capitalize()}Heads"}  # which read float32 in float16's networks, too
        works = [LAYERS[name][1].work(10) for name in names]
        assert sum(work.flop for work in works) == pytest.approx(10 * floors.flops(layers, side, side), rel=1e-9)
        # Tiles that are not full are multiplied all the same.
        tiles = [work for work in works if work.products]
        assert len(tiles) == (len(layers) - 1 if half else 0)  # all but the heads
        # Three products of tiles for one.
        assert all(work.flop <= 2 * work.products / 3 <= 4 * work.flop for work in tiles)


def test_operations_of_pnet_are_those_of_the_network() -> None:
    """Blocks at the ends of rows and columns are not full: a little more is reckoned than is done."""
    height, width = 324, 576
    pooled_h, pooled_w = (height - 1) // 2, (width - 1) // 2
    map_h, map_w = pooled_h - 2, pooled_w - 2
    threads = {
        "PnetConv1": pooled_h * pooled_w,
        "PnetConv2": -(-map_h // 4) * map_w * 2,
        "PnetPropose": -(-(map_h - 2) // 2) * (map_w - 2),
    }
    works = {name: work_of(name, n, FACTS, 0, 1) for name, n in threads.items()}
    flop = sum(work.flop for work in works.values() if work)
    assert flop == pytest.approx(floors.flops(floors.PNET, height, width), rel=0.03)
    assert all(works.values())


def test_bytes_are_the_maps_in_and_out() -> None:
    (_, conv), (_, pool) = LAYERS["OnetConv1"], LAYERS["OnetPool1"]
    assert conv.work(3).bytes == 3 * 4 * (4 * 48 * 48 + 32 * 46 * 46)
    assert pool.work(3).bytes == 3 * 4 * 32 * (46 * 46 + 23 * 23)
    (_, last) = LAYERS["OnetConv3"]  # its pooling is done by the same threads
    assert last.work(1).bytes == 4 * (64 * 10 * 10 + 64 * 4 * 4)


def test_every_kernel_is_reckoned() -> None:
    """Of those in csrc/cuda/kernels/."""
    names = set()
    for path in (ROOT / "csrc" / "cuda" / "kernels").glob("*.h"):
        for found in re.finditer(r"^(template[^\n]*\n)?struct (\w+) \{.*?^\};", path.read_text(), re.M | re.S):
            if not found[1] and re.search(r"void operator\(\)\(", found[0]):
                names.add(found[2])
        names |= set(re.findall(r"^struct (\w+) : \w+Kernel<.*> \{\};", path.read_text(), re.M))
    assert len(names) > 80 and {"RnetConv1", "LnetPool2Fp16", "LnetHeadsFp16", "PnetProposeFp16"} <= names
    unknown = {name for name in names if work_of(name, 1000, FACTS, 0, 1) is None}
    assert unknown == set()


def test_a_floor_is_the_most_of_memory_and_arithmetic() -> None:
    work = Work(1e6, bytes=4.8e6, flop=59.3e6)
    assert work.floor(H200) == pytest.approx(1.0, rel=0.01)
    assert work._replace(bytes=48e6).floor(H200) == pytest.approx(10.0)
    assert work._replace(flop=593e6).floor(H200) == pytest.approx(10.0, rel=0.01)


def test_few_threads_are_bound_by_their_patience_and_many_by_the_machine() -> None:
    few, many = (Work(n, instructions=1000, wavefronts=10, cycles=17550) for n in (100, 10_000_000))
    assert few.reckoned(H200) == pytest.approx((1000 + 17550) / 1755)
    # Each multiprocessor issues four warps' instructions a cycle; 32 warps of it wait at once.
    assert many.reckoned(H200) == pytest.approx(1e7 / 32 / (132 * 32) * 18550 / 1755)
    assert many._replace(resident=8).reckoned(H200) == pytest.approx(4 * many.reckoned(H200))
    busy = Work(10_000_000, instructions=1000)
    assert busy.reckoned(H200) == pytest.approx(1e7 / 32 * 1000 / (132 * 4) / 1755)


def test_more_boxes_cost_more() -> None:
    for name in ("KeepGreedily", "SuppressionMask", "Compact", "RnetConv2"):
        more = replace(FACTS, proposals=8000, rnet=4000)
        one, other = (work_of(name, 8192, facts, 0, 1) for facts in (FACTS, more))
        assert one and other and other.reckoned(H200) > one.reckoned(H200)


def test_launches_of_a_kernel_are_one_row() -> None:
    calls = [
        ("kernel", "MakeKeys", 8192),
        ("kernel", "RnetConv1", 1000),
        ("kernel", "MakeKeys", 565),
        ("kernel", "New", 7),
        ("upload", "", 25_000),
        ("wait", "", 0),
        ("zero", "", 1000),
    ]
    assert stages_of(calls) == [0, 1, 1, 1, 1, 1, 1]
    rows = {row.name or row.kind: row for row in rows_of(calls, FACTS, H200)}
    assert list(rows) == ["MakeKeys", "RnetConv1", "New", "upload", "zero"]
    assert rows["MakeKeys"].launches == 2 and rows["MakeKeys"].threads == 8192
    assert rows["MakeKeys"].bytes == 104 * (1364 + 565)
    assert rows["New"].floor is None and rows["New"].reckoned is None  # not taken for nothing
    assert rows["upload"].floor == pytest.approx(1.0)
    said = total([("graph", "", 20), *calls], list(rows.values()))
    assert said.startswith("6 launches and copies by the host, 1 graphs of 20 operations, 1 waits;")
    assert cost.MOST_THREADS == 1 << 19


def test_copies_overlap_with_kernels_of_the_batch_before() -> None:
    assert COPIED_BATCH_PIXELS // (1920 * 1080) == GROUP
    begun, wait = [("upload", "", 1000), ("graph", "", 5)], ("wait", "", 0)
    one = overlapped([*begun, wait], 300, 10)
    assert one == pytest.approx(100 + 100 + 300 + WAIT_US)  # the host's copy, the bus's, the kernels
    two = overlapped([*begun, *begun, wait, wait], 300, 10)
    assert two == pytest.approx(one + 300)  # kernels take longest, and all else goes on meanwhile
    slow_bus = overlapped([*begun, *begun, wait, wait], 30, 10)
    assert slow_bus == pytest.approx(2 * (100 + GRAPH_US) - GRAPH_US + 100 + 30 + WAIT_US)
