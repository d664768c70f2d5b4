"""How many pixels a picture's file says that it has, read from its head without decoding it."""

from __future__ import annotations

import re
import struct

__all__ = ["picture_size"]

_MOST_HEAD = 1_000_000  # bytes that are searched: a JPEG's thumbnail and colour profile come before its size
# Markers of a JPEG's frame: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, table B.1
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}


def picture_size(file: bytes) -> tuple[int, int] | None:
    """(width, height) before any turning; None where the format is none of JPEG, PNG, GIF, BMP, WebP, TIFF, AVIF, HEIF,
    JPEG 2000 and PNM, or the file is damaged."""
    head = file[:_MOST_HEAD]
    try:
        for start, read in _FORMATS:
            if re.match(start, head, re.S):
                return read(head)
    except (struct.error, IndexError, ValueError):
        pass
    return None


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while True:
        if head[at] != 0xFF:
            return None
        marker = head[at + 1]
        if marker == 0xFF:  # a filler
            at += 1
        elif marker in _FRAMES:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return width, height
        else:
            at += 2 + struct.unpack_from(">H", head, at + 2)[0]


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
    order = "<" if head[:2] == b"II" else ">"
    first = struct.unpack_from(order + "I", head, 4)[0]
    found: dict[int, int] = {}
    for i in range(struct.unpack_from(order + "H", head, first)[0]):
        at = first + 2 + 12 * i
        tag, kind = struct.unpack_from(order + "HH", head, at)
        if tag in (256, 257):
            found[tag] = struct.unpack_from(order + ("H" if kind == 3 else "I"), head, at + 8)[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _boxes(head: bytes) -> tuple[int, int] | None:
    """AVIF and HEIF: the largest picture in it, which its tiles and thumbnails are not."""
    sizes = [struct.unpack_from(">II", head, match.end() + 4) for match in re.finditer(b"ispe", head[:65_536])]
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _jpeg_2000(head: bytes) -> tuple[int, int]:
    height, width = struct.unpack_from(">II", head, head.index(b"ihdr") + 4)
    return width, height


def _pnm(head: bytes) -> tuple[int, int] | None:
    match = re.match(rb"P[1-6](?:\s+|#[^\n]*\n)+(\d{1,9})(?:\s+|#[^\n]*\n)+(\d{1,9})", head)
    return (int(match[1]), int(match[2])) if match else None


_FORMATS = (
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"GIF8[79]a", _gif),
    (rb"BM", _bmp),
    (rb"RIFF....WEBP", _webp),
    (rb"II\*\0|MM\0\*", _tiff),
    (rb"....ftyp", _boxes),
    (rb"\0\0\0\x0cjP  ", _jpeg_2000),
    (rb"P[1-6]\s", _pnm),
)
