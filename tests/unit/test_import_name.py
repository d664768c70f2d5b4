"""Another package that owns the import name `mtcnn`: what is said when it wins."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT


def run(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run(
        [sys.executable, "-c", code], cwd=folder, env=environment, capture_output=True, text=True, timeout=60
    )


@pytest.fixture
def site(tmp_path: Path) -> Path:
    """A folder of packages that holds the native module and an empty `mtcnn`."""
    (tmp_path / "pytrt").symlink_to(ROOT / "pytrt")
    (tmp_path / "mtcnn").mkdir()
    return tmp_path


@pytest.mark.parametrize("code", ["import pytrt", "from pytrt.commands import create_engines; create_engines()"])
def test_another_module_of_that_name(site: Path, code: str) -> None:
    (site / "mtcnn" / "__init__.py").write_text("from mtcnn.compat.mtcnn.detector import MTCNN\n")
    done = run(site, code)
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith("ImportError: import mtcnn gives ") and str(site / "mtcnn") in message
    assert "pip uninstall mtcnn, then pip install --force-reinstall --no-deps trt-mtcnn" in message


def test_the_message_names_the_package_from_pypi(site: Path) -> None:
    (site / "mtcnn" / "__init__.py").write_text("")
    information = site / "mtcnn-1.0.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: mtcnn\nVersion: 1.0.0\n")
    assert "import mtcnn gives the package mtcnn 1.0.0 from PyPI" in run(site, "import pytrt").stderr


def test_files_gone_with_the_other_package(site: Path) -> None:
    (site / "mtcnn" / "errors.py").symlink_to(ROOT / "mtcnn" / "errors.py")
    done = run(site, "import pytrt")
    assert done.returncode == 1
    assert "files of trt-mtcnn's package mtcnn are gone" in done.stderr
    assert "pip install --force-reinstall --no-deps trt-mtcnn" in done.stderr


def test_our_own_is_taken(tmp_path: Path) -> None:
    for package in ("mtcnn", "pytrt"):
        (tmp_path / package).symlink_to(ROOT / package)
    done = run(tmp_path, "import pytrt, mtcnn; print(mtcnn.__file__)")
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.strip()).parent == tmp_path / "mtcnn"


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """A folder of packages as an installation makes it: another one can write over its `mtcnn`."""
    (tmp_path / "pytrt").symlink_to(ROOT / "pytrt")
    shutil.copytree(ROOT / "mtcnn", tmp_path / "mtcnn", ignore=shutil.ignore_patterns("__pycache__", "*.onnx"))
    return tmp_path


def install_the_other(folder: Path, needs: str) -> list[Path]:
    """Their files, over ours, as `pip install mtcnn` lays them."""
    files = {
        "__init__.py": "from mtcnn.mtcnn import MTCNN\n",
        "mtcnn.py": f"import {needs}\nfrom mtcnn.stages import Theirs\nclass MTCNN: theirs = Theirs, __file__\n",
        "stages/__init__.py": "Theirs = 1\n",
    }
    for name, text in files.items():
        (folder / "mtcnn" / name).write_text(text)
    return [folder / "mtcnn" / name for name in files]


HOW = "pip install --force-reinstall --no-deps trt-mtcnn"
OURS = (
    "from mtcnn import TrtMtcnn",
    "from mtcnn import FaceAligner, TrtMtcnn",
    "import runpy; runpy.run_module('mtcnn', run_name='__main__', alter_sys=True)",
)


@pytest.mark.parametrize("needs", ["tensorflow_that_is_missing", "json"])
@pytest.mark.parametrize("code", OURS)
def test_installed_over_ours(installed: Path, code: str, needs: str) -> None:
    install_the_other(installed, needs)
    done = run(installed, code)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: ") and "import mtcnn gives " in last and HOW in last, done.stderr
    assert "tensorflow" not in done.stderr


def test_what_is_theirs_works_where_it_can(installed: Path) -> None:
    install_the_other(installed, "json")
    done = run(installed, "import mtcnn; from mtcnn import MTCNN; print(*MTCNN.theirs, mtcnn.mtcnn.MTCNN is MTCNN)")
    assert done.stdout.split() == ["1", str(installed / "mtcnn" / "mtcnn.py"), "True"], done.stderr


def test_case_that_the_system_does_not_see(installed: Path) -> None:
    shutil.copy(installed / "mtcnn" / "MTCNN.py", installed / "mtcnn" / "mtcnn.py")  # one file on Windows and macOS
    done = run(installed, "from mtcnn.mtcnn import MTCNN; print(MTCNN.__module__)")
    assert done.stdout.split() == ["mtcnn.compat.mtcnn.detector"], done.stderr


@pytest.mark.parametrize("code", [*OURS, "from mtcnn import MTCNN", "from mtcnn.detector import TrtMtcnn"])
def test_removed_after_it_was_installed_over_ours(installed: Path, code: str) -> None:
    for path in install_the_other(installed, "json"):
        path.unlink()
    done = run(installed, code)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert last.startswith("ImportError: files of trt-mtcnn's package mtcnn are gone") and HOW in last, done.stderr


@pytest.mark.parametrize("removed", [False, True])
@pytest.mark.parametrize("name", ["create_engines", "mtcnn"])
def test_the_commands_say_it_in_one_line(installed: Path, name: str, removed: bool) -> None:
    for path in install_the_other(installed, "json"):
        if removed:
            path.unlink()
    script = installed / "bin" / name
    script.parent.mkdir()
    script.write_text(f"import sys\nfrom pytrt.commands import {name}\nsys.exit({name}())\n")
    done = subprocess.run(
        [sys.executable, str(script), "--version"],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1 and not done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"{name}: ") and line.endswith(HOW)


def test_a_class_is_no_module() -> None:
    done = run(ROOT, "import mtcnn.TrtMtcnn")
    assert "ImportError: TrtMtcnn is a class: from mtcnn import TrtMtcnn" in done.stderr


@pytest.mark.parametrize("name", ["create_engines", "mtcnn"])
def test_the_commands_start_where_they_can_tell(name: str) -> None:
    (script,) = re.findall(rf'^{name} = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert script == f"pytrt.commands:{name}"
    done = run(ROOT, f"import sys; sys.argv[1:] = ['--help']\nfrom pytrt.commands import {name}; {name}()")
    assert done.returncode == 0 and f"Usage: {name}" in done.stdout, done.stderr


@pytest.mark.parametrize("name", ["mtcnn", "create_engines"])
def test_cancelled_while_it_is_loaded(name: str) -> None:
    code = f"""
import sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name.startswith("mtcnn.cli"):
            raise KeyboardInterrupt

import pytrt.commands
sys.meta_path.insert(0, Impatient())
sys.exit(pytrt.commands.{name}())
"""
    done = run(ROOT, code)
    assert (done.returncode, done.stderr) == (130, f"{name}: cancelled\n")


# Of Python itself, without the one that finds this checkout's module wherever Python is.
FINDERS = "finder for finder in sys.meta_path if 'importlib' in str(finder)"


def test_sources_that_are_not_built(tmp_path: Path) -> None:
    for package in ("mtcnn", "pytrt"):
        ignored = shutil.ignore_patterns("*.so", "*.pyd", "__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    done = run(tmp_path, f"import sys; sys.meta_path[:] = [{FINDERS}]; import pytrt; pytrt.Stages")
    assert done.returncode == 1
    message = done.stderr.splitlines()[-1]
    assert message.startswith(f"ImportError: {tmp_path / 'pytrt'} is the package as its sources have it")
    assert "build it there (make), or, where trt-mtcnn is installed, work in another folder" in message
