"""Pictures found by their names: every format that is read, links, circles, each picture once, what is skipped."""

from __future__ import annotations

import io
import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from mtcnn.errors import MtcnnError
from mtcnn.files import Inputs
from mtcnn.pipeline import formats
from mtcnn.pipeline.find import find_pictures, read_names
from mtcnn.pipeline.formats import Skipped, readable_suffixes
from mtcnn.pipeline.manifest import Manifest
from mtcnn.pipeline.output_folder import OutputFolder


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def names(*arguments: str | Path) -> list[str]:
    return [str(found.name) for found in find_pictures(arguments)]


def test_all_that_opencv_reads(tmp_path: Path) -> None:
    """Each format that OpenCV can write and read back, under each of its endings."""
    img = np.full((64, 64, 3), 90, np.uint8)
    written = []
    for asked, suffixes in formats._ENDINGS.items():
        if not cv2.haveImageWriter(asked):
            continue
        _, data = cv2.imencode(asked, img.astype(np.float32) / 255 if asked == ".hdr" else img)
        assert cv2.imdecode(data, cv2.IMREAD_COLOR) is not None
        for suffix in suffixes:
            touch(tmp_path, f"a{suffix}", f"B{suffix.upper()}")
            written += [f"a{suffix}", f"B{suffix.upper()}"]
    assert names(tmp_path) == sorted(written)
    assert {".jfif", ".jpe", ".gif", ".avif", ".webp", ".jp2", ".tif"} <= set(readable_suffixes())


def test_heic_where_it_can_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touch(tmp_path, "a.heic", "b.HEIF", "c.jpg")
    for module, found in ((None, ["c.jpg"]), (object(), ["a.heic", "b.HEIF", "c.jpg"])):
        monkeypatch.setattr(formats.importlib.util, "find_spec", lambda name, module=module: module)
        formats._readable_by.cache_clear()
        try:
            assert names(tmp_path) == found
        finally:
            formats._readable_by.cache_clear()


def test_what_is_skipped_is_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.jpg", "a.txt", "b/c.TXT", "b/d.psd", "b/without", ".hidden.txt", "b/e.\x1b[31mred")
    skipped = Skipped()
    assert not skipped and not str(skipped)
    assert len(list(find_pictures([tmp_path], skipped))) == 1
    assert str(skipped) == "2 .txt, 1 without ending, 1 .\\x1b[31mred, 1 .psd"


def test_what_leads_to_no_picture_is_told(tmp_path: Path) -> None:
    touch(tmp_path, "a/1.jpg", "a/b/notes.txt", "c/notes.txt")
    arguments = [tmp_path / "a", str(tmp_path / "no" / "*.png"), tmp_path / "c", tmp_path / "a" / "b", tmp_path / "a"]
    skipped = Skipped()
    assert [found.path.name for found in find_pictures(arguments, skipped)] == ["1.jpg"]
    assert skipped.empty == (arguments[1], str(arguments[2]))  # the last two were read already


def test_first_what_a_package_would_read() -> None:
    skipped = Skipped()
    for suffix in [".HEIC"] * 2 + [".gif", *(f".{c}" * 2 for c in "abcdef")] + [".txt"] * 9:
        skipped.add(suffix)
    expected = "2 .heic (pip install pillow-heif), 1 .gif (pip install -U opencv-python-headless), 9 .txt, "
    assert str(skipped).startswith(expected) and str(skipped).endswith(", 4 others")
    films = Skipped()
    for suffix in (".txt", ".txt", ".MP4", ".ts"):
        films.add(suffix)
    assert str(films) == "1 .mp4 (mtcnn video reads films), 2 .txt, 1 .ts"


class TestLinks:
    def test_folders_are_followed(self, tmp_path: Path) -> None:
        touch(tmp_path, "store/p1/a.jpg", "store/p2/b.jpg", "data/own.jpg")
        (tmp_path / "data" / "one").symlink_to(tmp_path / "store" / "p1")
        (tmp_path / "data" / "two").symlink_to("../store/p2")
        assert names(tmp_path / "data") == ["own.jpg", "one/a.jpg", "two/b.jpg"]

    @pytest.mark.parametrize("target", [".", "..", "b", "../.."])
    def test_circles_end(self, tmp_path: Path, target: str) -> None:
        touch(tmp_path, "top/a/1.jpg", "top/a/b/2.jpg")
        (tmp_path / "top" / "a" / "loop").symlink_to(target)
        (tmp_path / "top" / "a" / "b" / "loop").symlink_to(target)
        found = list(find_pictures([tmp_path / "top"]))
        assert sorted(os.path.realpath(f.path) for f in found) == sorted(map(str, (tmp_path / "top").rglob("?.jpg")))

    def test_a_link_to_itself(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.jpg")
        (tmp_path / "loop").symlink_to("loop")
        (tmp_path / "loop.jpg").symlink_to("loop.jpg")
        assert names(tmp_path) == ["a.jpg", "loop.jpg"]  # which cannot be read, and is reported

    def test_a_target_that_cannot_be_asked_for(self, tmp_path: Path) -> None:
        (tmp_path / "a.txt").symlink_to("x" * 300)
        touch(tmp_path, "b.jpg")
        assert names(tmp_path) == ["b.jpg"]

    def test_files_are_followed(self, tmp_path: Path) -> None:
        touch(tmp_path, "store/a.jpg", "data/own.jpg")
        (tmp_path / "data" / "link.jpg").symlink_to("../store/a.jpg")
        (tmp_path / "data" / "dead.jpg").symlink_to("nowhere")
        assert names(tmp_path / "data") == ["dead.jpg", "link.jpg", "own.jpg"]


class TestOnce:
    @pytest.fixture
    def photos(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        touch(tmp_path, "photos/a.jpg", "photos/b/c.jpg")
        (tmp_path / "link").symlink_to("photos")
        monkeypatch.chdir(tmp_path)
        return tmp_path

    @pytest.mark.parametrize(
        "arguments",
        [
            ["photos", "photos"],
            ["photos", "photos/b"],
            ["photos", "photos/a.jpg", "./photos/../photos/b"],
            ["photos", "link"],
            ["photos", "link/b/c.jpg"],
            ["photos", "photos/**/*.jpg"],
            ["photos/*.jpg", "photos/b", "photos/a.jpg"],
        ],
    )
    def test_overlapping_arguments(self, photos: Path, arguments: list[str]) -> None:
        found = [os.path.realpath(f.path) for f in find_pictures(arguments)]
        assert sorted(found) == [str(photos / "photos/a.jpg"), str(photos / "photos/b/c.jpg")]

    def test_the_first_argument_names_it(self, photos: Path) -> None:
        assert names("photos/b/c.jpg", "photos") == ["c.jpg", "a.jpg"]
        assert names("photos/b", "photos") == ["c.jpg", "a.jpg"]

    def test_a_name_that_is_too_long_stays(self, photos: Path) -> None:
        for long in ("x" * 300, Path("x" * 300), "x" * 300 + "*"):
            assert names("photos/a.jpg", long)[1:] == [str(long)] * ("*" not in str(long))

    def test_a_missing_file_stays(self, photos: Path) -> None:
        assert names("nowhere.jpg", "photos", "nowhere.jpg") == ["nowhere.jpg", "a.jpg", "b/c.jpg"]


class TestNames:
    @pytest.mark.parametrize(
        "text",
        [
            b"a.jpg\nb c.jpg\nd\n",
            b"a.jpg\nb c.jpg\nd",
            b"a.jpg\r\nb c.jpg\r\nd\r\n",
            b"a.jpg\0b c.jpg\0d\0",
            b"\na.jpg\n\nb c.jpg\nd",
        ],
    )
    def test_one_a_line_or_each_with_a_nul(self, text: bytes) -> None:
        assert read_names(["x", "-", "y"], io.BytesIO(text)) == ["x", Path("a.jpg"), Path("b c.jpg"), Path("d"), "y"]

    def test_a_name_may_hold_a_line_break(self) -> None:
        assert read_names(["-"], io.BytesIO(b"a\0b\nc\0")) == [Path("a"), Path("b\nc")]

    def test_closed(self) -> None:
        """By <&- in the shell."""
        with pytest.raises(MtcnnError, match="standard input is closed; - reads names"):
            read_names(["a", "-"], None)
        assert read_names(["a"], None) == ["a"]

    def test_a_name_need_not_be_utf_8(self) -> None:
        (name,) = read_names(["-"], io.BytesIO(b"\xff.jpg\n"))
        assert os.fsencode(name) == b"\xff.jpg"

    def test_names_are_no_patterns(self, tmp_path: Path) -> None:
        touch(tmp_path, "a.jpg", "[x].jpg")
        assert names(*read_names(["-"], io.BytesIO(os.fsencode(f"{tmp_path}/*.jpg\n")))) == ["*.jpg"]
        assert names(*read_names(["-"], io.BytesIO(os.fsencode(f"{tmp_path}/[x].jpg\n{tmp_path}")))) == [
            "[x].jpg",
            "a.jpg",
        ]

    @pytest.mark.parametrize("start", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n"])
    def test_a_picture_is_no_list(self, start: bytes) -> None:
        with pytest.raises(MtcnnError, match="standard input holds a picture; - reads names"):
            read_names(["-"], io.BytesIO(start + bytes(99)))

    def test_a_line_without_end(self) -> None:
        with pytest.raises(MtcnnError, match="a line is too long"):
            read_names(["-"], io.BytesIO(b"a" * 10_000_000))


class TestResultsAmongPictures:
    """What a command made of a picture that is found, too, is not found; where it is named it is."""

    @pytest.fixture
    def photos(self, tmp_path: Path) -> Path:
        """With drawings, crops and a best shot of its pictures in it, and a picture that was put among these."""
        photos = tmp_path / "photos"
        touch(photos, "a.jpg", "ann/b.jpg")
        draw(photos / "drawn", {photos / "a.jpg": "a.jpg", photos / "ann/b.jpg": "ann/b.jpg"})
        cut(photos / "crops", photos, {"a.jpg#1": "a_1.png", "a.jpg#2": "a_2.png"})
        cut(photos / "best", photos, {"ann/": "ann.png"})
        touch(photos, "crops/photo.png", "drawn/ann/c.jpg")
        return photos

    def test_below_a_folder(self, photos: Path) -> None:
        skipped = Skipped()
        found = [str(one.name) for one in find_pictures([photos], skipped)]
        assert found == ["a.jpg", "ann/b.jpg", "crops/photo.png", "drawn/ann/c.jpg"]
        assert str(skipped) == (
            f"2 .jsonl, 2 in {photos}/crops that mtcnn made of others, 2 in {photos}/drawn that mtcnn made of others, "
            f"1 in {photos}/best that mtcnn made of others"
        )

    def test_named(self, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert names(photos / "crops") == ["a_1.png", "a_2.png", "photo.png"]
        assert names(photos / "drawn" / "ann") == ["b.jpg", "c.jpg"]
        assert names(photos / "crops" / "a_1.png", photos / "best") == ["a_1.png", "ann.png"]
        assert names(f"{photos}/crops/*.png") == ["a_1.png", "a_2.png", "photo.png"]
        monkeypatch.chdir(photos / "crops")
        assert names(".") == ["a_1.png", "a_2.png", "photo.png"]

    def test_globs(self, photos: Path) -> None:
        """Of a picture that the glob does not match, what was made of it is found."""
        assert names(f"{photos}/**/*.jpg") == ["a.jpg", "b.jpg", "c.jpg"]
        assert names(f"{photos}/**/*.png") == ["ann.png", "a_1.png", "a_2.png", "photo.png"]
        assert names(f"{photos}/*/*.*g") == ["b.jpg", "ann.png", "a_1.png", "a_2.png", "photo.png", "a.jpg"]

    def test_of_other_pictures(self, photos: Path, tmp_path: Path) -> None:
        """Results alone, those of pictures elsewhere, and of such that are gone."""
        touch(tmp_path, "other/d.jpg")
        draw(photos / "of others", {tmp_path / "other/d.jpg": "d.jpg", photos / "gone.jpg": "gone.jpg"})
        assert {"of others/d.jpg", "of others/gone.jpg"} < set(names(photos))
        (tmp_path / "results").mkdir()
        for folder in ("crops", "drawn"):
            (photos / folder).rename(tmp_path / "results" / folder)
        assert len(names(tmp_path / "results")) == 6

    def test_a_damaged_record(self, photos: Path) -> None:
        record = photos / "drawn" / ".mtcnn-names.jsonl"
        whole = record.read_bytes()
        for content in (whole + b'["half', whole + b"{}\n", b"\xff\n" + whole, b"[]\n1\nnull\n" + whole):
            record.write_bytes(content)
            assert len(names(photos)) == 4
        for source in ("/a\0b", "\ud800", "a\0b"):
            record.write_text(json.dumps(["a.jpg", source]) + "\n")
            assert len(names(photos)) == 6
        record.unlink()
        os.mkfifo(record)
        assert len(names(photos)) == 6


def draw(folder: Path, made: dict[Path, str]) -> None:
    with OutputFolder(folder, Inputs(list)) as output:
        for source, name in made.items():
            output.write(output.name_for(str(source), Path(name)), b"x")


def cut(folder: Path, source: Path, made: dict[str, str]) -> None:
    inputs = Inputs(list)
    with OutputFolder(folder, inputs) as output, Manifest(folder, source, inputs, {"command": "align"}) as manifest:
        manifest.add({"file": "a.jpg"})
        for one, name in made.items():
            output.write(output.name_for(one, Path(name)), b"x")
