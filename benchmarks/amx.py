#!/usr/bin/env python3
"""What AMX is predicted to give each layer, on a machine without it: python -m benchmarks.amx.

The networks' machine code runs here, its tile instructions played and all others counted, one trap each
(tests/native/amx_player.cpp). llvm-mca, LLVM's machine code analyser, says how many cycles the rest of each block of
instructions takes that follows itself, and what is known of tiles is put beside it: a block takes what the busier of
the two takes. The floor is what the unit for tiles alone needs. A prediction: it knows no caches, and nothing of what
the processor does of two different blocks at once.
"""

from __future__ import annotations

import argparse
import ctypes
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import pytrt
from benchmarks.arm.build import ROOT, need
from benchmarks.loops import MCA, OBJDUMP
from mtcnn.engines import models_folder
from pytrt import _pytrt
from pytrt.testing import load_amx

# LLVM 19 knows Sapphire Rapids with one unit for vectors of 512 bits, the processor has Ice Lake's two; and nothing of
# tiles: cycles a TDPBF16PS keeps the unit for them busy and until its sums can be used (Intel's optimization manual).
PROCESSOR = "icelake-server"
PRODUCT_CYCLES, PRODUCT_LATENCY = 16, 52
# What moves as much: a tile's rows are loaded and stored one by one; VCVTNEPS2BF16 needs the ports of VCVTPS2PH.
STAND_INS = {
    "tileloadd": ["vmovups (%rax), %zmm31"] * 16,
    "tilestored": ["vmovups %zmm31, (%rax)"] * 16,
    "tdpbf16ps": ["nop"],
    "ldtilecfg": ["vmovups (%rax), %zmm31"],
    "tilerelease": ["nop"],
}
LAYERS = {
    "pnet": {
        "first": r"pnet_(input|conv1)|conv1_rows|pnet_first_layer|to_halves",
        "second": r"conv2_rows|pnet_conv2|10, 16",
        "third": r"pnet_conv3|16, 32",
        "logits": r"pnet_dot",
    },
    "rnet": {
        "first": r"first_layer<32, 24|FirstLayer<28|to_halves",
        "second": r"<32, 3, 48|<F3x3, 28, 48",
        "third": r"conv_maps<48|48, 64",
        "dense": r"dense_rows<64|<Element, 576",
        "heads": r"Element, 128",
    },
    "onet": {
        "first": r"first_layer<32, 48|FirstLayer<32|to_halves",
        "second": r"<32, 3, 64|<F3x3, 32, 64",
        "third": r"<64, 3, 64|<F4x3, 64, 64",
        "fourth": r"conv_maps<64|48, 64, 128|<F3x2, 64, 128",
        "dense": r"dense_rows<128|<Element, 1152",
        "heads": r"Element, 256, 16",
    },
}
BATCHES = {"float32": {"rnet": 4, "onet": 4}, "AMX": {"rnet": 16, "onet": 16}}  # what dense layers work on at once
PICTURE = (40, 576)  # of the largest level of 1080p at minsize 40
WARM, ITERATIONS = 30, 60


@dataclass
class Function:
    address: int
    size: int
    name: str
    lines: list[tuple[int, str]] = field(default_factory=list)


@dataclass
class Block:
    function: str
    times: float
    lines: list[str]

    def of(self, mnemonic: str) -> int:
        return sum(line.startswith(mnemonic) for line in self.lines)

    @property
    def tile_cycles(self) -> int:
        """Of the unit, and of sums that wait for each other where the block follows itself."""
        products = [line.rsplit("%", 1)[1] for line in self.lines if line.startswith("tdpbf16ps")]
        longest = max((products.count(tile) for tile in set(products)), default=0)
        return max(PRODUCT_CYCLES * len(products), PRODUCT_LATENCY * longest)


def main() -> int:
    parser = argparse.ArgumentParser(description="Predict what AMX gives the networks.")
    parser.add_argument("--blocks", type=int, default=0, metavar="N", help="also each network's N dearest blocks")
    parser.add_argument("--networks", nargs="+", choices=list(LAYERS), default=list(LAYERS))
    options = parser.parse_args()
    need((MCA, OBJDUMP, "readelf", "g++"))
    if pytrt.isa() != "avx512" or "avx512_bf16" not in Path("/proc/cpuinfo").read_text():
        sys.exit("needs a processor with AVX-512 and AVX512-BF16, whose instructions run as they are")
    module = Path(str(_pytrt.__file__))
    tiles, vectors = (kernels(module, *which) for which in (("tile_kernels", "tdpbf16ps"), ("net_kernels", "%zmm")))
    print(f"{date.today()}, {PROCESSOR} and tiles, {llvm_version()}\n")
    head = ("network", "layer", "float32", "AMX", "times", "floor", "TDPBF16PS", "TILELOADD", "TILESTORED")
    print(f"| {' | '.join(head)} |\n|{' --- |' * len(head)}")
    with tempfile.TemporaryDirectory() as temporary:
        player = start_player(Path(temporary))
        for network in options.networks:
            layers = LAYERS[network]
            model = (models_folder() / f"{network}.onnx").read_bytes()
            device = pytrt.CpuDevice("", 1)
            engines = {"float32": (device.load_engine(model), vectors), "AMX": (load_amx(device, model), tiles)}
            priced: dict[str, list[tuple[Block, float]]] = {}
            for which, (engine, functions) in engines.items():
                n = BATCHES[which].get(network, 1)
                priced[which] = predicted(counted(player, module, engine, network, n, functions), n)
            total = dict.fromkeys(("float32", "AMX", "floor", "products", "loads", "stores"), 0.0)
            for layer in layers:
                row = {
                    which: sum(cycles for block, cycles in blocks if layer_of(block, layers) == layer)
                    for which, blocks in priced.items()
                }
                if not all(row.values()):
                    sys.exit(f"{network}: no function that ran is called as its layer's are: {layers[layer]}")
                own = [block for block, _ in priced["AMX"] if layer_of(block, layers) == layer]
                for name, mnemonic in (("products", "tdpbf16ps"), ("loads", "tileloadd"), ("stores", "tilestored")):
                    row[name] = sum(block.times * block.of(mnemonic) for block in own)
                row["floor"] = row["products"] * PRODUCT_CYCLES
                for name, value in row.items():
                    total[name] += value
                print_row(network, layer, row)
            print_row(network, "all", total)
            for block, cycles in sorted(priced["AMX"], key=lambda one: -one[1])[: options.blocks]:
                print(f"{cycles:.0f} cycles, {block.times:.1f} times, {block.tile_cycles} in tiles: {block.function}")
                print("    " + "\n    ".join(block.lines))
    return 0


def layer_of(block: Block, layers: dict[str, str]) -> str:
    return next((layer for layer, pattern in layers.items() if re.search(pattern, block.function)), "")


def print_row(network: str, layer: str, row: dict[str, float]) -> None:
    cells = [network, layer, *(f"{row[which]:,.0f}" for which in ("float32", "AMX"))]
    cells += [f"{row['float32'] / row['AMX']:.1f}" if row["AMX"] else ""]
    cells += [f"{row[which]:,.0f}" for which in ("floor", "products", "loads", "stores")]
    print(f"| {' | '.join(cells)} |", flush=True)


def llvm_version() -> str:
    said = subprocess.run([MCA, "--version"], check=True, capture_output=True, text=True).stdout
    found = re.search(r"version (\S+)", said)
    return f"{MCA} {found.group(1) if found else ''}".strip()


def start_player(folder: Path) -> ctypes.CDLL:
    made = folder / "player.so"
    source = ROOT / "tests" / "native" / "amx_player.cpp"
    subprocess.run(["g++", "-std=c++20", "-O2", "-shared", "-fPIC", str(source), "-o", str(made)], check=True)
    player = ctypes.CDLL(str(made))
    player.take_fault.restype = ctypes.c_char_p
    player.start_playing()
    return player


def kernels(module: Path, source: str, instruction: str) -> list[Function]:
    """The functions that were compiled of <source>_isa.cpp for the instruction set that has the instruction."""
    listed = subprocess.run(["readelf", "-sW", str(module)], check=True, capture_output=True, text=True).stdout
    groups: list[list[Function]] = []
    inside = False
    for line in listed.splitlines():
        columns = line.split()
        if len(columns) < 8:
            continue
        if columns[3] == "FILE":
            inside = columns[7] == f"{source}_isa.cpp"
            if inside:
                groups.append([])
        elif inside and columns[3] == "FUNC":
            groups[-1].append(Function(int(columns[1], 16), int(columns[2]), columns[7]))
    for group in groups:
        disassemble(module, group)
        if any(instruction in text for function in group for _, text in function.lines):
            return group
    sys.exit(f"{module} has no kernels of {source}_isa.cpp with {instruction}: make first")


def disassemble(module: Path, functions: list[Function]) -> None:
    first = min(f.address for f in functions if ".cold" not in f.name)
    last = max(f.address + f.size for f in functions)
    command = [OBJDUMP, "-d", "-C", "--no-show-raw-insn", f"--start-address={first}", f"--stop-address={last}"]
    listed = subprocess.run([*command, str(module)], check=True, capture_output=True, text=True).stdout
    by_address = {f.address: f for f in functions}
    current: Function | None = None
    for line in listed.splitlines():
        if named := re.match(r"([0-9a-f]+) <(.*)>:$", line):
            current = by_address.get(int(named.group(1), 16))
            if current:
                current.name = named.group(2).replace("trtmtcnn::cpu::", "").replace("(anonymous namespace)::", "")
        elif current and (instruction := re.match(r" *([0-9a-f]+): *\t?(.*)", line)):
            text = re.sub(r" *(<[^>]*>+|#.*)", "", instruction.group(2)).replace("\t", " ").strip()
            current.lines.append((int(instruction.group(1), 16), text))


def counted(
    player: ctypes.CDLL, module: Path, engine: pytrt.Engine, network: str, n: int, functions: list[Function]
) -> list[Block]:
    """The blocks that one call runs."""
    side = {"rnet": (24, 24), "onet": (48, 48)}.get(network, PICTURE)
    crops = np.random.default_rng(1).uniform(-1, 1, (n, 3, *side)).astype(np.float32)
    engine.infer(crops)
    base = loaded_at(module)
    first = min(f.address for f in functions)
    last = max(f.address + f.size for f in functions)
    times = np.zeros(last - first, np.uint32)
    pointer = ctypes.c_void_p(times.ctypes.data)
    player.start_counting(ctypes.c_size_t(base + first), ctypes.c_size_t(base + last), pointer)
    try:
        engine.infer(crops)
    finally:
        player.stop_counting()
    if fault := player.take_fault():
        sys.exit(fault.decode())
    return [block for function in functions for block in blocks_of(function, times, first)]


def loaded_at(module: Path) -> int:
    for line in Path("/proc/self/maps").read_text().splitlines():
        if line.endswith(str(module.resolve())):
            return int(line.split("-")[0], 16)
    sys.exit(f"{module} is not loaded")


def blocks_of(function: Function, times: NDArray[Any], first: int) -> Iterator[Block]:
    """Runs of instructions that ran equally often, one after the other: no jump between them was taken."""
    block = Block(function.name, 0, [])
    for address, text in function.lines:
        ran = int(times[address - first])
        if ran != block.times or (block.lines and re.match(r"jmp|call|ret", block.lines[-1])):
            if block.times:
                yield block
            block = Block(function.name, ran, [])
        block.lines.append(text)
    if block.times:
        yield block


def predicted(blocks: list[Block], n: int) -> list[tuple[Block, float]]:
    """Of one of the n inputs: cycles of each block, all its times."""
    assembly = ""
    for i, block in enumerate(blocks):
        assembly += "\n".join([f"# LLVM-MCA-BEGIN b{i}", *stood_in(block), f"# LLVM-MCA-END b{i}", ""])
    totals = []
    for iterations in (WARM, ITERATIONS):
        command = [MCA, "-mtriple=x86_64", f"-mcpu={PROCESSOR}", f"-iterations={iterations}", "-summary-view"]
        command += ["-resource-pressure=false", "-instruction-info=false"]
        done = subprocess.run(command, input=assembly, capture_output=True, text=True)
        if done.returncode:
            sys.exit(done.stderr)
        totals.append([int(n) for n in re.findall(r"^Total Cycles: +(\d+)", done.stdout, re.M)])
    each = [(whole - warm) / (ITERATIONS - WARM) for warm, whole in zip(*totals, strict=True)]
    one = [Block(block.function, block.times / n, block.lines) for block in blocks]
    return [(b, b.times * max(cycles, b.tile_cycles)) for b, cycles in zip(one, each, strict=True)]


def stood_in(block: Block) -> Iterator[str]:
    for line in block.lines:
        mnemonic = line.split(" ", 1)[0]
        if mnemonic in STAND_INS:
            yield from STAND_INS[mnemonic]
        elif mnemonic == "vcvtneps2bf16":
            yield line.replace("vcvtneps2bf16", "vcvtps2ph $4,")
        elif not re.match(r"j|call|ret", mnemonic):
            yield line
        else:
            yield "jmp 0" if mnemonic in ("jmp", "call", "callq", "ret", "retq") else "jne 0"


if __name__ == "__main__":
    sys.exit(main())
