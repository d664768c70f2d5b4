"""What is built for which operating system and processor, and with which compiler where Python names none that fits."""

from __future__ import annotations

import os
import shlex
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

SYSTEMS = {"linux": "linux", "macosx": "macos", "win": "windows"}  # by how sysconfig's names of platforms begin
PROCESSORS = {"amd64": "x86_64", "x86_64": "x86_64", "arm64": "aarch64", "aarch64": "aarch64"}
# A source whose name ends so is of these systems alone: "memory_posix.cpp".
ENDINGS = {"linux": ("linux", "posix"), "macos": ("macos", "posix"), "windows": ("windows",)}
LIBRARIES = {"linux": ["dl", "pthread", "rt"], "macos": [], "windows": []}
ONE_PROCESSOR = "-arch"


@dataclass(frozen=True)
class Target:
    """system: "linux", "macos", "windows" or as sysconfig calls another; processor: "x86_64", "aarch64", ..."""

    system: str
    processor: str

    @classmethod
    def of(cls, platform: str) -> Target:
        """Of sysconfig's or a wheel's name of it: "linux-x86_64", "macosx-11.0-arm64", "win-amd64"."""
        system, _, rest = platform.partition("-")
        processor = rest.rpartition("-")[2]
        return cls(SYSTEMS.get(system, system), PROCESSORS.get(processor, processor))

    def sources(self, paths: list[Path]) -> list[Path]:
        """Those that are not other systems'."""
        others = {ending for endings in ENDINGS.values() for ending in endings} - set(ENDINGS[self.system])
        return [path for path in paths if path.stem.rpartition("_")[2] not in others]


def build_target() -> Target:
    """What this build is for: this machine, or what _PYTHON_HOST_PLATFORM names, as crossing builds do.

    Raises:
        SystemExit: it is no system that the sources know.
    """
    if sys.platform == "darwin" and sysconfig.get_platform().endswith("universal2"):
        # Kernels are of one processor: this machine's, though Python's flags name both.
        machine = os.uname().machine
        os.environ.setdefault("ARCHFLAGS", f"{ONE_PROCESSOR} {machine}")
        version = sysconfig.get_platform().split("-")[1]
        os.environ.setdefault("_PYTHON_HOST_PLATFORM", f"macosx-{version}-{machine}")
    platform = os.environ.get("_PYTHON_HOST_PLATFORM") or sysconfig.get_platform()
    target = Target.of(platform)
    if target.system not in ENDINGS:
        raise SystemExit(f"trt-mtcnn builds on Linux, macOS and Windows; this is {platform}")
    return target


def zig_target() -> str | None:
    """$TRT_MTCNN_ZIG_TARGET: what Zig is to compile for, as it names it: "x86_64-linux-gnu.2.28"."""
    return os.environ.get("TRT_MTCNN_ZIG_TARGET")


def compilers() -> tuple[list[str], list[str]]:
    """The C and the C++ compiler: Zig's from PyPI, which is clang with all that it links, where it is to cross, else
    $CC and $CXX, else Zig's again.
    """
    zig = [os.environ.get("TRT_MTCNN_ZIG_PYTHON") or sys.executable, "-m", "ziglang"]
    if target := zig_target():
        return [*zig, "cc", "-target", target], [*zig, "c++", "-target", target]
    c, cxx = os.environ.get("CC"), os.environ.get("CXX")
    return shlex.split(c) if c else [*zig, "cc"], shlex.split(cxx) if cxx else [*zig, "c++"]


def python_folder() -> Path | None:
    """Another Python that the build is for: $TRT_MTCNN_PYTHON, a folder with include/ and, on Windows, libs/."""
    chosen = os.environ.get("TRT_MTCNN_PYTHON")
    return Path(chosen) if chosen else None
