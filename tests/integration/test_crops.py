"""`mtcnn align`, `crop` and `embed` of all faces, of good ones, of the best of each person."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn import FaceAligner, FaceVerifier, NoFaceError, TrtMtcnn, face_quality
from mtcnn.cli.main import main
from tests.support.embedders import make_embedder


def write(path: Path, img: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    whole, data = cv2.imencode(path.suffix, img)
    assert whole
    path.write_bytes(data.tobytes())


def read(path: Path) -> np.ndarray:
    img = cv2.imread(str(path))
    assert img is not None
    return np.asarray(img, np.uint8)


@pytest.fixture
def pictures(tmp_path: Path, astronaut: np.ndarray, engines: dict[str, Path]) -> Path:
    """a.bmp and a.png show one face and two; b/ shows a sharp face, a blurred one, and none."""
    folder = tmp_path / "in"
    small = astronaut[30:230, 120:330]
    write(folder / "a.bmp", small)
    write(folder / "a.png", np.hstack([small, small[:, ::-1]]))
    write(folder / "b" / "1.png", cv2.GaussianBlur(small, (9, 9), 0))
    write(folder / "b" / "2.png", small)
    write(folder / "b" / "3.png", small[:40])
    return folder


def run(*arguments: object, code: int = 0) -> None:
    assert main(list(map(str, arguments))) == code


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*.png"))


def manifest(folder: Path) -> dict[str, dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "manifest.jsonl").read_text().splitlines()]
    return {line["file"]: line for line in lines[1:]}


class TestAll:
    def test_each_face_has_a_file(self, pictures: Path, detector: TrtMtcnn, capsys: pytest.CaptureFixture[str]) -> None:
        out = pictures.parent / "out"
        run("align", pictures, out, "--face", "all", "--json")
        assert files(out) == ["a.png_1.png", "a.png_2.png", "a_1.png", "b/1_1.png", "b/2_1.png"]
        assert json.loads(capsys.readouterr().out)["crops"] == 5
        line = manifest(out)["a.png"]
        assert line["crops"] == ["a.png_1.png", "a.png_2.png"] and line["chosen"] == [0, 1] and "crop" not in line
        img = read(pictures / "a.png")
        expected = FaceAligner((112, 96)).align_all(img, detector.detect(img)[1])
        for name, crop in zip(line["crops"], expected):
            np.testing.assert_array_equal(read(out / name), crop)

    def test_resumed_and_made_anew(self, pictures: Path, astronaut: np.ndarray) -> None:
        out = pictures.parent / "out"
        run("align", pictures, out, "--face", "all")
        times = {name: (out / name).stat().st_mtime_ns for name in files(out)}
        write(pictures / "a.jp2", astronaut[30:230, 120:330])
        run("align", pictures, out, "--face", "all", code=1)  # nothing is overwritten unasked
        run("align", pictures, out, "--face", "all", "--resume")
        assert set(files(out)) - set(times) == {"a.jp2_1.png"}
        assert all((out / name).stat().st_mtime_ns == time for name, time in times.items())
        (out / "own.png").write_bytes(b"not ours")
        write(pictures / "a.png", astronaut[30:230, 120:330])  # a face less
        run("align", pictures, out, "--face", "all", "--overwrite")
        assert set(files(out)) == {*times, "a.jp2_1.png", "own.png"} - {"a.png_2.png"}

    def test_from_one_face_to_all_and_back(self, pictures: Path) -> None:
        """Names that another way of naming had are neither mixed up nor left behind."""
        out = pictures.parent / "out"
        write(pictures / "a_1.png", read(pictures / "a.bmp"))
        for face, expected in (
            ("largest", {"a.png", "a.png.png", "a_1.png", "b/1.png", "b/2.png"}),
            ("all", None),
            ("largest", {"a.png", "a.png.png", "a_1.png", "b/1.png", "b/2.png"}),
        ):
            run("align", pictures, out, "--face", face, "--overwrite")
            lines = manifest(out).values()
            named = [name for line in lines for name in line.get("crops", [line["crop"]] if "crop" in line else [])]
            assert sorted(named) == files(out) and len(set(named)) == len(named)
            assert expected is None or set(named) == expected

    def test_what_is_not_ours_stays(self, pictures: Path) -> None:
        out = pictures.parent / "out"
        out.mkdir()
        (out / "a.png_2.png").write_bytes(b"not ours")
        run("align", pictures, out, "--face", "all", code=3)
        assert (out / "a.png_2.png").read_bytes() == b"not ours" and "a.png" not in manifest(out)
        (out / "a.png_2.png").unlink()
        run("align", pictures, out, "--face", "all", "--resume")
        assert len(manifest(out)["a.png"]["crops"]) == 2


class TestCrop:
    def test_boxes_as_they_lie(self, pictures: Path, detector: TrtMtcnn) -> None:
        out = pictures.parent / "out"
        run("crop", pictures, out, "--margin", 0.2)
        assert files(out) == ["a.png_1.png", "a.png_2.png", "a_1.png", "b/1_1.png", "b/2_1.png"]
        assert manifest(out)["a.bmp"]["status"] == "cropped"
        (face,) = detector.faces(read(pictures / "a.bmp"))
        np.testing.assert_array_equal(read(out / "a_1.png"), face.crop(0.2))

    def test_squares(self, pictures: Path, detector: TrtMtcnn) -> None:
        out = pictures.parent / "out"
        run("crop", pictures, out, "--square", "--margin", 1, "--face", "largest")
        img = read(pictures / "a.bmp")
        crop = read(out / "a.png")
        x1, y1, x2, y2 = detector.detect(img)[0][0, :4]
        assert crop.shape[0] == crop.shape[1] == round(3 * float(max(x2 - x1, y2 - y1)))
        top, left = round(float(y1 + y2 - len(crop)) / 2), round(float(x1 + x2 - len(crop)) / 2)
        assert top < 0  # it goes on in black beyond the picture
        assert not crop[:-top].any()
        padded = cv2.copyMakeBorder(img, 300, 300, 300, 300, cv2.BORDER_CONSTANT)
        np.testing.assert_array_equal(crop, padded[300 + top :, 300 + left :][: len(crop), : len(crop)])


class TestQuality:
    def test_is_told_and_asked_for(self, pictures: Path, detector: TrtMtcnn) -> None:
        out = pictures.parent / "out"
        run("align", pictures, out, "--quality")
        lines = manifest(out)
        img = read(pictures / "a.bmp")
        dets, landmarks = detector.detect(img)
        told = lines["a.bmp"]["faces"][0]["quality"]
        expected = face_quality(img, dets[0], landmarks[0])
        assert told == pytest.approx(vars(expected), abs=0.006)
        poor, good = (lines[f"b/{n}.png"]["faces"][0]["quality"]["value"] for n in (1, 2))
        run("align", pictures, out, "--min-quality", (poor + good) / 2, "--face", "all", "--overwrite")
        assert manifest(out)["b/1.png"]["status"] == "low quality" and "b/1_1.png" not in files(out)
        assert "b/2_1.png" in files(out)

    def test_best_of_each_person(self, pictures: Path, astronaut: np.ndarray) -> None:
        out = pictures.parent / "out"
        run("align", pictures, out, "--best-shot")
        assert files(out) == ["b.png", "in.png"]
        lines = manifest(out)
        assert [lines[f"b/{n}.png"]["status"] for n in (1, 2, 3)] == ["not best", "aligned", "no face"]
        assert lines["b/2.png"]["crop"] == "b.png" and "crop" not in lines["b/1.png"]
        first = read(out / "b.png")
        write(pictures / "b" / "0.png", cv2.GaussianBlur(read(pictures / "b" / "2.png"), (5, 5), 0))
        run("align", pictures, out, "--best-shot", "--resume")
        np.testing.assert_array_equal(read(out / "b.png"), first)
        assert manifest(out)["b/0.png"]["status"] == "not best"
        large = cv2.resize(astronaut, None, fx=1.5, fy=1.5, interpolation=cv2.INTER_CUBIC)
        write(pictures / "b" / "4.png", cv2.addWeighted(large, 2.5, cv2.GaussianBlur(large, (0, 0), 2), -1.5, 0))
        run("align", pictures, out, "--best-shot", "--resume")
        assert manifest(out)["b/4.png"]["crop"] == "b.png"
        assert (read(out / "b.png") != first).any()
        assert files(out) == ["b.png", "in.png"]

    def test_contradictions(self, pictures: Path) -> None:
        with pytest.raises(SystemExit) as ended:
            main(["align", str(pictures), str(pictures.parent / "out"), "--best-shot", "--face", "all"])
        assert ended.value.code == 2
        run("crop", pictures, pictures.parent / "out", "--best-shot")  # whose --face is all otherwise


class TestVectors:
    @pytest.mark.parametrize("ending", [".npz", ".parquet"])
    def test_embed_all(self, ending: str, pictures: Path, detector: TrtMtcnn, astronaut: np.ndarray) -> None:
        model, out = make_embedder(pictures.parent / "m.onnx"), pictures.parent / f"v{ending}"
        options = ("--embedder", model, "--output", out, "--face", "all")
        run("embed", pictures, *options)
        write(pictures / "c.png", np.hstack([astronaut[30:230, 120:330]] * 3))
        run("embed", pictures, *options, "--resume")
        names, rows = self.read(out)
        counts = {name: names.count(name) for name in names}
        assert counts == {str(pictures / name): n for name, n in (("a.bmp", 1), ("a.png", 2), ("c.png", 3))} | {
            str(pictures / "b" / f"{n}.png"): 1 for n in (1, 2)
        }
        verifier = FaceVerifier(model, detector)
        (faces,) = verifier.embed([read(pictures / "c.png")], all_faces=True)
        np.testing.assert_allclose(
            [row for name, row in zip(names, rows) if name.endswith("c.png")], [f.embedding for f in faces], atol=1e-6
        )

    def read(self, path: Path) -> tuple[list[str], list[np.ndarray]]:
        if path.suffix == ".npz":
            data = np.load(path)
            return data["files"].tolist(), list(data["embeddings"])
        import pyarrow.parquet as pq

        table = pq.read_table(path).to_pydict()
        return table["file"], [np.array(row) for row in table["embedding"]]

    def test_verifier(self, pictures: Path, detector: TrtMtcnn) -> None:
        verifier = FaceVerifier(make_embedder(pictures.parent / "m.onnx"), detector)
        images = [read(pictures / name) for name in ("a.png", "b/3.png", "a.bmp")]
        every = verifier.embed(images, all_faces=True)
        assert [len(faces) for faces in every] == [2, 0, 1]
        one = verifier.embed(images)
        assert one[1] is None and one[2] is not None
        np.testing.assert_array_equal(one[2].embedding, every[2][0].embedding)
        scores = [face.det[4] for face in every[0]]
        assert scores == sorted(scores, reverse=True)
        with pytest.raises(NoFaceError, match=r"images\[1\]"):
            verifier.embed(images, all_faces=True, required=True)
        with pytest.raises(TypeError, match="all_faces"):
            verifier.embed(images, all_faces=1)  # type: ignore[call-overload]


def test_a_crop_that_would_be_too_large_is_a_problem_of_its_picture(
    pictures: Path, astronaut: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    large = cv2.resize(astronaut[30:230, 120:330], None, fx=20, fy=20)
    write(pictures / "large.jpg", large)
    for options in (("--face", "all"), ("--best-shot",)):
        out = pictures.parent / f"out{options[0]}"
        run("crop", pictures, out, "--square", "--margin", 4, "--preset", "fast", "--minsize", 100, *options, code=3)
        said = capsys.readouterr().err
        assert "large.jpg" in said and "of at most 16384 a side" in said and "not written: 1" in said
        assert "large.jpg" not in manifest(out) and "a.bmp" in manifest(out)
