"""The machine code of AMX's kernels, its tile instructions played by tests/native/amx_player.cpp where the processor
has none, bit for bit beside the tiles in plain C++."""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import pytrt
from mtcnn import cascade
from mtcnn.engines import NETWORKS, models_folder
from mtcnn.params import make_params
from pytrt.testing import emulate_tiles, load_amx, tile_layer
from tests.support.native import compile_native
from tests.unit.test_tiles import LAYERS, SIDES, bits, layers, random_maps

CPU = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
NATIVE = "amx_bf16" in CPU
# What the kernels are compiled for beside tiles.
pytestmark = pytest.mark.skipif(
    platform.machine() != "x86_64" or pytrt.isa() != "avx512" or "avx512_bf16" not in CPU,
    reason="needs a processor with AVX-512 and AVX512-BF16",
)
INSTRUCTIONS = ("ldtilecfg", "sttilecfg", "tilerelease", "tilezero", "tileloadd", "tilestored", "tdpbf16ps")


class Player:
    def __init__(self, library: ctypes.CDLL) -> None:
        self.library = library
        library.take_fault.restype = ctypes.c_char_p

    def fault(self) -> str:
        return str(self.library.take_fault().decode())

    def played(self) -> dict[str, int]:
        times = (ctypes.c_uint64 * len(INSTRUCTIONS))()
        self.library.take_played(times)
        return dict(zip(INSTRUCTIONS, times, strict=True))

    def multiply(self, shapes: list[tuple[int, int]], c: NDArray[Any], a: NDArray[Any], b: NDArray[Any]) -> None:
        pointers = [ctypes.c_void_p(array.ctypes.data) for array in (c, a, b)]
        self.library.run_multiply((ctypes.c_int * 6)(*np.ravel(shapes).tolist()), *pointers)


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Player]:
    made = compile_native("amx_player.cpp", tmp_path_factory.mktemp("amx") / "player.so", "-shared", "-fPIC")
    player = Player(ctypes.CDLL(str(made)))
    player.library.start_playing()
    yield player
    player.library.stop_playing()


@pytest.fixture
def player(library: Player, monkeypatch: pytest.MonkeyPatch) -> Iterator[Player]:
    """Each test's instructions are all allowed, and leave no tiles behind."""
    monkeypatch.setenv("TRT_MTCNN_AMX", "emulated")
    if NATIVE:
        pytest.skip("this processor has the instructions: make amx")
    library.played()
    yield library
    assert library.fault() == ""
    assert not library.library.is_configured()


@cache
def engines(network: str, threads: int = 1) -> tuple[pytrt.Engine, pytrt.Engine]:
    """Of the instructions, and of the plain C++."""
    device, model = pytrt.CpuDevice("", threads), (models_folder() / f"{network}.onnx").read_bytes()
    return load_amx(device, model), device.load_engine(model, "bf16")


class TestPlayer:
    @given(
        rows=st.integers(1, 16), pairs=st.integers(1, 16), columns=st.integers(1, 16), seed=st.integers(0, 2**32 - 1)
    )
    @settings(max_examples=60, deadline=None)
    def test_as_emulated(self, library: Player, rows: int, pairs: int, columns: int, seed: int) -> None:
        """Two readings of the manual, with numbers of all sizes, those that are denormal included."""
        rng = np.random.default_rng(seed)
        shapes = [(rows, 4 * columns), (rows, 4 * pairs), (pairs, 4 * columns)]
        a, b = bits(rng.normal(0, 1, (2, 16, 32)) * 2.0 ** rng.integers(-70, 40, (2, 16, 32)))
        c = (rng.normal(0, 1, (16, 16)) * 2.0 ** rng.integers(-130, 40, (16, 16))).astype(np.float32)
        want = emulate_tiles(shapes, c, a, b)
        library.multiply(shapes, c, a, b)
        np.testing.assert_array_equal(c[:rows, :columns].view(np.uint32), want[:rows, :columns].view(np.uint32))
        np.testing.assert_array_equal(c, want)

    @pytest.mark.parametrize(
        ("at", "value", "fault"),
        [
            (0, 2, "#GP: no such palette"),
            (0, 0, "#UD: no tiles are configured"),
            (7, 1, "#GP: reserved"),
            (33, 1, "#GP: reserved"),
            (57, 1, "#GP: reserved"),
            (16, 65, "#GP: a shape beyond"),
            (48, 17, "#GP: a shape beyond"),
            (48, 0, "#GP: a shape that is empty"),
            (16, 60, "#UD: shapes that do not fit"),
            (18, 60, "#UD: shapes that do not fit"),
            (16, 62, "#UD: rows that are no whole sums"),
            (49, 15, "#UD: shapes that do not fit"),
        ],
    )
    def test_refuses(self, player: Player, at: int, value: int, fault: str) -> None:
        config = np.zeros(64, np.uint8)
        config[0], config[16:22:2], config[48:51] = 1, 64, 16
        player.library.run_config(ctypes.c_void_p(config.ctypes.data))
        assert player.fault() == ""
        config[at] = value
        player.library.run_config(ctypes.c_void_p(config.ctypes.data))
        assert player.fault().startswith(fault)


class TestLayers:
    @pytest.mark.parametrize(("network", "layer"), LAYERS)
    def test_of_crops(self, player: Player, network: str, layer: int) -> None:
        ours, plain = engines(network)
        side = SIDES[network][layer]
        maps = random_maps((33, side, side, layers(network)[layer][0].shape[1]), layer)
        for n in (1, 2, 3, 15, 16, 17, 31, 32, 33) if side <= 4 else (1, 3):
            np.testing.assert_array_equal(tile_layer(ours, layer, maps[:n]), tile_layer(plain, layer, maps[:n]))
        assert player.played()["tdpbf16ps"] > 0

    @pytest.mark.parametrize("layer", [0, 1, 2])
    def test_of_rows(self, player: Player, layer: int) -> None:
        ours, plain = engines("pnet")
        for height, width in [(3, 3), (4, 17), (5, 18), (6, 19), (7, 34), (8, 35), (11, 67), (5, 259)]:
            maps = random_maps((1, height, width, layers("pnet")[layer][0].shape[1]), height)
            np.testing.assert_array_equal(tile_layer(ours, layer, maps), tile_layer(plain, layer, maps))
        assert player.played()["tdpbf16ps"] > 0


class TestNetworks:
    """Their heads are float32, and round as the vectors that they are compiled for sum."""

    @pytest.mark.parametrize("network", NETWORKS)
    def test_batches(self, player: Player, network: str) -> None:
        ours, plain = engines(network)
        for n in (1, 2, 15, 16, 17, 33) if network == "rnet" else (1, 2, 17):
            shape = (n, 3, *((SIDES[network][0],) * 2 if network in SIDES else (33, 46)))
            planes = np.random.default_rng(n).uniform(-1, 1, shape).astype(np.float32)
            want = plain.infer(planes)
            for name, value in ours.infer(planes).items():
                np.testing.assert_allclose(value, want[name], rtol=0, atol=1e-6)
            played = player.played()
            assert played["ldtilecfg"] == played["tilerelease"] > 0

    def test_detection_by_two_threads(self, player: Player, astronaut: NDArray[np.uint8]) -> None:
        p = make_params("fast", {"minsize": 60})
        device = pytrt.CpuDevice("", 2)
        stages = [pytrt.Stages(device, *(engines(network, 2)[i] for network in NETWORKS)) for i in (0, 1)]
        (ours, our_points), (plain, points) = (cascade.detect(s, [astronaut[:220]], p)[0] for s in stages)
        assert ours.shape == (1, 5)
        np.testing.assert_allclose(ours, plain, atol=1e-3)
        np.testing.assert_allclose(our_points, points, atol=1e-3)

    def test_of_others_are_refused(self, player: Player) -> None:
        with pytest.raises(pytrt.EngineError, match="P-, R- and O-Net"):
            load_amx(pytrt.CpuDevice("", 1), b"no model")
