#!/usr/bin/env python3
"""The networks' kernels for 64-bit Arm, in QEMU, beside the plain ones on this machine: python -m benchmarks.arm.check.

A processor without arithmetic in float16, which must fall back, and one with it, which must where weights are large:
float16 ends at 65,504. `make aarch64` detects with them.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from benchmarks.arm.build import ROOT, build, model_of, need, run
from mtcnn.engines.onnx_tensors import initializers

# Processor, precision, factor; kernels, and the largest difference allowed, as a part of the largest output.
CASES = (
    ("cortex-a72", "fp32", 1, "neon", 1e-5),
    ("cortex-a72", "bf16", 1, "neon", 1e-5),
    ("max", "fp32", 1, "neon", 1e-5),
    ("cortex-a76", "bf16", 1, "neon_fp16", 1e-2),
    ("cortex-a76", "bf16", 1024, "neon", 1e-5),
)
# Columns and rows of P-Net's picture: kernels make four rows and up to 32 columns at a time, and end with what is left.
SIZES = ((320, 240), (12, 12), (13, 47), (36, 14), (51, 30), (67, 21))


def main() -> int:
    need(("aarch64-linux-gnu-g++", "qemu-aarch64-static", "g++"))
    folder = ROOT / "build" / "arm"
    host, arm = build(ROOT, folder / "host", host=True), build(ROOT, folder / "here")
    wrong = 0
    for network, size in [("pnet", size) for size in SIZES] + [("rnet", SIZES[0]), ("onet", SIZES[0])]:
        expected_file, file = folder / "expected.bin", folder / "out.bin"
        run(host, model_of(network), "fp32", expected_file, size=size)
        expected = np.fromfile(expected_file, np.float32)
        for cpu, precision, factor, kernels, most in CASES if size == SIZES[0] else CASES[2:4]:
            took = run(arm, scaled(network, factor, folder / "scaled.onnx"), precision, file, cpu, size=size)
            found = np.fromfile(file, np.float32)
            apart = float(np.abs(found - expected).max() / np.abs(expected).max())
            good = took == kernels and len(found) and apart <= most and (apart > 1e-5) == (kernels == "neon_fp16")
            wrong += not good
            which = f"{network} of {size[0]} x {size[1]}" if size != SIZES[0] else network
            what = f"{which}, {cpu}, {precision}{f', weights times {factor}' if factor > 1 else ''}"
            print(f"{what}: {took}, {apart:.1e} apart{'' if good else ': WRONG'}")
    return int(wrong > 0)


def scaled(network: str, factor: int, path: Path) -> Path:
    """A model that computes the same, with the first layer's weights and values so many times as large."""
    model = model_of(network).read_bytes()
    for tensor in initializers(model, lambda: None):
        if by := {"conv1.weight": factor, "conv1.bias": factor, "conv2.weight": 1 / factor}.get(tensor.name):
            assert model.count(tensor.data) == 1
            values = np.frombuffer(tensor.data, "<f4") * np.float32(by)
            model = model.replace(tensor.data, values.astype("<f4").tobytes())
    path.write_bytes(model)
    return path


if __name__ == "__main__":
    sys.exit(main())
