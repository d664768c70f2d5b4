"""Small C++ programs and libraries that tests are made of."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT

SOURCES = ROOT / "tests" / "native"


def compile_native(source: str, target: Path, *flags: str) -> Path:
    """Compiles tests/native/`source` with the compiler that builds the module; skips the test where there is none."""
    compiler = os.environ.get("CXX") or shutil.which("g++") or shutil.which("c++")
    if not compiler:
        pytest.skip("there is no C++ compiler: sudo apt install g++")
    command = [*compiler.split(), "-std=c++20", "-O1", "-Wall", "-Wextra", "-Werror", f"-I{ROOT / 'csrc'}", *flags]
    ended = subprocess.run([*command, str(SOURCES / source), "-o", str(target)], capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return target
