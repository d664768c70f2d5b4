"""What is built for which operating system, and that nothing which differs lacks one of them."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path

import pytest

from mtcnn import MtcnnError
from mtcnn.files import Inputs
from mtcnn.pipeline.output_folder import OutputFolder
from mtcnn.web.server import listen
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
    return sorted(path.relative_to(ROOT / "csrc").with_name(path.stem.rpartition("_")[0]).as_posix() for path in mine)


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


PYTHON = sorted(path for package in ("mtcnn", "pytrt") for path in (ROOT / package).rglob("*.py"))
POSIX = {"curses", "fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
WINDOWS = {"_winapi", "msvcrt", "nt", "winreg", "winsound"}
BY_CODE_PAGE = {"imread", "imreadmulti", "imwrite", "imwritemulti", "VideoWriter"}  # OpenCV's, of names of files


def asks_platform(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "sys.platform" in ast.unparse(node.test)


def foreign_imports(source: str) -> set[str]:
    """Modules of one system that are imported where no one has asked which it is."""
    found: set[str] = set()
    waiting: list[ast.AST] = [ast.parse(source)]
    while waiting:
        node = waiting.pop()
        if asks_platform(node):
            continue
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            found.add((node.module or "").partition(".")[0])
        waiting += ast.iter_child_nodes(node)
    return found & (POSIX | WINDOWS)


def called(node: ast.AST) -> str:
    """The last part of the name of what is called; "" where nothing is."""
    function = node.func if isinstance(node, ast.Call) else None
    return getattr(function, "attr", getattr(function, "id", ""))


def code_page_calls(source: str) -> list[str]:
    """Texts and names of files that Windows would read and write in its code page: calls that name no encoding, and
    OpenCV's that take a name.
    """
    found = []
    for node in ast.walk(ast.parse(source)):
        name = called(node)
        if not isinstance(node, ast.Call) or "os.devnull" in ast.unparse(node):
            continue
        modes = [a.value for a in (*node.args, *(k.value for k in node.keywords)) if isinstance(a, ast.Constant)]
        is_text = name in ("read_text", "write_text") or (
            ast.unparse(node.func) in ("open", "io.open") and not any("b" in str(mode) for mode in modes)
        )
        if (is_text and not any(k.arg == "encoding" for k in node.keywords)) or name in BY_CODE_PAGE:
            found.append(f"{node.lineno}: {ast.unparse(node)}")
    return found


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import os, fcntl", {"fcntl"}),
        ("def f():\n    from resource import getrusage", {"resource"}),
        ("try:\n    import pwd\nexcept ImportError:\n    pwd = None", {"pwd"}),
        ("import sys\nif sys.platform != 'win32':\n    import fcntl", set()),
        ("import msvcrt", {"msvcrt"}),
        ("from . import pty", set()),
    ],
)
def test_imports_of_one_system_are_found(source: str, expected: set[str]) -> None:
    assert foreign_imports(source) == expected


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("open(p)", True),
        ("open(p, 'w', newline='')", True),
        ("open(p, 'rb')", False),
        ("open(p, encoding='utf-8')", False),
        ("open(os.devnull, 'w')", False),
        ("p.read_text()", True),
        ("p.write_text(t, encoding='utf-8')", False),
        ("cv2.imwrite(str(p), img)", True),
        ("cv2.imencode('.png', img)", False),
    ],
)
def test_what_depends_on_a_code_page_is_found(source: str, expected: bool) -> None:
    assert bool(code_page_calls(source)) == expected


def test_the_package_runs_on_each_system() -> None:
    systems = {"handles_posix.py", "handles_windows.py"}  # of which handles.py imports one
    paths = [path for path in PYTHON if path.name not in systems]
    texts = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in paths}
    assert len(texts) > 200
    assert {path: foreign for path, text in texts.items() if (foreign := foreign_imports(text))} == {}
    # A distribution's metadata is read by importlib, in UTF-8.
    texts.pop("mtcnn/runtime/install.py")
    assert {path: calls for path, text in texts.items() if (calls := code_page_calls(text))} == {}


def test_names_that_the_system_takes_for_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As Windows does: what is made of a.jpg and of A.png gets two files."""
    monkeypatch.setattr("mtcnn.pipeline.output_folder.os.path.normcase", str.lower)
    with OutputFolder(tmp_path / "out", Inputs(list)) as folder:
        assert folder.name_for("a.jpg", Path("a.png"), Path("a.jpg.png")) == "a.png"
        assert folder.name_for("A.png", Path("A.png"), Path("A.png.png")) == "A.png.png"


def test_a_port_that_is_in_use() -> None:
    """With Windows' SO_REUSEADDR two servers would listen at one port."""
    with listen("127.0.0.1", 0) as first, pytest.raises(MtcnnError, match="is in use: choose another with --port"):
        listen("127.0.0.1", first.getsockname()[1])


def test_no_two_files_differ_in_case_alone() -> None:
    names = [str(path.relative_to(ROOT)).casefold() for path in [*PYTHON, *(ROOT / "csrc").rglob("*")]]
    assert len(names) == len(set(names))


def functions(name: str) -> dict[str, str]:
    tree = ast.parse((ROOT / "mtcnn" / "runtime" / name).read_text())
    found = [node for node in tree.body if isinstance(node, ast.FunctionDef) and not node.name.startswith("_")]
    return {node.name: f"{ast.unparse(node.args)} -> {ast.unparse(node.returns or node)}" for node in found}


def test_handles_are_the_same_on_both_systems() -> None:
    assert functions("handles_posix.py") == functions("handles_windows.py") != {}
