"""`mtcnn blur --ray` and `mtcnn video --ray`: one task a film. `make ray` runs them."""

from __future__ import annotations

import json
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


@pytest.fixture
def films(tmp_path: Path, engines: dict[str, Path], astronaut: np.ndarray) -> Path:
    """A folder of three, and of one that is none."""
    films = tmp_path / "films"
    (films / "sub").mkdir(parents=True)
    pictures = [np.ascontiguousarray(astronaut[i : i + 240, 96:352]) for i in range(4)]
    for name in ("a.mp4", "sub/b.mkv", "sub/c.mp4"):
        make_film(films / name, pictures, sound=name != "a.mp4")
    (films / "broken.mp4").write_bytes(b"none")
    return films


def on_ray(*words: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0"}
    command = [sys.executable, "-m", "mtcnn", *map(str, words), "--ray", "local", "--cores", "1"]
    done = subprocess.run(command, env=environment, cwd=cwd, capture_output=True, text=True, timeout=240)
    assert done.returncode == 3, done.stderr
    return done


def test_faces_hidden_in_a_folder_of_films(films: Path, tmp_path: Path) -> None:
    done = on_ray("blur", films, "--output", tmp_path / "out", "--how", "fill", "--minsize", 60, cwd=tmp_path)
    assert "films: 4, hidden: 12, unreadable: 1" in done.stderr and "broken.mp4: cannot be opened" in done.stderr
    for name in ("a.mp4", "sub/b.mkv", "sub/c.mp4"):
        written = pictures_of(tmp_path / "out" / name)
        assert len(written) == 4 and all((img[80:150, 100:160] < 40).mean() > 0.9 for img in written)


def test_faces_found_in_a_folder_of_films(films: Path, tmp_path: Path) -> None:
    """As without a cluster, which is named as the user names it."""
    words = ["video", "films", "--track", "--every", "2", "--minsize", "60", "--json"]
    done = on_ray(*words, "--output", "out", cwd=tmp_path)
    assert "films: 4, pictures: 12, faces: 12, unreadable: 1" in done.stderr, done.stderr
    lines = sorted(
        (json.loads(line) for line in done.stdout.splitlines()), key=lambda line: (line["file"], line["frame"])
    )
    assert [(line["file"], line["frame"]) for line in lines] == [
        (f"films/{name}", i) for name in ("a.mp4", "sub/b.mkv", "sub/c.mp4") for i in range(4)
    ]
    assert all([face["id"] for face in line["faces"]] == [1] for line in lines)
    for name in ("a.mp4", "sub/b.mkv", "sub/c.mp4"):
        assert len(pictures_of(tmp_path / "out" / name)) == 4
