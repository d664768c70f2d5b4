"""Compiles csrc/ for Windows x64, by Zig's clang, so that what cannot run here does not rot.

Objects are not kept: wheels are made by tools/wheels.py, which needs those systems' Python.
"""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from platforms import Target

ROOT = Path(__file__).resolve().parent.parent
SYSTEMS = {
    "x86_64-windows-gnu": (Target("windows", "x86_64"), ["-DTRTMTCNN_X86=1", "-DTRTMTCNN_ISA=baseline"]),
}
FLAGS = ["-std=c++20", "-Wall", "-Wextra", "-Werror", "-Icsrc", "-fsyntax-only"]
OF_TENSORRT = ("builder.cpp", "implementation.cpp", "plan.cpp")  # need its headers, and Linux


def main() -> int:
    wrong = 0
    for zig, (target, defines) in SYSTEMS.items():
        found = target.sources([*(ROOT / "csrc").rglob("*.cpp")])
        sources = sorted(path.relative_to(ROOT) for path in found if path.name not in OF_TENSORRT)
        command = [sys.executable, "-m", "ziglang", "c++", "-target", zig, *FLAGS, *defines]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            failed = sum(pool.map(lambda source, c=command: subprocess.call([*c, source], cwd=ROOT) != 0, sources))
        print(f"{zig}: {len(sources) - failed} of {len(sources)} files compile")
        wrong += failed
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
