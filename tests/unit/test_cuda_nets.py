"""The networks as CUDA kernels, run as loops on the CPU and on the model of a GPU, beside the CPU's."""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import numpy_helper

import pytrt
from mtcnn import EngineError
from mtcnn.engines import NETWORKS, models_folder
from tests.reference import nets, nets_fp16
from tests.support.emulated import MODES, emulated_gpu
from tests.support.lnet import lnet_model
from tests.support.native import compile_native
from tests.unit.test_pytrt import random_input

SIDES = {"rnet": 24, "onet": 48, "lnet": 24}
SAME = 1e-4  # of outputs about 1: float32 in another order
# The same in float16: where a sum lies between two of its values, another order may round it to the other one.
SAME_FP16 = {"pnet": 2e-5, "rnet": 2e-5, "onet": 2e-5}


@pytest.fixture(scope="module", params=MODES)
def gpu(request: pytest.FixtureRequest) -> Any:
    made = emulated_gpu(request.param, kernels=True)
    yield made
    if request.param == "asynchronous":
        assert made.misuses() == []


@cache
def cpu() -> pytrt.CpuDevice:
    return pytrt.CpuDevice("", 1)


def model_of(network: str) -> bytes:
    return lnet_model() if network == "lnet" else (models_folder() / f"{network}.onnx").read_bytes()


def randomised(model: bytes, seed: int) -> bytes:
    """The same layers with other weights: PReLUs that fall, biases that are not small, all heads at work."""
    rng = np.random.default_rng(seed)
    changed = onnx.load_from_string(model)
    for tensor in changed.graph.initializer:
        value = numpy_helper.to_array(tensor)
        if value.ndim == 4:
            other = rng.normal(0, np.sqrt(1.5 / np.prod(value.shape[1:])), value.shape)
        else:
            other = rng.uniform(-0.5, 0.5, value.shape)
        tensor.CopyFrom(numpy_helper.from_array(other.astype(np.float32), tensor.name))
    return bytes(changed.SerializeToString())


def assert_near(
    ours: dict[str, NDArray[np.float32]], theirs: dict[str, NDArray[np.float32]], atol: float = SAME
) -> None:
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=0, atol=atol, err_msg=name)


def compare(gpu: pytrt.Device, model: bytes, data: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    ours, theirs = (device.load_engine(model).infer(data) for device in (gpu, cpu()))
    assert_near(ours, theirs)
    return ours


def compare_fp16(network: str, gpu: pytrt.Device, model: bytes, data: NDArray[np.float32]) -> None:
    assert_near(gpu.load_engine(model, "fp16").infer(data), nets_fp16.run(model, data), SAME_FP16[network])


@pytest.mark.parametrize("network", [*NETWORKS, "lnet"])
def test_inputs_and_outputs(network: str, gpu: pytrt.Device) -> None:
    ours, theirs = (device.load_engine(model_of(network)) for device in (gpu, cpu()))
    assert (ours.input, ours.outputs) == (theirs.input, theirs.outputs)
    with pytest.raises(ValueError, match="the network takes an input of shape"):
        ours.infer(np.zeros((1, 3, 11, 11), np.float32))
    assert pytrt.kernel_network(model_of(network)) == network


@settings(max_examples=25)
@given(height=st.integers(12, 50), width=st.integers(12, 50), batch=st.integers(1, 3), seed=st.integers(0, 99))
def test_pnet_of_any_size(height: int, width: int, batch: int, seed: int) -> None:
    """Odd sides end in a pooling window of one row or column; blocks of rows hang over the end of others."""
    data = random_input(batch, 3, height, width, seed=seed)
    for mode in MODES if seed % 5 == 0 else MODES[:1]:
        gpu = emulated_gpu(mode, kernels=True)
        compare(gpu, model_of("pnet"), data)
        compare_fp16("pnet", gpu, model_of("pnet"), data)


@pytest.mark.parametrize("network", ["rnet", "onet", "lnet"])
@pytest.mark.parametrize("batch", [1, 2, 3, 5])
def test_crops(network: str, batch: int, gpu: pytrt.Device) -> None:
    channels = 15 if network == "lnet" else 3
    compare(gpu, model_of(network), random_input(batch, channels, SIDES[network], SIDES[network], seed=batch))


@pytest.mark.slow
def test_more_crops_than_are_worked_on_at_once() -> None:
    gpu = emulated_gpu(kernels=True)
    compare(gpu, model_of("rnet"), random_input(1027, 3, 24, 24, seed=1))


@pytest.mark.parametrize("network", NETWORKS)
def test_other_weights(network: str, gpu: pytrt.Device) -> None:
    side = SIDES.get(network, 37)
    ours = compare(gpu, randomised(model_of(network), 7), random_input(2, 3, side, side, seed=3))
    assert all(np.ptp(value[:, channel]) > 0 for value in ours.values() for channel in range(value.shape[1]))


class TestFloat16:
    """Tensor cores' products, by the same tiles and lanes on a CPU."""

    def test_values(self, tmp_path: Path) -> None:
        """All of them, and floats that are rounded: ties, subnormal values, what is too large."""
        program = compile_native("half.cpp", tmp_path / "half")
        values = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
        exact = np.sort(values[np.isfinite(values)].astype(np.float32))
        between = (exact[1:] + exact[:-1]) / 2
        floats = np.concatenate(
            [
                exact,
                between,
                np.nextafter(between, np.float32(np.inf)),
                np.nextafter(between, np.float32(-np.inf)),
                np.float32([65519.99, 65520, 1e30, -1e30, np.inf, -np.inf, np.nan, 1e-8, -1e-45]),
            ]
        )
        said = subprocess.run([program], input=floats.tobytes(), capture_output=True, check=True, timeout=60).stdout
        np.testing.assert_array_equal(np.frombuffer(said[: 4 << 16], np.float32), values.astype(np.float32))
        with np.errstate(over="ignore"):
            np.testing.assert_array_equal(np.frombuffer(said[4 << 16 :], np.float16), floats.astype(np.float16))

    @pytest.mark.parametrize("network", NETWORKS)
    def test_beside_numpy(self, network: str, gpu: pytrt.Device) -> None:
        """The models' weights, and others, with batches that end within a tile."""
        side = SIDES.get(network, 41)
        for batch, model in ((3, model_of(network)), (1, randomised(model_of(network), 7))):
            compare_fp16(network, gpu, model, random_input(batch, 3, side, side, seed=batch))

    @pytest.mark.parametrize("network", [*NETWORKS, "lnet"])
    def test_beside_float32(self, network: str) -> None:
        """Networks whose outputs decide what there is are as near as float32 in another order."""
        side, channels = SIDES.get(network, 64), 15 if network == "lnet" else 3
        data = random_input(2, channels, side, side, seed=4)
        gpu = emulated_gpu(kernels=True)
        rounded, exact = (gpu.load_engine(model_of(network), p).infer(data) for p in ("fp16", "fp32"))
        assert_near(rounded, exact, 1e-2 if network == "lnet" else 1e-5)
        assert any(np.any(rounded[name] != exact[name]) for name in exact)

    def test_more_tiles_than_warps(self) -> None:
        """Of which each then makes several; a crop's outputs are the same, whatever lies beside it."""
        engine = emulated_gpu(kernels=True).load_engine(model_of("rnet"), "fp16")
        data = random_input(560, 3, 24, 24, seed=1)
        all_of_them, few = engine.infer(data), engine.infer(data[-5:])
        for name, value in few.items():
            np.testing.assert_array_equal(all_of_them[name][-5:], value)

    def test_no_other(self, gpu: pytrt.Device) -> None:
        with pytest.raises(EngineError, match="compute in float32 or float16, not in bf16"):
            gpu.load_engine(model_of("rnet"), "bf16")


def test_beside_onnx_runtime(gpu: pytrt.Device) -> None:
    data = random_input(3, 3, 24, 24, seed=2)
    prob, boxes = nets.run_rnet(data)
    ours = gpu.load_engine(model_of("rnet")).infer(data)
    np.testing.assert_allclose(ours["prob1"][:, 1, 0, 0], prob, rtol=0, atol=SAME)
    np.testing.assert_allclose(ours["boxes"][:, :, 0, 0], boxes, rtol=0, atol=SAME)


def test_other_architectures_need_tensorrt(gpu: pytrt.Device) -> None:
    model = onnx.load_from_string(model_of("rnet"))
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("auto_pad", "SAME_UPPER"))
    for other in (model.SerializeToString(), b"", b"no model"):
        with pytest.raises(EngineError, match="run no others: TensorRT does, which pip install tensorrt-cu13 brings"):
            gpu.load_engine(other)
        with pytest.raises(EngineError, match="none of MTCNN's networks, layer by layer"):
            pytrt.kernel_network(other)
    for wrong in (None, 3, "rnet.onnx"):
        with pytest.raises(TypeError, match="model must be a file's bytes"):
            pytrt.kernel_network(wrong)  # type: ignore[arg-type]
