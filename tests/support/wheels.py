"""Wheels of other packages, for what is in them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

__all__ = ["download"]


def download(requirement: str, folder: Path, variable: str = "") -> Path:
    """The wheel that $`variable` names, or downloaded with pip; the test is skipped where that fails."""
    if variable in os.environ:
        return Path(os.environ[variable])
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--retries=0", "--timeout=10", "--no-deps"]
    done = subprocess.run([*command, "--only-binary=:all:", f"--dest={folder}", requirement], capture_output=True)
    if done.returncode != 0:
        pytest.skip(f"{requirement} cannot be downloaded here{f'; set {variable} to its wheel' if variable else ''}")
    return next(folder.glob(f"{requirement.partition('=')[0].replace('-', '_')}-*.whl"))
