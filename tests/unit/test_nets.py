"""The CPU's own kernels for the three networks, beside OpenVINO and ONNX Runtime."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper, numpy_helper

import pytrt
from mtcnn import DeviceError, EngineError, cascade
from mtcnn.engines import NETWORKS, models_folder
from mtcnn.engines.libraries import openvino_library
from mtcnn.params import make_params
from tests.conftest import DATA, read_picture
from tests.unit.test_pytrt import assert_near, random_input

Model = onnx.ModelProto
SIDES = {"rnet": 24, "onet": 48}


@cache
def device(native: bool, threads: int = 0) -> pytrt.CpuDevice:
    return pytrt.CpuDevice(openvino_library(), threads, native=native)


def bytes_of(network: str) -> bytes:
    return (models_folder() / f"{network}.onnx").read_bytes()


def stages(native: bool, precision: str = "fp32", threads: int = 0) -> pytrt.Stages:
    on = device(native, threads)
    return pytrt.Stages(on, *(on.load_engine(bytes_of(n), precision) for n in NETWORKS))


def runs_natively(model: bytes) -> bool:
    """Whether our own kernels take a model: a device without OpenVINO has nothing else."""
    try:
        pytrt.CpuDevice("").load_engine(model)
    except DeviceError:
        return False
    return True


@pytest.fixture(params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class TestShapes:
    @settings(max_examples=40)
    @given(height=st.integers(12, 80), width=st.integers(12, 80), batch=st.integers(1, 3), seed=st.integers(0, 99))
    @pytest.mark.slow
    def test_pnet(self, height: int, width: int, batch: int, seed: int) -> None:
        # Odd sizes end in a pooling window of one row or column, which counts.
        data = random_input(batch, 3, height, width, seed=seed)
        ours, theirs = (device(native).load_engine(bytes_of("pnet")).infer(data) for native in (True, False))
        assert_near(ours, theirs)

    @pytest.mark.parametrize("network", ["rnet", "onet"])
    @pytest.mark.parametrize("batch", [1, 2, 7, 8, 9, 33])
    def test_crops(self, network: str, batch: int) -> None:
        data = random_input(batch, 3, SIDES[network], SIDES[network], seed=batch)
        ours, theirs = (device(native).load_engine(bytes_of(network)).infer(data) for native in (True, False))
        assert_near(ours, theirs)

    @pytest.mark.parametrize("height", range(74, 82))
    def test_a_last_piece_of_few_rows(self, height: int) -> None:
        # Threads take 32 rows of the grid at a time: 1 to 3 are left, fewer than are made at a time.
        data = random_input(1, 3, height, 50, seed=height)
        whole, pieces = (device(True, threads).load_engine(bytes_of("pnet")).infer(data) for threads in (1, 2))
        for name, value in whole.items():
            np.testing.assert_array_equal(value, pieces[name])
        assert_near(whole, device(False).load_engine(bytes_of("pnet")).infer(data))

    def test_threads_share_the_work(self, network: str) -> None:
        data = random_input(3, 3, *((SIDES[network],) * 2 if network in SIDES else (300, 200)), seed=1)
        results = [device(True, threads).load_engine(bytes_of(network)).infer(data) for threads in (1, 5)]
        for name, value in results[0].items():
            np.testing.assert_array_equal(value, results[1][name])


class TestCascade:
    @pytest.mark.parametrize("preset", ["fast", "accurate", "port"])
    @pytest.mark.parametrize("name", ["2007_007763.jpg", "identification1.jpg", "obama-1080p.jpg"])
    def test_as_openvino(self, name: str, preset: str) -> None:
        img = read_picture(DATA / "photos" / name)
        p = make_params(preset, {"minsize": 30})
        (ours, our_points), (theirs, their_points) = (cascade.detect(stages(n), [img], p)[0] for n in (True, False))
        assert len(ours) == len(theirs) > 0
        np.testing.assert_allclose(ours, theirs, atol=1)
        np.testing.assert_allclose(ours[:, 4], theirs[:, 4], atol=1e-3)
        np.testing.assert_allclose(our_points, their_points, atol=1)

    def test_threads_change_nothing(self, astronaut: NDArray[np.uint8]) -> None:
        img = astronaut
        results = [cascade.detect(stages(True, threads=t), [img, img[:90]], make_params("fast", {})) for t in (1, 2, 7)]
        for other in results[1:]:
            for (a, b), (c, d) in zip(results[0], other):
                np.testing.assert_array_equal(a, c)
                np.testing.assert_array_equal(b, d)

    @pytest.mark.parametrize("threshold", [0.0, 1.0, 2.0])
    def test_thresholds_at_the_ends(self, astronaut: NDArray[np.uint8], threshold: float) -> None:
        counts = []
        for native in (True, False):
            net = stages(native)
            net.load([astronaut], [astronaut.shape[:2]])
            counts.append(net.pnet([(0, 40, 40, 40 / 512, 40 / 512)], threshold, 1.0, 1.0, 10_000))
        assert counts[0] == counts[1] == (15 * 15 if threshold == 0 else 0)


def edit(network: str, change: Callable[[Model], None]) -> bytes:
    model = onnx.load_from_string(bytes_of(network))
    change(model)
    return bytes(model.SerializeToString())


def node(model: Model, name: str) -> onnx.NodeProto:
    return next(n for n in model.graph.node if n.name == name)


def attribute(model: Model, name: str, key: str, value: Any) -> None:
    kept = [a for a in node(model, name).attribute if a.name != key]
    del node(model, name).attribute[:]
    node(model, name).attribute.extend([*kept, helper.make_attribute(key, value)])


def weights(model: Model, name: str) -> onnx.TensorProto:
    return next(t for t in model.graph.initializer if t.name == name)


class TestRecognition:
    """A network of another architecture is OpenVINO's; a file that merely looks alike must not be mistaken."""

    def test_ours(self, network: str) -> None:
        assert runs_natively(bytes_of(network))

    def test_other_weights(self, network: str) -> None:
        rng = np.random.default_rng(0)

        def retrain(model: Model) -> None:
            for tensor in model.graph.initializer:
                array = numpy_helper.to_array(tensor)
                tensor.CopyFrom(numpy_helper.from_array(rng.normal(0, 0.1, array.shape).astype("<f4"), tensor.name))

        model = edit(network, retrain)
        data = random_input(2, 3, SIDES.get(network, 31), SIDES.get(network, 44), seed=0)
        assert runs_natively(model)
        ours, theirs = (device(native).load_engine(model).infer(data) for native in (True, False))
        for name, want in theirs.items():
            np.testing.assert_allclose(ours[name], want, rtol=1e-5, atol=1e-5 * np.abs(want).max())

    def test_weights_as_floats(self) -> None:
        # The other way in which a file may hold them.
        def unpack(model: Model) -> None:
            tensor = weights(model, "conv1.weight")
            values: NDArray[np.float32] = numpy_helper.to_array(tensor).ravel()
            tensor.ClearField("raw_data")
            tensor.float_data.extend(values.tolist())

        model = edit("pnet", unpack)
        assert runs_natively(model)
        data = random_input(1, 3, 20, 20, seed=0)
        assert_near(device(True).load_engine(model).infer(data), device(True).load_engine(bytes_of("pnet")).infer(data))

    def test_other_names(self) -> None:
        def rename(model: Model) -> None:
            model.graph.input[0].name = "picture"
            node(model, "conv1").input[0] = "picture"

        model = edit("rnet", rename)
        assert runs_natively(model)
        assert device(True).load_engine(model).input[0] == "picture"

    @pytest.mark.parametrize(
        ("network", "change"),
        [
            ("pnet", lambda m: attribute(m, "conv1", "strides", [2, 2])),
            ("pnet", lambda m: attribute(m, "conv2", "pads", [1, 1, 1, 1])),
            ("pnet", lambda m: attribute(m, "conv2", "auto_pad", "SAME_UPPER")),
            ("pnet", lambda m: attribute(m, "conv3", "dilations", [2, 2])),
            ("pnet", lambda m: attribute(m, "pool1", "ceil_mode", 0)),
            ("pnet", lambda m: attribute(m, "pool1", "strides", [1, 1])),
            ("rnet", lambda m: attribute(m, "pool1", "kernel_shape", [2, 2])),
            ("rnet", lambda m: attribute(m, "prob1", "axis", 2)),
            ("rnet", lambda m: weights(m, "prelu1.slope").dims.__setitem__(slice(None), [1, 28, 1])),
            ("onet", lambda m: setattr(node(m, "prelu3"), "op_type", "Relu") or node(m, "prelu3").input.pop()),
            ("onet", lambda m: m.graph.node.append(helper.make_node("Neg", ["boxes"], ["more"]))),
            ("onet", lambda m: setattr(node(m, "conv2"), "domain", "com.example")),
            ("onet", lambda m: m.graph.output.pop()),
        ],
    )
    def test_another_architecture(self, network: str, change: Callable[[Model], None]) -> None:
        assert not runs_natively(edit(network, change))

    @pytest.mark.slow
    @settings(max_examples=300, deadline=None)
    @given(data=st.data())
    def test_damaged_files(self, data: st.DataObject) -> None:
        model = bytearray(bytes_of("pnet"))
        for _ in range(data.draw(st.integers(1, 4))):
            model[data.draw(st.integers(0, len(model) - 1))] = data.draw(st.integers(0, 255))
        model = model[: data.draw(st.sampled_from([len(model), 17, len(model) // 2, len(model) - 3]))]
        try:
            engine = pytrt.CpuDevice("").load_engine(bytes(model))
        except (EngineError, DeviceError):
            return
        assert engine.infer(random_input(1, 3, 12, 12, seed=0))["prob1"].shape == (1, 2, 1, 1)
