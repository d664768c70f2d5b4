"""How many pixels a picture's file says that it has, read from its head without decoding it."""

from __future__ import annotations

import re
import struct

__all__ = ["picture_size"]

_MOST_HEAD = 65_536  # bytes that are searched for what has no fixed place
_MOST_MARKERS = 10_000  # of a JPEG that are gone through: its thumbnail and colour profile come before its size
# Markers of a JPEG's frame: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_ALONE = {0x01, *range(0xD0, 0xD9)}  # no length follows
_MARKER = re.compile(rb"\xff[^\x00\xff]")


def picture_size(file: bytes) -> tuple[int, int] | None:
    """(width, height) before any turning; None where the format is none of JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, HEIF,
    JPEG 2000, PNM, PAM, PFM, Sun raster and Radiance, or the file is damaged."""
    try:
        for start, read in _FORMATS:
            if re.match(start, file[:16], re.S):
                return read(file)
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    for _ in range(_MOST_MARKERS):
        found = _MARKER.search(head, at)  # libjpeg, too, skips what is between markers
        if found is None:
            return None
        marker, at = head[found.end() - 1], found.end()
        if marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 3)
            return width, height
        if marker == 0xD9:  # its end
            return None
        if marker not in _ALONE:
            at += struct.unpack_from(">H", head, at)[0]
    return None


def _png(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", head, 16)
    return width, height


def _gif(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", head, 6)
    return width, height


def _bmp(head: bytes) -> tuple[int, int]:
    if struct.unpack_from("<I", head, 14)[0] == 12:
        width, height = struct.unpack_from("<HH", head, 18)
    else:
        width, height = struct.unpack_from("<ii", head, 18)
    return abs(width), abs(height)  # negative: from above


def _webp(head: bytes) -> tuple[int, int]:
    kind = head[12:16]
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return width & 0x3FFF, height & 0x3FFF
    if kind == b"VP8L":
        bits = struct.unpack_from("<I", head, 21)[0]
        return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1


def _tiff(head: bytes) -> tuple[int, int] | None:
    """Also BigTIFF: https://www.awaresystems.be/imaging/tiff/bigtiff.html."""
    order = "<" if head[:2] == b"II" else ">"
    is_big = b"+" in head[2:4]
    first = struct.unpack_from(order + ("Q" if is_big else "I"), head, 8 if is_big else 4)[0]
    count = struct.unpack_from(order + ("Q" if is_big else "H"), head, first)[0]
    start, step, value = (first + 8, 20, 12) if is_big else (first + 2, 12, 8)
    found: dict[int, int] = {}
    for at in range(start, start + step * min(count, 65_535), step):
        tag, kind = struct.unpack_from(order + "HH", head, at)
        if tag in (256, 257):
            found[tag] = struct.unpack_from(order + {1: "B", 3: "H", 16: "Q"}.get(kind, "I"), head, at + value)[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _boxes(head: bytes) -> tuple[int, int] | None:
    """AVIF and HEIF: the largest picture in it, which its tiles and thumbnails are not."""
    sizes = [struct.unpack_from(">II", head, match.end() + 4) for match in re.finditer(b"ispe", head[:_MOST_HEAD])]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _jpeg_2000(head: bytes) -> tuple[int, int]:
    """That of the codestream, by which it is decoded; the box around it may say another."""
    right, bottom, left, top = struct.unpack_from(">IIII", head, head.index(_CODESTREAM) + 8)
    return right - left, bottom - top


def _pnm(head: bytes) -> tuple[int, int] | None:
    match = _PNM.match(head, 0, _MOST_HEAD)
    return (int(match[1]), int(match[2])) if match else None


def _pam(head: bytes) -> tuple[int, int] | None:
    width, height = (re.search(rb"^%s\s+(\d{1,9})" % name, head[:_MOST_HEAD], re.M) for name in (b"WIDTH", b"HEIGHT"))
    return (int(width[1]), int(height[1])) if width and height else None


def _sun_raster(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", head, 4)
    return width, height


def _radiance(head: bytes) -> tuple[int, int] | None:
    match = re.search(rb"^[-+]Y (\d{1,9}) [-+]X (\d{1,9})$", head[:_MOST_HEAD], re.M)
    return (int(match[2]), int(match[1])) if match else None


_CODESTREAM = b"\xff\x4f\xff\x51"  # a JPEG 2000's: the markers SOC and SIZ
_GAP = rb"(?:\s|#[^\n]*\n)+"  # no quantifier within another: strangers choose what it goes through
_PNM = re.compile(rb"P[1-6Ff]" + _GAP + rb"(\d{1,9})" + _GAP + rb"(\d{1,9})")

_FORMATS = (
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"GIF8[79]a", _gif),
    (rb"BM", _bmp),
    (rb"RIFF....WEBP", _webp),
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"....ftyp", _boxes),
    (rb"\0\0\0\x0cjP  ", _jpeg_2000),
    (_CODESTREAM, _jpeg_2000),
    (rb"P[1-6Ff][\s#]", _pnm),
    (rb"P7\s", _pam),
    (rb"\x59\xa6\x6a\x95", _sun_raster),
    (rb"#\?R", _radiance),
)
