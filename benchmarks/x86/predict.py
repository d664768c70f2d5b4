#!/usr/bin/env python3
"""Predicts what the networks cost on x86 processors, and times them here: python -m benchmarks.x86.predict.

Callgrind counts how often each instruction of the kernels runs, or, of AVX-512's, which it does not know, the processor
itself, which traps after every one; llvm-mca, LLVM's machine code analyser, says how many cycles a processor's
scheduling model needs for each block of them when it follows itself. The sum is a prediction: it knows no caches, no
memory and no branch that is guessed wrongly. P-Net: all levels of 640x480 pixels at a smallest face of 40; R- and
O-Net: eight crops.
"""

from __future__ import annotations

import argparse
import bisect
import os
import re
import subprocess
import sys
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from benchmarks.arm.build import need
from benchmarks.arm.predict import version
from benchmarks.x86.build import ROOT, build, build_revision, count, run

# LLVM 19's models of Ice Lake and Sapphire Rapids have one unit for multiplications of 512 bits, as laptops have it;
# servers have two, as the model of Skylake's has.
PROCESSORS = {
    "avx2": ("skylake", "alderlake", "znver3"),
    "avx512": ("skylake-avx512", "icelake-server", "znver4"),
}
NETWORKS = ("pnet", "rnet", "onet")
MCA, OBJDUMP, NM = "llvm-mca-19", "llvm-objdump-19", "nm"
ANALYSED = 2000  # instructions that the analyser goes through for a block, at least
COVERED = 0.99  # of the instructions that ran; the rest are in blocks that ran seldom
TURNS, CALLS = 5, 200  # of a measurement


@dataclass(frozen=True)
class Block:
    """Instructions that ran one after the other, as an assembler takes them, and how often."""

    function: str
    lines: tuple[str, ...]
    times: int


def main() -> int:
    parser = argparse.ArgumentParser(description="Predict the networks' cycles on x86 processors, and time them here.")
    parser.add_argument("--base", metavar="REVISION", help="compare with what this revision has")
    parser.add_argument("--isa", nargs="+", choices=PROCESSORS, default=list(PROCESSORS))
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--functions", action="store_true", help="tell which share of the cycles each function has")
    parser.add_argument("--times", action="store_true", help="time both builds on this machine, in turns, instead")
    options = parser.parse_args()
    need(("g++", NM) if options.times else (MCA, OBJDUMP, NM, "g++"))
    folder = ROOT / "build" / "x86"
    programs = {}
    if options.base:
        programs[f"before ({options.base})"] = build_revision(options.base, folder / "base")
    programs["now"] = build(ROOT, folder / "here")
    return (times if options.times else predict)(programs, options)


def predict(programs: dict[str, Path], options: argparse.Namespace) -> int:
    print(f"{date.today()}, {version('g++')}, {version(MCA)}: predicted cycles, millions\n")
    for isa in options.isa:
        head = ["network", "kernels", "instructions", *PROCESSORS[isa]]
        print(f"{isa}\n\n| {' | '.join(head)} |\n|{' --- |' * len(head)}")
        for network in options.networks:
            first: dict[str, float] = {}
            told = []
            for name, program in programs.items():
                counts = count(program, network, isa)
                ran = blocks_of(program, counts)
                cells, blocks = [f"{sum(len(b.lines) * b.times for b in ran) / 1e6:.2f}"], hottest(ran)
                for processor in PROCESSORS[isa]:
                    by_function = predicted(blocks, processor)
                    cycles = sum(by_function.values())
                    first.setdefault(processor, cycles)
                    cells.append(f"{cycles / 1e6:.3f} ({first[processor] / cycles:.2f})")
                    told += [(processor, cycles, by_function)] * options.functions
                print(f"| {network} | {name} | {' | '.join(cells)} |", flush=True)
            for processor, cycles, by_function in told:
                print(f"\n{processor}, {cycles / 1e6:.3f}:")
                for function, part in sorted(by_function.items(), key=lambda item: -item[1]):
                    print(f"{part / cycles:7.1%} {part / 1e3:9.1f} k  {function[:100]}")
        print()
    return 0


def times(programs: dict[str, Path], options: argparse.Namespace) -> int:
    print(f"{date.today()}: least ticks, thousands, of {TURNS} turns of {CALLS} calls\n")
    print(f"| network | kernels | {' | '.join(programs)} |\n|{' --- |' * (2 + len(programs))}")
    for isa in options.isa:
        for network in options.networks:
            least: dict[str, dict[str, int]] = {name: {} for name in programs}
            for _ in range(TURNS):
                for name, program in programs.items():
                    for kernel, _, ticks in map(str.split, run(program, network, isa, str(CALLS)).splitlines()):
                        least[name][kernel] = min(int(ticks), least[name].get(kernel, 1 << 62))
            kernels = list(next(iter(least.values())))
            for kernel in [*kernels, *(["all"] if len(kernels) > 1 else [])]:
                row = [sum(of.values()) if kernel == "all" else of[kernel] for of in least.values()]
                cells = [f"{ticks / 1e3:.1f} ({row[0] / ticks:.2f})" for ticks in row]
                print(f"| {kernel} | {isa} | {' | '.join(cells)} |", flush=True)
    return 0


def blocks_of(program: Path, counts: dict[int, int]) -> list[Block]:
    """Runs of the kernels' instructions without a jump between, all of which ran equally often."""
    addresses, text = disassembly(program)
    symbols = kernel_symbols(program)
    starts = [address for address, _ in symbols]
    blocks: list[Block] = []
    lines: list[str] = []
    previous, open_ = ("", 0), False
    for address in addresses:
        times = counts.get(address, 0)
        function = symbols[bisect.bisect_right(starts, address) - 1][1] if times else ""
        if lines and not (open_ and (function, times) == previous):
            blocks.append(Block(previous[0], tuple(lines), previous[1]))
            lines = []
        if not times:
            continue
        if function and not text[address].startswith("rep"):  # of which each repetition is counted
            lines.append(text[address])
        previous, open_ = (function, times), not is_jump(text[address])
    return blocks + [Block(previous[0], tuple(lines), previous[1])] * bool(lines)


@cache
def kernel_symbols(program: Path) -> list[tuple[int, str]]:
    """All functions by address; those that are not the networks' kernels without a name."""
    listed = subprocess.run([NM, "--defined-only", str(program)], check=True, capture_output=True, text=True).stdout
    symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in listed.splitlines())
    own: set[str] = set()
    for made in program.parent.glob("net_kernels_isa-*.o"):
        listed = subprocess.run([NM, "--defined-only", str(made)], check=True, capture_output=True, text=True).stdout
        own |= {line.split()[2] for line in listed.splitlines()}
    demangled = subprocess.run(
        ["c++filt"], input="\n".join(name for _, name in symbols), check=True, capture_output=True, text=True
    )
    names = (name.replace("trtmtcnn::cpu::(anonymous namespace)::", "") for name in demangled.stdout.splitlines())
    return [(address, name if mangled in own else "") for (address, mangled), name in zip(symbols, names, strict=True)]


def is_jump(instruction: str) -> bool:
    return re.match(r"(j\w+|call\w*|ret\w*|notrack|loop\w*)\b", instruction) is not None


def hottest(blocks: list[Block]) -> list[Block]:
    ordered = sorted(blocks, key=lambda b: len(b.lines) * b.times, reverse=True)
    whole = sum(len(b.lines) * b.times for b in blocks)
    kept, so_far = [], 0
    for block in ordered:
        if so_far > COVERED * whole:
            break
        kept.append(block)
        so_far += len(block.lines) * block.times
    return kept


def predicted(blocks: list[Block], processor: str) -> dict[str, float]:
    """Cycles by function."""
    alike: dict[int, list[Block]] = defaultdict(list)  # by how often a block follows itself
    for block in blocks:
        alike[4 << max(0, ANALYSED // (4 * len(block.lines))).bit_length()].append(block)

    def cycles(repeated: int) -> list[float]:
        """Of each block: by how much the second half of the repetitions takes longer."""
        half, whole = (total_cycles(alike[repeated], processor, n) for n in (repeated // 2, repeated))
        return [(w - h) / (repeated - repeated // 2) for h, w in zip(half, whole, strict=True)]

    sums: dict[str, float] = defaultdict(float)
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for repeated, taken in zip(alike, pool.map(cycles, alike), strict=True):
            for block, c in zip(alike[repeated], taken, strict=True):
                sums[block.function] += block.times * c
    return dict(sums)


def total_cycles(blocks: list[Block], processor: str, iterations: int) -> list[int]:
    """Of each block, when it follows itself so often."""
    assembly = ""
    for i, block in enumerate(blocks):
        assembly += "\n".join([f"# LLVM-MCA-BEGIN b{i}", *block.lines, f"# LLVM-MCA-END b{i}", ""])
    command = [MCA, "-mtriple=x86_64", f"-mcpu={processor}", f"-iterations={iterations}", "-summary-view"]
    command += ["-resource-pressure=false", "-instruction-info=false", "-skip-unsupported-instructions=parse-failure"]
    done = subprocess.run(command, input=assembly, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [int(n) for n in re.findall(r"^Total Cycles: +(\d+)", done.stdout, re.M)]


@cache
def disassembly(program: Path) -> tuple[list[int], dict[int, str]]:
    """By address, as an assembler takes it: whither a jump leads does not matter here."""
    command = [OBJDUMP, "-d", "--no-show-raw-insn", str(program)]
    listed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    lines = {}
    for address, text in re.findall(r"^ *([0-9a-f]+): *\t?([^\n]*)$", listed, re.M):
        lines[int(address, 16)] = re.sub(r" *(<[^>]*>|#.*)", "", text.replace("\t", " ")).strip()
    return sorted(lines), lines


if __name__ == "__main__":
    sys.exit(main())
