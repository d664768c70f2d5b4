"""`mtcnn blur`: no pixel of a face comes back, in no picture of a film; and the rules of all commands that write."""

from __future__ import annotations

import io
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn import TrtMtcnn
from mtcnn.files import NoMoreOutputError
from mtcnn.pipeline.blur import blur_film
from mtcnn.pipeline.film_faces import HOLD, Sighting, around
from mtcnn.pipeline.hide import SHAPES, WAYS, Hiding, hide
from mtcnn.pipeline.read import read_picture
from tests.conftest import ROOT
from tests.support.command import mtcnn
from tests.support.embedders import make_embedder
from tests.support.films import make_film, packets, picture_times, pictures_of

ASTRONAUT = ROOT / "docs" / "images" / "astronaut.jpg"
FACE = (178, 61, 266, 173)  # of that picture


pytest.importorskip("scipy")

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def engines_are_there(engines: dict[str, Path]) -> None:
    pass


class TestNothingComesBack:
    """What is written is the same for pictures that differ in each pixel of a face: it cannot tell which it was."""

    @pytest.mark.parametrize("way", WAYS)
    @pytest.mark.parametrize("shape", SHAPES)
    @pytest.mark.parametrize("box", [(40, 30, 139, 149), (-20, 50, 60, 121), (10, 10, 22, 25)])
    def test_of_a_picture(self, way: str, shape: str, box: tuple[int, int, int, int]) -> None:
        rng = np.random.default_rng(0)
        img = rng.integers(0, 256, (200, 180, 3)).astype(np.uint8)
        hiding = Hiding(way, shape, 0.25)
        mixed = self.mixed(img, np.array(box, float), hiding, rng)
        assert (mixed != img).any(axis=2).sum() > 0.8 * self.covered(img, box).sum()
        np.testing.assert_array_equal(hide(img, [np.array(box)], hiding), hide(mixed, [np.array(box)], hiding))

    def covered(self, img: np.ndarray, box: tuple[int, int, int, int]) -> np.ndarray:
        y, x = np.mgrid[: img.shape[0], : img.shape[1]]
        return (x >= box[0]) & (x <= box[2]) & (y >= box[1]) & (y <= box[3])

    def mixed(self, img: np.ndarray, box: np.ndarray, hiding: Hiding, rng: np.random.Generator) -> np.ndarray:
        """The pixels of each cell that are hidden, shuffled: by way of the places, not by the code under test."""
        centre, half = (box[:2] + box[2:] + 1) / 2, (box[2:] - box[:2] + 1) * (0.5 + hiding.margin)
        (x1, y1), (x2, y2) = (
            np.clip(f(centre + s * half), 0, (180, 200)).astype(int) for f, s in ((np.floor, -1), (np.ceil, 1))
        )
        cell = max(4, -(-max(x2 - x1, y2 - y1) // 6))
        mixed = img.copy()
        y, x = np.mgrid[y1:y2, x1:x2]
        rows = np.minimum((y - y1) // cell, max(1, (y2 - y1) // cell) - 1)
        columns = np.minimum((x - x1) // cell, max(1, (x2 - x1) // cell) - 1)
        inside = ((x + 0.5 - centre[0]) / half[0]) ** 2 + ((y + 0.5 - centre[1]) / half[1]) ** 2 <= 1
        for row in range(rows.max() + 1):
            for column in range(columns.max() + 1):
                chosen = (rows == row) & (columns == column) & (inside | (hiding.shape == "box"))
                where = y[chosen], x[chosen]
                mixed[where] = img[where][rng.permutation(chosen.sum())]
        return mixed

    def test_few_numbers_are_left(self) -> None:
        rng = np.random.default_rng(1)
        img = rng.integers(0, 256, (300, 300, 3)).astype(np.uint8)
        for box in ((50, 50, 249, 249), (100, 100, 130, 140)):
            left = hide(img, [np.array(box)], Hiding("pixelate", "box", 0.0))
            x1, y1, x2, y2 = box
            assert len(np.unique(left[y1 : y2 + 1, x1 : x2 + 1].reshape(-1, 3), axis=0)) <= 36
            filled = hide(img, [np.array(box)], Hiding("fill", "ellipse", 0.25))
            assert not filled[y1 : y2 + 1, x1 : x2 + 1].any()  # an ellipse of that margin covers the box

    @pytest.mark.parametrize("ending", [".jpg", ".png", ".webp", ".tiff"])
    def test_of_a_file(self, tmp_path: Path, detector: TrtMtcnn, ending: str) -> None:
        pillow = pytest.importorskip("PIL.Image")
        img = pillow.open(ASTRONAUT)
        exif = img.getexif()
        exif[0x010F] = "SECRET CAMERA"
        exif.get_ifd(0x8825)[2] = (51.0, 30.0, 26.0)  # where it was
        thumbnail = io.BytesIO()
        img.resize((128, 128)).save(thumbnail, "jpeg")
        source = tmp_path / "photo.jpg"
        # The thumbnail after the picture, as cameras keep previews, too.
        img.save(source, exif=exif, comment=b"SECRET REMARK", quality=95)
        source.write_bytes(source.read_bytes() + thumbnail.getvalue())
        assert b"SECRET" in source.read_bytes()
        out = tmp_path / f"out{ending}"
        mtcnn("blur", source, "--output", out)
        data = out.read_bytes()
        assert not any(mark in data for mark in (b"SECRET", b"Exif", b"EXIF", b"eXIf"))
        assert data.count(b"\xff\xd8\xff\xe0\x00\x10JFIF") == (ending == ".jpg")
        with pillow.open(out) as written:
            assert not {0x8825, 0x8769, 0x010F} & set(written.getexif())
        assert len(detector.detect(read_picture(out), thresholds=(0.5, 0.6, 0.4))[0]) == 0
        before, after = read_picture(source)[250:, :150], read_picture(out)[250:, :150]
        assert np.abs(before.astype(int) - after).mean() < 3  # the rest is as it was


def film_of(astronaut: np.ndarray, without: set[int], count: int = 24) -> list[np.ndarray]:
    """A face that moves by two pixels a picture; in some something is held before it, so that it is not found."""
    pictures = []
    for i in range(count):
        img = np.full((260, 420, 3), 90, np.uint8)
        face = astronaut[30:210, 150:300]
        img[40:220, 40 + 2 * i : 190 + 2 * i] = 140 if i in without else face
        pictures.append(img)
    return pictures


class TestFilms:
    def test_what_is_found_on_both_sides_is_hidden_between(
        self, tmp_path: Path, astronaut: np.ndarray, detector: TrtMtcnn
    ) -> None:
        """Ten pictures a second: half a second before, after and between those in which it is found."""
        without = {0, 1, 2, 3, 8, 9, 10, 11, 12, 13, 21, 22, 23}
        pictures = film_of(astronaut, without)
        low = {"thresholds": (0.5, 0.6, 0.4), "minsize": 20}
        found = [len(detector.detect(img, **low)[0]) > 0 for img in pictures]
        assert {i for i, is_found in enumerate(found) if not is_found} == without
        film = make_film(tmp_path / "in.mp4", pictures, sound=True, subtitles="mov_text", metadata={"title": "SECRET"})
        out = tmp_path / "out.mp4"
        said = mtcnn("blur", film, "--output", out, "--how", "fill", "--shape", "box").stderr
        assert "pictures: 24" in said
        for i, img in enumerate(pictures_of(out)):
            middle = img[70:190, 75 + 2 * i : 155 + 2 * i]
            assert (middle < 40).mean() > 0.9, i
        assert picture_times(out) == picture_times(film)
        for kind in ("audio", "subtitle"):
            assert [data for _, data in packets(out, kind)] == [data for _, data in packets(film, kind)]
        assert b"SECRET" in film.read_bytes() and b"SECRET" not in out.read_bytes()

    def test_a_face_far_away_in_time_is_not_taken_for_granted(self) -> None:
        times = [i / 10 for i in range(40)]
        box = np.array([0, 0, 10, 10], float)
        filled = around([Sighting(10, box, False), Sighting(30, box + 50, False)], times)
        held = round(10 * HOLD)
        assert sorted(s.index for s in filled) == sorted(
            {*range(10 - held, 10 + held + 1), *range(30 - held, 30 + held + 1)}
        )

    def test_between_two_it_moves_evenly_in_time(self) -> None:
        times = [0.0, 0.1, 0.2, 0.8]
        ends = [np.array([x, 0, x + 10, 10], float) for x in (0, 80)]
        filled = around([Sighting(0, ends[0], False), Sighting(3, ends[1], True)], times)
        centres = {s.index: s.box[[0, 2]].mean() for s in filled}
        assert centres == {0: 5, 1: 15, 2: 25, 3: 85}
        assert not any(s.is_kept for s in filled if s.index in (1, 2))  # both sides must be of who is kept

    def test_one_that_changes_between_the_passes(
        self, tmp_path: Path, astronaut: np.ndarray, detector: TrtMtcnn
    ) -> None:
        """Where its faces are was found for other pictures: none is written with those."""
        film = make_film(tmp_path / "in.mp4", film_of(astronaut, set(), 8))
        other = make_film(tmp_path / "other.mp4", film_of(astronaut, set(), 8), [i / 7 for i in range(8)])
        seen = []

        def change() -> None:
            seen.append(1)
            if len(seen) == 8:
                os.replace(other, film)

        done = blur_film(film, tmp_path / "out.mp4", detector, Hiding(), seen=change)
        assert done.problem is not None and "cannot be read again as it was" in done.problem
        assert done.pictures == len(pictures_of(tmp_path / "out.mp4")) == 1  # the first of both is at 0

    def test_one_that_is_not_whole_replaces_none(
        self, tmp_path: Path, astronaut: np.ndarray, detector: TrtMtcnn, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Cancelled, or where no more can be written: in either reading."""
        film = make_film(tmp_path / "in.mp4", film_of(astronaut, set(), 4))
        out = make_film(tmp_path / "out" / "out.mp4", film_of(astronaut, set(), 2))
        before = out.read_bytes()

        def when(count: int, error: BaseException) -> Callable[[], None]:
            counted = iter(range(1, 100))

            def seen() -> None:
                if next(counted) == count:
                    raise error

            return seen

        for count in (2, 6):
            assert blur_film(film, out, detector, Hiding(), seen=when(count, KeyboardInterrupt())).cancelled
            done = blur_film(film, out, detector, Hiding(), keep_part=False, seen=when(count, KeyboardInterrupt()))
            assert done.cancelled and done.path is None
            with pytest.raises(NoMoreOutputError):
                blur_film(film, out, detector, Hiding(), seen=when(count, NoMoreOutputError("full")))
            assert out.read_bytes() == before
        assert sorted(os.listdir(out.parent)) == ["out.mp4", "out.partial-2.mp4", "out.partial.mp4"]

    def test_a_truncated_one(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        film = make_film(tmp_path / "in.mkv", film_of(astronaut, set()))
        cut = tmp_path / "cut.mkv"
        cut.write_bytes(film.read_bytes()[: film.stat().st_size * 9 // 10])
        done = mtcnn("blur", cut, "--output", tmp_path / "out.mkv", code=3)
        assert "truncated" in done.stderr and 0 < len(pictures_of(tmp_path / "out.mkv")) < 24


class TestKeep:
    def test_one_of_two(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        pytest.importorskip("openvino")
        both = np.hstack([astronaut, 255 - astronaut[:, ::-1]])
        both[:, 512:] = astronaut[:, ::-1] // 2  # another one, to this embedder
        import cv2

        cv2.imwrite(str(tmp_path / "both.png"), both)
        model = make_embedder(tmp_path / "m.onnx")
        arguments = ("--keep", ASTRONAUT, "--embedder", model, "--threshold", 0.02, "--how", "fill")
        done = mtcnn("blur", tmp_path / "both.png", "--output", tmp_path / "out.png", *arguments)
        assert done.stderr.startswith("hidden: 1, kept: 1, written: ")
        out = read_picture(tmp_path / "out.png")
        x1, y1, x2, y2 = FACE
        np.testing.assert_array_equal(out[y1:y2, x1:x2], both[y1:y2, x1:x2])
        assert not out[y1 + 20 : y2 - 20, 1024 - x2 + 20 : 1024 - x1 - 20].any()
        done = mtcnn("blur", tmp_path / "both.png", "--output", tmp_path / "no.png", "--keep", ASTRONAUT, code=2)
        assert "--keep PICTURE and --embedder MODEL.onnx go together" in done.stderr


class TestRules:
    def test_a_folder(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        root, out = tmp_path / "in\x1b[31m", tmp_path / "out"
        (root / "sub").mkdir(parents=True)
        shutil.copy(ASTRONAUT, root / "a.jpg")
        shutil.copy(ASTRONAUT, root / "sub" / "b.jpg")
        (root / "broken.png").write_bytes(b"none")
        (root / "notes.txt").write_text("none")
        make_film(root / "sub" / "film.ts", film_of(astronaut, set(), 6))
        (root / "sound.mp4").write_bytes(b"none either")
        done = mtcnn("blur", root, "--output", out, code=3)
        assert "pictures: 3, films: 2, hidden: 8, unreadable: 2" in done.stderr and "skipped: 1 .txt" in done.stderr
        assert "\x1b" not in done.stderr
        made = {str(p.relative_to(out)) for p in out.rglob("*") if p.is_file() and not p.name.startswith(".")}
        assert made == {"a.jpg", "sub/b.jpg", "sub/film.mp4"}
        before = {name: (out / name).stat().st_mtime_ns for name in made}
        (out / "a.jpg").unlink()
        done = mtcnn("blur", root, "--output", out, "--resume", code=3)
        assert "pictures: 2, films: 1, hidden: 1, unreadable: 2" in done.stderr and "done before: 2" in done.stderr
        assert (out / "sub" / "b.jpg").stat().st_mtime_ns == before["sub/b.jpg"]
        assert "is there already" in mtcnn("blur", root, "--output", out, code=1).stderr
        said = mtcnn("blur", root, "--output", out, "--how", "fill", "--resume", code=1).stderr
        assert "made with other settings: --how was blur" in said
        assert {name: (out / name).stat().st_mtime_ns for name in made - {"a.jpg"}} == {
            name: before[name] for name in made - {"a.jpg"}
        }
        mtcnn("blur", root, "--output", out, "--how", "fill", "--overwrite", code=3)
        assert (out / "sub" / "b.jpg").stat().st_mtime_ns != before["sub/b.jpg"]
        other = tmp_path / "other"
        other.mkdir()
        (other / "a.jpg").write_text("mine")
        assert "not written: 1" in mtcnn("blur", root, "--output", other, code=3).stderr
        assert (other / "a.jpg").read_text() == "mine"
        source = root / "sub" / "film.ts"
        before_film = source.read_bytes()
        linked = tmp_path / "linked"
        (linked / "sub").mkdir(parents=True)
        (linked / "sub" / "film.mp4").symlink_to(source)
        done = mtcnn("blur", root, "--output", linked, "--overwrite", code=3)
        assert "film.mp4 would be overwritten with what is made of it" in done.stderr
        assert source.read_bytes() == before_film

    def test_what_may_still_show_faces_is_told_again(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        root, out = tmp_path / "in", tmp_path / "out"
        root.mkdir()
        (root / "cut.jpg").write_bytes(ASTRONAUT.read_bytes()[:-9000])
        cv2.imwrite(str(root / "dark.png"), astronaut // 64)
        shutil.copy(ASTRONAUT, root / "good.jpg")
        make_film(root / "cut.mkv", film_of(astronaut, set(), 40))
        os.truncate(root / "cut.mkv", (root / "cut.mkv").stat().st_size // 2)
        said = mtcnn("blur", root, "--output", out, code=3).stderr
        assert "pictures: 3, films: 1, hidden: " in said and "truncated: 2, dark: 1" in said  # all that were worked on
        for _ in range(2):
            said = mtcnn("blur", root, "--output", out, "--resume", code=3).stderr
            assert "done before: 4 (dark: 1, truncated: 2)" in said
        shutil.copy(ASTRONAUT, root / "cut.jpg")
        (out / "cut.jpg").unlink()
        said = mtcnn("blur", root, "--output", out, "--resume", code=3).stderr
        assert "pictures: 1, " in said and "done before: 3 (dark: 1, truncated: 1)" in said
        assert "(dark: 1, truncated: 1)" in mtcnn("blur", root, "--output", out, "--resume", code=3).stderr

    def test_nothing_is_written_over(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        photo = tmp_path / "a.jpg"
        shutil.copy(ASTRONAUT, photo)
        film = make_film(tmp_path / "f.mp4", film_of(astronaut, set(), 3))
        (tmp_path / "link.jpg").symlink_to(photo)
        model, video = make_embedder(tmp_path / "m.jpg"), make_embedder(tmp_path / "m.mp4")
        before = {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)}
        for arguments in (
            (photo, "--output", photo),
            (photo, "--output", tmp_path / "link.jpg"),
            (film, "--output", film),
            (tmp_path, "--output", tmp_path),
            (photo, "--output", model, "--keep", tmp_path / "link.jpg", "--embedder", model),
            (film, "--output", video, "--keep", photo, "--embedder", video),
        ):
            assert "would be overwritten" in mtcnn("blur", *arguments, "--overwrite", code=1).stderr
        assert "--overwrite" in mtcnn("blur", photo, "--output", film, code=1).stderr
        assert {name: (tmp_path / name).read_bytes() for name in os.listdir(tmp_path)} == before
        mtcnn("blur", photo, "--output", tmp_path / "new" / "b.jpg")
        mtcnn("blur", photo, "--output", tmp_path / "new" / "b.jpg", code=1)
        mtcnn("blur", photo, "--output", tmp_path / "new" / "b.jpg", "--overwrite")

    def test_links_to_what_is_read(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        """Of a folder's films and pictures, and where records go."""
        root, out, records = tmp_path / "in", tmp_path / "out", tmp_path / "records"
        for folder in (root, out, records):
            folder.mkdir()
        shutil.copy(ASTRONAUT, root / "a.jpg")
        film = make_film(root / "f.mp4", film_of(astronaut, set(), 3))
        before = {name: (root / name).read_bytes() for name in os.listdir(root)}
        (out / "f.mp4").symlink_to(film)
        (out / "a.jpg").hardlink_to(root / "a.jpg")
        said = mtcnn("blur", root, "--output", out, "--overwrite", code=3).stderr
        assert "not written: 2" in said and said.count("would be overwritten") == 2
        (records / ".mtcnn-made-with.json").symlink_to(root / "a.jpg")
        assert "would be overwritten" in mtcnn("blur", root, "--output", records, code=1).stderr
        assert {name: (root / name).read_bytes() for name in os.listdir(root)} == before

    def test_a_folder_within_the_one_that_is_read(self, tmp_path: Path, astronaut: np.ndarray) -> None:
        shutil.copy(ASTRONAUT, tmp_path / "a.jpg")
        make_film(tmp_path / "f.mp4", film_of(astronaut, set(), 3))
        for options in ([], ["--resume"], ["--overwrite"]):
            done = mtcnn("blur", tmp_path, "--output", tmp_path / "hidden", *options)
            assert sorted(p.name for p in tmp_path.rglob("*.*4")) == ["f.mp4", "f.mp4"], done.stderr
        assert "pictures: 1, films: 1" in done.stderr

    @pytest.mark.parametrize(
        ("arguments", "code", "said"),
        [
            (("gone.jpg", "--output", "o.jpg"), 1, "there is no gone.jpg"),
            (("rtsp://camera/1", "--output", "o.mp4"), 1, "is no file: blur reads a film twice"),
            (("0", "--output", "o.mp4"), 1, "is no file: blur reads a film twice"),
            (("a.jpg", "--output", "o.txt"), 1, "its ending is no picture's"),
            (("a.jpg",), 2, "Missing option '--output'"),
            (("a.jpg", "--output", "o.jpg", "--resume"), 2, "--resume is for folders"),
            (("a.jpg", "--output", "o.jpg", "--ray", "local"), 2, "--ray is for folders"),
            (("a.jpg", "--output", "o.jpg", "--crf", "3"), 2, "are for films"),
            (("a.jpg", "--output", "o.jpg", "--margin", "nan"), 2, "nan is no number that can be used"),
            (("f.mp4", "--output", "o.jpg"), 2, "--output must end in .mp4"),
            (("f.mp4", "--output", "o.mp4", "--crf", "99"), 2, "--crf must be 0"),
            ((".", "--output", "o", "--codec", "none"), 2, "--codec must be one of"),
            (("b.jpg", "--output", "o.jpg"), 1, "b.jpg: "),
            (("empty", "--output", "o"), 1, "no pictures or films in empty"),
        ],
    )
    def test_wrong_usage(
        self, tmp_path: Path, astronaut: np.ndarray, arguments: tuple[str, ...], code: int, said: str
    ) -> None:
        shutil.copy(ASTRONAUT, tmp_path / "a.jpg")
        (tmp_path / "b.jpg").write_bytes(b"none")
        (tmp_path / "empty").mkdir()
        make_film(tmp_path / "f.mp4", film_of(astronaut, set(), 2))
        done = mtcnn("blur", *arguments, cwd=tmp_path, code=code)
        assert said in done.stderr, done.stderr
        assert sorted(name for name in os.listdir(tmp_path) if name != "o") == ["a.jpg", "b.jpg", "empty", "f.mp4"]
