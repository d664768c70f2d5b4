"""What `pip install` of the sources says where the machine lacks something."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
from build_needs import debugging_flags, problem


@pytest.fixture
def headers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv("CPATH", raising=False)
    (tmp_path / "Python.h").touch()
    return [str(tmp_path)]


def compiler(folder: Path, script: str) -> str:
    path = folder / "c++"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_nothing(headers: list[str]) -> None:
    assert problem([os.environ.get("CXX") or "g++", "-O2", "-fPIC"], headers, "3.12") is None


def test_no_compiler(headers: list[str]) -> None:
    found = problem(["no-such-compiler", "-O2"], headers, "3.12")
    assert found and found.startswith("a C++ compiler is missing (no-such-compiler): sudo apt install g++")


def test_an_old_compiler_and_wrong_flags(headers: list[str], tmp_path: Path) -> None:
    old = compiler(tmp_path, "echo \"error: invalid value 'c++20'\" >&2; exit 1")
    found = problem([old], headers, "3.12")
    assert found and "compiles no C++20" in found and found.endswith("error: invalid value 'c++20'")
    found = problem([os.environ.get("CXX") or "g++", "-march=no-such-processor"], headers, "3.12")
    assert found and "no-such-processor" in found.rpartition("(name one: CC=, CXX=)")[2]


def test_no_headers(tmp_path: Path, headers: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    cxx = [os.environ.get("CXX") or "g++"]
    found = problem(cxx, [str(tmp_path / "none")], "3.13")
    assert found and found.startswith("Python.h is missing: sudo apt install python3.13-dev")
    monkeypatch.setenv("CPATH", headers[0])
    assert problem(cxx, [], "3.13") is None


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, []),
        ({"CFLAGS": "-g -O2 -fstack-protector-strong -ffile-prefix-map=/a=."}, ["-g"]),
        ({"CFLAGS": "-O2", "CXXFLAGS": "-O0 -ggdb3 -march=native"}, ["-O0", "-ggdb3"]),
        ({"CXXFLAGS": "-Og -gdwarf-4 -gno-such -O3 -Ofast"}, ["-Og", "-gdwarf-4"]),
    ],
)
def test_debugging_flags(environment: dict[str, str], expected: list[str]) -> None:
    assert debugging_flags(environment) == expected
