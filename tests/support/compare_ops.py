"""Native operations beside the plain ones on random input: the largest differences.

``python -m tests.support.compare_ops`` prints them as JSON with the instruction set in use, which the environment
variable TRT_MTCNN_ISA chooses once for each process.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pytrt
from mtcnn.engines import models_folder
from pytrt import testing
from tests.reference import cascade, nets, resize
from tests.reference.nms import nms

Image = NDArray[np.uint8]
Array = NDArray[np.float32]

MODES = ("area", "bilinear")


def noise(rng: np.random.Generator, height: int, width: int) -> Image:
    return rng.integers(0, 256, (height, width, 3), dtype=np.uint8)


def plain_resize(img: Image, height: int, width: int, mode: str) -> Array:
    """As pytrt.resize."""
    rows, columns = img.shape[:2]
    return resize.to_input(resize.resample(resize.Mips(img), 0, 0, columns, rows, width, height, mode))[0]


def plain_crops(img: Image, windows: NDArray[np.integer[Any]], side: int, mode: str) -> Array:
    """As pytrt.crop_resize."""
    x1, y1, x2, y2 = np.asarray(windows, np.int64).T
    return cascade.crop(resize.Mips(img), np.stack([x1, y1, x2 - x1 + 1, y2 - y1 + 1], axis=1), side, mode)


def plain_proposals(prob: Array, boxes: Array, scale_y: float, scale_x: float, threshold: float) -> Array:
    """As pytrt.propose: windows, score, regression in pixels."""
    level = cascade.Level(1, 0, 0, scale_y, scale_x)
    found = cascade.propose(prob[1], boxes, level, threshold)
    in_pixels = found.reg * 12 / np.array([scale_x, scale_y] * 2)
    return np.column_stack([found.windows, found.scores, in_pixels]).astype(np.float32)


def difference(a: NDArray[Any], b: NDArray[Any]) -> float:
    """The largest absolute difference; infinite where the shapes differ."""
    if a.shape != b.shape:
        return float("inf")
    return float(np.abs(a.astype(np.float64) - b).max(initial=0))


def random_boxes(rng: np.random.Generator, count: int, spread: float, longest: float) -> tuple[Array, Array]:
    """Boxes in clusters, and scores of which many are equal."""
    centres = rng.uniform(0, spread, (max(1, count // 8), 2))[rng.integers(0, max(1, count // 8), count)]
    sides = longest * rng.uniform(0.05, 1, (count, 2)) ** 2
    corners = centres + rng.normal(0, longest / 20, (count, 2))
    boxes = np.concatenate([corners, corners + sides], axis=1).astype(np.float32)
    return boxes, rng.integers(0, 50, count).astype(np.float32) / 50


def differences(seed: int, rounds: int) -> Iterator[tuple[str, float]]:
    """The name of each operation tried and how far the native result lies from the plain one."""
    rng = np.random.default_rng(seed)
    for _ in range(rounds):
        # Widths around the vector lengths of every instruction set, and their remainders.
        img = noise(rng, *rng.integers(1, 90, 2))
        yield "halve", difference(testing.halve(img), resize.halve(img))
        for mode in MODES:
            height, width = rng.integers(1, 120, 2).tolist()
            plain = plain_resize(img, height, width, mode)
            yield f"resize {mode}", difference(pytrt.resize(img, height, width, mode), plain)
            corner = rng.integers(-200, 200, (4, 2))
            windows = np.concatenate([corner, corner + rng.integers(0, 300, (4, 2))], axis=1)
            crops = pytrt.crop_resize(img, windows, 24, mode)
            yield f"crop_resize {mode}", difference(crops, plain_crops(img, windows, 24, mode))
        height, width = rng.integers(1, 100, 2).tolist()
        prob, boxes = rng.random((2, height, width), np.float32), rng.normal(size=(4, height, width)).astype(np.float32)
        scale_y, scale_x = rng.uniform(0.01, 1, 2).tolist()
        threshold = float(rng.choice([0, 0.5, 0.9, 0.99]))
        plain = plain_proposals(prob, boxes, scale_y, scale_x, threshold)
        yield "propose", difference(pytrt.propose(prob, boxes, scale_y, scale_x, threshold) / 1000, plain / 1000)
        boxes, scores = random_boxes(rng, int(rng.integers(1, 400)), 300, 100)
        for overlap in ("union", "min"):
            kept = pytrt.nms(boxes, scores, 0.5, overlap)
            yield f"nms {overlap}", difference(kept, nms(boxes, scores, 0.5, overlap))
    for _ in range(rounds // 4):
        yield from network_differences(rng)


def network_differences(rng: np.random.Generator) -> Iterator[tuple[str, float]]:
    """The CPU's own networks beside ONNX Runtime's."""
    for name, network in (("pnet", nets.run_pnet), ("rnet", nets.run_rnet), ("onet", nets.run_onet)):
        side = {"rnet": 24, "onet": 48}.get(name)
        shape = (1, 3, *rng.integers(12, 90, 2)) if side is None else (rng.integers(1, 20), 3, side, side)
        data = rng.uniform(-1, 1, shape).astype(np.float32)
        found = native_engine(name).infer(data)
        want = network(data)
        if side is None:
            height, width = want[0].shape
            got = [found["prob1"][0, 1, :height, :width], found["boxes"][0, :, :height, :width]]
        else:
            got = [found["prob1"][:, 1, 0, 0], *(found[k][:, :, 0, 0] for k in ("boxes", "landmarks") if k in found)]
        yield name, max(difference(a, b) for a, b in zip(got, want, strict=True))


@cache
def native_engine(network: str) -> pytrt.Engine:
    return pytrt.CpuDevice("").load_engine((models_folder() / f"{network}.onnx").read_bytes())


def largest_differences(seed: int = 0, rounds: int = 60) -> dict[str, float]:
    largest: dict[str, float] = {}
    for name, value in differences(seed, rounds):
        largest[name] = max(largest.get(name, 0), value)
    return largest


if __name__ == "__main__":
    print(json.dumps({"isa": pytrt.isa(), "differences": largest_differences()}))
