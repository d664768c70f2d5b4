"""benchmarks/gpu/kit.py: the archive for machines without a network, and the script in it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from benchmarks.gpu.kit import sources
from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="this is no checkout")


def kit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "benchmarks.gpu.kit", *arguments]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=100)


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kit")
    headers = folder / "headers"
    (headers / "cpython").mkdir(parents=True)
    for name in ("Python.h", "cpython/object.h"):
        (headers / name).write_text(f"// {name}\n")
    made = kit("--output", str(folder / "kit.tar.gz"), "--headers", str(headers))
    assert made.returncode == 0, made.stderr
    assert made.stdout.endswith("MiB; tar xf it there, then gpu-kit/run.sh 1\n")
    subprocess.run(["tar", "xf", folder / "kit.tar.gz", "-C", folder], check=True)
    return folder / "gpu-kit"


def run(unpacked: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHON": sys.executable, "OUT": str(unpacked.parent)} | variables
    command = [str(unpacked / "run.sh"), *arguments]
    return subprocess.run(command, env=environment, cwd="/", capture_output=True, text=True, timeout=100)


def test_what_it_holds(unpacked: Path) -> None:
    for name in ("setup.py", "csrc/cuda/cuda_device.cu", "pytrt/_pytrt.pyx", "mtcnn/models/onet.onnx", "run.sh"):
        assert (unpacked / name).is_file(), name
    for name in ("tests/gpu/expected.json", "docs/images/astronaut.jpg", "benchmarks/gpu/README.md", "LICENSE"):
        assert (unpacked / name).is_file(), name
    assert (unpacked / "python-headers" / "cpython" / "object.h").is_file()
    assert not (unpacked / "pyproject.toml").exists()  # which setuptools before 77 cannot read
    assert not (unpacked / "data").exists()  # nobody's photographs, unless they are asked for
    found = {str(path.relative_to(unpacked)) for path in unpacked.rglob("*") if path.is_file()}
    assert {name for name in found if not name.startswith("python-headers")} == {*sources(), "run.sh", "COMMIT"}
    assert not any(name.startswith("benchmarks/results/") for name in found)


def test_the_script_does_the_runs(unpacked: Path) -> None:
    for run_number in ("1", "2"):
        ended = run(unpacked, run_number, "--emulate", "--no-build", "--limit", "1")
        assert ended.returncode == 1, ended.stderr
        (path,) = unpacked.parent.glob(f"gpu-check-emulated-*-run{run_number}.json")
        report = json.loads(path.read_text())
        assert report["commit"] == (unpacked / "COMMIT").read_text().strip()
        assert report["failed"][0] == {"part": "machine", "why": "there was no time left"}


@pytest.mark.parametrize("arguments", [(), ("3",), ("--emulate",)])
def test_the_script_says_how_it_is_used(arguments: tuple[str, ...], unpacked: Path) -> None:
    ended = run(unpacked, *arguments)
    assert ended.returncode == 2
    assert ended.stderr.startswith("usage: ") and "1|2" in ended.stderr


def test_the_headers_are_for_a_python_without(unpacked: Path, tmp_path: Path) -> None:
    """In Python's place: what tells where headers would be, and then what CPATH is."""
    for has_headers, expected in ((False, f"{unpacked}/python-headers:/mine"), (True, "/mine")):
        include = tmp_path / str(has_headers)
        include.mkdir()
        if has_headers:
            (include / "Python.h").write_text("")
        python = tmp_path / "python"
        python.write_text(f'#!/bin/sh\nif [ "$1" = -c ]; then echo {include}; else echo "$CPATH"; fi\n')
        python.chmod(0o755)
        assert run(unpacked, "1", PYTHON=str(python), CPATH="/mine").stdout.strip() == expected


def test_wrong_folders(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    for arguments, problem in [
        (("--data", str(tmp_path / "none")), "--data: there is no folder"),
        (("--data", str(tmp_path)), "has neither photos/*.jpg nor wider100/images/*"),
        (("--headers", str(tmp_path)), "--headers: there is no Python.h in"),
    ]:
        ended = kit("--output", str(tmp_path / "kit.tar.gz"), *arguments)
        assert ended.returncode == 1 and problem in ended.stderr
        assert not list(tmp_path.iterdir())


def test_labelled_pictures_come_with_what_the_cpu_finds(tmp_path: Path) -> None:
    pytest.importorskip("cv2")
    photos = tmp_path / "data" / "photos"
    photos.mkdir(parents=True)
    (photos / "a.jpg").write_bytes((ROOT / "docs" / "images" / "astronaut.jpg").read_bytes())
    (tmp_path / "data" / "others.txt").write_text("not looked at by the tests")
    made = kit("--output", str(tmp_path / "kit.tar.gz"), "--data", str(tmp_path / "data"))
    assert made.returncode == 0, made.stderr
    with tarfile.open(tmp_path / "kit.tar.gz") as archive:
        names = {name for name in archive.getnames() if name.startswith("gpu-kit/data/")}
        assert names == {"gpu-kit/data/photos/a.jpg", "gpu-kit/data/expected.json"}
        member = archive.extractfile("gpu-kit/data/expected.json")
        assert member
        entries = json.loads(member.read())
    assert [entry["picture"] for entry in entries] == ["a.jpg"] * 3
    assert all(len(entry["dets"]) == 1 for entry in entries)
