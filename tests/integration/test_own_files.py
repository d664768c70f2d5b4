"""Results that lie in the folder that is read are none of its files: no pictures, and not counted."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn.cli.main import main
from tests.support.embedders import make_embedder

ASTRONAUT = Path(__file__).parents[2] / "docs" / "images" / "astronaut.jpg"

RESULTS = {"json": "r.json", "coco": "r.json", "jsonl": "r.jsonl", "csv": "r.csv", "table": "r.txt", "yolo": "labels"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "d").mkdir()
    img = cv2.imread(str(ASTRONAUT))[30:230, 120:320]
    for name in ("a.jpg", "b.jpg"):
        cv2.imwrite(str(tmp_path / "d" / name), img)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "d"


def said(capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """What the command says of a run in which nothing was wrong."""
    assert main([*map(str, arguments), "--device", "cpu"]) == 0
    text = capsys.readouterr().err
    assert "skipped" not in text and "unreadable: 0" in text + "unreadable: 0" * ("unreadable" not in text)
    return text


@pytest.mark.parametrize("source", ["d", "d/*"])
@pytest.mark.parametrize("layout", RESULTS)
def test_detect(folder: Path, capsys: pytest.CaptureFixture[str], layout: str, source: str) -> None:
    if source == "d/*" and layout == "yolo":
        source = "d/*.jpg"  # a folder that a glob matches would be none of pictures
    output = f"d/{RESULTS[layout]}"
    assert "pictures: 2" in said(capsys, "detect", source, "--output", output, "--format", layout)
    assert "pictures: 2" in said(capsys, "detect", source, "--output", output, "--format", layout, "--overwrite")
    if layout != "table":
        assert "done before" in said(capsys, "detect", source, "--output", output, "--format", layout, "--resume")
    given = sorted(folder.glob("*.*"))  # with hidden ones, as find has it
    assert "pictures: 2" in said(capsys, "detect", *given, "--output", output, "--format", layout, "--overwrite")


@pytest.mark.parametrize("command", ["crop", "align", "blur"])
def test_folders_within(folder: Path, capsys: pytest.CaptureFixture[str], command: str) -> None:
    arguments = ["blur", "d", "--output", "d/out"] if command == "blur" else [command, "d", "d/out"]
    for more in ([], ["--resume"], ["--overwrite"]):
        said(capsys, *arguments, *more)


def test_embed(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = make_embedder(folder.parent / "net.onnx")
    for more in ([], ["--resume"], ["--overwrite"]):
        said(capsys, "embed", "d", "--output", "d/r.npz", "--embedder", network, *more)


def test_where_the_shell_leads_standard_streams(folder: Path) -> None:
    with open(folder / "r.csv", "wb") as out, open(folder / "log.txt", "wb") as err:
        command = [sys.executable, "-m", "mtcnn", "detect", "d/*", "--format", "csv", "--device", "cpu"]
        assert subprocess.run(command, stdout=out, stderr=err, check=False).returncode == 0
    assert "pictures: 2" in (folder / "log.txt").read_text()


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
@pytest.mark.parametrize("output", ["d/r.csv", "d/other.csv"])
def test_other_names_of_results(folder: Path, capsys: pytest.CaptureFixture[str], link: str, output: str) -> None:
    said(capsys, "detect", "d", "--output", "d/r.csv", "--format", "csv")
    (folder / "other.csv").touch()
    for source in (["d"], [folder / name for name in ("a.jpg", "b.jpg", "other.csv", "r.csv")]):
        (folder / "other.csv").unlink()
        getattr(folder / "other.csv", link)((folder / "r.csv").resolve())
        assert "pictures: 2" in said(capsys, "detect", *source, "--output", output, "--format", "csv", "--overwrite")


def test_a_picture_is_never_left_out_for_being_the_output(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = (folder / "a.jpg").read_bytes()
    for output in ("d/a.jpg", "d/b"):
        (folder / "b").write_bytes(before)  # a picture without an ending
        assert main(["detect", "d/*", "--output", output, "--format", "csv", "--overwrite"]) == 1
        assert f"{output} would be overwritten with what is made of it" in capsys.readouterr().err
    assert (folder / "a.jpg").read_bytes() == (folder / "b").read_bytes() == before
    assert np.array_equal(cv2.imread("d/a.jpg"), cv2.imread("d/b"))
