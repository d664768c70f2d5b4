"""Builds csrc/ and pytrt/ into one extension; pyproject.toml holds the metadata.

Environment: TRT_MTCNN_WERROR=1 makes warnings errors; TRT_MTCNN_SANITIZE=address,undefined builds with
sanitizers (see `make asan`, `make fuzz`); TRT_MTCNN_OBJECTS is a folder that keeps what compilers made, for builds of
the same sources elsewhere. What nvcc made is always kept. TRT_MTCNN_LIMITED_API=1 makes one module for CPython 3.11 and
all later ones, at some 35,000 instructions a call.
"""

import hashlib
import itertools
import json
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup  # before distutils, which it brings
from setuptools.command.build_ext import build_ext
from setuptools.errors import CompileError

from distutils.ccompiler import CCompiler, new_compiler  # isort: skip

try:
    from setuptools.modified import newer_group
except ImportError:  # before 69.1, as a machine without a network may have it, on which gpu-kit builds
    from distutils.dep_util import newer_group

ROOT = Path(__file__).parent
sys.path.insert(0, str(ROOT / "tools"))
from arm_isa import ARM_ISA_FLAGS, EMULATED_FLOAT16, NETS_ONLY, ZIG_ARM_ISA_FLAGS  # noqa: E402
from build_needs import debugging_flags, problem  # noqa: E402
from find_sdks import code_flags, cuda_targets, cuda_toolkit, tensorrt_headers  # noqa: E402
from platforms import (  # noqa: E402
    LIBRARIES,
    build_target,
    compilers,
    is_own,
    older_glibc,
    python_folder,
    python_headers,
    zig,
    zig_target,
)

TARGET = build_target()
X86, AARCH64 = TARGET.processor == "x86_64", TARGET.processor == "aarch64"
# Where Python's own flags do not fit: on Windows, where they are Visual C++'s, and where Zig compiles for another.
OWN_COMPILER = TARGET.system == "windows" or zig_target() is not None
LINKS_BY_ZIG = zig_target() is not None and is_own(TARGET)
# The kernels are compiled once for each instruction set and chosen at run time.
KERNELS = ["csrc/cpu/kernels_isa.cpp", "csrc/cpu/nets/net_kernels_isa.cpp"]
TILE_KERNELS = "csrc/cpu/nets/tile_kernels_isa.cpp"
ISA_FLAGS = {"baseline": []}
if AARCH64:
    by_zig = OWN_COMPILER and "ziglang" in compilers(TARGET)[1]
    ISA_FLAGS = dict(ZIG_ARM_ISA_FLAGS if by_zig else ARM_ISA_FLAGS)
if X86:
    ISA_FLAGS["avx2"] = ["-mavx2", "-mfma", "-mf16c"]
    ISA_FLAGS["avx512"] = ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"]
# To measure what float16 costs in accuracy where no processor for it is at hand: nobody installs that.
EMULATE_FLOAT16 = not AARCH64 and bool(os.environ.get("TRT_MTCNN_EMULATE_FLOAT16"))
if EMULATE_FLOAT16:
    ISA_FLAGS["emulated_fp16"] = [*ISA_FLAGS.get("avx2", []), *EMULATED_FLOAT16["emulated_fp16"]]
TILE_FLAGS = {"emulated_amx": []}
if X86:
    TILE_FLAGS["amx"] = [*ISA_FLAGS["avx512"], "-mavx512bf16", "-mamx-tile", "-mamx-bf16", "-DTRTMTCNN_AMX"]

ABI_FLAGS = "t" if sysconfig.get_config_var("Py_GIL_DISABLED") else ""  # sys.abiflags, which Windows lacks
LIMITED_API = os.environ.get("TRT_MTCNN_LIMITED_API") == "1"
if LIMITED_API and (sys.version_info < (3, 11) or ABI_FLAGS):
    raise SystemExit("TRT_MTCNN_LIMITED_API=1 takes CPython 3.11 or newer, with the GIL")
FLAGS = ["-std=c++20", "-O3", "-g0", "-fvisibility=hidden", "-Wall", "-Wextra", *debugging_flags(os.environ)]
LINK_FLAGS = []
if sanitizers := os.environ.get("TRT_MTCNN_SANITIZE"):
    FLAGS += [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=all", "-fno-omit-frame-pointer", "-g", "-O1"]
    FLAGS += ["-D_GLIBCXX_ASSERTIONS", "-fno-wrapv"]  # Python's own flags would define overflow away
    LINK_FLAGS += [f"-fsanitize={sanitizers}"]
    if "fuzzer" in sanitizers:
        FLAGS.append("-fno-sanitize=vptr,function")  # the fuzzer's runtime library lacks them
        # Minutes of compiling for what `make asan` checks with GCC in seconds.
        ISA_FLAGS = {isa: [*flags, "-fno-sanitize=undefined"] for isa, flags in ISA_FLAGS.items()}
        TILE_FLAGS = {isa: [*flags, "-fno-sanitize=undefined"] for isa, flags in TILE_FLAGS.items()}
if os.environ.get("TRT_MTCNN_WERROR"):
    FLAGS.append("-Werror")
# Generated code has warnings of its own.
CYTHON_FLAGS = ["-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-unused-function"]
CYTHON_FLAGS += ["-DPy_LIMITED_API=0x030B0000"] if LIMITED_API else []

# These are compiled once for each major version of TensorRT whose headers are found; see csrc/tensorrt/versions.h.
TENSORRT_SOURCES = [f"csrc/tensorrt/{name}.cpp" for name in ("builder", "implementation", "plan")]
# The GPU is tried on Linux alone.
TENSORRT = tensorrt_headers() if TARGET.system == "linux" else {}
TENSORRT_FLAGS = {
    major: [
        f"-DTRTMTCNN_TENSORRT_MAJOR={major}",
        f"-isystem{headers.include}",
        "-idirafter/usr/local/cuda/include",
        "-idiraftercsrc/tensorrt/without_cuda",
    ]
    for major, headers in TENSORRT.items()
}
CUDA = cuda_toolkit() if is_own(TARGET) else None
CUDA_SOURCES = ["csrc/cuda/cuda_device.cu"] if CUDA else []
CUDA_TARGETS = cuda_targets(CUDA) if CUDA else []
CUDA_FLAGS = [
    "-std=c++20",
    "-O3",
    "--threads=0",
    "--expt-relaxed-constexpr",
    "-Xptxas=-v",
    "-Xcompiler=-fPIC,-fvisibility=hidden,-Wall,-Wextra",
    "--compress-mode=size",
]
CUDA_FLAGS += code_flags(CUDA_TARGETS) if CUDA else []
if os.environ.get("TRT_MTCNN_WERROR"):
    CUDA_FLAGS += ["-Werror=all-warnings"]
PTXAS_INFO = re.compile(r"^ptxas info|^    \d+ bytes stack frame")
if TENSORRT:
    found = ", ".join(f"{'.'.join(map(str, h.version))} ({h.include})" for h in TENSORRT.values())
    print(f"trt-mtcnn: building for TensorRT {found}", file=sys.stderr)
else:
    print("trt-mtcnn: no TensorRT headers found: building for the CPU only", file=sys.stderr)
print(f"trt-mtcnn: CUDA kernels: {CUDA.nvcc if CUDA else 'none, no nvcc found'}", file=sys.stderr)


class BuildExtension(build_ext):
    """Compiles sources side by side, the kernels with their own flags, and only what has changed."""

    def build_extensions(self) -> None:
        if OWN_COMPILER:
            self.compiler = own_compiler()
        super().build_extensions()

    def build_extension(self, ext: Extension) -> None:
        compiler = self.compiler
        compiles = getattr(compiler, "compiler_so_cxx", None) or compiler.compiler_so  # as setuptools before 72 has it
        if missing := problem(compiles, [*ext.include_dirs, *compiler.include_dirs], "{}.{}".format(*sys.version_info)):
            raise CompileError(missing)
        # One folder for each way to compile, whichever command asks for it: `pip install -e` has no other that lasts.
        common = [compiles, ext.include_dirs, ext.define_macros]
        made_so = digest(common, FLAGS, ISA_FLAGS, TILE_FLAGS, TENSORRT_FLAGS)[:8]
        objects = Path("build", "objects", f"core-{made_so}")  # the same for every Python
        python = "abi3" if LIMITED_API else f"{sys.implementation.cache_tag}{ABI_FLAGS}"
        of_python = Path("build", "objects", f"{python}-{made_so}")
        jobs = [
            (s, objects, FLAGS) if s.startswith("csrc") else (s, of_python, FLAGS + CYTHON_FLAGS) for s in ext.sources
        ]
        jobs += [
            (kernels, objects / isa, [*FLAGS, *flags, f"-DTRTMTCNN_ISA={isa}"])
            for isa, flags in ISA_FLAGS.items()
            for kernels in KERNELS
            if isa not in NETS_ONLY or "net_kernels" in kernels
        ]
        jobs += [
            (TILE_KERNELS, objects / isa, [*FLAGS, *flags, f"-DTRTMTCNN_ISA={isa}"])
            for isa, flags in TILE_FLAGS.items()
        ]
        jobs += [
            (source, objects / f"tensorrt{major}", [*FLAGS, *flags])
            for major, flags in TENSORRT_FLAGS.items()
            for source in TENSORRT_SOURCES
        ]

        made = [compiler.object_filenames([source], output_dir=str(folder))[0] for source, folder, _ in jobs]
        cuda_objects = Path("build", "objects", f"cuda-{digest(CUDA, CUDA_FLAGS, ext.define_macros)[:8]}")
        made += [str(cuda_objects / f"{source}.o") for source in CUDA_SOURCES]
        compiled = [job[0] for job in jobs] + CUDA_SOURCES
        old = [self.force or newer_group([s, *ext.depends], m) for s, m in zip(compiled, made, strict=True)]
        total, finished = sum(old), itertools.count(1)

        def compile_one(job: tuple[str, Path, list[str]]) -> None:
            source, folder, flags = job
            variant = folder.name if folder not in (objects, of_python) else ""
            path = compiler.object_filenames([source], output_dir=str(folder))[0]
            python = sys.version if folder == of_python else ""
            program = compiles[: compiles.index("ziglang") + 2] if "ziglang" in compiles else compiles[:1]
            made_by = [version_of(*program), common, flags, python]
            kept = kept_object(made_by, Path(source))
            if kept and kept.is_file():
                Path(path).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(kept, path)
                return tell(source, f"{variant} (kept)".lstrip())
            compiler.compile([source], str(folder), ext.define_macros, ext.include_dirs, extra_postargs=flags)
            if kept:
                keep(Path(path), kept)
            tell(source, variant)

        def tell(source: str, variant: str) -> None:
            print(f"   {next(finished)} of {total}: {source} {variant}".rstrip(), file=sys.stderr, flush=True)

        write_compile_commands(compiles, ext, jobs)
        with ThreadPoolExecutor(cores()) as pool:
            kernels = [
                pool.submit(self.compile_cuda, s, cuda_objects, ext, tell)
                for s in CUDA_SOURCES
                if old[compiled.index(s)]
            ]
            list(pool.map(compile_one, itertools.compress(jobs, old)))
            for kernel in kernels:
                kernel.result()
        path = self.get_ext_fullpath(ext.name)
        libraries = LIBRARIES[TARGET.system]
        made += [str(CUDA.library / "libcudart_static.a")] if CUDA else []
        flags = LINK_FLAGS + (older_glibc(compilers(TARGET)[1]) if LINKS_BY_ZIG else [])
        language = "c" if LINKS_BY_ZIG else "c++"  # for which distutils puts a C++ compiler into the linker's place
        compiler.link_shared_object(made, path, libraries=libraries, extra_postargs=flags, target_lang=language)

    def compile_cuda(self, source: str, objects: Path, ext: Extension, tell: Callable[[str, str], None]) -> None:
        assert CUDA
        made = objects / f"{source}.o"
        made.parent.mkdir(parents=True, exist_ok=True)
        macros = [f"-D{name}={value}" for name, value in ext.define_macros]
        command = [str(CUDA.nvcc), *CUDA_FLAGS, *macros, "-Icsrc", "-c", source, "-o"]
        kept = kept_object([version_of(CUDA.nvcc), command], Path(source), always=True)
        assert kept
        log = Path("build", "ptxas.log")  # read by tools/kernel_usage.py
        if kept.is_file():
            shutil.copy(kept, made)
            shutil.copy(kept.with_suffix(".log"), log)
            return tell(source, "(kept)")
        command.append(str(made))
        print(f"   nvcc: {source}, which takes minutes", file=sys.stderr, flush=True)
        ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        lines = ended.stdout.splitlines(keepends=True)
        print("".join(line for line in lines if not PTXAS_INFO.search(line)), end="", file=sys.stderr)
        if ended.returncode:
            made.unlink(missing_ok=True)
            raise CompileError(f"nvcc failed with exit status {ended.returncode}")
        log.write_text(ended.stdout)
        keep(log, kept.with_suffix(".log"))
        keep(made, kept)
        tell(source, "")


def kept_object(made_by: list[object], source: Path, always: bool = False) -> Path | None:
    """Where that is, or is to be, which the same compiler made of the same sources with the same options: minutes of
    work, which each wheel would do again. None where nothing is kept: no folder was named, and not `always`."""
    folder = os.environ.get("TRT_MTCNN_OBJECTS", "")
    if not always and (not folder or sanitizers):
        return None
    versions = [headers.version for headers in TENSORRT.values()]
    name = digest(made_by, versions, headers_digest(), source.as_posix(), file_digest(source))[:16]
    return Path(folder or "build/objects/kept", f"{name}.o")


def keep(made: Path, kept: Path) -> None:
    """Copies it there, whole or not at all."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    part = kept.with_name(f"{kept.name}.{os.getpid()}-{threading.get_ident()}.part")
    shutil.copy(made, part)
    part.replace(kept)


def digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def file_digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@cache
def headers_digest() -> str:
    """Of all that a source may include of ours."""
    paths = [*Path("csrc").rglob("*.h"), *Path("pytrt").glob("*.h")]
    return digest([(path.as_posix(), file_digest(path)) for path in sorted(paths)])


@cache
def version_of(*program: str | Path) -> str:
    return subprocess.run([*program, "--version"], capture_output=True, text=True).stdout


def own_compiler() -> CCompiler:
    """Clang or GCC, by the names of their options, told all that they are to know."""
    c, cxx = compilers(TARGET)
    linker = zig("cc") if LINKS_BY_ZIG else c
    made = new_compiler(compiler="unix")
    link = ["-shared", "-s"]
    if TARGET.system == "macos":  # there a library holds its own name, else the path that it was built at
        link = ["-dynamiclib", "-Wl,-undefined,dynamic_lookup", "-Wl,-install_name,_pytrt"]
    position = [] if TARGET.system == "windows" else ["-fPIC"]
    # The first as Python 3.11 has them: what `make` has compiled is linked, for whichever Python.
    defines = ["-DNDEBUG", "-fwrapv"]
    if LINKS_BY_ZIG:
        defines = ["-Wsign-compare", "-DNDEBUG", "-g", "-fwrapv", "-O3", "-Wall"]
    made.set_executables(
        compiler=[*c, *defines],
        compiler_so=[*c, *defines, *position],
        compiler_cxx=[*cxx, *defines],
        compiler_so_cxx=[*cxx, *defines, *position],
        linker_so=[*linker, *link],
        linker_so_cxx=[*cxx, *link],
        linker_exe=cxx,
        linker_exe_cxx=cxx,
    )
    python = python_folder()
    made.add_include_dir(str(python_headers(python) if python else sysconfig.get_path("include")))
    if TARGET.system == "windows":
        made.define_macro("MS_WIN64")  # Python's headers know by it that pointers have 8 bytes; Visual C++ tells them
        if ABI_FLAGS == "t":
            made.define_macro("Py_GIL_DISABLED", "1")
        made.add_library_dir(str((python or Path(sys.base_prefix)) / "libs"))
        made.add_library("python3" if LIMITED_API else "python{}{}".format(*sys.version_info) + ABI_FLAGS)
    return made


def cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def write_compile_commands(compiler: list[str], ext: Extension, jobs: list[tuple[str, Path, list[str]]]) -> None:
    """For clangd, which looks in build/: how each file is compiled, the kernels for the last instruction set."""
    common = [
        *(f"-I{folder}" for folder in ext.include_dirs),
        *(f"-D{name}={value}" for name, value in ext.define_macros),
    ]
    entries = {
        source: {"directory": str(ROOT), "file": source, "arguments": [*compiler, *common, *flags, "-c", source]}
        for source, _, flags in jobs
    }
    path = ROOT / "build" / "compile_commands.json"
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(list(entries.values()), indent=1))


sources = sorted(p.relative_to(ROOT).as_posix() for p in TARGET.sources([*ROOT.glob("csrc/**/*.cpp")]))
sources = [s for s in sources if s not in [*KERNELS, TILE_KERNELS, *TENSORRT_SOURCES]]
if CUDA:
    sources.remove("csrc/cuda/without_cuda.cpp")
headers = [*ROOT.glob("csrc/**/*.h"), *ROOT.glob("pytrt/*.h")]
extension = Extension(
    "pytrt._pytrt",
    ["pytrt/_pytrt.pyx", *sources],
    include_dirs=["csrc", "pytrt"],
    define_macros=[
        *([("TRTMTCNN_X86", "1")] if X86 else []),
        *([("TRTMTCNN_AARCH64", "1")] if AARCH64 else []),
        *([("TRTMTCNN_EMULATED_FLOAT16", "1")] if EMULATE_FLOAT16 else []),
        *((f"TRTMTCNN_TENSORRT_{major}", "1") for major in TENSORRT),
    ],
    depends=sorted(p.relative_to(ROOT).as_posix() for p in headers),
    language="c++",
    py_limited_api=LIMITED_API,
)

setup(
    ext_modules=cythonize(
        [extension], build_dir="build/cython", compiler_directives={"language_level": 3}, include_path=["."]
    ),
    cmdclass={"build_ext": BuildExtension},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
)
