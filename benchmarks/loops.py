#!/usr/bin/env python3
"""How near the inner loops of the networks' kernels are to what x86 processors can do: python -m benchmarks.loops.

Each innermost loop of the built kernels that multiplies and adds, through llvm-mca, LLVM's machine code analyser, with
the scheduling models of processors that need not be here: cycles an iteration beside the floor that their two units for
multiplications set, and instructions that move registers to the stack and back. A prediction: it knows no caches.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from benchmarks.arm.build import ROOT, need

# LLVM 19's models of Ice Lake and Sapphire Rapids have one unit for 512 bits, as laptops have it; servers have two, as
# the model of Skylake's has.
PROCESSORS = {
    "avx2": ("skylake", "alderlake", "znver3"),
    "avx512": ("skylake-avx512", "icelake-server", "znver4"),
}
MCA, OBJDUMP = "llvm-mca-19", "llvm-objdump-19"
KERNELS = "csrc/cpu/nets/net_kernels_isa.o"
LEAST = 8  # multiplications of a loop that matters
ITERATIONS = 60
ONE_UNIT = ("icelake-server", "znver4")  # for multiplications of 512 bits


@dataclass(frozen=True)
class Loop:
    function: str
    address: int
    lines: list[str]

    @property
    def products(self) -> int:
        return sum(line.startswith(("vfma", "vfnma", "vfmsub")) for line in self.lines)

    @property
    def spills(self) -> int:
        return sum(line.startswith("vmov") and "%rsp" in line for line in self.lines)


def main() -> int:
    parser = argparse.ArgumentParser(description="Predict how near inner loops are to a processor's floor.")
    parser.add_argument("--above", type=float, default=1.15, help="name the loops above it (default %(default)s)")
    options = parser.parse_args()
    need((MCA, OBJDUMP))
    for isa, processors in PROCESSORS.items():
        made = sorted(ROOT.glob(f"build/objects/core-*/{isa}/{KERNELS}"), key=lambda path: path.stat().st_mtime)
        if not made:
            sys.exit(f"there are no built kernels for {isa}: make first")
        loops = [loop for loop in innermost(made[-1]) if loop.products >= LEAST]
        spilled = sum(loop.spills > 0 for loop in loops)
        print(f"{isa}: {len(loops)} loops, {spilled} of which move registers to the stack and back")
        for processor in processors:
            units = 1 if processor in ONE_UNIT else 2
            ratios = []
            for loop, cycles in zip(loops, predicted(loops, processor), strict=True):
                ratios.append(cycles * units / loop.products)
                if ratios[-1] > options.above:
                    print(f"  {loop.function[:90]} at {loop.address:x}: {ratios[-1]:.2f}")
            print(
                f"{processor}: cycles over floor, median {median(ratios):.2f}, {min(ratios):.2f} to {max(ratios):.2f}"
            )
    return 0


def innermost(made: Path) -> Iterator[Loop]:
    """Runs of instructions from the target of a jump backwards to that jump, with no other jump between."""
    command = [OBJDUMP, "-d", "-C", "--no-show-raw-insn", str(made)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    function, lines = "", list[tuple[int, str]]()
    for line in listed.splitlines():
        if named := re.match(r"[0-9a-f]+ <(.*)>:$", line):
            function, lines = named.group(1).replace("trtmtcnn::cpu::(anonymous namespace)::", ""), []
        elif instruction := re.match(r" *([0-9a-f]+): *\t?(.*)", line):
            address = int(instruction.group(1), 16)
            text = re.sub(r" *(<[^>]*>|#.*)", "", instruction.group(2)).replace("\t", " ").strip()
            lines.append((address, text))
            if jump := re.match(r"j\w+ +0x([0-9a-f]+)", text):
                body = [text for at, text in lines if at >= int(jump.group(1), 16)]
                if not any(text.startswith("j") for text in body[:-1]):
                    yield Loop(function, int(jump.group(1), 16), body[:-1])


def predicted(loops: list[Loop], processor: str) -> list[float]:
    """Cycles an iteration."""
    assembly = ""
    for i, loop in enumerate(loops):
        assembly += "\n".join([f"# LLVM-MCA-BEGIN b{i}", *loop.lines, f"# LLVM-MCA-END b{i}", ""])
    totals = []
    for iterations in (ITERATIONS // 2, ITERATIONS):
        command = [MCA, "-mtriple=x86_64", f"-mcpu={processor}", f"-iterations={iterations}", "-summary-view"]
        command += ["-resource-pressure=false", "-instruction-info=false"]
        done = subprocess.run(command, input=assembly, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        totals.append([int(n) for n in re.findall(r"^Total Cycles: +(\d+)", done.stdout, re.M)])
    return [(whole - half) / (ITERATIONS - ITERATIONS // 2) for half, whole in zip(*totals, strict=True)]


if __name__ == "__main__":
    sys.exit(main())
