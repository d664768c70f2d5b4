"""L-Net on the five landmarks, in plain NumPy and ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
from numpy.typing import NDArray

from .averages import SWAPPED
from .boxes import sides
from .resize import Mips, resample, to_input

SIDE = 24
SHARE, MOST_SHIFT = 0.25, 0.35

Array = NDArray[np.float32]


def refine(mips: Mips, boxes: Array, landmarks: Array, model: bytes, mode: str) -> Array:
    """The landmarks (n, 10), pixels, of boxes (n, 4), moved by L-Net's mean answer for a face and its mirror image."""
    if not len(boxes):
        return landmarks
    w, h = sides(boxes)
    patch = SHARE * np.maximum(w, h)
    faces = []
    for side, row in zip(patch.tolist(), landmarks.tolist(), strict=True):
        crops = [
            to_input(resample(mips, x - side / 2, y - side / 2, side, side, SIDE, SIDE, mode, is_open=True))
            for x, y in zip(row[:5], row[5:], strict=True)
        ]
        faces.append(np.concatenate(crops, axis=1))
    data = np.concatenate(faces)
    mirrored = data.reshape(-1, 5, 3, SIDE, SIDE)[:, SWAPPED, :, :, ::-1].reshape(data.shape)
    session = ort.InferenceSession(model, providers=["CPUExecutionProvider"])
    plain, other = (session.run(["landmarks"], {"data": np.ascontiguousarray(d)})[0] for d in (data, mirrored))
    plain, other = plain.reshape(-1, 2, 5), other.reshape(-1, 2, 5)[:, :, SWAPPED]
    other[:, 0] = 1 - other[:, 0]
    moves = (plain + other) / 2 - 0.5
    far = (np.abs(moves) > MOST_SHIFT).any(axis=1, keepdims=True)
    moved = landmarks + (np.where(far, 0, moves) * patch[:, np.newaxis, np.newaxis]).reshape(-1, 10)
    return np.asarray(moved, np.float32)
