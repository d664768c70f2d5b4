"""The native module's networks and stages: Engine, PyTrtMtcnn, Stages."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort
import pytest
from numpy.typing import NDArray

import pytrt
from mtcnn import ClosedError, DeviceError, EngineError
from mtcnn.engines import NETWORKS, load_engine, models_folder
from mtcnn.engines.devices import cpu_device
from mtcnn.engines.libraries import openvino_library
from pytrt import testing
from tests.reference import cascade
from tests.reference.params import PRESETS
from tests.reference.resize import Mips

Array = NDArray[np.float32]

SIDES = {"pnet": 12, "rnet": 24, "onet": 48}
OUTPUTS = {"prob1": 2, "boxes": 4, "landmarks": 10}


def names(network: str) -> list[str]:
    return ["prob1", "boxes", "landmarks"] if network == "onet" else ["prob1", "boxes"]


def random_input(*shape: int, seed: int = 0) -> Array:
    """Pixels as networks take them."""
    levels = np.random.default_rng(seed).integers(0, 256, shape)
    return ((levels - 127.5) * 0.0078125).astype(np.float32)


@pytest.fixture(scope="module", params=NETWORKS)
def network(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def engine(network: str, engines: dict[str, Path]) -> pytrt.Engine:
    return load_engine(engines[network])


@pytest.fixture(scope="module")
def onnx(network: str) -> Callable[[Array], dict[str, Array]]:
    """The network's model in ONNX Runtime."""
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    session = ort.InferenceSession(models_folder() / f"{network}.onnx", options, providers=["CPUExecutionProvider"])

    def run(data: Array) -> dict[str, Array]:
        return dict(zip(names(network), session.run(names(network), {"data": data}), strict=True))

    return run


def shapes(network: str) -> list[tuple[int, ...]]:
    if network == "pnet":
        return [(1, 3, 12, 12), (1, 3, 13, 40), (2, 3, 35, 12), (5, 3, 61, 47), (1, 3, 216, 384), (1, 3, 384, 216)]
    return [(n, 3, SIDES[network], SIDES[network]) for n in (1, 2, 3, 5, 8, 17, 64)]


def assert_near(ours: dict[str, Array], theirs: dict[str, Array]) -> None:
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        assert array.dtype == np.float32 and array.shape == theirs[name].shape
        np.testing.assert_allclose(array, theirs[name], rtol=0, atol=1e-5)


class TestEngine:
    def test_names_and_shapes(self, network: str, engine: pytrt.Engine) -> None:
        side = -1 if network == "pnet" else SIDES[network]
        assert engine.input == ("data", (-1, 3, side, side))
        grid = -1 if network == "pnet" else 1
        assert engine.outputs == [(name, (-1, OUTPUTS[name], grid, grid)) for name in names(network)]

    def test_as_onnx_runtime(self, network: str, engine: pytrt.Engine, onnx: Callable[..., Any]) -> None:
        for i, shape in enumerate(shapes(network) * 2):
            data = random_input(*shape, seed=i)
            assert_near(engine.infer(data), onnx(data))

    def test_any_floats(self, network: str, engine: pytrt.Engine) -> None:
        side = SIDES[network] + (20 if network == "pnet" else 0)
        data = random_input(4, 3, side, side)
        expected = engine.infer(data)
        read_only = data.copy()
        read_only.flags.writeable = False
        for other in (
            data.astype(np.float64),
            np.asfortranarray(data),
            np.repeat(data, 2, axis=3)[:, :, :, ::2],
            np.ascontiguousarray(data.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2),
            data[::-1].copy()[::-1],
            data.astype(data.dtype.newbyteorder()),
            read_only,
            data.tolist(),
        ):
            for name, array in engine.infer(other).items():
                np.testing.assert_array_equal(array, expected[name])

    def test_leaves_its_input_alone(self, network: str, engine: pytrt.Engine) -> None:
        data = random_input(2, 3, SIDES[network], SIDES[network])
        before = data.copy()
        engine.infer(data)
        np.testing.assert_array_equal(data, before)

    @pytest.mark.parametrize(
        "shape",
        [(), (3,), (3, 48, 48), (1, 1, 3, 48, 48), (0, 3, 48, 48), (1, 1, 48, 48), (1, 48, 48, 3), (1, 3, 0, 48)],
    )
    def test_wrong_shapes(self, shape: tuple[int, ...], engine: pytrt.Engine) -> None:
        with pytest.raises(ValueError, match=r"shape|dimensions"):
            engine.infer(np.zeros(shape, np.float32))

    @pytest.mark.parametrize(
        ("network", "side"), [("rnet", 23), ("rnet", 48), ("onet", 24), ("onet", 47)], indirect=["network"]
    )
    def test_wrong_side(self, side: int, engine: pytrt.Engine) -> None:
        with pytest.raises(ValueError, match=rf"takes an input of shape \(any, 3, .*got \(2, 3, {side}, {side}\)"):
            engine.infer(np.zeros((2, 3, side, side), np.float32))

    @pytest.mark.parametrize("size", [(1, 1), (2, 50), (50, 4), (11, 12), (12, 11)])
    @pytest.mark.parametrize("network", ["pnet"], indirect=True)
    def test_too_small_for_pnet(self, size: tuple[int, int], engine: pytrt.Engine) -> None:
        with pytest.raises(ValueError, match="any side from 12 up"):
            engine.infer(np.zeros((1, 3, *size), np.float32))
        # and works on as before
        assert engine.infer(np.zeros((1, 3, 12, 12), np.float32))["prob1"].shape == (1, 2, 1, 1)

    @pytest.mark.parametrize("data", [None, "text", np.zeros((1, 3, 12, 12), complex), np.zeros((1, 3, 12, 12), bool)])
    def test_no_numbers(self, data: Any, engine: pytrt.Engine) -> None:
        with pytest.raises(TypeError, match="data must hold numbers"):
            engine.infer(data)

    def test_is_made_by_a_device(self) -> None:
        for kind in (pytrt.Engine, pytrt.Device):
            with pytest.raises(TypeError):
                kind()


class TestDevice:
    def test_runtime_and_threads(self) -> None:
        device = pytrt.CpuDevice(openvino_library(), 3)
        assert device.threads == 3 and device.runtime == f"native kernels ({pytrt.isa()})"
        assert pytrt.CpuDevice(openvino_library(), native=False).runtime.startswith("OpenVINO 20")
        assert pytrt.CpuDevice(openvino_library()).threads == len(os.sched_getaffinity(0))

    @pytest.mark.parametrize("threads", [-1, 1025])
    def test_wrong_threads(self, threads: int) -> None:
        with pytest.raises(ValueError, match="threads"):
            pytrt.CpuDevice(openvino_library(), threads)

    def test_missing_library(self, tmp_path: Path) -> None:
        path = tmp_path / "libopenvino_c.so"
        with pytest.raises(DeviceError, match=f"cannot load {path}"):
            pytrt.CpuDevice(str(path), native=False)
        path.write_text("no library")
        with pytest.raises(DeviceError, match=f"cannot load {path}"):
            pytrt.CpuDevice(str(path), native=False)

    def test_another_library(self) -> None:
        with pytest.raises(DeviceError, match="has no function ov_core_create"):
            pytrt.CpuDevice("libm.so.6", native=False)

    def test_needs_no_library(self, network: str) -> None:
        device = pytrt.CpuDevice("")
        model = (models_folder() / f"{network}.onnx").read_bytes()
        assert device.load_engine(model).outputs[0][0] == "prob1"
        with pytest.raises(DeviceError, match="needs OpenVINO, which is not installed: pip install openvino"):
            device.load_engine(model, "fp16")

    @pytest.mark.parametrize("kind", [pytrt.CpuDevice, testing.EmulatedGpu])
    def test_is_made_once(self, kind: type[pytrt.CpuDevice]) -> None:
        device = kind("", 2)
        with pytest.raises(RuntimeError, match="this device is made: make another"):
            device.__init__("", 3)  # type: ignore[misc]  # while calls of other threads may use it
        assert device.threads == 2

    @pytest.mark.parametrize("model", [b"", b"garbage", b"\x00" * 10_000])
    def test_garbage(self, model: bytes) -> None:
        with pytest.raises(EngineError, match="not a model"):
            cpu_device().load_engine(model)

    def test_half_a_model(self, network: str) -> None:
        model = (models_folder() / f"{network}.onnx").read_bytes()
        for length in (1, 100, len(model) // 2, len(model) - 1):
            with pytest.raises((EngineError, DeviceError)):
                cpu_device().load_engine(model[:length])

    def test_unknown_precision(self) -> None:
        with pytest.raises(ValueError, match="precision"):
            cpu_device().load_engine(b"", "int8")


class TestPyTrtMtcnn:
    def test_as_onnx_runtime(self, network: str, engines: dict[str, Path], onnx: Callable[..., Any]) -> None:
        net = pytrt.PyTrtMtcnn(engines[network])
        for i, shape in enumerate(shapes(network)):
            data = random_input(*shape, seed=i)
            net.set_batchsize(shape[0])
            assert_near(net.forward(data), onnx(data))
        net.destroy()

    def test_as_the_ports_code_calls_it(self, engines: dict[str, Path]) -> None:
        pnet = pytrt.PyTrtMtcnn(str(engines["pnet"]), (3, 710, 384), (2, 350, 187), (4, 350, 187))
        rnet = pytrt.PyTrtMtcnn(str(engines["rnet"]), (3, 24, 24), (2, 1, 1), (4, 1, 1))
        onet = pytrt.PyTrtMtcnn(str(engines["onet"]), (3, 48, 48), (2, 1, 1), (4, 1, 1), (10, 1, 1))
        pnet.set_batchsize(1)
        outputs = pnet.forward(np.zeros((1, 3, 710, 384), np.float32))
        assert outputs["prob1"].shape == (1, 2, 350, 187) and outputs["boxes"].shape == (1, 4, 350, 187)
        for n in (7, 256, 1):
            rnet.set_batchsize(n)
            assert rnet.forward(np.zeros((n, 3, 24, 24), np.float32))["prob1"].shape == (n, 2, 1, 1)
        for n in (64, 1):
            onet.set_batchsize(n)
            outputs = onet.forward(np.zeros((n, 3, 48, 48), np.float32))
            assert {name: array.shape for name, array in outputs.items()} == {
                "prob1": (n, 2, 1, 1),
                "boxes": (n, 4, 1, 1),
                "landmarks": (n, 10, 1, 1),
            }
        for net in (pnet, rnet, onet):
            net.destroy()

    def test_without_set_batchsize_any_batch(self, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines["rnet"])
        for n in (3, 1, 20):
            assert len(net.forward(random_input(n, 3, 24, 24))["prob1"]) == n

    def test_another_batch_than_was_set(self, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines["rnet"])
        net.set_batchsize(4)
        with pytest.raises(ValueError, match=r"imgs has 3 pictures but set_batchsize\(4\)"):
            net.forward(random_input(3, 3, 24, 24))
        assert len(net.forward(random_input(4, 3, 24, 24))["boxes"]) == 4
        net.set_batchsize(0)
        assert len(net.forward(random_input(3, 3, 24, 24))["boxes"]) == 3

    @pytest.mark.parametrize(
        ("size", "error"), [(-1, ValueError), (1.5, TypeError), (True, TypeError), ("3", TypeError)]
    )
    def test_wrong_batchsize(self, size: Any, error: type[Exception], engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines["rnet"])
        with pytest.raises(error, match="batch_size"):
            net.set_batchsize(size)

    @pytest.mark.parametrize("dims", [(3, 24, 24), [3, 24, 24], np.array([3, 24, 24])])
    def test_dims_are_any_three_whole_numbers(self, dims: Any, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines["rnet"], dims)
        assert net.forward(random_input(1, 3, 24, 24))["prob1"].shape == (1, 2, 1, 1)

    @pytest.mark.parametrize(
        ("dims", "error", "message"),
        [
            (((3, 24, 25),), ValueError, "input_dims .* does not fit the engine"),
            (((1, 24, 24),), ValueError, "input_dims .* does not fit the engine"),
            (((24, 24),), ValueError, "input_dims must be three"),
            (((1, 3, 24, 24),), ValueError, "input_dims must be three"),
            (((3, -1, 24),), ValueError, "input_dims must be three positive"),
            ((24,), TypeError, "input_dims must be a tuple"),
            ((("a", "b", "c"),), TypeError, "input_dims must be a tuple"),
            (((3, 24.5, 24),), TypeError, "input_dims must be a tuple"),
            (((3, 24, 24), (2, 1, 1)), ValueError, "has 2 outputs .*got dims for 1"),
            (((3, 24, 24), (2, 1, 1), (4, 1, 1), (10, 1, 1)), ValueError, "has 2 outputs .*got dims for 3"),
            (((3, 24, 24), (4, 1, 1), (2, 1, 1)), ValueError, "output_dims of prob1"),
            (((3, 24, 24), (2, 1, 1), (4, 2, 1)), ValueError, "output_dims of boxes"),
        ],
    )
    def test_wrong_dims(
        self, dims: tuple[Any, ...], error: type[Exception], message: str, engines: dict[str, Path]
    ) -> None:
        with pytest.raises(error, match=message):
            pytrt.PyTrtMtcnn(engines["rnet"], *dims)

    def test_another_size_than_the_dims(self, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines["pnet"], (3, 40, 60))
        assert net.forward(random_input(1, 3, 40, 60))["prob1"].shape[2:] == (15, 25)
        with pytest.raises(ValueError, match=r"imgs must have shape \(n, 3, 40, 60\), got \(1, 3, 60, 40\)"):
            net.forward(random_input(1, 3, 60, 40))
        net = pytrt.PyTrtMtcnn(engines["pnet"], (3, 40, 60), (2, 15, 25), (4, 15, 26))
        with pytest.raises(ValueError, match=r"boxes is \(4, 15, 25\) for this input, not \(4, 15, 26\)"):
            net.forward(random_input(1, 3, 40, 60))

    @pytest.mark.parametrize(
        ("imgs", "error"),
        [
            (None, TypeError),
            ([[1.0]], TypeError),
            (np.zeros((24, 24, 3), np.float32), ValueError),
            (np.zeros((1, 24, 24, 3), np.float32), ValueError),
            (np.zeros((0, 3, 24, 24), np.float32), ValueError),
            (np.full((1, 3, 24, 24), "x"), TypeError),
        ],
    )
    def test_wrong_input(self, imgs: Any, error: type[Exception], engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines["rnet"])
        with pytest.raises(error):
            net.forward(imgs)
        assert len(net.forward(random_input(2, 3, 24, 24))["prob1"]) == 2

    def test_destroy_during_forward(self, network: str, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines[network])

        class Ends(np.ndarray[Any, Any]):
            @property
            def ndim(self) -> int:  # as another thread would
                net.destroy()
                return super().ndim

        side = {"pnet": 12, "rnet": 24, "onet": 48}[network]
        assert net.forward(np.zeros((1, 3, side, side), np.float32).view(Ends))["prob1"].shape[:2] == (1, 2)
        with pytest.raises(ClosedError):
            net.forward(np.zeros((1, 3, side, side), np.float32))

    def test_destroy(self, network: str, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines[network])
        kept = net.forward(random_input(1, 3, SIDES[network], SIDES[network]))
        expected = {name: array.copy() for name, array in kept.items()}
        net.destroy()
        net.destroy()
        with pytest.raises(ClosedError, match="make a new PyTrtMtcnn"):
            net.forward(random_input(1, 3, SIDES[network], SIDES[network]))
        for name, array in kept.items():
            np.testing.assert_array_equal(array, expected[name])

    def test_missing_engine(self, tmp_path: Path) -> None:
        # tensorrt_demos aborts the process here.
        with pytest.raises(EngineError, match="there is no engine .*run create_engines"):
            pytrt.PyTrtMtcnn(tmp_path / "pnet.engine")

    def test_outputs_are_the_callers(self, network: str, engines: dict[str, Path]) -> None:
        net = pytrt.PyTrtMtcnn(engines[network])
        data = random_input(2, 3, SIDES[network], SIDES[network])
        first = net.forward(data)
        copies = {name: array.copy() for name, array in first.items()}
        second = net.forward(-data)
        for name, array in first.items():
            np.testing.assert_array_equal(array, copies[name])
            assert not np.array_equal(array, second[name])
            assert not any(np.shares_memory(array, other) for other in second.values())
            assert array.flags.writeable and array.flags.c_contiguous
            array[:] = 0
        again = net.forward(data)
        for name, array in again.items():
            np.testing.assert_array_equal(array, copies[name])

    def test_input_is_read_in_place(self, engines: dict[str, Path]) -> None:
        # One array, written anew for each call, as video code does.
        net, other = pytrt.PyTrtMtcnn(engines["onet"]), pytrt.PyTrtMtcnn(engines["onet"])
        buffer = np.empty((4, 3, 48, 48), np.float32)
        before: Array | None = None
        for seed in range(20):
            data = random_input(4, 3, 48, 48, seed=seed)
            buffer[:] = data
            ours = net.forward(buffer)
            for name, array in other.forward(data).items():
                np.testing.assert_array_equal(ours[name], array)
            assert before is None or not np.array_equal(ours["prob1"], before)
            before = ours["prob1"]


@pytest.fixture
def stages(engines: dict[str, Path]) -> pytrt.Stages:
    device = cpu_device()
    return pytrt.Stages(device, *(load_engine(engines[net], device) for net in NETWORKS))


class TestStages:
    LEVELS = ((0, 130, 130, 130 / 512, 130 / 512), (0, 92, 92, 92 / 512, 92 / 512), (0, 66, 66, 66 / 512, 66 / 512))

    @pytest.mark.parametrize("preset", PRESETS)
    @pytest.mark.parametrize("device", [pytrt.CpuDevice, testing.EmulatedGpu])
    def test_step_by_step_as_the_reference(
        self, device: Callable[[str], pytrt.Device], preset: str, engines: dict[str, Path], astronaut: NDArray[np.uint8]
    ) -> None:
        """The code of both devices, whose arithmetic on boxes and pixels is the same."""
        p = PRESETS[preset]
        trace = cascade.trace(astronaut, 40, preset)
        on = device("")
        stages = pytrt.Stages(on, *(on.load_engine(engines[net].read_bytes()) for net in NETWORKS))
        levels = [(0, v.height, v.width, v.scale_y, v.scale_x) for v in trace.pnet.levels]
        stages.load(
            [astronaut],
            [astronaut.shape[:2]],
            resize=p.resize,
            nms_on_windows=p.nms_boxes == "window",
            whole_pixels=p.whole_pixels,
        )
        assert stages.pnet(levels, p.thresholds[0], *p.nms_thresholds[:2], p.max_rnet) == len(trace.pnet.boxes)
        self.check(stages, trace.pnet.boxes, trace.pnet.scores)
        assert stages.rnet(p.thresholds[1], p.nms_thresholds[2], p.max_onet) == len(trace.rnet.boxes)
        self.check(stages, trace.rnet.boxes, trace.rnet.scores)
        faces = stages.onet(
            p.thresholds[2],
            p.nms_thresholds[3],
            flip=p.mirror,
            flip_first=p.mirror_first,
            flip_range=p.mirror_range,
            tta_scales=p.second_pass_scales if p.second_pass else (),
            average_scores=p.average_scores,
            tight_landmarks=p.tight_landmarks,
            average_above=p.average_above,
            vote=p.vote,
        )
        assert faces == len(trace.onet.dets) == 1
        self.check(stages, trace.onet.dets[:, :4], trace.onet.dets[:, 4])
        np.testing.assert_allclose(stages.boxes()[1], trace.onet.landmarks, atol=1e-3)
        stages.unload()

    @staticmethod
    def check(stages: pytrt.Stages, boxes: Array, scores: Array) -> None:
        dets, landmarks, frames = stages.boxes()
        assert landmarks.shape == (len(dets), 10) and not frames.any()
        np.testing.assert_allclose(dets[:, 4], scores, atol=1e-5)
        np.testing.assert_allclose(dets[:, :4], boxes, atol=1e-2)

    def test_the_pyramid_is_what_pnet_sees(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        """A level through the stages equals the level alone through resize, P-Net and propose."""
        stages.load([astronaut], [astronaut.shape[:2]])
        net = pytrt.PyTrtMtcnn(Path(os.environ["TRT_MTCNN_ENGINES"]) / "cpu" / "pnet.engine")
        for level in self.LEVELS:
            _, height, width, scale_y, scale_x = level
            count = stages.pnet([level], 0.3, 1, 1, 10_000)
            data = cascade.level_input(Mips(astronaut), cascade.Level(1, height, width, scale_y, scale_x), "area")
            outputs = net.forward(data)
            alone = pytrt.propose(outputs["prob1"][0], outputs["boxes"][0], scale_y, scale_x, 0.3)
            assert count == len(alone) > 0
            order = np.argsort(-alone[:, 4], kind="stable")
            np.testing.assert_allclose(stages.boxes()[0][:, 4], alone[order, 4], atol=1e-5)

    def test_frames_are_told_apart(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        black = np.zeros_like(astronaut)
        stages.load([black, astronaut, astronaut], [astronaut.shape[:2]] * 3)
        levels = [(frame, *level[1:]) for frame in (0, 1, 2) for level in self.LEVELS]
        stages.pnet(levels, 0.6, 0.5, 0.7, 1000)
        stages.rnet(0.7, 0.7, 1000)
        assert stages.onet(0.7, 0.7) == 2
        dets, landmarks, frames = stages.boxes()
        assert frames.tolist() == [1, 2]
        np.testing.assert_allclose(dets[0], dets[1], atol=1e-4)
        np.testing.assert_allclose(landmarks[0], landmarks[1], atol=1e-3)

    def test_keep_is_for_each_frame(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        stages.load([astronaut, astronaut], [astronaut.shape[:2]] * 2)
        levels = [(frame, *level[1:]) for frame in (0, 1) for level in self.LEVELS]
        assert stages.pnet(levels, 0.3, 0.5, 0.7, 5) == 10
        assert stages.boxes()[2].tolist() == [0] * 5 + [1] * 5
        assert stages.rnet(0, 1, 3) == 6

    def test_nothing_loaded(self, stages: pytrt.Stages) -> None:
        assert stages.pnet([], 0.6, 0.5, 0.7, 1000) == 0
        for _ in range(2):
            assert stages.rnet(0.0, 0.7, 1000) == 0
            assert stages.onet(0.0, 0.7) == 0
            dets, landmarks, frames = stages.boxes()
            assert dets.shape == (0, 5) and landmarks.shape == (0, 10) and frames.shape == (0,)
            stages.unload()

    def test_rnet_and_onet_before_pnet(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        stages.load([astronaut], [astronaut.shape[:2]])
        assert stages.onet(0.0, 0.7) == 0
        assert stages.rnet(0.0, 0.7, 1000) == 0
        assert stages.pnet(self.LEVELS, 0.6, 0.5, 0.7, 1000) > 0

    @pytest.mark.parametrize("load_again", [False, True])
    def test_boxes_go_with_their_frames(
        self, load_again: bool, stages: pytrt.Stages, astronaut: NDArray[np.uint8]
    ) -> None:
        stages.load([astronaut, astronaut], [astronaut.shape[:2]] * 2)
        assert stages.pnet([(1, *level[1:]) for level in self.LEVELS], 0.3, 0.5, 0.7, 1000) > 0
        if load_again:
            stages.load([astronaut[:20, :20]], [(20, 20)])
        else:
            stages.unload()
        assert len(stages.boxes()[0]) == 0
        assert stages.rnet(0.0, 0.7, 1000) == 0
        assert stages.onet(0.0, 0.7) == 0

    def test_stages_may_be_repeated(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        stages.load([astronaut], [astronaut.shape[:2]])
        stages.pnet(self.LEVELS, 0.6, 0.5, 0.7, 1000)
        first = stages.rnet(0.5, 0.7, 1000)
        assert first >= stages.rnet(0.5, 0.7, 1000) >= stages.onet(0.1, 0.7) >= stages.onet(0.1, 0.7) > 0
        assert stages.rnet(0.1, 0.7, 1000) > 0
        assert not stages.boxes()[1].any()  # R-Net has no landmarks

    @pytest.mark.parametrize(
        ("images", "sizes", "message"),
        [
            (2, [(50, 50)], "2 images but 1 sizes"),
            (0, [(50, 50)], "0 images but 1 sizes"),
            (1, [(0, 50)], "height in sizes must be at least 1, got 0"),
            (1, [(50, -1)], "width in sizes must be at least 1, got -1"),
        ],
    )
    def test_wrong_sizes(self, images: int, sizes: Any, message: str, stages: pytrt.Stages) -> None:
        with pytest.raises(ValueError, match=message):
            stages.load([np.zeros((50, 50, 3), np.uint8)] * images, sizes)

    @pytest.mark.parametrize(
        "img", [None, np.zeros((50, 50), np.uint8), np.zeros((50, 50, 3)), np.zeros((0, 5, 3), np.uint8)]
    )
    def test_wrong_pictures(self, img: Any, stages: pytrt.Stages) -> None:
        with pytest.raises((TypeError, ValueError)):
            stages.load([img], [(50, 50)])
        with pytest.raises(ValueError, match="unknown|resize"):
            stages.load([np.zeros((50, 50, 3), np.uint8)], [(50, 50)], resize="cubic")

    @pytest.mark.parametrize(
        ("level", "message"),
        [
            ((1, 50, 50, 1, 1), "levels name frame 1, but 1 are loaded"),
            ((-1, 50, 50, 1, 1), "frame of a level must be at least 0"),
            ((0, 0, 50, 1, 1), "height of a level must be at least 1"),
            ((0, 50, -50, 1, 1), "width of a level must be at least 1"),
            ((0, 50, 50, 0, 1), "scales of levels must be positive"),
            ((0, 50, 50, 1, float("nan")), "scales of levels must be positive"),
        ],
    )
    def test_wrong_levels(self, level: Any, message: str, stages: pytrt.Stages) -> None:
        img = np.zeros((50, 50, 3), np.uint8)
        stages.load([img], [(50, 50)])
        with pytest.raises(ValueError, match=message):
            stages.pnet([(0, 50, 50, 1.0, 1.0), level], 0.6, 0.5, 0.7, 1000)
        stages.unload()
        with pytest.raises(ValueError, match="levels name frame 0, but 0 are loaded"):
            stages.pnet([(0, 50, 50, 1.0, 1.0)], 0.6, 0.5, 0.7, 1000)

    def test_levels_larger_than_the_picture(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        small = np.ascontiguousarray(astronaut[50:180, 160:290])
        stages.load([small], [small.shape[:2]])
        stages.pnet([(0, 300, 310, 300 / 130, 310 / 130), (0, 11, 40, 0.1, 0.1)], 0.1, 0.5, 0.7, 1000)
        assert np.isfinite(stages.boxes()[0]).all()

    @pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="AddressSanitizer ends the process instead")
    def test_too_large_to_hold(self, stages: pytrt.Stages, astronaut: NDArray[np.uint8]) -> None:
        stages.load([astronaut], [astronaut.shape[:2]])
        with pytest.raises(MemoryError):
            stages.load([astronaut], [(2**30, 2**30)])  # refused before any of it is touched
        assert stages.onet(0.0, 0.7) == 0
        with pytest.raises(ValueError, match="0 are loaded"):
            stages.pnet(self.LEVELS, 0.6, 0.5, 0.7, 1000)
        stages.load([astronaut], [astronaut.shape[:2]])
        assert stages.pnet(self.LEVELS, 0.6, 0.5, 0.7, 1000) > 0

    def test_wrong_networks(self, engines: dict[str, Path]) -> None:
        device = cpu_device()
        pnet, rnet, onet = (load_engine(engines[net], device) for net in NETWORKS)
        with pytest.raises(EngineError, match="the first engine is not a P-Net"):
            pytrt.Stages(device, onet, rnet, pnet)
        with pytest.raises(EngineError, match="not in the order P-Net, R-Net, O-Net"):
            pytrt.Stages(device, pnet, onet, rnet)
        for wrong in ((None, rnet, onet), (pnet, rnet, "onet"), (pnet, rnet)):
            with pytest.raises(TypeError):
                pytrt.Stages(device, *wrong)

    def test_never_made(self) -> None:
        stages = pytrt.Stages.__new__(pytrt.Stages)
        for call in (stages.unload, stages.boxes, lambda: stages.rnet(0, 0, 0)):
            with pytest.raises(RuntimeError, match="never made"):
                call()

    def test_its_parts_may_go(self, engines: dict[str, Path], astronaut: NDArray[np.uint8]) -> None:
        device = pytrt.CpuDevice(openvino_library(), 2)
        stages = pytrt.Stages(device, *(load_engine(engines[net], device) for net in NETWORKS))
        del device
        img = astronaut.copy()
        stages.load([img], [img.shape[:2]])
        del img
        stages.pnet(self.LEVELS, 0.6, 0.5, 0.7, 1000)
        stages.rnet(0.7, 0.7, 1000)
        assert stages.onet(0.7, 0.7) == 1
