"""OpenCV and Pillow beside one another: the same picture of the same file, and all that works without OpenCV."""

from __future__ import annotations

import io
import json
import struct
import subprocess
import sys
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from mtcnn import TrtMtcnn, draw_faces
from mtcnn.cli.main import main
from mtcnn.errors import MtcnnError
from mtcnn.files import OutputError
from mtcnn.images import decode as decoding
from mtcnn.images import resize
from mtcnn.images.codec import Codec, codec
from mtcnn.images.decode import UnreadableError, decode
from mtcnn.images.opencv_codec import OpenCvCodec
from mtcnn.images.pillow_codec import PillowCodec
from mtcnn.pipeline.write import encode_picture
from mtcnn.runtime import install
from mtcnn.runtime.opencv import opencv, picture_library
from tests.conftest import DATA, HAS_OPENCV, ROOT
from tests.support.pictures import gradient, noise

Bgr = NDArray[np.uint8]
PHOTO = ROOT / "docs" / "images" / "astronaut.jpg"

both = pytest.mark.skipif(not HAS_OPENCV, reason="OpenCV is not installed")


@pytest.fixture
def without_opencv(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(sys.modules, "cv2", None)
    yield


def by(library: Codec, data: bytes, monkeypatch: pytest.MonkeyPatch, turn: bool = True) -> tuple[Any, str | None]:
    """A picture and its flaw, or why it cannot be read."""
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "codec", lambda: library)
        try:
            return decode(data, turn)
        except UnreadableError as error:
            return str(error).replace(library.name, "?"), None


def saved(img: Image.Image, kind: str, **options: Any) -> bytes:
    file = io.BytesIO()
    img.save(file, kind, **options)
    return file.getvalue()


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as img:
        return img.size


def of_pillow() -> Iterator[tuple[str, bytes]]:
    rgb = Image.fromarray(gradient(47, 61)[:, :, ::-1].copy())
    rough = Image.fromarray(noise(47, 61))
    clear = rough.copy()
    clear.putalpha(rgb.getchannel("R"))
    palette = rough.quantize(64)
    deep = Image.fromarray(gradient(47, 61)[:, :, 0].astype(np.uint16) * 257)
    for name, img in (("smooth", rgb), ("rough", rough)):
        for options in ({"quality": 30}, {"quality": 95, "subsampling": 0, "progressive": True}):
            yield f"JPEG {name} {options}", saved(img, "JPEG", **options)
        for mode in ("L", "CMYK"):
            yield f"JPEG {name} {mode}", saved(img.convert(mode), "JPEG")
        yield f"WebP {name}", saved(img, "WEBP")
    yield "MPO", saved(rgb, "MPO", save_all=True, append_images=[rough])
    for mode in ("1", "L", "LA", "P", "RGB", "RGBA"):
        of_mode = clear.convert(mode) if mode != "1" else rough.convert(mode)
        for kind in ("PNG", "TIFF", *(("BMP",) if "A" not in mode else ()), *(("GIF",) if mode in "1LP" else ())):
            yield f"{kind} {mode}", saved(of_mode, kind)
        if mode not in "1P":
            yield f"JPEG 2000 {mode}", saved(of_mode, "JPEG2000")
    for kind in ("PNG", "TIFF", "JPEG2000"):
        yield f"{kind}, gray of 16 bits", saved(deep, kind)
    yield "PNG, transparent colours", saved(palette, "PNG", transparency=bytes(range(64)))
    yield "GIF, a transparent colour", saved(palette, "GIF", transparency=3)
    yield "WebP, transparent", saved(clear, "WEBP", lossless=True)
    yield "TIFF, CMYK", saved(rough.convert("CMYK"), "TIFF")
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"):
        yield f"TIFF, {compression}", saved(rough, "TIFF", compression=compression)
    for kind in ("GIF", "PNG", "WEBP", "TIFF"):
        yield f"{kind}, animated", saved(rgb, kind, save_all=True, append_images=[rough])
    yield (
        "PNG, a picture that its animation leaves out",
        saved(rgb, "PNG", save_all=True, append_images=[rough, rgb], default_image=True),
    )
    for level in (1, 15, 16):
        yield f"PNG, dark {level}", saved(Image.fromarray(np.eye(60, dtype=np.uint8) * np.uint8(level)), "PNG")


def png_of_16_bits(most: int) -> bytes:
    """Colours, which Pillow does not write."""
    levels = np.linspace(0, most, 9 * 12 * 3).reshape(9, 36).astype(">u2")
    rows = b"".join(b"\0" + row.tobytes() for row in levels)
    parts = ((b"IHDR", struct.pack(">IIBBBBB", 12, 9, 16, 2, 0, 0, 0)), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    chunks = (
        struct.pack(">I", len(part)) + name + part + struct.pack(">I", zlib.crc32(name + part)) for name, part in parts
    )
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def by_hand() -> Iterator[tuple[str, bytes]]:
    bits = (np.arange(128, dtype="<u2") * 251).tobytes()
    for masks in ((), (0xF800, 0x7E0, 0x1F), (0x7C00, 0x3E0, 0x1F)):
        head = struct.pack("<IiiHHIIiiII", 40, 32, -4, 1, 16, 3 if masks else 0, len(bits), 0, 0, 0, 0)
        head += struct.pack(f"<{len(masks)}I", *masks)
        yield (
            f"BMP of 16 bits {masks}",
            b"BM" + struct.pack("<IHHI", 14 + len(head) + 256, 0, 0, 14 + len(head)) + head + bits,
        )
    colours = bytes([255, 0, 0, 0, 255, 0, 0, 0, 255, 9, 9, 9])
    inner = Image.fromarray(np.array([[0, 1, 2, 3], [3, 2, 1, 0], [1, 1, 0, 0]], np.uint8), "P")
    inner.putpalette(colours)
    whole = saved(inner, "GIF")
    frame = b"," + struct.pack("<HHHH", 3, 2, 4, 3) + whole[whole.index(b",\0\0\0\0\x04\0\x03\0") + 9 : -1]
    for hole in (None, 0, 1):
        control = b"" if hole is None else bytes([0x21, 0xF9, 4, 1, 0, 0, hole, 0])
        screen = b"GIF89a" + struct.pack("<HHBBB", 10, 8, 0x91, 2, 0) + colours
        yield f"GIF, a part of its screen, hole {hole}", screen + control + frame + b";"
    yield "PBM", b"P4\n9 2\n\xaa\x80\x0f\0"
    yield "PBM, text", b"P1\n3 2\n0 1 0\n1 1 0\n"
    yield "PPM, text", b"P3\n1 2\n255\n100 2 3 # c\n4 5 6\n"
    yield "PGM", b"P5 # c\n2 1\n100\n\x01\x64"
    yield "PPM of 16 bits", b"P6\n1 1\n65535\n\x61\x02\x73\x04\x75\x06"
    yield "PAM", b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH 3\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n\x55\xff\x09"
    yield "PFM", b"PF\n1 2\n-2.0\n" + np.array([10, 20, 30, 40.5, 150, 60], "<f4").tobytes()
    yield "PFM, gray", b"Pf\n2 1\n1.0\n" + np.array([10, 200], ">f4").tobytes()
    yield "TIFF of floats", saved(Image.fromarray(gradient(9, 12)[:, :, 0].astype(np.float32)), "TIFF")
    yield "TIFF of small floats", saved(Image.fromarray(gradient(9, 12)[:, :, 0] / np.float32(255)), "TIFF")
    yield "16 bits that hold 12", saved(Image.fromarray(gradient(9, 12)[:, :, 0].astype(np.uint16) * 16), "PNG")
    jpeg, png = saved(Image.fromarray(gradient(47, 61)), "JPEG"), saved(Image.fromarray(gradient(47, 61)), "PNG")
    yield "JPEG, cut", jpeg[: len(jpeg) * 2 // 3]
    yield "PNG, cut", png[: len(png) // 2]
    yield "PNG, a wrong checksum", png[:-13] + bytes([png[-13] ^ 1]) + png[-12:]
    for most in (4095, 65535):
        yield f"PNG, colours of 16 bits up to {most}", png_of_16_bits(most)
    yield "PNG, damaged", png[:60] + bytes([png[60] ^ 1]) + png[61:]
    for kind in ("GIF", "BMP", "WEBP", "TIFF"):
        data = saved(Image.fromarray(noise(47, 61)), kind)
        yield f"{kind}, cut", data[: len(data) // 2]
    yield "text", b"no picture"
    yield "a film", b"\0\0\0\x18ftypmp42" + bytes(99)


FILES = dict((*of_pillow(), *by_hand()))


@both
@pytest.mark.parametrize("name", FILES)
def test_the_same_picture(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or the same refusal."""
    ours, theirs = (by(library, FILES[name], monkeypatch) for library in (PillowCodec(), OpenCvCodec()))
    assert ours[1] == theirs[1]
    if isinstance(theirs[0], str):
        assert ours[0] == theirs[0]
    else:
        assert ours[0].shape == theirs[0].shape and ours[0].dtype == np.uint8 and ours[0].flags.c_contiguous
        assert (ours[0] == theirs[0]).all()


@both
@pytest.mark.parametrize("orientation", range(10))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "AVIF"])
def test_the_same_turn(kind: str, orientation: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if kind == "AVIF" and not {".avif"} <= OpenCvCodec().endings() & PillowCodec().endings():
        pytest.skip("AVIF is not built in")
    exif = Image.Exif()
    exif[0x0112] = orientation
    data = saved(Image.fromarray(gradient(24, 30)), kind, exif=exif.tobytes())
    for turn in (True, False):
        ours, theirs = (by(library, data, monkeypatch, turn)[0] for library in (PillowCodec(), OpenCvCodec()))
        assert ours.shape == theirs.shape and (ours == theirs).all()


@both
@pytest.mark.slow
def test_the_same_photographs(monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(DATA.rglob("*.jpg"))[::40]
    if not files:
        pytest.skip("labelled data are absent")
    for file in files:
        ours, theirs = (by(library, file.read_bytes(), monkeypatch)[0] for library in (PillowCodec(), OpenCvCodec()))
        assert (ours == theirs).all(), file


def test_what_opencv_alone_reads(without_opencv: None) -> None:
    with pytest.raises(UnreadableError, match="no picture that Pillow can read: it is a Radiance .* OpenCV alone"):
        decode(b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 1 +X 1\n\x80\x80\x80\x80")
    assert not {".hdr", ".pic"} & codec().endings()


@both
def test_white_in_16_bits_of_jpeg_2000_is_not_made_black(without_opencv: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    data = OpenCvCodec().encode(".jp2", np.full((64, 64, 3), 65535, np.uint16))  # type: ignore[arg-type]
    if data is None:
        pytest.skip("this OpenCV writes no .jp2")
    monkeypatch.setitem(sys.modules, "cv2", None)
    with pytest.raises(UnreadableError):
        decode(data)


def test_pillow_s_limits_and_warnings_are_ours(without_opencv: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    rgb = Image.fromarray(gradient(47, 61))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for kind in ("JPEG", "PNG", "GIF", "BMP", "JPEG2000"):
            assert decode(saved(rgb, kind)).img.shape == (47, 61, 3)
    for kind in ("TIFF", "WEBP"):  # whose readers look at the limit themselves
        with pytest.raises(UnreadableError, match="it has 61x47 pixels, more than Pillow takes"):
            decode(saved(rgb, kind))
    monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", "2000")
    for kind in ("JPEG", "PNG", "GIF", "BMP", "TIFF", "JPEG2000", "WEBP"):
        with pytest.raises(UnreadableError, match="TRT_MTCNN_MAX_PIXELS=2867 takes it"):
            decode(saved(rgb, kind))


@pytest.mark.parametrize("ending", [".avif", ".bmp", ".gif", ".jp2", ".jpg", ".png", ".ppm", ".tif", ".webp"])
def test_what_is_written_is_read(ending: str, without_opencv: None) -> None:
    img = gradient(40, 50)
    data = codec().encode(ending, img)
    if data is None and ending in (".avif", ".jp2"):
        pytest.skip(f"this Pillow writes no {ending}")
    assert data is not None
    got = decode(data).img
    is_lossless = ending in (".bmp", ".jp2", ".png", ".ppm", ".tif", ".webp")
    assert got.shape == img.shape and np.abs(got.astype(int) - img).mean() <= (0 if is_lossless else 6)
    assert codec().encode(".txt", img) is None


def test_what_cannot_be_written_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENCV_TEMP_PATH", str(tmp_path))
    if OpenCvCodec().encode(".jp2", gradient(32, 32)) is None:
        pytest.skip("this OpenCV writes no .jp2")
    for size in ((31, 32), (300, 7)):
        with pytest.raises(OutputError, match=f"writes no {size[1]}x{size[0]} pixels as .jp2; .png takes any"):
            encode_picture(Path("a.jp2"), gradient(*size))
    assert not list(tmp_path.iterdir())


def test_numbers_in_text_that_end_too_early(without_opencv: None) -> None:
    """Twice, for what was in memory before."""
    whole = b"P2\n2 2\n15\n"
    for end in (b"0 5 10 15", b"0 5 10 15 7", b"0 5 10 # 9\n99999999999999999999999", b"0 5 10 15 junk"):
        assert decode(whole + end).img[:, :, 0].tolist() == [[0, 85], [170, 255]]
    for data in (b"P2\n1 1\n15\n", b"P2\n1 1\n15\n #"):
        with pytest.raises(UnreadableError):
            decode(data)
    for end in (b"0 5 10", b"", b" ", b"0 5 x 15", b"0 -5 10 15", b"0 5 10 # 15"):
        with pytest.raises(UnreadableError):
            decode(whole + end)


class TestResizing:
    @both
    @pytest.mark.parametrize(
        "sizes", [(76, 57, 46, 25), (40, 33, 13, 50), (15, 42, 60, 43), (9, 7, 1, 1), (1, 1, 9, 4)]
    )
    def test_as_opencv(self, sizes: tuple[int, int, int, int], monkeypatch: pytest.MonkeyPatch) -> None:
        img, size = noise(*sizes[:2]), sizes[2:]
        for scale in (resize.resize_linear, resize.resize_area):
            expected = scale(img, *size)
            with monkeypatch.context() as patch:
                patch.setattr(resize, "has_opencv", lambda: False)
                got = scale(img, *size)
            assert got.shape == expected.shape == (*size, 3) and got.dtype == np.uint8
            assert np.abs(got.astype(int) - expected).max() <= 1

    @both
    def test_turned_as_opencv_does(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import cv2

        img = noise(90, 70, grain=3)
        matrix = cv2.getRotationMatrix2D((35, 45), 17.3, 1.0)
        expected = resize.warp_cubic(img, matrix, 100, 110)
        monkeypatch.setattr(resize, "has_opencv", lambda: False)
        difference = np.abs(resize.warp_cubic(img, matrix, 100, 110).astype(int) - expected)
        assert np.percentile(difference, 99) <= 4  # OpenCV 4 looks at 32nds of a pixel


class TestWithoutOpenCv:
    def test_all_of_the_command_line_in_a_process_that_cannot_import_it(self, tmp_path: Path) -> None:
        code = (
            "import sys; sys.modules['cv2'] = None\n"
            "from mtcnn.cli.main import main\n"
            f"sys.exit(main(['detect', {str(PHOTO)!r}, '--json', '--draw', {str(tmp_path / 'drawn')!r}]) or 0)"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        (face,) = json.loads(done.stdout)["faces"]
        assert face["score"] > 0.99
        assert size(tmp_path / "drawn" / "astronaut.jpg") == size(PHOTO)

    def test_commands(self, without_opencv: None, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        photos = tmp_path / "photos"
        photos.mkdir()
        (photos / PHOTO.name).write_bytes(PHOTO.read_bytes())
        assert main(["align", str(photos), str(tmp_path / "crops")]) == 0
        assert main(["blur", str(PHOTO), "--output", str(tmp_path / "hidden.png")]) == 0
        assert main(["crop", str(photos), str(tmp_path / "cut")]) == 0
        assert size(tmp_path / "crops" / "astronaut.png") == (96, 112)
        assert size(tmp_path / "hidden.png") == size(PHOTO)
        assert main(["info", "--json"]) == 0
        said = capsys.readouterr().out
        assert "read and drawn by Pillow" in said

    def test_a_drawing(self, without_opencv: None) -> None:
        img = np.full((300, 200, 3), 90, np.uint8)
        dets, landmarks = np.array([[40, 60, 120, 160, 0.98]]), np.array([[60, 100, 80, 65, 95, 90, 90, 110, 135, 135]])
        drawn = draw_faces(img, dets, landmarks)
        for y, x in ((60, 110), (160, 80), (100, 40), (100, 120)):
            assert tuple(drawn[y, x]) == (64, 200, 64)
        assert tuple(drawn[90, 60]) == (255, 128, 0) and tuple(drawn[135, 95]) == (0, 0, 255)
        assert (drawn[100:105, 70:75] == 90).all() and (img == 90).all()
        assert (drawn[48:60, 40:80] < 60).any()  # letters

    def test_letters_of_an_older_pillow(self, without_opencv: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("PIL.ImageFont.load_default", lambda: None)
        with pytest.raises(MtcnnError, match=r"Pillow 10\.1 .*: pip install -U pillow"):
            draw_faces(np.zeros((90, 90, 3), np.uint8), np.array([[10, 10, 60, 70, 0.9]]))

    def test_what_it_alone_can(self, without_opencv: None, monkeypatch: pytest.MonkeyPatch) -> None:
        for has_wheels, mend in ((True, "pip install .*(opencv|images)"), (False, "it has no wheels for this Python")):
            monkeypatch.setattr("mtcnn.runtime.opencv.has_opencv_wheels", lambda found=has_wheels: found)
            monkeypatch.setattr(install, "has_opencv_wheels", lambda found=has_wheels: found)
            with pytest.raises(MtcnnError, match=f"^a camera needs OpenCV: {mend}"):
                opencv("a camera")

    def test_mends_that_work(self, without_opencv: None, detector: TrtMtcnn) -> None:
        for wrong, mend in (
            (str(PHOTO), r"read the picture first: PIL\.Image\.open\(img\)$"),
            (PHOTO.read_bytes(), r"PIL\.Image\.open\(io\.BytesIO\(img\)\)"),
            (io.BytesIO(b""), r"PIL\.Image\.open\(io\.BytesIO\(img\.read\(\)\)\)"),
            ("https://example.org/a.jpg", r"PIL\.Image\.open\(io\.BytesIO\(content\)\)"),
        ):
            with pytest.raises(TypeError, match=mend):
                detector.detect(wrong)  # type: ignore[arg-type]
        with Image.open(PHOTO) as img:
            assert len(detector.detect(img)[0]) == 1

    def test_files_in_python(self, without_opencv: None, detector: TrtMtcnn) -> None:
        from mtcnn import MTCNN
        from mtcnn.compat import retinaface

        assert picture_library().name == "Pillow"
        assert len(MTCNN().detect_faces(str(PHOTO))) == 1
        (crop,) = retinaface.extract_faces(str(PHOTO))
        assert crop.ndim == 3


class TestWhatToInstall:
    def test_pillow_where_opencv_has_no_wheel(self, without_opencv: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "PIL.Image", None)
        monkeypatch.setattr(install, "has_opencv_wheels", lambda: True)
        with pytest.raises(MtcnnError, match=r"or Pillow: pip install .*(opencv|images).* or pip install .*pillow"):
            picture_library()
        monkeypatch.setattr(install, "has_opencv_wheels", lambda: False)
        with pytest.raises(MtcnnError) as caught:
            picture_library()
        assert "opencv-python" not in str(caught.value) and str(caught.value).count("pip install") == 1
        command = install.install_command("demo")
        assert "opencv" not in command and "starlette" in command and "pillow" in command

    @pytest.mark.parametrize(("name", "value"), [("Py_GIL_DISABLED", 1), ("HOST_GNU_TYPE", "x86_64-alpine-linux-musl")])
    def test_where_it_has_none(self, name: str, value: object, monkeypatch: pytest.MonkeyPatch) -> None:
        usual = {"SOABI": "cpython-313-x86_64-linux-gnu"}
        monkeypatch.setattr(install.platform, "machine", lambda: "x86_64")
        monkeypatch.setattr(install.sysconfig, "get_config_var", usual.get)
        assert install.has_opencv_wheels()
        monkeypatch.setattr(install.sysconfig, "get_config_var", (usual | {name: value}).get)
        assert not install.has_opencv_wheels()
        monkeypatch.setattr(install.sysconfig, "get_config_var", usual.get)
        monkeypatch.setattr(install.platform, "machine", lambda: "riscv64")
        assert not install.has_opencv_wheels()
