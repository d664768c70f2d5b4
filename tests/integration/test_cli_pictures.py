"""What the commands make of folders as people have them: other formats, links, pictures that are cut; and of names."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn.pipeline.formats import readable_suffixes
from tests.integration.test_cli import as_anybody
from tests.support.command import command, environment, lines, mtcnn
from tests.support.embedders import make_embedder

pytestmark = pytest.mark.slow


@pytest.fixture(autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    """Made once, not by each process."""


@pytest.fixture(scope="module")
def jpeg(astronaut: np.ndarray) -> bytes:
    """Of the face alone, in the upper half."""
    return bytes(cv2.imencode(".jpg", astronaut[:400, 60:400])[1])


@pytest.fixture
def folder(tmp_path: Path, jpeg: bytes) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    (folder / "whole.jpg").write_bytes(jpeg)
    (folder / "cut.jpg").write_bytes(jpeg[: len(jpeg) * 9 // 10])
    return folder


def test_a_cut_picture_is_detected_in(folder: Path) -> None:
    done = mtcnn("detect", folder, "--json")
    cut, whole = lines(done.stdout)
    assert cut["truncated"] is True and "truncated" not in whole
    assert len(cut["faces"]) == len(whole["faces"]) == 1
    np.testing.assert_allclose(cut["faces"][0]["box"], whole["faces"][0]["box"], atol=1)
    assert "pictures: 2, faces: 2, unreadable: 0, truncated: 1" in done.stderr
    rows = list(csv.DictReader(mtcnn("detect", folder, "--format", "csv").stdout.splitlines()))
    assert [row["problem"] for row in rows] == ["truncated", ""] and all(row["score"] for row in rows)
    table = mtcnn("detect", folder).stdout.splitlines()
    assert [line.endswith(" truncated") for line in table] == [False, True, False]


def test_damaged_and_dark_pictures_are_marked(folder: Path, jpeg: bytes, tmp_path: Path) -> None:
    """Neither ends a run, or changes its exit code; where faces are to be hidden it does."""
    middle = len(jpeg) // 2
    (folder / "a-hole.jpg").write_bytes(jpeg[:middle] + jpeg[middle + 900 :])
    cv2.imwrite(str(folder / "b-mask.png"), np.eye(90, dtype=np.uint8))
    cv2.imwrite(str(folder / "c-black.png"), np.zeros((90, 90), np.uint8))
    done = mtcnn("detect", folder, "--format", "csv")
    rows = {Path(row["file"]).name: row["problem"] for row in csv.DictReader(done.stdout.splitlines())}
    flaws = {"a-hole.jpg": "damaged", "b-mask.png": "dark", "c-black.png": "", "cut.jpg": "truncated", "whole.jpg": ""}
    assert rows == flaws
    assert "unreadable: 0, truncated: 1, damaged: 1, dark: 1, " in done.stderr
    found = {Path(line["file"]).name: line for line in lines(mtcnn("detect", folder, "--json").stdout)}
    for name, flaw in flaws.items():
        assert [key for key, value in found[name].items() if value is True] == [flaw] * bool(flaw)
    done = mtcnn("align", folder, tmp_path / "out")
    assert "truncated: 1, damaged: 1, dark: 1, " in done.stderr
    done = mtcnn("blur", folder, "--output", tmp_path / "hidden", code=3)
    assert "b-mask.png: dark: none of its levels" in done.stderr and "damaged: 1, dark: 1, " in done.stderr
    pair = folder / "whole.jpg", folder / "b-mask.png"
    done = mtcnn("verify", *pair, "--embedder", make_embedder(tmp_path / "model.onnx"), code=1)
    assert done.stderr.endswith("b-mask.png holds levels 0 and 1 alone: scale them to 0..255\n")


def test_a_run_that_goes_on_knows_what_is_only_cut(folder: Path, tmp_path: Path) -> None:
    (folder / "x.jpg").write_bytes(b"no picture")
    for name in ("f.csv", "f.jsonl"):
        mtcnn("detect", folder, "--output", tmp_path / name, code=3)
        again = mtcnn("detect", folder, "--output", tmp_path / name, "--resume", code=3)
        assert "unreadable: 1" in again.stderr


def test_a_cut_picture_is_aligned_and_embedded(folder: Path, tmp_path: Path) -> None:
    done = mtcnn("align", folder, tmp_path / "out")
    assert "aligned: 2" in done.stderr and "truncated: 1" in done.stderr
    found = {line["file"]: line for line in lines((tmp_path / "out" / "manifest.jsonl").read_text()) if "file" in line}
    assert found["cut.jpg"]["truncated"] is True and "truncated" not in found["whole.jpg"]
    make_embedder(tmp_path / "model.onnx")
    done = mtcnn("embed", folder, "--output", tmp_path / "v.npz", "--embedder", tmp_path / "model.onnx")
    assert "pictures: 2, vectors: 2, no face: 0, unreadable: 0, truncated: 1" in done.stderr
    assert "cut.jpg: truncated: " in done.stderr


def test_formats_and_what_is_skipped(folder: Path, jpeg: bytes, tmp_path: Path) -> None:
    (folder / "cut.jpg").unlink()
    for name in ("a.jfif", "b.JPE", "sub/c.Jpg"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(jpeg)
    (folder / "notes.txt").touch()
    (folder / "raw.nef").touch()
    (folder / "sub" / "more.txt").touch()
    for suffix in {".gif", ".avif"} & readable_suffixes():
        img = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
        assert img is not None and cv2.imwrite(str(folder / f"d{suffix}"), img)
    done = mtcnn("detect", folder, "--json")
    found = lines(done.stdout)
    assert len(found) == 4 + len({".gif", ".avif"} & readable_suffixes())
    assert all(len(line["faces"]) == 1 for line in found)
    assert "; skipped: 2 .txt, 1 .nef" in done.stderr
    assert "; skipped: 2 .txt, 1 .nef" in mtcnn("align", folder, tmp_path / "out").stderr


def test_heic_is_not_dropped_without_a_word(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.heic").touch()
    (tmp_path / "hidden").mkdir()
    (tmp_path / "hidden" / "sitecustomize.py").write_text(
        "import importlib.util as u\n"
        "find = u.find_spec\n"
        "u.find_spec = lambda name, *more: None if name == 'pillow_heif' else find(name, *more)\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "hidden"))
    done = mtcnn("detect", tmp_path / "in", code=1)
    assert "skipped: 1 .heic (pip install pillow-heif)" in done.stderr and "no pictures in" in done.stderr


def test_links(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(folder)
    (folder / "loop").symlink_to(tmp_path / "data")
    found = lines(mtcnn("detect", tmp_path / "data", "--json").stdout)
    assert [Path(line["file"]).name for line in found] == ["cut.jpg", "whole.jpg"]


def test_overlapping_arguments(folder: Path) -> None:
    done = mtcnn("detect", folder, folder / "whole.jpg", f"{folder}/*.jpg", folder / ".." / "in", "--json")
    assert len(lines(done.stdout)) == 2


@pytest.mark.parametrize("end", ["\n", "\0"])
def test_names_from_standard_input(end: str, folder: Path, jpeg: bytes) -> None:
    (folder / "[a] b.jpg").write_bytes(jpeg)
    listed = end.join([str(folder / "whole.jpg"), str(folder / "[a] b.jpg"), str(folder / "whole.jpg"), "nowhere.jpg"])
    for piped in (listed, listed + end):
        done = subprocess.run(
            command("detect", "-", "--json"),
            input=piped,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=120,
        )
        found = lines(done.stdout)
        assert [Path(line["file"]).name for line in found] == ["whole.jpg", "[a] b.jpg", "nowhere.jpg"]
        assert done.returncode == 3 and found[2]["problem"] == "No such file or directory"


def test_a_picture_on_standard_input_is_no_list(jpeg: bytes) -> None:
    done = subprocess.run(command("detect", "-"), input=jpeg, env=environment(), capture_output=True, timeout=120)
    assert done.returncode == 1 and b"standard input holds a picture" in done.stderr


def test_a_pipe_among_pictures(folder: Path) -> None:
    os.mkfifo(folder / "pipe.jpg")
    done = mtcnn("detect", folder, "/dev/zero", "--json", code=3)
    problems = [line["problem"] for line in lines(done.stdout) if "problem" in line]
    assert len(problems) == 2 and all("no regular file" in problem for problem in problems)


def test_names_that_are_no_utf8_and_look_like_others(tmp_path: Path, jpeg: bytes) -> None:
    """In Parquet, whose strings are UTF-8: each is a picture of its own, also for a run that goes on."""
    pq = pytest.importorskip("pyarrow.parquet")
    folder, model = tmp_path / "in", make_embedder(tmp_path / "m.onnx")
    folder.mkdir()
    for name in (b"\xff.jpg", b"\\udcff.jpg", b"a\\b.jpg"):
        Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(jpeg)
    for words in (("detect",), ("embed", "--embedder", model)):
        output = tmp_path / f"{words[0]}.parquet"
        mtcnn(words[0], folder, "--output", output, *words[1:])
        files = pq.read_table(output)["file"].to_pylist()
        assert sorted(Path(file).name for file in files) == [r"\\udcff.jpg", r"\udcff.jpg", r"a\b.jpg"]
        again = mtcnn(words[0], folder, "--output", output, *words[1:], "--resume")
        assert "done before: 3" in again.stderr and pq.read_table(output)["file"].to_pylist() == files


def test_standard_output_lacks_characters(tmp_path: Path, jpeg: bytes) -> None:
    name = "ä\u4e2d" * 40  # longer than a table's column
    Path(tmp_path, name + os.fsdecode(b"\xff.jpg")).write_bytes(jpeg)
    for encoding, words, written in (
        ("ascii", (), rb"\xe4\u4e2d\xff.jpg"),
        ("cp1252", ("--format", "csv"), b"\xe4\\u4e2d\xff.jpg"),
    ):
        variables = environment() | {"PYTHONIOENCODING": encoding}
        done = subprocess.run(command("detect", tmp_path, *words), env=variables, capture_output=True, timeout=120)
        assert done.returncode == 0 and written in done.stdout, done


def test_what_may_not_be_read_has_the_code_of_what_is_missing(tmp_path: Path, jpeg: bytes) -> None:
    (tmp_path / "a.jpg").write_bytes(jpeg)
    (tmp_path / "closed").mkdir()
    model = make_embedder(tmp_path / "m.onnx")
    for path in (tmp_path / "a.jpg", tmp_path / "closed"):
        path.chmod(0)
    for words, code in (
        (("detect", "a.jpg"), 3),
        (("verify", "a.jpg", "a.jpg", "--embedder", model), 1),
        (("blur", "a.jpg", "--output", "b.jpg"), 1),
        (("blur", "closed", "--output", "out"), 3),
        (("align", "closed", "out"), 3),
        (("video", "a.jpg", "--json"), 1),
        (("export", "a.jpg", "--output", "out"), 1),
        (("export", "closed", "--output", "out"), 1),
        (("bench", "a.jpg"), 1),
    ):
        done = subprocess.run(
            command(*words), cwd=tmp_path, env=environment(), capture_output=True, text=True, preexec_fn=as_anybody
        )
        assert done.returncode == code and "ermission denied" in done.stderr + done.stdout, (words, done)


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("video", "²", "--json"), 1),
        (("video", "9" * 30, "--json"), 1),
        (("video", "9" * 5000, "--json"), 1),
        (("align", ".", "out", "--size", "²x²"), 2),
        (("engines", "--pnet-size", "²x" + "9" * 5000), 2),
        (("triton", "out", "--max-batch", "²"), 2),
        (("triton", "out", "--max-batch", "9" * 5000), 2),
    ],
)
def test_digits_that_are_no_numbers(tmp_path: Path, words: tuple[str, ...], code: int) -> None:
    said = mtcnn(*words, cwd=tmp_path, code=code).stderr
    assert len(said.splitlines()) == 1 and "int()" not in said and "literal" not in said, said
    assert not list(tmp_path.iterdir())
