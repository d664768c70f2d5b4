"""The least time a detection could take: the networks' arithmetic at the machine's peak, and one read of the frame."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import onnx
from onnx import numpy_helper, shape_inference

from benchmarks.onet_crops import onet_crops
from benchmarks.peers.processes import ROOT, use_cores, worker_environment
from mtcnn.params import Params
from mtcnn.profiling import Profile

__all__ = ["detection_flops", "floor_ms", "machine_peak", "network_flops"]

MODELS = ROOT / "mtcnn" / "models"
RNET_SIDE, ONET_SIDE = 24, 48


@lru_cache(maxsize=1000)
def network_flops(model: Path, height: int, width: int) -> int:
    """Floating-point operations of a network's convolutions and dense layers on one input: 2 for each weight that
    meets a value. Biases, PReLU, pooling and softmax are not counted."""
    network = onnx.load(model)
    for i, size in zip((0, 2, 3), (1, height, width), strict=True):
        dim = network.graph.input[0].type.tensor_type.shape.dim[i]
        dim.Clear()
        dim.dim_value = size
    for output in network.graph.output:  # what they say was of any size
        output.type.tensor_type.ClearField("shape")
    graph = shape_inference.infer_shapes(network, strict_mode=True, data_prop=True).graph
    weights = {w.name: numpy_helper.to_array(w).shape for w in graph.initializer}
    shapes = {
        value.name: [d.dim_value for d in value.type.tensor_type.shape.dim]
        for value in (*graph.value_info, *graph.output)
    }
    flops = 0
    for node in graph.node:
        if node.op_type == "Conv":  # weights (out, in, k, k), at each output pixel
            pixels = shapes[node.output[0]][2:]
            flops += 2 * _product(weights[node.input[1]]) * _product(pixels)
        elif node.op_type in ("Gemm", "MatMul"):
            flops += 2 * _product(weights[node.input[1]])
    return flops


def detection_flops(profile: Profile, p: Params) -> int:
    """Of the networks, on what they saw in a detection."""
    pnet = sum(network_flops(MODELS / "pnet.onnx", *level) for level in profile.levels)
    rnet = profile.rnet_boxes * network_flops(MODELS / "rnet.onnx", RNET_SIDE, RNET_SIDE)
    onet = onet_crops(profile, p) * network_flops(MODELS / "onet.onnx", ONET_SIDE, ONET_SIDE)
    return pnet + rnet + onet


def floor_ms(flops: float, frame_bytes: float, peak: dict[str, float]) -> float:
    """peak: {"gflops": 10^9 operations a second, "gb_per_s": 10^9 bytes read a second}."""
    return flops / peak["gflops"] / 1e6 + frame_bytes / peak["gb_per_s"] / 1e6


def machine_peak(cores: int) -> dict[str, float]:
    """What NumPy's float32 matrix product and its reading of memory reach on so many cores."""
    command = [sys.executable, str(Path(__file__).with_name("peak.py"))]
    done = subprocess.run(
        command,
        check=True,
        capture_output=True,
        text=True,
        env=worker_environment(cores),
        preexec_fn=lambda: use_cores(cores),
    )
    found: dict[str, float] = json.loads(done.stdout)
    return found


def _product(numbers: object) -> int:
    result = 1
    for n in numbers:  # type: ignore[attr-defined]
        result *= int(n)
    return result
