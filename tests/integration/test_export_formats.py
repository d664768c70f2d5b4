"""`mtcnn detect` to the files that other tools read: JSON, COCO, YOLO's labels, Parquet."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mtcnn import TrtMtcnn
from mtcnn.cli.main import main
from mtcnn.pipeline.export_formats import make_format
from mtcnn.pipeline.records import faces_as_json
from mtcnn.pipeline.whole_results import labels_of
from tests.integration.test_crops import read, run, write

WHOLE = [("faces.json", "json"), ("faces.json", "coco"), ("faces.parquet", "parquet")]


def line(file: str, faces: int, **more: Any) -> dict[str, Any]:
    rng = np.random.default_rng(faces)
    dets = np.column_stack([rng.uniform(0, 50, (faces, 2)), rng.uniform(60, 99, (faces, 2)), rng.uniform(0, 1, faces)])
    found = faces_as_json(dets.astype(np.float32), rng.uniform(0, 99, (faces, 10)).astype(np.float32))
    return {"file": file, "width": 100, "height": 90, "faces": found, **more}


LINES = [line("a.jpg", 2), line("b/é,\n.jpg", 0), {"file": "bad.jpg", "problem": "why"}, line("c", 1, truncated=True)]


@pytest.fixture
def pictures(tmp_path: Path, astronaut: np.ndarray, engines: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> Path:
    """a.png shows two faces, b/1.png one, b/none.png none; b/bad.png is none."""
    monkeypatch.chdir(tmp_path)
    small = astronaut[30:230, 120:330]
    write(tmp_path / "in" / "a.png", np.hstack([small, small[:, ::-1]]))
    write(tmp_path / "in" / "b" / "1.png", small)
    write(tmp_path / "in" / "b" / "none.png", small[:40])
    (tmp_path / "in" / "b" / "bad.png").write_text("no picture")
    return tmp_path / "in"


@pytest.mark.parametrize("layout", ["json", "coco", "parquet"])
@pytest.mark.parametrize("lines", [LINES, LINES[:1], [], [line(f"{i}.jpg", i % 3) for i in range(6000)]])
def test_what_is_written_is_read_again(layout: str, lines: list[dict[str, Any]]) -> None:
    form = make_format(layout)
    file = io.BytesIO()
    form.write(file, iter(lines))
    if layout == "parquet":  # which its writer closes
        file = io.BytesIO(file.getvalue())
    file.seek(0)
    again = list(form.read(file))
    if layout == "coco":  # has no place for these
        lines = [{k: v for k, v in one.items() if k != "truncated"} for one in lines if "problem" not in one]
    assert again == lines


@pytest.mark.parametrize("layout", ["json", "coco", "parquet"])
@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b'[{"file": 1}]', b"PAR1", b"\xff" * 99, b'{"info": {}}', b"[" * 99]
)
def test_other_files_are_refused(layout: str, data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError, IndexError)):
        list(make_format(layout).read(io.BytesIO(data)))


@pytest.mark.parametrize("name, layout", WHOLE)
def test_resumed_and_made_anew(name: str, layout: str, pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = pictures.parent / "out" / name
    command = ("detect", pictures, "--output", out, "--format", layout)
    run(*command, code=3)
    first = load(out, layout)
    assert {Path(file).name: count for file, count in first.items()} == {"a.png": 2, "1.png": 1, "none.png": 0} | (
        {} if layout == "coco" else {"bad.png": 0}
    )
    assert [path for path in out.parent.iterdir() if not path.name.startswith(".")] == [out]
    run(*command, code=1)
    assert "go on with --resume" in capsys.readouterr().err
    write(pictures / "c.png", read(pictures / "a.png"))
    run(*command, "--resume", code=3)
    assert load(out, layout) == first | {str(pictures / "c.png"): 2}
    assert "pictures: 1" in capsys.readouterr().err or layout == "coco"  # which tries the unreadable one again
    (pictures / "b" / "bad.png").unlink()
    run(*command, "--overwrite")
    assert {Path(file).name for file in load(out, layout)} == {"a.png", "1.png", "none.png", "c.png"}


@pytest.mark.parametrize("name, layout", WHOLE)
def test_a_run_that_was_killed_goes_on(name: str, layout: str, pictures: Path) -> None:
    out = pictures.parent / name
    run("detect", pictures, "--output", out, "--format", layout, code=3)
    whole = load(out, layout)
    out.unlink()
    done = json.dumps({"file": str(pictures / "a.png"), "width": 9, "height": 9, "faces": []})
    settings = json.dumps({"settings": {"format": layout, "preset": "accurate", "minsize": 40}})
    partial = out.with_name(f"{name}.partial")
    partial.write_text(f'{settings}\n{done}\n{{"file": "ha')
    run("detect", pictures, "--output", out, "--format", layout, code=1)
    run("detect", pictures, "--output", out, "--format", layout, "--resume", code=3)
    assert load(out, layout) == whole | {str(pictures / "a.png"): 0}  # as the journal had it
    assert not partial.exists()
    partial.write_text("something of somebody\n")
    run("detect", pictures, "--output", out, "--format", layout, "--resume", code=1)
    assert partial.read_text() == "something of somebody\n" and load(out, layout)


def test_nothing_found_makes_no_file(tmp_path: Path, engines: dict[str, Path]) -> None:
    (tmp_path / "in").mkdir()
    for name in ("x.json", "x.parquet"):
        run("detect", tmp_path / "in", "--output", tmp_path / name, code=1)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]


def test_coco_is_what_its_tools_read(pictures: Path, detector: TrtMtcnn, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO

    run("detect", pictures, "--output", "faces.json", "--format", "coco", "--quality", code=3)
    coco = COCO("faces.json")
    assert coco.loadCats(coco.getCatIds())[0]["name"] == "face"
    for image in coco.loadImgs(coco.getImgIds()):
        dets, landmarks = detector.detect(read(Path(image["file_name"])))
        found = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert len(found) == len(dets)
        for one, det, points in zip(found, dets, landmarks):
            x, y, width, height = one["bbox"]
            np.testing.assert_allclose([x, y, x + width, y + height, one["score"]], det, atol=0.02)
            np.testing.assert_allclose(np.reshape(one["keypoints"], (5, 3))[:, :2].T.ravel(), points, atol=0.01)
            assert 0 < one["quality"]["value"] < 1 and one["area"] == pytest.approx(width * height, abs=0.01)
    result = coco.loadRes(
        [{k: one[k] for k in ("image_id", "category_id", "bbox", "score")} for one in coco.anns.values()]
    )
    assert len(result.anns) == 3


class TestYolo:
    def test_labels(self, pictures: Path, detector: TrtMtcnn) -> None:
        run("detect", pictures, "--output", "labels", "--format", "yolo", code=3)
        assert sorted(str(path) for path in Path("labels").rglob("*.txt")) == [
            "labels/a.txt",
            "labels/b/1.txt",
            "labels/b/none.txt",
        ]
        assert Path("labels/b/none.txt").read_text() == ""
        img = read(pictures / "a.png")
        rows = np.loadtxt("labels/a.txt")
        assert rows.shape == (2, 5) and not rows[:, 0].any()
        sides = np.array([img.shape[1], img.shape[0]] * 2)
        boxes = np.column_stack([rows[:, 1:3] - rows[:, 3:] / 2, rows[:, 1:3] + rows[:, 3:] / 2]) * sides
        dets, _ = detector.detect(img)
        np.testing.assert_allclose(boxes, np.clip(dets[:, :4], 0, sides), atol=0.02)

    def test_resumed_and_made_anew(self, pictures: Path) -> None:
        run("detect", pictures, "--output", "labels", "--format", "yolo", code=3)
        run("detect", pictures, "--output", "labels", "--format", "yolo", code=1)
        time = Path("labels/a.txt").stat().st_mtime_ns
        write(pictures / "c.png", read(pictures / "a.png"))
        Path("labels/d.txt").write_text("somebody's")
        write(pictures / "d.png", read(pictures / "a.png"))
        run("detect", pictures, "--output", "labels", "--format", "yolo", "--resume", code=3)
        assert Path("labels/a.txt").stat().st_mtime_ns == time and Path("labels/c.txt").exists()
        assert Path("labels/d.txt").read_text() == "somebody's"
        run("detect", pictures, "--output", "labels", "--format", "yolo", "--overwrite", code=3)
        assert Path("labels/a.txt").stat().st_mtime_ns != time and Path("labels/d.txt").read_text() != "somebody's"

    def test_boxes_end_with_the_picture(self) -> None:
        one = line("a", 3)
        for face, box in zip(one["faces"], ([-10, -10, 50, 45], [90, 80, 200, 300], [-30, 5, -10, 20])):
            face["box"] = box
        assert labels_of(one) == "0 0.250000 0.250000 0.500000 0.500000\n0 0.950000 0.944444 0.100000 0.111111\n"


def test_the_ending_chooses(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in ("x.json", "x.jsonl", "x.csv", "x.parquet", "x.pq"):
        run("detect", pictures / "a.png", "--output", name)
    assert isinstance(json.loads(Path("x.json").read_text()), list)
    assert json.loads(Path("x.json").read_text())[0] == json.loads(Path("x.jsonl").read_text())
    assert Path("x.pq").read_bytes()[:4] == b"PAR1"
    run("detect", pictures / "a.png", "--json", "--output", "y.json")
    assert Path("y.json").read_text() == Path("x.json").read_text()
    capsys.readouterr()
    run("detect", pictures / "a.png", "--format", "json")
    assert json.loads(capsys.readouterr().out) == json.loads(Path("x.json").read_text())
    for options, said in (
        (("--output", "z.csv", "--format", "json"), "contradicts"),
        (("--output", "z.json", "--format", "jsonl"), "contradicts"),
        (("--output", "z.parquet", "--format", "coco"), "contradicts"),
        (("--output", "z.csv", "--format", "yolo"), "contradicts"),
        (("--format", "coco"), "--output faces.json"),
        (("--format", "yolo"), "--output labels/"),
        (("--output", "z.csv", "--quality"), "--quality goes with"),
    ):
        assert run_code("detect", pictures / "a.png", *options) == 2
        assert said in capsys.readouterr().err
    assert not list(Path().glob("z*"))


def run_code(*arguments: object) -> Any:
    try:
        return main(list(map(str, arguments)))
    except SystemExit as ended:
        return ended.code


def load(path: Path, layout: str) -> dict[str, int]:
    """The number of faces of each picture, as a program reads them that is not ours."""
    if layout == "json":
        return {one["file"]: len(one.get("faces", ())) for one in json.loads(path.read_text())}
    if layout == "coco":
        whole = json.loads(path.read_text())
        images = {one["id"]: one["file_name"] for one in whole["images"]}
        counts = dict.fromkeys(images.values(), 0)
        for one in whole["annotations"]:
            counts[images[one["image_id"]]] += 1
        return counts
    import pyarrow.parquet as pq

    counts = {}
    for row in pq.read_table(path).to_pylist():
        counts[row["file"]] = counts.get(row["file"], 0) + (row["face"] is not None)
    return counts
