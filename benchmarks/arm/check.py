#!/usr/bin/env python3
"""The networks' kernels for 64-bit Arm, in QEMU, beside the plain ones on this machine: python -m benchmarks.arm.check.

A processor without arithmetic in float16, which must fall back, and one with it. `make aarch64` detects with them.
"""

from __future__ import annotations

import sys

import numpy as np

from benchmarks.arm.build import ROOT, build, need, run

# Processor, precision, kernels; the largest difference allowed, as a part of the largest output.
CASES = (
    ("cortex-a72", "fp32", "neon", 1e-5),
    ("cortex-a72", "bf16", "neon", 1e-5),
    ("max", "fp32", "neon", 1e-5),
    ("cortex-a76", "bf16", "neon_fp16", 1e-2),
)


def main() -> int:
    need(("aarch64-linux-gnu-g++", "qemu-aarch64-static", "g++"))
    folder = ROOT / "build" / "arm"
    host, arm = build(ROOT, folder / "host", host=True), build(ROOT, folder / "here")
    wrong = 0
    for network in ("pnet", "rnet", "onet"):
        expected_file, file = folder / "expected.bin", folder / "out.bin"
        run(host, network, "fp32", expected_file)
        expected = np.fromfile(expected_file, np.float32)
        for cpu, precision, kernels, most in CASES:
            took = run(arm, network, precision, file, cpu)
            found = np.fromfile(file, np.float32)
            apart = float(np.abs(found - expected).max() / np.abs(expected).max())
            good = took == kernels and len(found) and apart <= most and (apart > 1e-5) == (kernels == "neon_fp16")
            wrong += not good
            print(f"{network}, {cpu}, {precision}: {took}, {apart:.1e} apart{'' if good else ': WRONG'}")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
