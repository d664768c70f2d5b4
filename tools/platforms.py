"""What is built for which operating system and processor, and with which compiler where Python names none that fits."""

from __future__ import annotations

import os
import platform
import shlex
import subprocess
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


def is_own(target: Target) -> bool:
    """Whether this machine's compilers, nvcc among them, compile for it: Linux with glibc on the same processor."""
    libc = f"{zig_target() or ''} {sysconfig.get_config_var('HOST_GNU_TYPE') or ''}"
    own = PROCESSORS.get(platform.machine().lower(), platform.machine())
    return target.system == "linux" and target.processor == own and "musl" not in libc


def zig_target() -> str | None:
    """$TRT_MTCNN_ZIG_TARGET: what Zig is to compile for, as it names it: "x86_64-linux-gnu.2.28"."""
    return os.environ.get("TRT_MTCNN_ZIG_TARGET")


def compilers(target: Target) -> tuple[list[str], list[str]]:
    """The C and the C++ compiler: Zig's from PyPI, which is clang with all that it links, where it is to cross, else
    $CC and $CXX, else GCC where only the link is Zig's, else Zig's again.
    """
    if zig_target() and not is_own(target):
        return zig("cc"), zig("c++")
    c, cxx = os.environ.get("CC"), os.environ.get("CXX")
    known = (["gcc"], ["g++"]) if zig_target() else (zig("cc"), zig("c++"))
    return shlex.split(c) if c else known[0], shlex.split(cxx) if cxx else known[1]


def zig(command: str) -> list[str]:
    target = zig_target()
    python = os.environ.get("TRT_MTCNN_ZIG_PYTHON") or sys.executable
    return [python, "-m", "ziglang", command, *(["-target", target] if target else [])]


def older_glibc(cxx: list[str]) -> list[str]:
    """What Zig links beside what GCC compiled, so that a module takes the glibc of zig_target(), an older one than this
    machine's: libstdc++ in the module, and what that asks of a newer glibc; libgcc is any system's.
    """

    def found(library: str) -> str:
        return subprocess.run(
            [*cxx, f"-print-file-name={library}"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout.strip()

    tools = Path(__file__).parent
    script = f"-Wl,--version-script={tools / 'exports.map'}"
    return [str(tools / "older_glibc.c"), script, found("libstdc++.a"), found("libgcc_s.so.1"), "-lm"]


def python_folder() -> Path | None:
    """Another Python that the build is for: $TRT_MTCNN_PYTHON, a folder with include/ and, on Windows, libs/."""
    chosen = os.environ.get("TRT_MTCNN_PYTHON")
    return Path(chosen) if chosen else None


def python_headers(folder: Path) -> Path:
    """Where in such a folder Python.h is: include/, as on Windows, or include/python3.14/, as elsewhere.

    Raises:
        SystemExit: in neither, as for a Python of another version than this.
    """
    flags = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""
    own = "python{}.{}".format(*sys.version_info) + flags
    for headers in (folder / "include", folder / "include" / own):
        if (headers / "Python.h").is_file():
            return headers
    raise SystemExit(f"{folder}: neither include/ nor include/{own}/ has a Python.h: name the target's Python's folder")
