#!/usr/bin/env python3
"""Which of Arm's instructions multiply and add most in a cycle: python -m benchmarks.arm.products.

One loop as the networks' kernels have it for each, with its loads, through llvm-mca and the scheduling models of the
processors: a prediction, which says whether kernels of such instructions are worth writing.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import date

from benchmarks.arm.build import need
from benchmarks.arm.predict import MCA, PROCESSORS, total_cycles, version

END = ["add x1, x1, #16", "add x2, x2, #256", "subs x3, x3, #1", "b.ne #-4"]
ROUNDS = 100
WIDE_VECTORS = "neoverse-v1"  # whose SVE has 256 bits; of those here with SVE, the others' has 128


def float32() -> tuple[list[str], int]:
    """FMLA by lane: 24 sums, as many as registers hold; instructions, and multiply-adds in them."""
    lines = [f"ldr q{24 + p}, [x1, #{16 * p}]" for p in range(6)]
    for step in range(16):
        lines.append(f"ldr q{30 + step % 2}, [x2, #{16 * step}]")
        lines += [f"fmla v{4 * p + step % 4}.4s, v{30 + step % 2}.4s, v{24 + p}.s[{step // 4}]" for p in range(6)]
    return lines, 16 * 6 * 4


def sve() -> tuple[list[str], int]:
    """The same in vectors of 256 bits, half as many sums."""
    lines = [f"ld1rqw {{z{p}.s}}, p0/z, [x1, #{16 * p}]" for p in range(6)]
    for step in range(8):
        lines.append(f"ldr z{30 + step % 2}, [x2, #{step}, mul vl]")
        lines += [f"fmla z{8 + 2 * p + step % 2}.s, z{30 + step % 2}.s, z{p}.s[{step // 2}]" for p in range(6)]
    return lines, 8 * 6 * 8


def float16() -> tuple[list[str], int]:
    """FMLA by lane of float16, whose lanes come from 16 registers."""
    lines = [f"ldr q{p}, [x1, #{16 * p}]" for p in range(8)]
    for step in range(16):
        lines.append(f"ldr q{30 + step % 2}, [x2, #{16 * step}]")
        lines += [f"fmla v{8 + 2 * p + step % 2}.8h, v{30 + step % 2}.8h, v{p}.h[{step // 2}]" for p in range(8)]
    return lines, 16 * 8 * 8


def float16_long() -> tuple[list[str], int]:
    """FMLAL by lane: float16's products, float32's sums."""
    lines = [f"ldr q{p}, [x1, #{16 * p}]" for p in range(4)]
    for step in range(16):
        lines.append(f"ldr q{30 + step % 2}, [x2, #{16 * step}]")
        for p in range(4):
            to = 8 + 4 * p + 2 * (step % 2)
            lines.append(f"fmlal v{to}.4s, v{30 + step % 2}.4h, v{p}.h[{step // 2}]")
            lines.append(f"fmlal2 v{to + 1}.4s, v{30 + step % 2}.4h, v{p}.h[{step // 2}]")
    return lines, 16 * 4 * 2 * 4


def bfloat16() -> tuple[list[str], int]:
    """BFMMLA: products of matrices of bfloat16, float32's sums."""
    lines = [f"ldr q{24 + p}, [x1, #{16 * p}]" for p in range(3)]
    for step in range(8):
        lines.append(f"ldr q{28 + step % 4}, [x2, #{16 * step}]")
        lines += [f"bfmmla v{3 * step + p}.4s, v{24 + p}.8h, v{28 + step % 4}.8h" for p in range(3)]
    return lines, 8 * 3 * 16


LOOPS: dict[str, Callable[[], tuple[list[str], int]]] = {
    "float32": float32,
    "float32, SVE of 256 bits": sve,
    "float16": float16,
    "FMLAL": float16_long,
    "BFMMLA": bfloat16,
}


def main() -> int:
    need((MCA,))
    print(f"{date.today()}, {version(MCA)}: multiply-adds a cycle\n")
    print(f"| {' | '.join(['', *PROCESSORS])} |\n|{' --- |' * (1 + len(PROCESSORS))}")
    for name, make in LOOPS.items():
        lines, products = make()
        assembly = "\n".join(["# LLVM-MCA-BEGIN b", *lines, *END, "# LLVM-MCA-END b", ""])
        cells = []
        for processor in PROCESSORS:
            if make is sve and processor != WIDE_VECTORS:
                cells.append("")
                continue
            half, whole = (total_cycles(assembly, processor, n)[0] for n in (ROUNDS, 2 * ROUNDS))
            cells.append(f"{products * ROUNDS / (whole - half):.1f}")
        print(f"| {name} | {' | '.join(cells)} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
