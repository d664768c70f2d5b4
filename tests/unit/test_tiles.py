"""Layers in tiles of bfloat16: the plain C++ that does what AMX does, beside NumPy.

The reference is the networks' definition in bfloat16: weights and what a layer keeps rounded to the nearest, ties to
even, sums in float64.
"""

from __future__ import annotations

import platform
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from onnx import numpy_helper

import pytrt
from mtcnn import DeviceError, cascade
from mtcnn.engines import NETWORKS, models_folder
from mtcnn.params import make_params
from pytrt import _pytrt
from pytrt.testing import emulate_tiles, tile_layer

Array = NDArray[Any]

# The pooling window of each layer, 0 for none.
POOLS = {"pnet": (2, 0, 0), "rnet": (3, 3, 0, 0), "onet": (3, 3, 2, 0, 0)}
SIDES = {"rnet": (24, 11, 4, 3), "onet": (48, 23, 10, 4, 3)}
LAYERS = [(network, layer) for network in ("rnet", "onet") for layer in range(len(POOLS[network]))]


@pytest.fixture(autouse=True)
def emulated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRT_MTCNN_AMX", "emulated")


def bits(values: Array) -> NDArray[np.uint16]:
    """float32 as bfloat16, to the nearest, ties to even."""
    whole = np.ascontiguousarray(values, np.float32).view(np.uint32)
    return ((whole + 0x7FFF + (whole >> 16 & 1)) >> 16).astype(np.uint16)


def floats(halves: Array) -> NDArray[np.float32]:
    return (np.ascontiguousarray(halves, np.uint16).astype(np.uint32) << 16).view(np.float32)


def rounded(values: Array) -> NDArray[np.float32]:
    return floats(bits(values))


@cache
def tensors(network: str) -> dict[str, Array]:
    model = onnx.load(models_folder() / f"{network}.onnx")
    return {t.name: numpy_helper.to_array(t) for t in model.graph.initializer}


@cache
def layers(network: str) -> list[tuple[Array, Array, Array]]:
    """(weights (out, in, k, k), bias, slope) of each layer but the heads."""
    model = onnx.load(models_folder() / f"{network}.onnx")
    values = tensors(network)
    slopes = [values[n.input[1]].ravel() for n in model.graph.node if n.op_type == "PRelu"]
    convs = [(values[n.input[1]], values[n.input[2]]) for n in model.graph.node if n.op_type == "Conv"][: len(slopes)]
    return [(w, b, s) for (w, b), s in zip(convs, slopes, strict=True)]


def reference(network: str, layer: int, maps: Array) -> NDArray[np.float32]:
    """A layer of maps (n, h, w, c) of bfloat16, with its PReLU and pooling."""
    weights, bias, slope = layers(network)[layer]
    windows = sliding_window_view(rounded(maps).astype(np.float64), weights.shape[2:], axis=(1, 2))
    sums = np.einsum("nyxckl,ockl->nyxo", windows, rounded(weights).astype(np.float64), optimize=True) + bias
    values = np.where(sums > 0, sums, sums * slope)
    size = POOLS[network][layer]
    if size:
        missing = [(0, max(0, 2 * -(-(n - size) // 2) + size - n)) for n in values.shape[1:3]]  # of the last window
        padded = np.pad(values, [(0, 0), *missing, (0, 0)], constant_values=-np.inf)
        values = sliding_window_view(padded, (size, size), axis=(1, 2))[:, ::2, ::2].max((-2, -1))
    last = layer == len(POOLS[network]) - 1
    return values.astype(np.float32) if last else rounded(values)


def heads(network: str, features: Array) -> dict[str, Array]:
    """The outputs of (n, h, w, features), float32."""
    model = onnx.load(models_folder() / f"{network}.onnx")
    values, found = tensors(network), {}
    for node in [n for n in model.graph.node if n.op_type == "Conv"][len(POOLS[network]) :]:
        w, b = (values[name].astype(np.float64) for name in node.input[1:])
        found[node.output[0]] = np.einsum("nyxc,oc->noyx", features, w[:, :, 0, 0]) + b[:, None, None]
    logits = next(v for k, v in found.items() if k not in ("boxes", "landmarks"))
    e = np.exp(logits - logits.max(1, keepdims=True))
    return {"prob1": e / e.sum(1, keepdims=True)} | {k: v for k, v in found.items() if k in ("boxes", "landmarks")}


@cache
def engine(network: str, threads: int = 1, precision: str = "bf16") -> pytrt.Engine:
    model = (models_folder() / f"{network}.onnx").read_bytes()
    return pytrt.CpuDevice("", threads).load_engine(model, precision)  # type: ignore[arg-type]


def random_maps(shape: tuple[int, ...], seed: int) -> NDArray[np.float32]:
    return rounded(np.random.default_rng(seed).normal(0, 1, shape))


def assert_as_reference(found: Array, want: Array, kept_in_halves: bool) -> None:
    """Float sums differ from the exact ones in their last bits; a rounding that this turns is one step of bfloat16."""
    size = np.abs(want).max()
    assert size > 0.1
    if kept_in_halves:
        assert (found == want).mean() > 0.995
        np.testing.assert_allclose(found, want, rtol=2**-7, atol=1e-6 * size)
    else:
        np.testing.assert_allclose(found, want, rtol=1e-5, atol=3e-6 * size)


class TestRegisters:
    """TDPBF16PS as its manual page has it."""

    def products(self, c: Array, a: Array, b: Array, rows: int, pairs: int, columns: int) -> Array:
        """In NumPy: pairs' first and second products are summed apart, then together, then into c."""
        want = np.zeros((16, 16), np.float32)
        even, odd = np.zeros((2, 16, 16), np.float32)
        for k in range(pairs):
            even += a[:, 2 * k, None] * b[k, None, ::2]
            odd += a[:, 2 * k + 1, None] * b[k, None, 1::2]
        want[:rows, :columns] = (c + (even + odd))[:rows, :columns]
        return want

    @given(
        rows=st.integers(1, 16), pairs=st.integers(1, 16), columns=st.integers(1, 16), seed=st.integers(0, 2**32 - 1)
    )
    @settings(max_examples=60, deadline=None)
    def test_sums_in_their_order_within_the_shapes(self, rows: int, pairs: int, columns: int, seed: int) -> None:
        rng = np.random.default_rng(seed)
        a, b = rounded(rng.normal(0, 1, (2, 16, 32)) * 2.0 ** rng.integers(-20, 20, (2, 16, 32)))
        c = rng.normal(0, 1, (16, 16)).astype(np.float32)
        found = emulate_tiles([(rows, 4 * columns), (rows, 4 * pairs), (pairs, 4 * columns)], c, bits(a), bits(b))
        want = self.products(c, a, b, rows, pairs, columns)
        # What lies beyond the shape is not stored.
        np.testing.assert_array_equal(found[:rows, :columns], want[:rows, :columns])
        np.testing.assert_array_equal(found[rows:], c[rows:])
        np.testing.assert_array_equal(found[:rows, columns:], c[:rows, columns:])

    def test_order_matters_to_that_test(self) -> None:
        a, b = (random_maps((16, 32), seed) for seed in (1, 2))
        c = np.zeros((16, 16), np.float32)
        want = self.products(c, a, b, 16, 16, 16)
        other = np.einsum("mk,kn->mn", a, b.reshape(16, 16, 2).transpose(0, 2, 1).reshape(32, 16))
        assert (other != want).any()
        np.testing.assert_allclose(other, want, atol=1e-4)

    @pytest.mark.parametrize(
        ("c", "a", "b", "want"),
        [
            (0, 2.0**-127, 1, 0),  # a denormal is zero
            (2.0**-130, 1, 2.0**-130, 0),
            (0, 2.0**-100, 2.0**-50, 0),  # and so is a result that would be one
            (1, 2.0**-100, 2.0**-50, 1),
            (2.0**-126, 2.0**-64, 2.0**-63, 2.0**-126),
            (0, 2.0**-63, 2.0**-63, 2.0**-126),
            (-1, 2.0**100, 2.0**100, np.inf),
            (0, np.inf, 0, np.nan),
            (np.nan, 1, 1, np.nan),
            (-np.inf, 1, 1, -np.inf),
        ],
    )
    def test_ends_of_the_range(self, c: float, a: float, b: float, want: float) -> None:
        sums = np.full((16, 16), c, np.float32)
        left, right = np.zeros((2, 16, 32), np.float32)
        left[:, 4], right[2, ::2] = a, b
        found = emulate_tiles([(16, 64)] * 3, sums, (left.view(np.uint32) >> 16), (right.view(np.uint32) >> 16))
        np.testing.assert_array_equal(found, np.full((16, 16), want, np.float32))

    def test_the_sum_of_both_products_is_no_denormal_either(self) -> None:
        left, right = np.zeros((2, 16, 32), np.float32)
        left[:, 0], left[:, 1], right[0] = 1.5 * 2.0**-63, -(2.0**-63), 2.0**-63
        sums = np.full((16, 16), 2.0**-126, np.float32)
        found = emulate_tiles([(16, 64)] * 3, sums, bits(left), bits(right))
        np.testing.assert_array_equal(found, sums)

    def test_a_product_below_the_least_number_counts_in_a_sum(self) -> None:
        # Fused: 2^-126 (1 + 2^-7) - 2^-127 is rounded once, and is denormal; what is left of a product is not lost.
        left, right = np.zeros((2, 16, 32), np.float32)
        left[:, 0], left[:, 2] = 2.0**-63, 2.0**-64
        right[0, ::2], right[1, ::2] = 2.0**-62, 2.0**-64
        found = emulate_tiles([(16, 64)] * 3, np.zeros((16, 16), np.float32), bits(left), bits(right))
        np.testing.assert_array_equal(found, np.float32(2.0**-125 + 2.0**-128))


class TestLayers:
    @pytest.mark.parametrize(("network", "layer"), LAYERS)
    def test_of_crops(self, network: str, layer: int) -> None:
        side, channels = SIDES[network][layer], layers(network)[layer][0].shape[1]
        maps = random_maps((33, side, side, channels), layer)
        want = reference(network, layer, maps)
        whole = tile_layer(engine(network), layer, maps)
        found = whole.reshape(*want.shape[:3], -1)[..., : want.shape[-1]]  # 28 channels lie in 32
        assert_as_reference(found, want, layer < len(POOLS[network]) - 1)
        # Pictures by themselves up to the second pooling; behind it tiles hold several.
        shared = side <= 4
        for n in range(1, 34) if shared else (1, 2, 3, 32):
            np.testing.assert_array_equal(tile_layer(engine(network), layer, maps[:n]), whole[: whole.size // 33 * n])

    @pytest.mark.parametrize("layer", [0, 1, 2])
    @pytest.mark.parametrize("width", [3, 4, 9, 17, 18, 19, 33, 34, 35, 36, 66, 67, 131])
    def test_of_rows(self, layer: int, width: int) -> None:
        for height in range(3, 13):
            maps = random_maps((1, height, width, layers("pnet")[layer][0].shape[1]), height * width)
            want = reference("pnet", layer, maps)
            found = tile_layer(engine("pnet"), layer, maps).reshape(want.shape)
            if layer < 2:
                assert (found == want).mean() > 0.99
                np.testing.assert_allclose(found, want, rtol=2**-7, atol=1e-5)
            else:
                np.testing.assert_allclose(found, want, rtol=1e-5, atol=1e-5)

    def test_engines_of_other_kernels_have_none(self) -> None:
        with pytest.raises(pytrt.EngineError, match="no tiles"):
            tile_layer(engine("rnet", precision="fp32"), 0, np.zeros((1, 24, 24, 3), np.float32))


def whole_reference(network: str, planes: Array) -> dict[str, Array]:
    maps = planes.transpose(0, 2, 3, 1)
    for layer in range(len(POOLS[network])):
        maps = reference(network, layer, maps)
    return heads(network, maps)


class TestNetworks:
    @pytest.mark.parametrize("network", ["rnet", "onet"])
    def test_every_batch(self, network: str) -> None:
        side = SIDES[network][0]
        planes = np.random.default_rng(5).uniform(-1, 1, (33, 3, side, side)).astype(np.float32)
        want = whole_reference(network, planes)
        whole = engine(network).infer(planes)
        for name, value in want.items():
            np.testing.assert_allclose(whole[name].reshape(value.shape), value, atol=3e-3)
        for n in range(1, 33):
            some = engine(network).infer(planes[33 - n :])
            for name, value in some.items():
                np.testing.assert_array_equal(value, whole[name][33 - n :])

    @pytest.mark.parametrize("size", [(12, 12), (12, 45), (13, 14), (29, 12), (47, 61), (80, 79)])
    def test_pnet(self, size: tuple[int, int]) -> None:
        planes = np.random.default_rng(6).uniform(-1, 1, (2, 3, *size)).astype(np.float32)
        found = engine("pnet").infer(planes)
        for name, value in whole_reference("pnet", planes).items():
            np.testing.assert_allclose(found[name], value, atol=1e-2)

    @pytest.mark.parametrize("network", NETWORKS)
    def test_another_arithmetic_than_float32(self, network: str) -> None:
        shape = (2, 3, *(((SIDES[network][0],) * 2) if network in SIDES else (30, 40)))
        planes = np.random.default_rng(7).uniform(-1, 1, shape).astype(np.float32)
        exact, halves = (engine(network, precision=p).infer(planes) for p in ("fp32", "bf16"))
        for name, value in exact.items():
            assert 0 < np.abs(value - halves[name]).max() < 0.05


class TestDetection:
    def stages(self, precision: str, threads: int = 1) -> pytrt.Stages:
        engines = [engine(network, threads, precision) for network in NETWORKS]
        return pytrt.Stages(pytrt.CpuDevice("", threads), *engines)

    def test_beside_float32(self, astronaut: NDArray[np.uint8]) -> None:
        p = make_params("accurate", {"minsize": 60})
        exact, halves = (cascade.detect(self.stages(precision), [astronaut], p)[0] for precision in ("fp32", "bf16"))
        assert exact[0].shape == halves[0].shape == (1, 5)
        assert 0 < np.abs(exact[0] - halves[0]).max() < 2
        np.testing.assert_allclose(exact[1], halves[1], atol=2)

    def test_threads_change_nothing(self, astronaut: NDArray[np.uint8]) -> None:
        p = make_params("fast", {"minsize": 50})
        results = [cascade.detect(self.stages("bf16", threads), [astronaut[:200]], p)[0] for threads in (1, 2, 3)]
        for dets, landmarks in results[1:]:
            np.testing.assert_array_equal(dets, results[0][0])
            np.testing.assert_array_equal(landmarks, results[0][1])


class TestChoice:
    @pytest.fixture(params=["", "off", "emulated"])
    def variable(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
        monkeypatch.setenv("TRT_MTCNN_AMX", request.param)
        yield request.param

    def test_of_kernels(self, variable: str) -> None:
        kernels, reason = pytrt.bf16_kernels()
        if variable == "emulated":
            assert (kernels, reason) == ("emulated_amx", "")
        elif variable == "off":
            assert kernels == pytrt.isa() and reason == "TRT_MTCNN_AMX is off"
        else:
            assert (kernels == "amx" and not reason) or (kernels == pytrt.isa() and "AMX" in reason)

    @pytest.mark.skipif(platform.machine() != "x86_64", reason="of Intel's processors")
    def test_the_module_has_the_instruction(self) -> None:
        code = Path(str(_pytrt.__file__)).read_bytes()
        assert code.count(bytes.fromhex("c4e24a5cc4")) > 20  # tdpbf16ps tmm0, tmm4, tmm6, of each layer

    def test_unknown(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TRT_MTCNN_AMX", "on")
        with pytest.raises(DeviceError, match='TRT_MTCNN_AMX is "on"; it can be off or emulated'):
            pytrt.bf16_kernels()
        with pytest.raises(DeviceError, match="TRT_MTCNN_AMX"):
            pytrt.CpuDevice("", 1).load_engine((models_folder() / "rnet.onnx").read_bytes(), "bf16")
        pytrt.CpuDevice("", 1).load_engine((models_folder() / "rnet.onnx").read_bytes(), "fp32")
