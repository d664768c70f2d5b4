"""`mtcnn blur --ray`: one task a film. `make ray` runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("ray", reason="needs Ray Data: make ray")
pytest.importorskip("av")

from tests.conftest import ROOT
from tests.support.films import make_film, pictures_of


def test_a_folder_of_films(tmp_path: Path, engines: dict[str, Path], astronaut: np.ndarray) -> None:
    films = tmp_path / "films"
    (films / "sub").mkdir(parents=True)
    pictures = [np.ascontiguousarray(astronaut[i : i + 240, 96:352]) for i in range(4)]
    for name in ("a.mp4", "sub/b.mkv", "sub/c.mp4"):
        make_film(films / name, pictures, sound=name != "a.mp4")
    (films / "broken.mp4").write_bytes(b"none")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    words = ["blur", films, "--output", tmp_path / "out", "--how", "fill", "--minsize", "60"]
    command = [sys.executable, "-m", "mtcnn", *map(str, words), "--ray", "local", "--cores", "1"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 3, done.stderr
    assert "films: 3, hidden: 12, unreadable: 1" in done.stderr and "broken.mp4: cannot be opened" in done.stderr
    for name in ("a.mp4", "sub/b.mkv", "sub/c.mp4"):
        written = pictures_of(tmp_path / "out" / name)
        assert len(written) == 4 and all((img[80:150, 100:160] < 40).mean() > 0.9 for img in written)
