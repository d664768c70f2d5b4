"""Wheels for other systems than this, and older ones, by Zig from PyPI: python tools/wheels.py TARGET PYTHON ...

TARGET: a line of TARGETS. PYTHON: an interpreter of this machine, whose version the wheel is for; with "=FOLDER" after
it the folder of the target's own Python (include/, on Windows libs/ too), where that is another system's.
The wheels land in dist/portable/. For Linux with glibc on this machine's processor its own compilers compile, nvcc
among them where it is found, and Zig links, against an older glibc; for all else Zig's clang compiles, too.
TRT_MTCNN_LIMITED_API=1: for that Python and all later ones, but on Windows.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from find_sdks import cuda_toolkit

ROOT = Path(__file__).resolve().parent.parent
OUTPUT = ROOT / "dist" / "portable"


@dataclass(frozen=True)
class Target:
    """zig: its name of it; platform: Python's; wheel: the tag; suffix: of the module, after "cpXY" or Python's tag."""

    zig: str
    platform: str
    wheel: str
    suffix: str


# The least glibc and macOS are those that NumPy's wheels ask for.
TARGETS = {
    "manylinux-x86_64": Target(
        "x86_64-linux-gnu.2.28", "linux-x86_64", "manylinux_2_28_x86_64", ".cpython-{tag}-x86_64-linux-gnu.so"
    ),
    "manylinux-aarch64": Target(
        "aarch64-linux-gnu.2.28", "linux-aarch64", "manylinux_2_28_aarch64", ".cpython-{tag}-aarch64-linux-gnu.so"
    ),
    "musllinux-x86_64": Target(
        "x86_64-linux-musl", "linux-x86_64", "musllinux_1_2_x86_64", ".cpython-{tag}-x86_64-linux-musl.so"
    ),
    "musllinux-aarch64": Target(
        "aarch64-linux-musl", "linux-aarch64", "musllinux_1_2_aarch64", ".cpython-{tag}-aarch64-linux-musl.so"
    ),
    "windows-x86_64": Target("x86_64-windows-gnu", "win-amd64", "win_amd64", ".cp{tag}-win_amd64.pyd"),
    "macos-arm64": Target("aarch64-macos.11.0", "macosx-11.0-arm64", "macosx_11_0_arm64", ".cpython-{tag}-darwin.so"),
    "macos-x86_64": Target("x86_64-macos.11.0", "macosx-11.0-x86_64", "macosx_11_0_x86_64", ".cpython-{tag}-darwin.so"),
}


def main(name: str, pythons: list[str]) -> int:
    if name not in TARGETS or not pythons:
        print(f"usage: wheels.py {{{','.join(TARGETS)}}} PYTHON[=FOLDER] ...", file=sys.stderr)
        return 2
    lacking = [package for package in ("auditwheel", "macholib", "ziglang") if not find_spec(package)]
    if lacking:  # before minutes of compiling
        print(f"wheels.py needs more: {sys.executable} -m pip install {' '.join(lacking)}", file=sys.stderr)
        return 2
    OUTPUT.mkdir(parents=True, exist_ok=True)
    for python in pythons:
        interpreter, _, folder = python.partition("=")
        print(build(TARGETS[name], interpreter, folder), flush=True)
    return 0


def build(target: Target, interpreter: str, folder: str) -> Path:
    """The wheel for one Python, in an environment that holds what the build needs."""
    is_limited = os.environ.get("TRT_MTCNN_LIMITED_API") == "1"
    if is_limited and target.platform.startswith("win"):
        raise SystemExit("TRT_MTCNN_LIMITED_API=1 makes no wheel for Windows from another system")
    tag = output(interpreter, "-c", "import sys; print('%d%d' % sys.version_info[:2] + getattr(sys, 'abiflags', ''))")
    environment = ROOT / "build" / "wheels" / f"python{tag}"
    python = environment / "bin" / "python"
    if not (environment / "ready").exists():
        subprocess.run([interpreter, "-m", "venv", "--clear", environment], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", "setuptools>=77", "Cython>=3.1"], check=True)
        (environment / "ready").touch()
    variables = {
        **os.environ,
        "_PYTHON_HOST_PLATFORM": target.platform,
        "SETUPTOOLS_EXT_SUFFIX": target.suffix.format(tag=tag),
        "TRT_MTCNN_ZIG_PYTHON": sys.executable,
        "TRT_MTCNN_ZIG_TARGET": target.zig,
    }
    if cuda := cuda_toolkit():
        variables["CUDA_HOME"] = str(cuda.nvcc.parents[1])  # that of this Python's environment, too
    if folder:
        variables["TRT_MTCNN_PYTHON"] = str(Path(folder).resolve())
    work = ROOT / "build" / "wheels" / f"{target.wheel}-{'abi3' if is_limited else tag}"
    command = [python, "setup.py", "-q", "build", "--build-base", work]
    command += ["bdist_wheel", "--plat-name", target.wheel, "--dist-dir", OUTPUT]
    subprocess.run(command, cwd=ROOT, env=variables, check=True)
    wheel = newest(OUTPUT, "abi3" if is_limited else f"cp{tag}", target)
    if "-linux-gnu" in target.zig:
        check_glibc(wheel)
    if "-macos" in target.zig:
        check_macos(wheel)
    return wheel


def newest(folder: Path, abi: str, target: Target) -> Path:
    """The last wheel of its kind: builds for other systems and Pythons may put theirs there meanwhile."""
    return max(folder.glob(f"*-{abi}-{target.wheel}.whl"), key=lambda path: path.stat().st_mtime)


def check_glibc(wheel: Path) -> None:
    """Raises SystemExit where the module asks for what the glibc of the wheel's name lacks."""
    from elftools.elf.elffile import ELFFile  # auditwheel's

    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".so"))
        elf = ELFFile(io.BytesIO(archive.read(name)))
    symbols, versions = elf.get_section_by_name(".dynsym"), elf.get_section_by_name(".gnu.version")
    # What no library of the link had has no version.
    missing = [
        symbol.name
        for i, symbol in enumerate(symbols.iter_symbols())
        if (symbol["st_shndx"], symbol["st_info"]["bind"]) == ("SHN_UNDEF", "STB_GLOBAL")
        and not symbol.name.startswith(("Py", "_Py"))
        and str(versions.get_symbol(i)["ndx"]).startswith("VER_NDX")
    ]
    if missing:
        raise SystemExit(f"{wheel.name}: no glibc of that age has {', '.join(missing)}")
    print(output(sys.executable, "-m", "auditwheel", "show", str(wheel)).partition("\n\n")[0])


def check_macos(wheel: Path) -> None:
    """Raises SystemExit where the module asks for what neither Python nor the libraries that Zig knows of macOS have:
    what is not known as a module is linked is left to be looked up when it is loaded, as Python's own symbols must be.
    """
    from macholib.MachO import MachO
    from macholib.SymbolTable import SymbolTable

    undefined = 0x01  # and external: mach-o/nlist.h
    no_library = (0xFE, 0x00)  # "dynamic lookup", which Zig writes as 0
    with tempfile.TemporaryDirectory() as folder, zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".so"))
        module = MachO(archive.extract(name, folder))
        symbols = [(name.decode(), entry.n_type, entry.n_desc >> 8) for entry, name in SymbolTable(module).undefsyms]
    unknown = [name for name, kind, library in symbols if kind == undefined and library in no_library]
    if missing := [name for name in unknown if not name.startswith(("_Py", "__Py"))]:
        raise SystemExit(f"{wheel.name}: nothing that Zig knows of macOS has {', '.join(missing)}")
    needed = sorted({library for header in module.headers for _, _, library in header.walkRelocatables()})
    print(f"{wheel.name}: {len(unknown)} symbols of Python's; needs {', '.join(needed)}")


def output(*command: str) -> str:
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1] if len(sys.argv) > 1 else "", sys.argv[2:]))
