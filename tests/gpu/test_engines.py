"""Engines made on this machine, for its GPU."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np

import pytrt
from mtcnn import DeviceError, EngineError, TrtMtcnn, create_engines
from mtcnn.engines import NETWORKS, current_engines, engine_problem, load_engine, models_folder, read_engine
from mtcnn.engines.settings import TENSORRT_FLAVOURS
from mtcnn.engines.tensorrt import tensorrt, tensorrt_version
from tests.gpu import frames
from tests.gpu.machine import (
    EMULATED,
    GpuTest,
    Variant,
    assert_same,
    capability,
    detector,
    each_tensorrt,
    each_tensorrt_in_fp32,
    each_variant,
    each_variant_in_fp32,
    engines,
    make_detector,
    needed,
    settings,
    work_folder,
)

SIDES = {"pnet": 60, "rnet": 24, "onet": 48}


@unittest.skipIf(EMULATED, "emulated: there are no engines of a GPU")
class TestEngines(GpuTest):
    def copy(self, variant: Variant) -> Path:
        """The variant's engines in a folder to do harm to."""
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        target = Path(folder.name) / "engines"
        shutil.copytree(engines(variant)[0].parent, target)
        if (cache := work_folder() / "timing.cache").exists():
            shutil.copy(cache, target / "timing.cache")
        return target

    @each_tensorrt
    def test_descriptions(self, variant: Variant) -> None:
        for network, path in zip(NETWORKS, engines(variant), strict=True):
            said = read_engine(path)[1]
            self.assertEqual((said.network, said.flavour), (network, variant.flavour))
            self.assertEqual(said.precision, variant.precision)
            self.assertEqual(said.flavour_version, tensorrt_version(variant.flavour))
            self.assertEqual(tuple(said.details["compute_capability"]), capability())
            self.assertIsNone(engine_problem(path, variant.flavour, network))

    @each_tensorrt
    def test_plans_say_what_they_take(self, variant: Variant) -> None:
        for network, path in zip(NETWORKS, engines(variant), strict=True):
            said = tensorrt(variant.flavour).describe(path.read_bytes())
            side = -1 if network == "pnet" else SIDES[network]
            self.assertEqual(said["input"][1], (-1, 3, side, side))
            channels = {name: shape[1] for name, shape in said["outputs"]}
            landmarks = {"landmarks": 10} if network == "onet" else {}
            self.assertEqual(channels, {"prob1": 2, "boxes": 4, **landmarks})
            self.assertEqual(
                [[list(shape) for shape in profile] for profile in said["profiles"]],
                [read_engine(path)[1].details["profile"]],
            )
            self.assertGreaterEqual(said["device_memory"], 0)

    @each_variant_in_fp32
    def test_detector_finds_them_by_itself(self, variant: Variant) -> None:
        found = current_engines(self.copy(variant), variant.flavour, build=False)
        with TrtMtcnn(found) as one:
            self.assertIn("TensorRT" if variant.flavour in TENSORRT_FLAVOURS else "CUDA kernels", one.runtime)
            self.assertEqual(len(one.detect(frames.astronaut())[0]), 1)

    @each_variant_in_fp32
    def test_stale_ones_are_rebuilt(self, variant: Variant) -> None:
        folder = self.copy(variant)
        path = folder / "rnet.engine"
        path.write_bytes(path.read_bytes()[:-1000])
        with self.assertRaisesRegex(EngineError, "damaged"):
            current_engines(folder, variant.flavour, build=False)
        began = time.perf_counter()
        rebuilt = current_engines(folder, variant.flavour)
        print(f"note: rebuilt with a timing cache, {variant.flavour}: {time.perf_counter() - began:.1f} s")
        with TrtMtcnn(rebuilt) as one:
            self.assertEqual(len(one.detect(frames.astronaut())[0]), 1)

    @each_tensorrt_in_fp32
    def test_another_gpus_or_versions_are_told_apart(self, variant: Variant) -> None:
        folder = self.copy(variant)
        path = folder / "rnet.engine.json"
        own = json.loads(path.read_text())
        for change, message in [
            ({"details": own["details"] | {"compute_capability": [5, 0]}}, r"compute capability \[5, 0\]"),
            ({"flavour_version": "1.2.3"}, "made by .* 1.2.3"),
            ({"model_sha256": "0"}, "another model"),
        ]:
            path.write_text(json.dumps(own | change))
            self.assertRegex(str(engine_problem(folder / "rnet.engine", variant.flavour, "rnet")), message)

    @each_variant_in_fp32
    def test_bytes_that_are_no_plan(self, variant: Variant) -> None:
        """Their description agrees with them, so that TensorRT itself has to refuse them."""
        folder = self.copy(variant)
        for junk in (b"", b"no plan", bytes(100_000)):
            path = folder / "rnet.engine"
            path.write_bytes(junk)
            said = json.loads((folder / "rnet.engine.json").read_text())
            said["engine_sha256"] = hashlib.sha256(junk).hexdigest()
            (folder / "rnet.engine.json").write_text(json.dumps(said))
            with self.assertRaises(EngineError):
                load_engine(path)

    @each_tensorrt_in_fp32
    def test_smaller_profiles(self, variant: Variant) -> None:
        """Canvases and batches are cut to what the engines were built for."""
        folder = self.copy(variant)
        small = settings(pnet_size=(200, 304), pnet_batch=(1, 1), rnet_batch=(8, 20), onet_batch=(2, 6))
        paths = create_engines(folder, flavour=variant.flavour, settings=small)
        with TrtMtcnn(paths, device="cuda") as one:
            for img in (frames.frame_720p(), frames.astronaut()):
                for preset in ("fast", "accurate"):
                    ours = one.detect(img, preset=preset)
                    theirs = detector(variant).detect(img, preset=preset)
                    assert_same(ours, theirs, atol=0.1)

    @each_variant_in_fp32
    def test_no_such_gpu(self, variant: Variant) -> None:
        with self.assertRaisesRegex(DeviceError, "there is no GPU 99: this machine has"):
            TrtMtcnn(engines(variant), device="cuda:99")

    @each_variant_in_fp32
    def test_runtime_is_said(self, variant: Variant) -> None:
        with make_detector(variant) as one:
            self.assertIn(pytrt.cuda_driver()[2][0][0], one.runtime)


@unittest.skipIf(EMULATED, "emulated: there are no engines of a GPU")
class TestOneNetwork(GpuTest):
    """PyTrtMtcnn: host arrays in and out."""

    @each_variant
    def test_beside_onnx_runtime(self, variant: Variant) -> None:
        onnxruntime = needed(self, "onnxruntime")
        rng = np.random.default_rng(0)
        bound = 1e-3 if variant.precision == "fp32" else 1e-2
        for network, path in zip(NETWORKS, engines(variant), strict=True):
            model = str(models_folder() / f"{network}.onnx")
            session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
            net = pytrt.PyTrtMtcnn(path)
            for n, extra in [(1, 0), (3, 1), (8, 40)]:
                side = SIDES[network]
                shape = (n, 3, side + extra, side + 2 * extra) if network == "pnet" else (n, 3, side, side)
                pictures = ((rng.integers(0, 256, shape) - 127.5) / 128).astype(np.float32)
                found = net.forward(pictures)
                for output, value in zip(session.get_outputs(), session.run(None, {"data": pictures}), strict=True):
                    self.assertEqual(found[output.name].dtype, np.float32)
                    np.testing.assert_allclose(found[output.name], value, rtol=0, atol=bound)
            if variant.flavour in TENSORRT_FLAVOURS:  # which builds for batches up to a size
                with self.assertRaises(EngineError):
                    net.forward(np.zeros((300, 3, SIDES[network], SIDES[network]), np.float32))
            net.destroy()


if __name__ == "__main__":
    unittest.main()
