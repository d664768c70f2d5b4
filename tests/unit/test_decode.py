"""Pictures out of the bytes of files: formats, turns, files that are cut, depths that would come out black."""

from __future__ import annotations

import io
import os
import re
import resource
import signal
import sys
import threading
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, features

from mtcnn.errors import MtcnnError
from mtcnn.images.decode import UnreadableError, decode
from mtcnn.pipeline.read import Found, read_picture
from mtcnn.runtime import silence
from mtcnn.runtime.silence import messages_apart
from tests.support.pictures import gradient

Bgr = NDArray[np.uint8]


def test_what_libraries_think_of_damage_is_not_shown_by_commands(
    img: Bgr, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In any number of threads, while Python's own messages are."""
    whole = encoded(img, "JPEG")
    damaged = whole[:-200] + bytes(100) + whole[-100:]
    decode(damaged)
    assert "Corrupt JPEG data" in capfd.readouterr().err  # of a library, which changes nothing for others
    said: list[str] = []

    def work() -> None:
        for _ in range(20):
            decode(damaged)
            sys.stderr.write("a message\n")  # in one piece, as threads share it

    with messages_apart():
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        said += capfd.readouterr().err.splitlines()
        with pytest.raises(UnreadableError):
            decode(whole[:3] + bytes(2000))
        os.write(2, b"native\n")
        with monkeypatch.context() as patch:  # which is no reason not to read a picture
            patch.setattr(os, "dup", lambda number: (_ for _ in ()).throw(OSError(24, "Too many open files")))
            assert decode(whole).img.shape == img.shape
    decode(damaged)
    assert said == ["a message"] * 80
    assert capfd.readouterr().err.splitlines()[0] == "native" and sys.stderr.fileno() != 2


def test_commands_in_threads_of_one_process(img: Bgr, capfd: pytest.CaptureFixture[str]) -> None:
    """The one that began last ends last, and leaves nothing silent."""
    whole = encoded(img, "JPEG")
    first, second = messages_apart(), messages_apart()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    second.__exit__(None, None, None)
    decode(whole[:-200] + bytes(100) + whole[-100:])
    assert "Corrupt JPEG data" in capfd.readouterr().err


@pytest.fixture(scope="module")
def img() -> Bgr:
    return gradient(120, 200)


def encoded(img: Bgr, kind: str, orientation: int = 1, **options: Any) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(img[:, :, ::-1])).save(file, kind, exif=exif.tobytes(), **options)
    return file.getvalue()


def close(a: Bgr, b: Bgr) -> bool:
    return a.shape == b.shape and float(np.abs(a.astype(int) - b).mean()) < 6


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_turned_by_exif(kind: str, img: Bgr) -> None:
    if kind == "AVIF" and not (features.check("avif") and cv2.haveImageWriter(".avif")):
        pytest.skip("AVIF is not built in")
    options = {"quality": 95} if kind in ("JPEG", "WEBP", "AVIF") else {}
    if kind == "WEBP" and int(cv2.__version__.partition(".")[0]) < 5:
        pytest.skip("this OpenCV does not turn WebP")
    data = encoded(np.ascontiguousarray(np.rot90(img)), kind, 6, **options)
    assert close(decode(data).img, img)
    if kind not in ("AVIF", "TIFF"):  # whose turn is not only in EXIF data
        assert close(decode(data, turn=False).img, np.ascontiguousarray(np.rot90(img)))


def test_heic(img: Bgr) -> None:
    pillow_heif = pytest.importorskip("pillow_heif", reason="pillow-heif is not installed")
    file = io.BytesIO()
    heif = pillow_heif.from_pillow(Image.fromarray(np.ascontiguousarray(np.rot90(img)[:, :, ::-1])))
    exif = Image.Exif()
    exif[0x0112] = 6
    heif.info["exif"] = exif.tobytes()
    heif.save(file, quality=90)
    assert close(decode(file.getvalue()).img, img)
    with pytest.raises(UnreadableError, match="no picture that pillow-heif can read"):
        decode(file.getvalue()[:500])


def test_heic_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(UnreadableError, match="HEIC needs pillow-heif: pip install pillow-heif"):
        decode(b"\0\0\0\x1cftypheic" + bytes(99))


def test_turned_avif_without_pillow(img: Bgr, monkeypatch: pytest.MonkeyPatch) -> None:
    if not features.check("avif"):
        pytest.skip("AVIF is not built in")
    data = encoded(img, "AVIF", 6)
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(UnreadableError, match="AVIF that is turned needs Pillow"):
        decode(data)


def test_the_first_picture_of_an_animation() -> None:
    if not cv2.haveImageWriter(".gif"):
        pytest.skip("this OpenCV has no GIF")
    file = io.BytesIO()
    first, *others = (Image.new("RGB", (20, 30), (level, level, level)) for level in (50, 100, 200))
    first.save(file, "GIF", save_all=True, append_images=others)
    assert (decode(file.getvalue()).img == 50).all()


def test_cmyk(img: Bgr) -> None:
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(img[:, :, ::-1])).convert("CMYK").save(file, "JPEG", quality=95)
    assert close(decode(file.getvalue()).img, img)


def test_palette_with_alpha(img: Bgr) -> None:
    file = io.BytesIO()
    palette = Image.fromarray(np.ascontiguousarray(img[:, :, ::-1])).quantize(64)
    palette.info["transparency"] = bytes(range(64))
    palette.save(file, "PNG")
    assert decode(file.getvalue()).img.shape == img.shape


class TestDepths:
    def test_16_bits(self, img: Bgr) -> None:
        _, data = cv2.imencode(".png", img.astype(np.uint16) * 257)
        assert np.abs(decode(data.tobytes()).img.astype(int) - img).max() <= 1

    @pytest.mark.parametrize("kind", [".png", ".tiff", ".pgm"])
    def test_12_bits_would_be_black(self, kind: str, img: Bgr) -> None:
        deep = img[:, :, 0].astype(np.uint16) * 16
        _, data = cv2.imencode(kind, deep)
        with pytest.raises(
            UnreadableError, match=r"its levels are uint16 from 0 to 4080, which would be dark.*0\.\.65535"
        ):
            decode(data.tobytes())

    def test_floats_would_be_black(self, img: Bgr) -> None:
        _, data = cv2.imencode(".pfm", img.astype(np.float32) / 255)
        with pytest.raises(UnreadableError, match=r"its levels are float32 from 0 to 1, which would be dark"):
            decode(data.tobytes())

    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_black_is_black(self, dtype: type) -> None:
        _, data = cv2.imencode(".png", np.zeros((9, 9, 3), dtype))
        assert not decode(data.tobytes()).img.any()

    def test_nearly_black_in_8_bits(self) -> None:
        _, data = cv2.imencode(".png", np.full((9, 9, 3), 3, np.uint8))
        assert (decode(data.tobytes()).img == 3).all()


class TestCut:
    @pytest.mark.parametrize("progressive", [False, True])
    @pytest.mark.parametrize("share", [0.9, 0.6])
    def test_the_upper_part_is_there(self, share: float, progressive: bool, img: Bgr) -> None:
        data = encoded(img, "JPEG", quality=95, progressive=progressive)
        whole = decode(data)
        cut = decode(data[: int(len(data) * share)])
        assert cut.flaw == "truncated" and whole.flaw is None
        assert cut.img.shape == img.shape
        rows = int(img.shape[0] * share) - 40
        np.testing.assert_allclose(cut.img[:rows], whole.img[:rows], atol=40 if progressive else 1)

    def test_the_same_each_time(self, img: Bgr) -> None:
        """And not what was in memory: what is missing is gray."""
        data = encoded(img, "JPEG", quality=95)
        cut = data[: len(data) // 2]
        decode(encoded(255 - img, "JPEG"))
        np.testing.assert_array_equal(decode(cut).img, decode(cut).img)
        below = decode(cut).img[-16:]
        assert (below == below[:1, :1]).all() or float(below.std()) < 30

    def test_a_thumbnail_does_not_count(self, img: Bgr) -> None:
        """Its end is no end of the picture."""
        thumbnail = encoded(img[::4, ::4], "JPEG")
        data = encoded(img, "JPEG", quality=95)
        head = b"\xff\xd8\xff\xe1" + (len(thumbnail) + 2).to_bytes(2, "big") + thumbnail
        whole = head + data[2:]
        assert decode(whole).flaw is None
        assert decode(whole[:-900]).flaw == "truncated"

    def test_bytes_after_the_end_do_no_harm(self, img: Bgr) -> None:
        data = encoded(img, "JPEG") + b"\0\xff\xd8\xff" * 9
        found = decode(data)
        assert found.flaw is None and close(found.img, img)

    def test_filled_with_zeros(self, img: Bgr) -> None:
        """As programs that fetch files leave them."""
        data = encoded(img, "JPEG", quality=95)
        assert decode(data[: len(data) // 2] + bytes(len(data) // 2)).flaw == "truncated"

    @pytest.mark.parametrize("size", [1, 2, 20, 100])
    def test_without_any_of_the_picture(self, size: int, img: Bgr) -> None:
        with pytest.raises(UnreadableError, match="no picture that OpenCV can read"):
            decode(encoded(img, "JPEG")[:size])

    def test_every_length_is_read_or_refused(self, img: Bgr) -> None:
        data = encoded(img[::4, ::4], "JPEG", progressive=True)
        read = 0
        for size in range(1, len(data)):
            try:
                assert decode(data[:size]).flaw == "truncated"
                read += 1
            except UnreadableError:
                assert not read, size  # what is read of less is read of more
        assert read > 100


class TestOtherLevels:
    """Which OpenCV reads, but does not convert by itself."""

    @pytest.mark.parametrize("dtype", [np.float32, np.float64])
    def test_a_tiff_of_floats(self, dtype: Any, img: Bgr) -> None:
        found = decode(cv2.imencode(".tiff", img.astype(dtype))[1].tobytes())
        np.testing.assert_array_equal(found.img, img)
        gray = cv2.imencode(".tiff", img[:, :, 0].astype(dtype))[1].tobytes()
        np.testing.assert_array_equal(decode(gray).img, np.repeat(img[:, :, :1], 3, axis=2))

    def test_a_tiff_of_32_bits(self, img: Bgr) -> None:
        data = io.BytesIO()
        Image.fromarray(img[:, :, 0].astype(np.int32)).save(data, "TIFF")
        np.testing.assert_array_equal(decode(data.getvalue()).img[:, :, 1], img[:, :, 0])

    @pytest.mark.parametrize(
        ("levels", "said"),
        [
            (lambda img: img / 255, "its levels are float32 in 3 channels from 0 to 1: scale them to 0..255"),
            (lambda img: img[:, :, 0] * 200.0, "its levels are float32 from 0 to 51000: scale them to 0..255"),
            (lambda img: img * np.nan, "its levels are float32 in 3 channels from nan to nan: scale them"),
        ],
    )
    def test_in_another_range(self, levels: Any, said: str, img: Bgr) -> None:
        img = img.copy()
        img[0, 0], img[0, 1] = 0, 255
        with pytest.raises(UnreadableError, match=re.escape(said)):
            decode(cv2.imencode(".tiff", levels(img).astype(np.float32))[1].tobytes())


class TestPngThatSaysMoreComes:
    """OpenCV 5 makes room for it, 3.5 GB here, and takes seconds."""

    @pytest.mark.parametrize("kind", [b"IDAT", b"IHDR"])
    def test_is_refused_first(self, kind: bytes, img: Bgr) -> None:
        data = bytearray(encoded(img, "PNG"))
        data[data.index(kind) - 4] = 0xD0
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UnreadableError, match="it is a PNG that is damaged, or cut off"):
            decode(bytes(data))
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KB

    def test_what_comes_after_the_end_is_no_chunk(self, img: Bgr) -> None:
        data = encoded(img, "PNG")
        for more in (b"\0", b"\xff" * 99):
            np.testing.assert_array_equal(decode(data + more).img, img)
        for size in (12, 20, 40, len(data) // 2, len(data) - 13):
            with pytest.raises(UnreadableError):
                decode(data[:size])


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\0\0\0\x18ftypisom", "a film, which mtcnn video"),
        (b"RIFF\0\0\0\0AVI LIST", "a film"),
        (b"\x1aE\xdf\xa3\x93B\x82\x88matroska", "a film"),
        (b"RIFF\0\0\0\0WAVE", "sound"),
        (b"\x93NUMPY\1\0", "an array of NumPy: numpy.load"),
        (b"image=%FF%D8", "the fields of a form: send the file itself"),
        (b'--x-1\r\nContent-Disposition: form-data; name="image"', "a form of several parts"),
        (b"version https://git-lfs.github.com/spec/v1\n", "a pointer of Git LFS: git lfs pull"),
        (b"/9j/4AAQSkZJRgABAQ", "base64: decode it"),
        (b"data:image/png;base64,iVBORw", "base64"),
        (b"<!DOCTYPE html>", "a page of HTML"),
        (b'<?xml version="1.0"?>\n<svg', "a drawing of lines"),
        (b"PK\x03\x04", "an archive: unpack it"),
        (b"%PDF-1.7", "a document"),
        (b"8BPS\0\1", "a picture of another program: save it as JPEG or PNG"),
        (b"II*\0\x10\0\0\0CR\2\0", "a camera's raw picture"),
        (b"II*\0\x08\0\0\0\0\0", "a TIFF of a kind that it does not know"),
        (b"\xff\xd8\xff\xe0", "a JPEG that is damaged, or cut off"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "a PNG that is damaged"),
        (b"{'a': 1}\n", "text"),
        (bytes(99), "zeros"),
    ],
)
def test_what_is_no_picture_is_called_by_its_name(data: bytes, said: str) -> None:
    with pytest.raises(UnreadableError, match=f"^no picture that OpenCV can read: it is {re.escape(said)}"):
        decode(data)


def test_what_nobody_knows() -> None:
    with pytest.raises(UnreadableError, match="^no picture that OpenCV can read$"):
        decode(bytes(range(200, 250)))


@pytest.fixture(scope="module")
def damaged(img: Bgr) -> list[bytes]:
    whole = encoded(img, "JPEG", quality=95)
    middle = len(whole) // 2
    return [whole[:middle] + bytes(100) + whole[middle + 100 :], whole[:middle] + whole[middle + 900 :]]


class TestDamaged:
    """What libjpeg says of a file, to standard error alone."""

    def test_in_commands(self, img: Bgr, damaged: list[bytes]) -> None:
        with messages_apart():
            assert [decode(data).flaw for data in damaged] == ["damaged"] * 2
            assert decode(encoded(img, "JPEG", quality=95)).flaw is None
            assert decode(damaged[0][:-900]).flaw == "truncated"

    def test_a_library_leaves_standard_error_alone(self, damaged: list[bytes]) -> None:
        assert decode(damaged[0]).flaw is None  # where libjpeg writes it for all to see

    def test_of_many_threads_each_knows_its_own(self, img: Bgr, damaged: list[bytes]) -> None:
        whole = encoded(img, "JPEG", quality=95)
        found: dict[str | None, set[bool]] = {None: set(), "damaged": set()}

        def work(number: int) -> None:
            for i in range(40):
                is_damaged = (i + number) % 4 == 0
                found[decode(damaged[i % 2] if is_damaged else whole).flaw].add(is_damaged)

        with messages_apart():
            threads = [threading.Thread(target=work, args=[number], daemon=True) for number in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(60)
        assert not any(thread.is_alive() for thread in threads)
        assert found == {None: {False}, "damaged": {True}}

    def test_in_forked_processes(self, img: Bgr, damaged: list[bytes]) -> None:
        """Which have none of the threads that were decoding."""
        whole = encoded(img, "JPEG", quality=95)
        ended = threading.Event()

        def work() -> None:
            while not ended.is_set():
                decode(damaged[0])

        with messages_apart():
            threads = [threading.Thread(target=work, daemon=True) for _ in range(3)]
            for thread in threads:
                thread.start()
            try:
                for _ in range(10):
                    if (child := os.fork()) == 0:
                        signal.alarm(20)
                        os._exit(0 if [decode(data).flaw for data in (whole, damaged[1])] == [None, "damaged"] else 1)
                    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
            finally:
                ended.set()
                for thread in threads:
                    thread.join()
        assert os.fstat(2).st_ino == os.fstat(sys.stderr.fileno()).st_ino

    @pytest.mark.parametrize("system", ["darwin", "win32"])
    def test_where_no_file_is_in_memory(
        self, system: str, img: Bgr, damaged: list[bytes], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.delattr(os, "memfd_create")
        if system == "win32":
            monkeypatch.delattr(os, "pread")
        whole = encoded(img, "JPEG", quality=95)
        with messages_apart():
            assert [decode(data).flaw for data in (damaged[0], whole, damaged[1])] == ["damaged", None, "damaged"]
            with silence.decoding():
                os.write(2, b"before ")
                with silence.decoding():
                    assert silence._read(silence._size()) == b""
                    os.write(2, b"one two")
                    assert [silence._read(at) for at in (7, 11)] == [b"one two", b"two"]
                    os.write(2, b" three")
                assert silence._read(7) == b"one two three"

    def test_what_is_written_is_not_kept_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(silence, "_MOST_KEPT", 1000)
        with messages_apart(), silence.decoding():
            for _ in range(5):
                with silence.decoding() as decoder:
                    os.write(2, bytes(900))
                assert decoder.wrote and silence._size() <= 1000


class TestDark:
    @pytest.mark.parametrize("top, flaw", [(0, None), (1, "dark"), (15, "dark"), (16, None)])
    @pytest.mark.parametrize("kind", [".png", ".ppm", ".webp"])
    def test_by_the_brightest_level(self, kind: str, top: int, flaw: str | None) -> None:
        img = np.zeros((90, 70, 3), np.uint8)
        img[3, 5] = top  # nowhere that a sparse look finds it
        assert decode(cv2.imencode(kind, img, [cv2.IMWRITE_WEBP_QUALITY, 101])[1].tobytes()).flaw == flaw

    def test_read_alone(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        cv2.imwrite(str(tmp_path / "mask.png"), np.eye(60, dtype=np.uint8))
        with pytest.raises(MtcnnError, match=r"mask.png holds levels 0 and 1 alone: scale them to 0..255"):
            read_picture(tmp_path / "mask.png")
        cv2.imwrite(str(tmp_path / "labels.png"), 2 * np.eye(60, dtype=np.uint8))
        assert read_picture(tmp_path / "labels.png").max() == 2
        assert "labels.png: dark: none of its levels is above 15" in caplog.text


class TestFiles:
    def read(self, path: Path) -> None:
        with pytest.raises(MtcnnError) as caught:
            read_picture(path)
        self.problem = str(caught.value)

    def test_empty(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").touch()
        self.read(tmp_path / "a.jpg")
        assert self.problem.endswith("a.jpg: the file is empty")

    def test_a_folder(self, tmp_path: Path) -> None:
        (tmp_path / "a.jpg").mkdir()
        self.read(tmp_path / "a.jpg")
        assert self.problem.endswith("a.jpg: Is a directory")

    def test_a_pipe_and_a_device(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "a.jpg")
        reader = threading.Thread(target=self.read, args=[tmp_path / "a.jpg"], daemon=True)
        reader.start()
        reader.join(10)
        assert not reader.is_alive() and "no regular file" in self.problem
        self.read(Path("/dev/zero"))
        assert "no regular file" in self.problem

    def test_a_truncated_one_is_read_with_a_warning(
        self, img: Bgr, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(encoded(img, "JPEG")[:-300])
        assert read_picture(path).shape == img.shape
        assert f"{path}: truncated" in caplog.text
        assert Found(path, path).size() == path.stat().st_size


class TestLevelsOfOtherRanges:
    @pytest.mark.parametrize("most", [15, 127, 1023, 4095, 16383])
    @pytest.mark.parametrize("head", ["P5 200 120 {}\n", "P6 # a comment\n200\n120 {}\n", "P7"])
    def test_a_greatest_level_in_the_head_counts(self, img: Bgr, head: str, most: int) -> None:
        """PGM, PPM and PAM say what their white is."""
        if head == "P7":
            head = "P7\nWIDTH 200\nHEIGHT 120\nDEPTH 3\nMAXVAL {}\nTUPLTYPE RGB\nENDHDR\n"
        rgb = img[:, :, :1] if head.startswith("P5") else img[:, :, ::-1]
        levels = np.rint(rgb / 255 * most).astype(np.uint8 if most < 256 else ">u2")
        got = decode(head.format(most).encode() + levels.tobytes()).img.astype(int)
        assert np.abs(got[:, :, ::-1] - rgb).max() <= 255 / most

    @pytest.mark.parametrize(("kind", "depth"), [("RGB", 3), ("RGB_ALPHA", 4), ("GRAYSCALE", 1)])
    def test_red_of_a_pam_is_red(self, img: Bgr, kind: str, depth: int) -> None:
        rgba = np.dstack([img[:, :, ::-1], np.full(img.shape[:2], 255, np.uint8)])[:, :, :depth]
        head = f"P7\nWIDTH 200\nHEIGHT 120\nDEPTH {depth}\nMAXVAL 255\nTUPLTYPE {kind}\nENDHDR\n"
        assert (decode(head.encode() + rgba.tobytes()).img == (img if depth > 1 else img[:, :, 2:])).all()

    @pytest.mark.parametrize("ending", [".png", ".tiff"])
    @pytest.mark.parametrize("bits", [10, 12, 14])
    def test_less_bits_than_the_file_has_room_for(self, img: Bgr, ending: str, bits: int) -> None:
        levels = np.rint(img * (((1 << bits) - 1) / img.max())).astype(np.uint16)
        with pytest.raises(UnreadableError, match=f"uint16 from .* to {(1 << bits) - 1}, which would be dark"):
            decode(np.asarray(cv2.imencode(ending, levels)[1]).tobytes())

    def test_a_dark_picture_of_8_bits_is_one(self, img: Bgr) -> None:
        assert decode(np.asarray(cv2.imencode(".png", img // 5)[1]).tobytes()).img.max() <= 51

    def test_radiance_of_another_unit(self, img: Bgr) -> None:
        levels = img.astype(np.float32)
        assert close(decode(np.asarray(cv2.imencode(".hdr", levels / 255)[1]).tobytes()).img, img)
        with pytest.raises(UnreadableError, match="would be white"):
            decode(np.asarray(cv2.imencode(".hdr", levels)[1]).tobytes())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_jpeg_whose_exif_data_are_damaged_elsewhere(img: Bgr, orientation: int) -> None:
    """An entry before the orientation leads out of the data."""
    plain = encoded(img, "JPEG", orientation, quality=95)
    damaged = b"Exif\0\0II*\0\x08\0\0\0\x02\0\x0f\x01\x02\0\xff\xff\0\0\xff\xff\xff\x7f\x12\x01\x03\0\x01\0\0\0"
    damaged += bytes([orientation, 0, 0, 0, 0, 0, 0, 0])
    start = plain.index(b"Exif\0\0") - 4
    end = start + 2 + int.from_bytes(plain[start + 2 : start + 4], "big")
    data = plain[:start] + b"\xff\xe1" + (len(damaged) + 2).to_bytes(2, "big") + damaged + plain[end:]
    assert (decode(data).img == cv2.imdecode(np.frombuffer(plain, np.uint8), cv2.IMREAD_COLOR)).all()
    assert (decode(plain).img == decode(data).img).all()
