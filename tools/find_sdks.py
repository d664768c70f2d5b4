"""Where the SDKs are that a build can use: TensorRT's headers, the CUDA toolkit. All of them are optional.

Run as a program, it prints the toolkit's folder, as $CUDA_HOME names it to a build in another environment.
"""

from __future__ import annotations

import os
import platform
import re
import runpy
import shutil
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

# Run as a file: its package is what is to be built.
TENSORRT_MAJORS = runpy.run_path(str(Path(__file__).parent.parent / "pytrt" / "versions.py"))["TENSORRT_MAJORS"]
TENSORRT_FOLDERS = (
    "/usr/local/tensorrt*",
    "/opt/tensorrt*",
    "/usr/local/TensorRT*",
    "/opt/TensorRT*",
    "/usr/include/x86_64-linux-gnu",
    "/usr/include/aarch64-linux-gnu",
    "/usr/include",
)


@dataclass(frozen=True)
class TensorRtHeaders:
    include: Path
    version: tuple[int, int, int]


@dataclass(frozen=True)
class CudaToolkit:
    nvcc: Path
    include: Path
    library: Path  # libcudart_static.a


def tensorrt_headers() -> dict[int, TensorRtHeaders]:
    """The newest headers of each major version, by major version.

    Looked for in $TENSORRT_ROOT (several folders may be given, separated by colons; "none" for no TensorRT at
    all), then where SDKs and distributions put them.
    """
    chosen = os.environ.get("TENSORRT_ROOT", "")
    if chosen == "none":
        return {}
    found: dict[int, TensorRtHeaders] = {}
    folders = [Path(f) for f in chosen.split(":") if f]
    folders += [match for pattern in TENSORRT_FOLDERS for match in sorted(Path("/").glob(pattern[1:]))]
    for folder in folders:
        for include in (folder / "include", folder):
            if not (include / "NvInfer.h").is_file() or not (include / "NvOnnxParser.h").is_file():
                continue
            version = _tensorrt_version(include / "NvInferVersion.h")
            known = found.get(version[0])
            if version[0] in TENSORRT_MAJORS and (known is None or known.version < version):
                found[version[0]] = TensorRtHeaders(include.resolve(), version)
    return found


def _tensorrt_version(header: Path) -> tuple[int, int, int]:
    text = header.read_text(errors="replace") if header.is_file() else ""
    numbers = []
    for part in ("MAJOR", "MINOR", "PATCH"):
        match = re.search(rf"#define\s+(?:NV_TENSORRT_{part}|TRT_{part}_ENTERPRISE)\s+(\d+)", text)
        numbers.append(int(match[1]) if match else 0)
    return numbers[0], numbers[1], numbers[2]


def cuda_toolkit() -> CudaToolkit | None:
    """nvcc of $CUDA_HOME ("none" for no CUDA at all), /usr/local/cuda, the PATH, or the PyPI packages."""
    chosen = os.environ.get("CUDA_HOME", "")
    if chosen == "none":
        return None
    on_path = shutil.which("nvcc")
    roots = [Path(chosen)] if chosen else []
    roots += [Path("/usr/local/cuda"), *([Path(on_path).resolve().parents[1]] if on_path else [])]
    roots += sorted(Path(sysconfig.get_path("purelib"), "nvidia").glob("cu1[0-9]"), reverse=True)
    for root in roots:
        nvcc, include = root / "bin" / "nvcc", root / "include"
        for library in (root / "lib64", root / "lib"):
            if nvcc.is_file() and (include / "cuda_runtime.h").is_file() and (library / "libcudart_static.a").is_file():
                return CudaToolkit(nvcc, include, library)
    return None


# Turing to Blackwell; and Jetson's, whose code is not the desktop's of the same generation: Orin, Thor.
CUDA_TARGETS = (75, 80, 86, 89, 90, 100, 120)
JETSON_TARGETS = (87, 110)


def cuda_targets(toolkit: CudaToolkit) -> list[str]:
    """The compute capabilities to compile kernels for: $TRT_MTCNN_CUDA_TARGETS, else those that nvcc knows of ours."""
    if chosen := os.environ.get("TRT_MTCNN_CUDA_TARGETS"):
        return chosen.split(",")
    listed = subprocess.run([toolkit.nvcc, "--list-gpu-arch"], capture_output=True, text=True, check=True).stdout
    known = {int(number) for number in re.findall(r"compute_(\d+)\b", listed)}
    wanted = CUDA_TARGETS + (JETSON_TARGETS if platform.machine() == "aarch64" else ())
    targets = [str(target) for target in sorted(wanted) if target in known]
    if not targets:
        raise SystemExit(
            f"{toolkit.nvcc} knows none of the GPUs {wanted}: set TRT_MTCNN_CUDA_TARGETS, or CUDA_HOME=none"
        )
    return targets


# Virtual architectures: nvcc compiles to the PTX of each once, of which ptxas makes the code of several GPUs. 8.0 has
# products of tiles that 7.5 lacks; the registers of all kernels on 8.6 to 9.0 are the same by their own PTX as by its.
# For 10.0 and later nvcc has another compiler.
VIRTUAL_TARGETS = (75, 80, 100)


def code_flags(targets: list[str]) -> list[str]:
    """nvcc's options for code of these compute capabilities, and PTX for those that are not among them."""
    by_virtual: dict[int, list[str]] = {}
    for target in targets:
        number = int(re.match(r"\d+", target)[0])  # "90a" is one, too
        virtual = max((v for v in VIRTUAL_TARGETS if v <= number), default=number)
        by_virtual.setdefault(virtual, []).append(f"sm_{target}")
    by_virtual[max(by_virtual)].append(f"compute_{max(by_virtual)}")
    return [f"-gencode=arch=compute_{virtual},code=[{','.join(codes)}]" for virtual, codes in by_virtual.items()]


if __name__ == "__main__":
    found = cuda_toolkit()
    print(found.nvcc.parents[1] if found else "none")
