"""Compiles csrc/ for Windows x64 and macOS on Arm, by Zig's clang, so that what cannot run here does not rot.

Nothing is linked, and objects are not kept: wheels are made by tools/wheels.py, which needs those systems' Python.
python tools/portable.py [PART ...]: only sources in whose paths one of the parts is, "runtime/" say.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from arm_isa import ZIG_ARM_ISA_FLAGS
from platforms import Target

ROOT = Path(__file__).resolve().parent.parent
# Of macOS without its ABI Zig takes the machine for the target, and does not end.
SYSTEMS = {
    "x86_64-windows-gnu": (Target("windows", "x86_64"), ["-DTRTMTCNN_X86=1", "-DTRTMTCNN_ISA=baseline"]),
    "aarch64-macos.11.0-none": (Target("macos", "aarch64"), ["-DTRTMTCNN_AARCH64=1", "-DTRTMTCNN_ISA=neon"]),
}
# What is compiled once more, for processors that have these instructions.
FLOAT16 = (
    "csrc/cpu/nets/net_kernels_isa.cpp",
    [*ZIG_ARM_ISA_FLAGS["neon_fp16"], "-UTRTMTCNN_ISA", "-DTRTMTCNN_ISA=neon_fp16"],
)
# With -fsyntax-only, Zig builds the target's C++ library first, which takes minutes.
FLAGS = ["-std=c++20", "-O0", "-g0", "-Wall", "-Wextra", "-Werror", "-Icsrc", "-c"]
OF_TENSORRT = ("builder.cpp", "implementation.cpp", "plan.cpp")  # need its headers, and Linux


def main(parts: list[str]) -> int:
    wrong = 0
    for zig, (target, defines) in SYSTEMS.items():
        found = target.sources([*(ROOT / "csrc").rglob("*.cpp")])
        sources = sorted(path.relative_to(ROOT).as_posix() for path in found if path.name not in OF_TENSORRT)
        jobs = [(source, []) for source in sources] + ([FLOAT16] if target.processor == "aarch64" else [])
        jobs = [job for job in jobs if not parts or any(part in job[0] for part in parts)]
        command = [sys.executable, "-m", "ziglang", "c++", "-target", zig, *FLAGS, *defines]
        with tempfile.TemporaryDirectory() as folder, ThreadPoolExecutor(os.cpu_count()) as pool:

            def compiles(job: tuple[str, list[str]], command: list[str] = command, folder: str = folder) -> bool:
                source, flags = job
                made = Path(folder, f"{source}{''.join(flags)}.o".replace("/", "_"))
                return subprocess.call([*command, *flags, source, "-o", str(made)], cwd=ROOT) == 0

            failed = len(jobs) - sum(pool.map(compiles, jobs))
        print(f"{zig}: {len(jobs) - failed} of {len(jobs)} files compile", flush=True)
        wrong += failed
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
