"""Compiles the networks' kernels of a source tree into one program, benchmarks/x86/networks.cpp."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tools.platforms import Target

ROOT = Path(__file__).resolve().parents[2]
__all__ = ["ISA_FLAGS", "ROOT", "build", "build_revision", "count", "parse", "run"]

FLAGS = ["-std=c++20", "-O3", "-g0", "-fvisibility=hidden", "-fno-pie"]
ISA_FLAGS = {  # as setup.py has them
    "baseline": [],
    "avx2": ["-mavx2", "-mfma", "-mf16c"],
    "avx512": ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"],
}
SOURCES = ("csrc/*.cpp", "csrc/cpu/amx.cpp", "csrc/cpu/kernels.cpp", "csrc/cpu/nets/*.cpp", "csrc/nets/*.cpp")
RUNTIME = "csrc/runtime/*.cpp"
KERNELS = ("csrc/cpu/kernels_isa.cpp", "csrc/cpu/nets/net_kernels_isa.cpp")
LEFT_OUT = ("mtcnn.cpp", "pack.cpp", "canvas_plan.cpp", "cuda_driver.cpp")


def build(tree: Path, folder: Path) -> Path:
    """The program with the kernels of the source tree, linked statically at fixed addresses."""
    folder.mkdir(parents=True, exist_ok=True)
    own = Path(__file__).with_name("networks.cpp")
    # Without a red zone: it pushes flags.
    jobs: list[tuple[Path, Path, list[str]]] = [(own, folder / "networks.o", ["-mno-red-zone"])]
    for pattern in (*SOURCES, RUNTIME):
        for source in sorted(Target("linux", "").sources([*tree.glob(pattern)])):
            defines = ["-DTRTMTCNN_ISA=emulated_amx"] if source.name == "tile_kernels_isa.cpp" else []
            if source.name not in LEFT_OUT and str(source.relative_to(tree)) not in KERNELS:
                jobs.append((source, folder / f"{source.stem}.o", defines))
    for isa, flags in ISA_FLAGS.items():
        for kernels in KERNELS:
            made = folder / f"{Path(kernels).stem}-{isa}.o"
            jobs.append((tree / kernels, made, [*flags, f"-DTRTMTCNN_ISA={isa}"]))
    amx = [*ISA_FLAGS["avx512"], "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-DTRTMTCNN_AMX", "-DTRTMTCNN_ISA=amx"]
    jobs.append((tree / "csrc/cpu/nets/tile_kernels_isa.cpp", folder / "tile_kernels_isa-amx.o", amx))
    cache = ["ccache"] if shutil.which("ccache") else []

    def compile_one(job: tuple[Path, Path, Sequence[str]]) -> None:
        source, made, flags = job
        command = [*cache, "g++", *FLAGS, "-DTRTMTCNN_X86=1", *flags, f"-I{tree / 'csrc'}", "-c", str(source)]
        subprocess.run([*command, "-o", str(made)], check=True)

    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        list(pool.map(compile_one, jobs))
    program = folder / "networks"
    command = ["g++", "-static", "-no-pie", "-Wl,--gc-sections", "-o", str(program), *(str(o) for _, o, _ in jobs)]
    subprocess.run(command, check=True, stderr=subprocess.DEVNULL)  # glibc warns of dlopen() in static programs
    return program


def build_revision(revision: str, folder: Path) -> Path:
    with tempfile.TemporaryDirectory() as temporary:
        archive = subprocess.run(["git", "archive", revision, "csrc"], cwd=ROOT, check=True, capture_output=True)
        subprocess.run(["tar", "-x", "-C", temporary], input=archive.stdout, check=True)
        return build(Path(temporary), folder)


def run(program: Path, network: str, isa: str, what: str, under: Sequence[str] = ()) -> str:
    """What the program prints; what: "count", or how many more times than once a network is called."""
    model = ROOT / "mtcnn" / "models" / f"{network}.onnx"
    command = [*under, str(program), str(model), what]
    environment = os.environ | {"TRT_MTCNN_ISA": isa}
    return subprocess.run(command, check=True, capture_output=True, text=True, env=environment).stdout


def count(program: Path, network: str, isa: str) -> dict[int, int]:
    """How often each instruction runs, by address, in one call: by callgrind, a hundred times faster than traps.

    Callgrind knows no AVX-512, and also counts what is outside of the kernels.
    """
    if isa == "avx512" or not shutil.which("valgrind"):
        listed = run(program, network, isa, "count")
        return {int(address, 16): int(times) for address, times in map(str.split, listed.splitlines())}
    profile = program.parent / f"callgrind-{network}-{isa}.out"
    options = ["--dump-instr=yes", "--compress-pos=no", "--compress-strings=no", f"--callgrind-out-file={profile}"]
    run(program, network, isa, "0", ["valgrind", "--tool=callgrind", "-q", *options])
    return parse(profile.read_text())


def parse(profile: str) -> dict[int, int]:
    """Of callgrind's file, what instructions themselves cost: once each time they run."""
    counts: dict[int, int] = {}
    called = False
    for line in profile.splitlines():
        if line.startswith("0x") and not called:  # address, line, times
            address, _, times = line.split()
            counts[int(address, 16)] = counts.get(int(address, 16), 0) + int(times)
        called = line.startswith("calls=")  # the next line has the costs of what is called
    return counts
