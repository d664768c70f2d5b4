import subprocess
import sys
from pathlib import Path

import pytest

import mtcnn
import pytrt

ROOT = Path(__file__).resolve().parents[2]

# What Cython adds to a module, and the constructors of classes that refuse to be made.
NOT_IN_STUBS = r"""
pytrt\._pytrt\.__(pyx_capi|reduce_cython|setstate_cython|test)__
pytrt\._pytrt\.(Device|Engine)\.__init__
"""


@pytest.mark.slow
def test_the_stubs_describe_the_native_module(tmp_path: Path) -> None:
    """Same names, same signatures, same defaults: what type checkers and editors say of pytrt is true."""
    allowlist = tmp_path / "allowlist"
    allowlist.write_text(NOT_IN_STUBS)
    command = [sys.executable, "-m", "mypy.stubtest", "pytrt", "--mypy-config-file", str(ROOT / "pyproject.toml")]
    command += ["--allowlist", str(allowlist), "--ignore-unused-allowlist"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_public_name_is_there() -> None:
    for package in (mtcnn, pytrt):
        assert package.__all__
        for name in package.__all__:
            assert getattr(package, name) is not None, name
