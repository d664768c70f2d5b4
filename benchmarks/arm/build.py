"""Cross-compiles the networks' kernels of a source tree into one program, and runs it in QEMU."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools.platforms import Target

ROOT = Path(__file__).resolve().parents[2]

__all__ = ["ROOT", "Block", "build", "count_blocks", "model_of", "need", "run"]

COMPILER = "aarch64-linux-gnu-g++"
FLAGS = ["-std=c++20", "-O3", "-g0", "-fvisibility=hidden"]
SOURCES = (
    "csrc/*.cpp",
    "csrc/cpu/amx.cpp",
    "csrc/cpu/kernels.cpp",
    "csrc/cpu/nets/*.cpp",
    "csrc/nets/*.cpp",
    "csrc/runtime/*.cpp",
)
KERNELS = ("csrc/cpu/kernels_isa.cpp", "csrc/cpu/nets/net_kernels_isa.cpp")
LEFT_OUT = ("mtcnn.cpp", "pack.cpp", "canvas_plan.cpp", "cuda_driver.cpp")


@dataclass(frozen=True)
class Block:
    """Instructions that ran one after the other, and how often."""

    address: int
    instructions: int
    times: int


def need(programs: Iterable[str]) -> None:
    missing = [name for name in programs if not shutil.which(name)]
    if missing:
        packages = "g++-aarch64-linux-gnu qemu-user qemu-user-static llvm-19"
        sys.exit(f"missing: {', '.join(missing)}; sudo apt install {packages}")


def build(tree: Path, folder: Path, host: bool = False) -> Path:
    """The program benchmarks/arm/networks.cpp with the kernels of the source tree, linked statically.

    host: for this machine instead, with the plain kernels.
    """
    folder.mkdir(parents=True, exist_ok=True)
    compiler = "g++" if host else COMPILER
    arm = not host and "TRTMTCNN_AARCH64" in (tree / "csrc/cpu/kernels.cpp").read_text()
    flags = isa_flags(tree) if arm else {"baseline": []}
    jobs: list[tuple[Path, Path, list[str]]] = [(Path(__file__).with_name("networks.cpp"), folder / "networks.o", [])]
    for pattern in SOURCES:
        for source in sorted(Target("linux", "").sources([*tree.glob(pattern)])):
            own = ["-DTRTMTCNN_ISA=emulated_amx"] if source.name == "tile_kernels_isa.cpp" else []
            if source.name not in LEFT_OUT and str(source.relative_to(tree)) not in KERNELS:
                jobs.append((source, folder / f"{source.stem}.o", own))
    for isa, own in flags.items():
        for kernels in KERNELS[isa.startswith("neon_") :]:  # the networks' alone
            jobs.append((tree / kernels, folder / f"{Path(kernels).stem}-{isa}.o", [*own, f"-DTRTMTCNN_ISA={isa}"]))
    cache = ["ccache"] if shutil.which("ccache") else []
    defines = ["-DTRTMTCNN_AARCH64=1"] * arm

    def compile_one(job: tuple[Path, Path, Sequence[str]]) -> None:
        source, made, own = job
        command = [*cache, compiler, *FLAGS, *defines, *own, f"-I{tree / 'csrc'}", "-c", str(source), "-o", str(made)]
        subprocess.run(command, check=True)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(compile_one, jobs))
    program = folder / "networks"
    command = [compiler, "-static", "-Wl,--gc-sections", "-o", str(program), *(str(made) for _, made, _ in jobs)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)  # glibc warns of dlopen() in static programs
    return program


def isa_flags(tree: Path) -> dict[str, list[str]]:
    """Those of the revision that the tree is of."""
    flags: dict[str, list[str]] = runpy.run_path(str(tree / "tools/arm_isa.py"))["ARM_ISA_FLAGS"]
    return flags


def model_of(network: str) -> Path:
    return ROOT / "mtcnn" / "models" / f"{network}.onnx"


def run(
    program: Path,
    model: Path,
    precision: str,
    output: Path,
    cpu: str = "",
    qemu: Sequence[str] = ("qemu-aarch64-static",),
    size: tuple[int, int] = (320, 240),
) -> str:
    """Runs a network, on a processor that QEMU plays or, without `cpu`, on this one; gives the kernels' name.

    size: of P-Net's picture, columns and rows.
    """
    command = [
        *([*qemu, "-cpu", cpu] if cpu else []),
        str(program),
        str(model),
        precision,
        str(output),
        *map(str, size),
    ]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def count_blocks(program: Path, network: str, precision: str, cpu: str) -> list[Block]:
    """What ran, counted by a plugin of QEMU."""
    folder = program.parent
    plugin, counts = folder / "blocks.so", folder / "blocks.txt"
    source = Path(__file__).with_name("blocks.c")
    subprocess.run(["gcc", "-O2", "-shared", "-fPIC", "-o", str(plugin), str(source)], check=True)
    run(
        program,
        model_of(network),
        precision,
        folder / "out.bin",
        cpu,
        ["qemu-aarch64", "-plugin", f"{plugin},out={counts}"],
    )
    rows = [line.split() for line in counts.read_text().splitlines()]
    return [Block(int(address, 16), int(n), int(times)) for address, n, times in rows]
