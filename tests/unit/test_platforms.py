"""What is built for which operating system, and that nothing which differs lacks one of them."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT

sys.path.insert(0, str(ROOT / "tools"))
import wheels
from platforms import ENDINGS, Target, is_own, python_headers

SOURCES = sorted((ROOT / "csrc").rglob("*.cpp"))


@pytest.mark.parametrize(
    ("platform", "system", "processor"),
    [
        ("linux-x86_64", "linux", "x86_64"),
        ("linux-aarch64", "linux", "aarch64"),
        ("linux-i686", "linux", "i686"),
        ("macosx-11.0-arm64", "macos", "aarch64"),
        ("macosx-10.13-x86_64", "macos", "x86_64"),
        ("win-amd64", "windows", "x86_64"),
        ("win-arm64", "windows", "aarch64"),
        ("freebsd-14.1-RELEASE-amd64", "freebsd", "x86_64"),
    ],
)
def test_names_of_platforms(platform: str, system: str, processor: str) -> None:
    assert Target.of(platform) == Target(system, processor)


@pytest.mark.parametrize(
    ("platform", "zig", "expected"),
    [
        ("linux-x86_64", None, True),
        ("linux-x86_64", "x86_64-linux-gnu.2.28", True),
        ("linux-x86_64", "x86_64-linux-musl", False),
        ("linux-aarch64", "aarch64-linux-gnu.2.28", False),
        ("win-amd64", "x86_64-windows-gnu", False),
        ("macosx-11.0-x86_64", None, False),
    ],
)
def test_what_the_machines_own_compilers_build(
    platform: str, zig: str | None, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    monkeypatch.delenv("TRT_MTCNN_ZIG_TARGET", raising=False)
    if zig:
        monkeypatch.setenv("TRT_MTCNN_ZIG_TARGET", zig)
    assert is_own(Target.of(platform)) is expected


def test_a_wheel_is_not_taken_for_another_that_was_built_meanwhile(tmp_path: Path) -> None:
    mine = tmp_path / "trt_mtcnn-0.1.0-cp313-cp313-musllinux_1_2_x86_64.whl"
    others = ["cp313-cp313-manylinux_2_28_x86_64", "cp313-cp313t-musllinux_1_2_x86_64", "cp311-cp311-win_amd64"]
    for i, path in enumerate([mine, *(tmp_path / f"trt_mtcnn-0.1.0-{tags}.whl" for tags in others)]):
        path.touch()
        os.utime(path, (i, i))
    assert wheels.newest(tmp_path, "cp313", wheels.TARGETS["musllinux-x86_64"]) == mine


@pytest.mark.parametrize("inside", ["include", "include/python{}.{}"])
def test_headers_of_another_systems_python(inside: str, tmp_path: Path) -> None:
    headers = tmp_path / inside.format(*sys.version_info)
    headers.mkdir(parents=True)
    with pytest.raises(SystemExit, match=re.escape(f"{tmp_path}: neither include/ nor include/python3")):
        python_headers(tmp_path)
    (headers / "Python.h").touch()
    assert python_headers(tmp_path) == headers


def test_what_a_wheel_takes_is_asked_for_before_it_is_compiled(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wheels, "find_spec", lambda name: None if name == "ziglang" else object())
    assert wheels.main("musllinux-x86_64", ["no-python"]) == 2
    assert capsys.readouterr().err.endswith("-m pip install ziglang\n")


def subjects(system: str) -> list[str]:
    """What the system has sources of its own for."""
    mine = [path for path in Target(system, "").sources(SOURCES) if path.stem.rpartition("_")[2] in ENDINGS[system]]
    return sorted(str(path.relative_to(ROOT / "csrc").with_name(path.stem.rpartition("_")[0])) for path in mine)


def test_each_system_has_each_source_once() -> None:
    assert subjects("linux") == subjects("macos") == subjects("windows")
    assert {"runtime/cores", "runtime/pages", "runtime/shared_library"} <= set(subjects("linux"))
    assert len(set(subjects("linux"))) == len(subjects("linux"))


@pytest.mark.parametrize("system", ENDINGS)
def test_all_else_is_everybodys(system: str) -> None:
    taken = Target(system, "").sources(SOURCES)
    left_out = [path for path in SOURCES if path not in taken]
    assert all(re.search(r"_(linux|macos|posix|windows)$", path.stem) for path in left_out)
    assert Target(system, "").sources([Path("csrc/mtcnn.cpp")]) == [Path("csrc/mtcnn.cpp")]


def functions(name: str) -> dict[str, str]:
    tree = ast.parse((ROOT / "mtcnn" / "runtime" / name).read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: f"{ast.unparse(node.args)} -> {ast.unparse(node.returns or node)}" for node in found}


def test_handles_are_the_same_on_both_systems() -> None:
    assert functions("handles_posix.py") == functions("handles_windows.py") != {}
