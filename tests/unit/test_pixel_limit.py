"""How many pixels a file may say that its picture has, in every format and wherever files are read."""

from __future__ import annotations

import json
import re
import struct
import time
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from mtcnn.cli.main import main
from mtcnn.compat.pictures import PictureFileError, read_bgr
from mtcnn.compat.retinaface import extract_faces
from mtcnn.errors import MtcnnError
from mtcnn.images.decode import UnreadableError, decode
from mtcnn.images.picture_size import picture_size
from mtcnn.pipeline.read import read_picture
from mtcnn.runtime.pixel_limit import most_pixels
from tests.support.pictures import gradient

SIDE = 32562
SAID = r"it has 32562x32562 pixels, 1,060,283,844 in all, of at most 268,435,456; where memory allows, "
MEND = SAID + "TRT_MTCNN_MAX_PIXELS=1060283844 takes it"


def encoded(ending: str, options: tuple[int, ...] = ()) -> bytearray:
    if not cv2.haveImageWriter(ending):
        pytest.skip(f"this OpenCV writes no {ending}")
    img = gradient(40, 50)
    if ending == ".pfm":
        img = img.astype(np.float32)
    whole, data = cv2.imencode(ending, img, list(options))
    assert whole
    return bytearray(data.tobytes())


def put(data: bytearray, at: int, form: str, *values: int) -> bytes:
    struct.pack_into(form, data, at, *values)
    return bytes(data)


def png() -> bytes:
    data = encoded(".png")
    put(data, 16, ">II", SIDE, SIDE)
    return put(data, 29, ">I", zlib.crc32(data[12:29]))


def jpeg() -> bytes:
    """Bytes that are no marker, and fillers, come before the size."""
    data = encoded(".jpg")
    at = data.index(b"\xff\xc0")
    put(data, at + 5, ">HH", SIDE, SIDE)
    return bytes(data[:at] + b"\xff" * 3000 + b"\x00no marker" + data[at:])


def jpeg_after(markers: bytes) -> bytes:
    data = jpeg()
    return data[:2] + markers + data[2:]


def gif() -> bytes:
    return put(encoded(".gif"), 6, "<HH", SIDE, SIDE)


def bmp() -> bytes:
    return put(encoded(".bmp"), 18, "<ii", SIDE, -SIDE)


def webp() -> bytes:
    """Of 16384 pixels a side; more have room only in the extended format."""
    chunk = b"VP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + 2 * (SIDE - 1).to_bytes(3, "little")
    data = encoded(".webp", (cv2.IMWRITE_WEBP_QUALITY, 101))
    return b"RIFF" + struct.pack("<I", len(data) + 10) + b"WEBP" + chunk + bytes(data[12:])


def tiff() -> bytes:
    return tiff_of("II", "*", False)


def big_tiff() -> bytes:
    return tiff_of("MM", "+", True)


def tiff_of(order: str, kind: str, is_big: bool) -> bytes:
    """With what tells the size behind two million bytes."""
    end, far = "<" if order == "II" else ">", 2_000_000
    head = order.encode() + struct.pack(end + "H", ord(kind))
    head += struct.pack(end + "HHQ", 8, 0, far) if is_big else struct.pack(end + "I", far)
    entry = end + ("HHQQ" if is_big else "HHII")
    rows = b"".join(struct.pack(entry, tag, 16 if is_big else 4, 1, SIDE) for tag in (256, 257))
    return head.ljust(far, b"\0") + struct.pack(end + ("Q" if is_big else "H"), 2) + rows + bytes(8)


def avif() -> bytes:
    data = encoded(".avif")
    return put(data, data.index(b"ispe") + 8, ">II", SIDE, SIDE)


def jpeg_2000() -> bytes:
    """The codestream says it, by which it is decoded, the box around it does not."""
    return jpeg_2000_with(box(b"ftyp", b"jp2 "), box(b"jp2h", box(b"ihdr", struct.pack(">II", 40, 50))))


def codestream() -> bytes:
    """Of a picture that begins 10 pixels into its grid: ISO/IEC 15444-1, table A.9."""
    return b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, SIDE + 10, SIDE + 10, 10, 10) + bytes(99)


def ppm() -> bytes:
    return b"P6 # a comment\n#another\n32562 \n 32562 255\n" + bytes(99)


def pam() -> bytes:
    return b"P7\nDEPTH 3\nHEIGHT 32562\nWIDTH 32562\nMAXVAL 255\nTUPLTYPE RGB\nENDHDR\n" + bytes(99)


def pfm() -> bytes:
    return b"PF\n32562 32562\n-1.0\n" + bytes(99)


def sun_raster() -> bytes:
    return put(encoded(".ras"), 4, ">II", SIDE, SIDE)


def radiance() -> bytes:
    return b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y 32562 +X 32562\n" + bytes(99)


FILES = [png, jpeg, gif, bmp, webp, tiff, big_tiff, avif, jpeg_2000, codestream, ppm, pam, pfm, sun_raster, radiance]


@pytest.mark.parametrize("make", FILES, ids=lambda make: make.__name__)
def test_what_says_that_it_is_huge_is_not_decoded(make: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    data = make()
    assert picture_size(data) == (SIDE, SIDE)
    monkeypatch.setattr("mtcnn.images.decode._by_codec", None)
    with pytest.raises(UnreadableError, match=MEND):
        decode(data)


def entry(order: str, tag: int, kind: int, form: str, value: int, to: int | None = None) -> bytes:
    """A row of a TIFF's table, its value in it or, of more than four bytes, at another place."""
    end = "<" if order == "II" else ">"
    data = struct.pack(end + form, value) if to is None else struct.pack(end + "I", to)
    return struct.pack(end + "HHI", tag, kind, 1) + data.ljust(4, b"\0")


def tiff_with(order: str, kind: int, form: str) -> bytes:
    """With a second, smaller width, and both in numbers of that kind."""
    end, far = "<" if order == "II" else ">", 80
    to = far if struct.calcsize(form) > 4 else None
    rows = [entry(order, tag, kind, form, SIDE, to) for tag in (256, 257)] + [entry(order, 256, 3, "H", 1)]
    head = order.encode() + struct.pack(end + "HIH", 42, 8, len(rows)) + b"".join(rows)
    return head.ljust(far, b"\0") + struct.pack(end + form, SIDE) + bytes(99)


def jpeg_2000_with(*boxes: bytes) -> bytes:
    return b"\0\0\0\x0cjP  \r\n\x87\n" + b"".join(boxes) + struct.pack(">I4s", 0, b"jp2c") + codestream()


def box(kind: bytes, data: bytes, is_long: bool = False) -> bytes:
    if is_long:
        return struct.pack(">I4sQ", 1, kind, 16 + len(data)) + data
    return struct.pack(">I4s", 8 + len(data), kind) + data


SMALL = b"\xff\x4f\xff\x51" + struct.pack(">HHIIII", 47, 0, 9, 9, 0, 0)
HDR = b"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n"
PAM = b"HEIGHT 32562\nDEPTH 3\nMAXVAL 255\nENDHDR\n"
# What a decoder takes as 32562 pixels a side, though a reader that is less lax finds other numbers, or none.
ODD = {
    "a comment to a carriage return": b"P5\n#c\r32562 32562\n10 10\n255\n",
    "zeros before": b"P5\n" + b"0" * 20 + b"32562 32562\n255\n",
    "a letter between": b"P5\n32562x32562\n255\n",
    "PFM: a sign": b"PF\n+32562 32562\n-1.0\n",
    "PFM: a letter after": b"PF\n32562x 032562\n-1.0\n",
    "Radiance: in its head before": b"#?RADIANCE\n-Y 1 +X 1\nFORMAT=32-bit_rle_rgbe\n\n-Y 32562 +X 32562\n",
    "Radiance: blanks": HDR + b"\n-Y  32562   +X   32562\n",
    "Radiance: none": HDR + b"\n-Y 32562+X+32562\n",
    "PAM: zeros": b"P7\nWIDTH " + b"0" * 20 + b"32562\n" + PAM,
    "PAM: other than blanks before it": b"P7\nWIDTH\0 32562\n" + PAM,
    "PAM: a comment to a carriage return": b"P7\n#x\rWIDTH 32562\n" + PAM,
    "PAM: after its head": b"P7\n  WIDTH 32562\n" + PAM + b"WIDTH 1\n",
    **{
        f"TIFF: {order}, kind {kind}": tiff_with(order, kind, form)
        for order in ("II", "MM")
        for kind, form in ((3, "H"), (4, "I"), (8, "h"), (9, "i"), (16, "Q"), (17, "q"))
    },
    "JPEG 2000: another in a box": jpeg_2000_with(box(b"xml ", SMALL)),
    "JPEG 2000: in a long box": jpeg_2000_with(box(b"uuid", SMALL * 9, is_long=True), box(b"free", b"")),
}


@pytest.mark.parametrize("of", ODD)
def test_odd_heads(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ODD[of] + bytes(200)
    assert picture_size(data) == (SIDE, SIDE)
    monkeypatch.setattr("mtcnn.images.decode._by_codec", None)
    with pytest.raises(UnreadableError, match=MEND):
        decode(data)


LONG = b"#" + b"c" * 70_000 + b"\n"
# Heads that are longer than is looked through: their decoders go on, and would make room for as much as is said there.
LONG_HEADS = {
    "JPEG: comments": jpeg_after(b"\xff\xfe\0\x02" * 12_000),
    "JPEG: markers": jpeg_after(b"\xff\xd0" * 12_000),
    "PPM": b"P6\n" + LONG + b"32562 32562\n255\n",
    "PFM": b"PF\n" + b" " * 70_000 + b"32562 32562\n-1.0\n",
    "PAM": b"P7\n" + LONG + b"WIDTH 32562\n" + PAM,
    "Radiance": b"#?RADIANCE\n" + b"A=b\n" * 20_000 + HDR[11:] + b"\n-Y 32562 +X 32562\n",
    "JPEG 2000": jpeg_2000_with(*[box(b"free", b"")] * 12_000),
}


@pytest.mark.parametrize("of", LONG_HEADS)
def test_heads_without_an_end_are_no_pictures(of: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mtcnn.images.decode._by_codec", None)
    with pytest.raises(UnreadableError, match="no picture that OpenCV can read"):
        decode(LONG_HEADS[of] + bytes(200))


def test_an_avif_that_is_described_behind_other_boxes() -> None:
    data = avif()
    at = int.from_bytes(data[:4], "big")
    assert picture_size(data[:at] + box(b"free", bytes(70_000)) + data[at:]) == (SIDE, SIDE)
    assert picture_size(data[:at] + box(b"free", b"ispe" * 9, is_long=True) + data[at:]) == (SIDE, SIDE)


@pytest.mark.parametrize(("version", "before"), [(0, 76), (1, 88)])
def test_a_film_in_an_avif(version: int, before: int) -> None:
    """It is decoded in its track's size, whatever that of the picture beside it is: ISO/IEC 14496-12, 8.3.2."""
    track = bytes([version]) + bytes(before - 1) + struct.pack(">II", SIDE << 16, SIDE << 16)
    size = box(b"ispe", struct.pack(">III", 0, 50, 40))
    assert picture_size(box(b"ftyp", b"avis") + size + box(b"tkhd", track)) == (SIDE, SIDE)


@pytest.mark.parametrize("quality", [80, 101])
def test_a_webp_without_its_file(quality: int) -> None:
    """libwebp reads a bare chunk."""
    data = bytes(encoded(".webp", (cv2.IMWRITE_WEBP_QUALITY, quality)))
    bare = data[max(data.find(b"VP8 "), data.find(b"VP8L")) :]
    assert picture_size(bare) == (50, 40) and decode(bare).img.shape == (40, 50, 3)


def test_an_offset_beyond_every_file() -> None:
    assert picture_size(b"II+\0\x08\0\0\0" + b"\xff" * 8 + bytes(40)) is None


@pytest.mark.parametrize("ending", [".pfm", ".ras", ".hdr", ".pam"])
def test_sizes_of_what_is_rare(ending: str) -> None:
    assert picture_size(bytes(encoded(ending))) == (50, 40)


HEADS = ["P6", "P6\n#", "P6 0", "PF 0", "P7", "P7\nWIDTH", "P7\nWIDTH 0", "#?RADIANCE\n-Y ", "#?RADIANCE\n\n-Y 0"]
BINARY_HEADS = ["\xff\xd8\xff", "II*\0\x08\0\0\0\xff", "\0\0\0\x0cjP  \0\0\0\0", "\0\0\0\x0cftypavif"]


@pytest.mark.parametrize("of", HEADS + BINARY_HEADS)
@pytest.mark.parametrize(
    "more", [" ", "\n", "\n ", "0", "#\n", "\xff", "\xff\x01", "WIDTH ", "-Y ", "\n\n-Y 0", "\0\0\0\x08"]
)
def test_no_head_takes_long(of: str, more: str) -> None:
    """Strangers choose it, and a server reads it between all its requests."""
    began = time.process_time()
    picture_size((of + more * 1_000_000 + "x").encode("latin-1"))
    assert time.process_time() - began < 1


def test_the_limit_can_be_changed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    data = bytes(encoded(".png"))
    monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", "1999")
    path = tmp_path / "a.png"
    path.write_bytes(data)
    with pytest.raises(MtcnnError, match=re.escape(f"{path}: it has 50x40 pixels, 2,000 in all, of at most 1,999")):
        read_picture(path)
    with pytest.raises(PictureFileError, match="TRT_MTCNN_MAX_PIXELS=2000 takes it"):
        read_bgr(path, "file")
    with pytest.raises(PictureFileError, match="TRT_MTCNN_MAX_PIXELS=2000 takes it"):
        extract_faces(str(path))
    with pytest.raises(UnreadableError, match=r"of at most 99$"):  # a server's own, which that does not lift
        decode(data, most=99)
    monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", "2000")
    assert decode(data).img.shape == (40, 50, 3)
    for most in (999_999_999, 1_000_000_000, 1 << 30):  # as what is refused is told to set it
        monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", str(most))
        assert most_pixels() == most
    for wrong in ("1e9", "0", "-5", "many", str(1 << 31), "9" * 5000):
        monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", wrong)
        with pytest.raises(MtcnnError, match="TRT_MTCNN_MAX_PIXELS must be a whole number from 1 to 1073741824, got"):
            most_pixels()


def test_a_command_goes_on_without_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "huge.gif").write_bytes(gif())
    cv2.imwrite(str(tmp_path / "small.png"), gradient(40, 50))
    assert main(["detect", "--json", "--device", "cpu", str(tmp_path)]) == 3
    huge, small = map(json.loads, capsys.readouterr().out.splitlines())
    assert re.match(MEND, huge["problem"]) and small["faces"] == []


def test_a_film(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """By what it says, and by a picture in it that says another size."""
    av = pytest.importorskip("av")
    film = tmp_path / "film.mov"
    with av.open(str(film), "w") as container:
        stream = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgb24"
        for i, shape in enumerate([(48, 64), (480, 640), (48, 64)]):
            packet = av.Packet(cv2.imencode(".png", np.zeros((*shape, 3), np.uint8))[1].tobytes())
            packet.stream, packet.pts, packet.dts, packet.time_base = stream, i, i, Fraction(1, 25)
            container.mux(packet)
    assert main(["video", str(film), "--json", "--device", "cpu"]) == 0
    monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", "10000")
    assert main(["video", str(film), "--json", "--device", "cpu"]) == 3
    monkeypatch.setenv("TRT_MTCNN_MAX_PIXELS", "3000")
    capsys.readouterr()
    assert main(["video", str(film), "--json", "--device", "cpu"]) == 1
    assert "film.mov is too large: it has 64x48 pixels, 3,072 in all, of at most 3,000" in capsys.readouterr().err
