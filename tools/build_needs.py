"""What a build needs of the machine, told before minutes of compiling, by `pip install` as by `make`."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Mapping, Sequence

NO_HEADERS = "no Python.h"
PROGRAM = f"""
#include <bit>
#include <span>
#if !__has_include(<Python.h>)
#error {NO_HEADERS}
#endif
int main() {{ return std::bit_ceil(1u) - 1; }}
"""


def problem(cxx: Sequence[str], include_dirs: Sequence[str], version: str) -> str | None:
    """What is missing, and how to get it; cxx: the compiler with its options; version: Python's, "3.12"."""
    if "ziglang" in cxx:  # it has all that it takes, and would make its C++ library first, which takes minutes
        return None
    command = [*cxx, *(f"-I{folder}" for folder in include_dirs), "-std=c++20", "-fsyntax-only", "-x", "c++", "-"]
    try:
        done = subprocess.run(command, input=PROGRAM, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C"})
    except OSError:
        return f"a C++ compiler is missing ({cxx[0]}): sudo apt install g++, or name another: CC=clang CXX=clang++"
    if done.returncode == 0:
        return None
    if NO_HEADERS in done.stderr:
        return f"Python.h is missing: sudo apt install python{version}-dev (Fedora: python{version}-devel)"
    said = next((line for line in done.stderr.splitlines() if "error" in line), "").strip()
    return f"{shlex.join(cxx)} compiles no C++20, which takes g++ 10, clang 12 or newer (name one: CC=, CXX=): {said}"


def debugging_flags(environment: Mapping[str, str]) -> list[str]:
    """Those of $CFLAGS and $CXXFLAGS by which someone wants to debug. Compilers get the others before our own -O3 and
    -g0, which win: the -O2 of distributions is for all that they build, and the kernels need more."""
    asked = shlex.split(f"{environment.get('CFLAGS', '')} {environment.get('CXXFLAGS', '')}")
    return [flag for flag in asked if re.fullmatch(r"-O[0g]|-g(gdb|dwarf(-\d)?)?[0-3]?", flag)]
