"""Another package that owns the import name `mtcnn`: what is said when it wins."""

from __future__ import annotations

import os
import re
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


@pytest.mark.parametrize("name", ["create_engines", "mtcnn"])
def test_the_commands_start_where_they_can_tell(name: str) -> None:
    (script,) = re.findall(rf'^{name} = "(.*)"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert script == f"pytrt.commands:{name}"
    done = run(ROOT, f"import sys; sys.argv[1:] = ['--help']\nfrom pytrt.commands import {name}; {name}()")
    assert done.returncode == 0 and f"Usage: {name}" in done.stdout, done.stderr
