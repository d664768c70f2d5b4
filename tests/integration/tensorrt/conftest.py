"""Engines built once for all of these tests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mtcnn import create_engines
from tests.support.tensorrt import RTX


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Folders of engines by precision."""
    folder = tmp_path_factory.mktemp("rtx")
    for precision in ("fp32", "fp16"):
        create_engines(folder / precision, precision=precision, flavour=RTX)
    return {precision: folder / precision for precision in ("fp32", "fp16")}


@pytest.fixture
def engines_copy(built: dict[str, Path], tmp_path: Path) -> Path:
    """A folder of engines to do harm to."""
    return Path(shutil.copytree(built["fp32"], tmp_path / "engines"))
