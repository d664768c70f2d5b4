"""The same networks in PyTorch, for comparison: P-, R- and O-Net from this package's ONNX files, by its own operations.

On a GPU each is captured as a CUDA graph, P-Net over all levels of a 1080p frame in one, R- and O-Net over as many
crops as that frame has, and replayed between two events: what PyTorch takes at best, its launches left out.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pytrt
from benchmarks.gpu.clocks import Clocks
from benchmarks.gpu.model import facts_of
from mtcnn.engines import models_folder
from mtcnn.engines.onnx_tensors import initializers
from tests.gpu import frames

Pool = tuple[int, int] | None  # window, stride
# The layers before the heads, and the pooling behind each.
LAYERS: dict[str, list[tuple[str, Pool]]] = {
    "pnet": [("conv1", (2, 2)), ("conv2", None), ("conv3", None)],
    "rnet": [("conv1", (3, 2)), ("conv2", (3, 2)), ("conv3", None), ("fc4", None)],
    "onet": [("conv1", (3, 2)), ("conv2", (3, 2)), ("conv3", (2, 2)), ("conv4", None), ("fc5", None)],
}
HEADS = {"pnet": ["conv4-1", "conv4-2"], "rnet": ["fc5-1", "fc5-2"], "onet": ["fc6-1", "fc6-2", "fc6-3"]}
SIDES = {"rnet": 24, "onet": 48}
REPEATS, WARM_UP = 50, 5


class Network:
    """One of the networks, its weights on a device ("cpu", "cuda") in float32 or float16."""

    def __init__(self, name: str, device: str, half: bool = False) -> None:
        import torch

        self._torch: Any = torch
        self.name, self.device = name, device
        self.dtype = torch.float16 if half else torch.float32
        model = (models_folder() / f"{name}.onnx").read_bytes()
        self._weights = {
            tensor.name: self.tensor(np.frombuffer(tensor.data, "<f4").reshape(tensor.dims))
            for tensor in initializers(model, lambda: None)
        }

    def tensor(self, array: NDArray[np.float32]) -> Any:
        return self._torch.from_numpy(array.copy()).to(self.device, self.dtype)

    def __call__(self, x: Any) -> list[Any]:
        """x (n, 3, height, width); returns prob1, boxes and, of O-Net, landmarks, (n, channels, h, w) each."""
        functional = self._torch.nn.functional
        for number, (layer, pool) in enumerate(LAYERS[self.name], 1):
            x = self._apply(layer, x)
            x = functional.prelu(x, self._weights[f"prelu{number}.slope"].reshape(-1))
            if pool:
                x = functional.max_pool2d(x, *pool, ceil_mode=True)
        logits, *others = (self._apply(head, x) for head in HEADS[self.name])
        return [functional.softmax(logits, 1), *others]

    def _apply(self, layer: str, x: Any) -> Any:
        # A dense layer's kernel is as large as its map.
        return self._torch.nn.functional.conv2d(x, self._weights[f"{layer}.weight"], self._weights[f"{layer}.bias"])


def differences(device: str, half: bool = False) -> dict[str, float]:
    """The largest difference of each network's outputs from those of this package on the CPU."""
    rng = np.random.default_rng(0)
    found = {}
    for name in LAYERS:
        shape = (2, 3, 61, 74) if name == "pnet" else (5, 3, SIDES[name], SIDES[name])
        pictures = ((rng.integers(0, 256, shape) - 127.5) / 128).astype(np.float32)
        network = Network(name, device, half)
        ours = pytrt.CpuDevice("").load_engine((models_folder() / f"{name}.onnx").read_bytes()).infer(pictures)
        theirs = dict(zip(("prob1", "boxes", "landmarks"), network(network.tensor(pictures)), strict=False))
        assert set(ours) == set(theirs)
        found[name] = max(float(np.abs(ours[key] - theirs[key].float().cpu().numpy()).max()) for key in ours)
    return found


def measure() -> dict[str, Any]:
    """On the GPU: microseconds of each network by precision, and how far its outputs are from ours."""
    if not importlib.util.find_spec("torch"):
        return {"left out": "PyTorch is not installed"}
    import torch

    if not torch.cuda.is_available():
        return {"left out": "this PyTorch sees no GPU"}
    facts = facts_of(frames.frame_1080p(), 1, "fast")
    shapes: dict[str, list[tuple[int, ...]]] = {
        "pnet": [(1, 3, h, w) for h, w in facts.levels],
        "rnet": [(facts.rnet, 3, 24, 24)],
        "onet": [(facts.onet, 3, 48, 48)],
    }
    found: dict[str, Any] = {"version": torch.__version__, "inputs": shapes}
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    torch.backends.cudnn.benchmark = True
    with torch.inference_mode(), Clocks() as clocks:
        for precision in ("fp32", "fp16"):
            networks = {name: Network(name, "cuda", precision == "fp16") for name in LAYERS}
            us = {name: time_graph(network, shapes[name]) for name, network in networks.items()}
            found[precision] = {
                "us": us | {"all": round(sum(us.values()), 1)},
                "differences": differences("cuda", precision == "fp16"),
            }
    found["clocks"] = clocks.seen
    return found


def time_graph(network: Network, shapes: Sequence[tuple[int, ...]]) -> float:
    """Microseconds of a network over inputs of these shapes, replayed as one CUDA graph."""
    import torch

    inputs = [torch.rand(shape, device="cuda", dtype=network.dtype) * 2 - 1 for shape in shapes]

    def work() -> None:
        for x in inputs:
            network(x)

    side = torch.cuda.Stream()
    with torch.cuda.stream(side):
        for _ in range(WARM_UP):  # the fastest kernels are looked for, too
            work()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        work()
    return _median_us(graph.replay)


def _median_us(replay: Callable[[], None]) -> float:
    import torch

    times: list[float] = []
    for i in range(WARM_UP + REPEATS):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        replay()
        end.record()
        torch.cuda.synchronize()
        if i >= WARM_UP:
            times.append(1000 * float(begin.elapsed_time(end)))
    return round(median(times), 1)
