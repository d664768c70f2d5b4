#!/usr/bin/env python3
"""Predicts what the networks cost on Arm processors: python -m benchmarks.arm.predict [--base REVISION].

QEMU counts how often each block of instructions runs; llvm-mca, LLVM's machine code analyser, says how many cycles a
processor's scheduling model needs for it when it follows itself. The sum is a prediction and no measurement: it knows
no caches, no memory, no branch that is guessed wrongly. Beside it the least that four units for vectors, which these
processors have, can do the arithmetic on vectors in: Neoverse V1's SVE, two units of twice the width, does no more.
"""

from __future__ import annotations

import argparse
import bisect
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from functools import cache
from pathlib import Path

from benchmarks.arm.build import ROOT, Block, build, count_blocks, need

PROCESSORS = ("neoverse-v1", "neoverse-v2", "cortex-a78", "apple-m1")
NETWORKS = ("pnet", "rnet", "onet")
MCA, OBJDUMP, NM = "llvm-mca-19", "llvm-objdump-19", "aarch64-linux-gnu-nm"
ANALYSED = 2000  # instructions that the analyser goes through for a block, at least
COVERED = 0.99  # of the instructions that ran; the rest are in blocks that ran seldom


def main() -> int:
    parser = argparse.ArgumentParser(description="Predict the networks' cycles on Arm processors.")
    parser.add_argument("--base", metavar="REVISION", help="compare with what this revision has")
    parser.add_argument(
        "--processors", nargs="+", default=list(PROCESSORS), help="llvm-mca's names (default %(default)s)"
    )
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    options = parser.parse_args()
    need(("aarch64-linux-gnu-g++", "qemu-aarch64", MCA, OBJDUMP, "gcc"))
    folder = ROOT / "build" / "arm"
    variants = {}
    if options.base:
        variants[f"before ({options.base})"] = (build_revision(options.base, folder), "fp32")
    here = build(ROOT, folder / "here")
    for precision in ("fp32", "bf16"):
        variants[precision] = (here, precision)
    print(f"{date.today()}, {version('aarch64-linux-gnu-g++')}, {version(MCA)}, {version('qemu-aarch64')}\n")
    head = ["network", "kernels", "instructions", "floor of four vector units", *options.processors]
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    for network in options.networks:
        first: dict[str, float] = {}
        for name, (program, precision) in variants.items():
            blocks = kernels_alone(program, count_blocks(program, network, precision, "max"))
            cells = [f"{sum(b.instructions * b.times for b in blocks) / 1e6:.2f} M"]
            cells.append(f"{vector_arithmetic(program, blocks) / 4e6:.2f} M")
            for processor, cycles in predicted(program, blocks, options.processors).items():
                first.setdefault(processor, cycles)
                cells.append(f"{cycles / 1e6:.2f} M ({first[processor] / cycles:.2f})")
            print(f"| {network} | {name} | {' | '.join(cells)} |", flush=True)
    return 0


def kernels_alone(program: Path, blocks: list[Block]) -> list[Block]:
    """Those of the networks' kernels, without the reading and packing of weights and the making of pictures."""
    listed = subprocess.run([NM, "--defined-only", str(program)], check=True, capture_output=True, text=True).stdout
    symbols = sorted((int(line.split()[0], 16), line.split()[2]) for line in listed.splitlines())
    own: set[str] = set()
    for made in program.parent.glob("net_kernels_isa-*.o"):
        listed = subprocess.run([NM, "--defined-only", str(made)], check=True, capture_output=True, text=True).stdout
        own |= {line.split()[2] for line in listed.splitlines()}
    addresses = [address for address, _ in symbols]
    return [b for b in blocks if symbols[bisect.bisect_right(addresses, b.address) - 1][1] in own]


def build_revision(revision: str, folder: Path) -> Path:
    with tempfile.TemporaryDirectory() as temporary:
        tree = Path(temporary)
        archive = subprocess.run(
            ["git", "archive", revision, "csrc", "tools"], cwd=ROOT, check=True, capture_output=True
        )
        subprocess.run(["tar", "-x", "-C", str(tree)], input=archive.stdout, check=True)
        return build(tree, folder / "base")


def version(program: str) -> str:
    said = subprocess.run([program, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"\d+\.\d+\.\d+", said)
    return f"{program} {found.group() if found else '?'}"


def predicted(program: Path, blocks: list[Block], processors: list[str]) -> dict[str, float]:
    """Cycles by processor."""
    text = disassembly(program)
    alike: dict[int, list[Block]] = {}  # by how often a block follows itself
    for block in hottest(joined(blocks, text)):
        alike.setdefault(4 << max(0, ANALYSED // (4 * block.instructions)).bit_length(), []).append(block)

    def cycles(job: tuple[str, int]) -> float:
        """Of blocks that are repeated as often: by how much the second half of the repetitions takes longer."""
        processor, repeated = job
        ours = alike[repeated]
        assembly = listing(ours, text)
        half, whole = (total_cycles(assembly, processor, n) for n in (repeated // 2, repeated))
        return sum(b.times * (w - h) for b, h, w in zip(ours, half, whole, strict=True)) / (repeated - repeated // 2)

    jobs = [(processor, repeated) for processor in processors for repeated in alike]
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        parts = list(zip(jobs, pool.map(cycles, jobs), strict=True))
    return {p: sum(part for (processor, _), part in parts if processor == p) for p in processors}


def vector_arithmetic(program: Path, blocks: list[Block]) -> int:
    """Instructions that compute with vectors: no loads, no stores."""
    text = disassembly(program)
    computes = re.compile(r"(?!ld|st)\S+ .*\bv\d+\.")
    return sum(
        b.times * sum(computes.match(text[b.address + 4 * k]) is not None for k in range(b.instructions))
        for b in blocks
    )


def listing(blocks: list[Block], text: dict[int, str]) -> str:
    lines = []
    for i, block in enumerate(blocks):
        lines.append(f"# LLVM-MCA-BEGIN b{i}")
        lines += [text[block.address + 4 * k] for k in range(block.instructions)]
        lines.append(f"# LLVM-MCA-END b{i}")
    return "\n".join(lines) + "\n"


def total_cycles(assembly: str, processor: str, iterations: int) -> list[int]:
    """Of each block, when it follows itself so often."""
    command = [MCA, "-mtriple=aarch64", f"-mcpu={processor}", "-mattr=+bf16,+fullfp16,+fp16fml,+sve,+i8mm"]
    command += [f"-iterations={iterations}", "-summary-view", "-resource-pressure=false", "-instruction-info=false"]
    done = subprocess.run(command, input=assembly, capture_output=True, text=True)
    if done.returncode:
        sys.exit(done.stderr)
    return [int(n) for n in re.findall(r"^Total Cycles: +(\d+)", done.stdout, re.M)]


def joined(blocks: list[Block], text: dict[int, str]) -> list[Block]:
    """Runs of instructions without a branch between, all of which ran equally often.

    QEMU's own blocks overlap, and end where pages and their longest length do: where a program lies would matter.
    """
    times: dict[int, int] = {}
    for block in blocks:
        for k in range(block.instructions):
            address = block.address + 4 * k
            times[address] = times.get(address, 0) + block.times
    whole: list[Block] = []
    for address in sorted(times):
        last = whole[-1] if whole else Block(0, 0, 0)
        end = last.address + 4 * last.instructions
        if address == end and last.times == times[address] and not is_branch(text[end - 4]):
            whole[-1] = Block(last.address, last.instructions + 1, last.times)
        else:
            whole.append(Block(address, 1, times[address]))
    return whole


def is_branch(instruction: str) -> bool:
    return re.match(r"(b|bl|blr|br|ret|svc|b\.\w+|cbn?z|tbn?z)\b", instruction) is not None


def hottest(blocks: list[Block]) -> list[Block]:
    ordered = sorted(blocks, key=lambda b: b.instructions * b.times, reverse=True)
    whole = sum(b.instructions * b.times for b in blocks)
    kept, sum_so_far = [], 0
    for block in ordered:
        if sum_so_far > COVERED * whole:
            break
        kept.append(block)
        sum_so_far += block.instructions * block.times
    return kept


@cache
def disassembly(program: Path) -> dict[int, str]:
    """By address, as an assembler takes it: whither a branch leads does not matter here."""
    done = subprocess.run(
        [OBJDUMP, "-d", "--no-show-raw-insn", "--mattr=+bf16,+fullfp16,+sve,+i8mm", str(program)],
        check=True,
        capture_output=True,
        text=True,
    )
    lines = {}
    for address, text in re.findall(r"^ *([0-9a-f]+): +\t?([^\n]*)$", done.stdout, re.M):
        text = re.sub(r" *(<[^>]*>|//.*)", "", text.replace("\t", " ").strip())
        if re.match(r"(b|bl|b\.\w+|cbn?z|tbn?z|adrp?) ", text):
            text = re.sub(r"0x[0-9a-f]+$", "#0", text)
        lines[int(address, 16)] = text
    return lines


if __name__ == "__main__":
    sys.exit(main())
