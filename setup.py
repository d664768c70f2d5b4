"""Builds csrc/ and pytrt/ into one extension; pyproject.toml holds the metadata."""

import platform
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count, environ
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).parent
X86 = platform.machine() in ("x86_64", "AMD64")
KERNELS = "csrc/cpu/kernels_isa.cpp"
# The kernels are compiled once for each instruction set and chosen at run time.
ISA_FLAGS = {"baseline": []}
if X86:
    ISA_FLAGS["avx2"] = ["-mavx2", "-mfma", "-mf16c"]
    ISA_FLAGS["avx512"] = ["-mavx512f", "-mavx512bw", "-mavx512vl", "-mavx512dq", "-mfma", "-mprefer-vector-width=512"]

FLAGS = ["-std=c++20", "-O3", "-fvisibility=hidden", "-Wall", "-Wextra"]
LINK_FLAGS = []
if sanitizers := environ.get("TRT_MTCNN_SANITIZE"):  # e.g. address,undefined; see `make asan`
    FLAGS += [f"-fsanitize={sanitizers}", "-fno-sanitize-recover=undefined", "-fno-omit-frame-pointer", "-g", "-O1"]
    LINK_FLAGS += [f"-fsanitize={sanitizers}"]
if environ.get("TRT_MTCNN_WERROR"):
    FLAGS.append("-Werror")


class BuildExtension(build_ext):
    """Compiles sources side by side, and the kernels with their own flags."""

    def build_extension(self, ext: Extension) -> None:
        compiler, temp = self.compiler, self.build_temp
        # Generated code has warnings of its own.
        cython_flags = ["-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-unused-function"]
        jobs = [(s, temp, FLAGS + ([] if s.startswith("csrc") else cython_flags)) for s in ext.sources]
        jobs += [
            (KERNELS, str(Path(temp, isa)), [*FLAGS, *flags, f"-DTRTMTCNN_ISA={isa}"]) for isa, flags in ISA_FLAGS.items()
        ]

        def compile_one(job: tuple[str, str, list[str]]) -> list[str]:
            source, folder, flags = job
            return compiler.compile(
                [source], folder, ext.define_macros, ext.include_dirs, extra_postargs=flags, depends=ext.depends
            )

        with ThreadPoolExecutor(cpu_count()) as pool:
            objects = [o for made in pool.map(compile_one, jobs) for o in made]
        compiler.link_shared_object(
            objects, self.get_ext_fullpath(ext.name), libraries=["dl", "pthread"], extra_postargs=LINK_FLAGS, target_lang="c++"
        )


sources = sorted(str(p.relative_to(ROOT)) for p in ROOT.glob("csrc/**/*.cpp"))
sources.remove(KERNELS)
extension = Extension(
    "pytrt._pytrt",
    ["pytrt/_pytrt.pyx", *sources],
    include_dirs=["csrc", "pytrt"],
    define_macros=[("TRTMTCNN_X86", "1")] if X86 else [],
    depends=[str(p.relative_to(ROOT)) for p in ROOT.glob("csrc/**/*.h")],
    language="c++",
)

setup(
    ext_modules=cythonize(
        [extension], build_dir="build/cython", compiler_directives={"language_level": 3}, include_path=["."]
    ),
    cmdclass={"build_ext": BuildExtension},
)
