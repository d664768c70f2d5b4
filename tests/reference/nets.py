"""The three networks in ONNX Runtime."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

MODELS = Path(__file__).resolve().parents[2] / "mtcnn" / "models"
BATCH = 256  # bounds the memory, not the result

Array = NDArray[np.float32]


@cache
def _session(net: str) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # waiting threads leave their core
    return ort.InferenceSession(MODELS / f"{net}.onnx", options, providers=["CPUExecutionProvider"])


def run_pnet(data: Array) -> tuple[Array, Array]:
    """(1, 3, h, w) -> face probability (gh, gw) and regression (4, gh, gw), whole 12x12 windows only."""
    grid_h, grid_w = ((size - 12) // 2 + 1 for size in data.shape[2:])
    prob, boxes = _session("pnet").run(["prob1", "boxes"], {"data": data})
    return prob[0, 1, :grid_h, :grid_w], boxes[0, :, :grid_h, :grid_w]


def run_rnet(crops: Array) -> tuple[Array, Array]:
    """(n, 3, 24, 24) -> face probability (n,) and regression (n, 4)."""
    prob, boxes = _run_batches("rnet", ["prob1", "boxes"], crops)
    return prob[:, 1], boxes


def run_onet(crops: Array) -> tuple[Array, Array, Array]:
    """(n, 3, 48, 48) -> face probability (n,), regression (n, 4), landmarks (n, 10)."""
    prob, boxes, landmarks = _run_batches("onet", ["prob1", "boxes", "landmarks"], crops)
    return prob[:, 1], boxes, landmarks


def _run_batches(net: str, outputs: list[str], crops: Array) -> list[Array]:
    starts = range(0, max(len(crops), 1), BATCH)
    parts = [_session(net).run(outputs, {"data": crops[i : i + BATCH]}) for i in starts]
    return [np.concatenate(part)[:, :, 0, 0] for part in zip(*parts, strict=True)]
