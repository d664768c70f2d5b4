"""How many pixels a picture's file says that it has, read from its head without decoding it."""

from __future__ import annotations

import re
import struct

__all__ = ["picture_size", "says_its_size"]

_MOST_HEAD = 65_536  # bytes that are searched for what has no fixed place
_MOST_MARKERS = 10_000  # of a JPEG, or boxes, that are gone through: a thumbnail and a colour profile come before
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
    except (struct.error, IndexError, OverflowError, ValueError):  # the third: an offset of 64 bits
        pass
    return None


def says_its_size(file: bytes) -> bool:
    """Whether its format has the size where picture_size() looks: a file without it there is damaged, or made to be
    decoded unlooked at. Of AVIF and HEIF, whose decoders have limits of their own, it may be elsewhere."""
    return any(re.match(start, file[:16], re.S) for start, read in _FORMATS if read is not _boxes)


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
        if tag in (256, 257) and tag not in found and kind in _TIFF_KINDS:  # libtiff, too, takes the first
            form = order + _TIFF_KINDS[kind]
            is_here = is_big or struct.calcsize(form) <= 4  # else it says where the number is
            place = at + value if is_here else struct.unpack_from(order + "I", head, at + value)[0]
            found[tag] = struct.unpack_from(form, head, place)[0]
    return (found[256], found[257]) if len(found) == 2 else None


def _boxes(head: bytes) -> tuple[int, int] | None:
    """AVIF and HEIF: the largest picture or film in it, which its tiles and thumbnails are not."""
    sizes = []
    head = _described(head)
    for match in re.finditer(b"ispe|tkhd", head):
        at = match.end()
        if match[0] == b"ispe":
            sizes.append(struct.unpack_from(">II", head, at + 4))
        else:  # of a film, in numbers of 16 bits and 16 after the point; its times have 4 bytes or 8
            sizes.append(struct.unpack_from(">HxxH", head, at + (88 if head[at] else 76)))
    return max(sizes, key=lambda size: size[0] * size[1], default=None)


def _described(head: bytes) -> bytes:
    """What says of pictures and films how they are, wherever in the file that lies."""
    at, parts = 0, []
    for _ in range(_MOST_MARKERS):
        length, kind = _box_at(head, at)
        if kind in (b"meta", b"moov"):
            parts.append(head[at : at + min(length or _MOST_HEAD, _MOST_HEAD)])
        if length < 8:  # to the end of the file, where it is 0
            break
        at += length
    return b"".join(parts) or head[:_MOST_HEAD]


def _box_at(head: bytes, at: int) -> tuple[int, bytes]:
    """Length and kind of a box: ISO/IEC 14496-12, section 4.2. (0, b"") behind the last."""
    if at + 8 > len(head):
        return 0, b""
    length, kind = struct.unpack_from(">I4s", head, at)
    return (struct.unpack_from(">Q", head, at + 8)[0] if length == 1 else length), kind


def _jpeg_2000(head: bytes) -> tuple[int, int] | None:
    """That of the codestream, by which it is decoded; the boxes around it may say another."""
    at = 0
    for _ in range(_MOST_MARKERS):
        if head.startswith(_CODESTREAM, at):
            right, bottom, left, top = struct.unpack_from(">IIII", head, at + 8)
            return right - left, bottom - top
        length, kind = struct.unpack_from(">I4s", head, at)
        start = 8
        if length == 1:
            length, start = struct.unpack_from(">Q", head, at + 8)[0], 16
        if kind != b"jp2c" and length < 8:
            raise ValueError("a box without an end")
        at += start if kind == b"jp2c" else length
    return None


def _pnm(head: bytes) -> tuple[int, int] | None:
    match = _PNM.match(head, 0, _MOST_HEAD)
    return (int(match[1]), int(match[2])) if match else None


def _pfm(head: bytes) -> tuple[int, int] | None:
    """Of words between blanks, each read as far as it is a number, as OpenCV does."""
    width, height = (_NUMBER.match(word) for word in head[2:_MOST_HEAD].split(None, 2)[:2])
    return (int(width[1]), int(height[1])) if width and height else None


def _pam(head: bytes) -> tuple[int, int] | None:
    head = head[:_MOST_HEAD].partition(b"ENDHDR")[0]
    width, height = (re.search(rb"[\r\n][ \t]*%s\D{1,64}?0*(\d{1,10})" % name, head) for name in (b"WIDTH", b"HEIGHT"))
    return (int(width[1]), int(height[1])) if width and height else None


def _sun_raster(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", head, 4)
    return width, height


def _radiance(head: bytes) -> tuple[int, int] | None:
    match = _RADIANCE.search(head, 0, _MOST_HEAD)
    return (int(match[2]), int(match[1])) if match else None


_TIFF_KINDS = {1: "B", 3: "H", 4: "I", 6: "b", 8: "h", 9: "i", 16: "Q", 17: "q"}  # of whole numbers
_CODESTREAM = b"\xff\x4f\xff\x51"  # a JPEG 2000's: the markers SOC and SIZ
# Strangers choose what these go through: what a quantifier repeats has one way to match. As OpenCV reads it, a comment
# ends with either of both ends of lines, and any one byte ends a number.
_GAP = rb"(?:\s|#[^\r\n]*[\r\n])*"
_PNM = re.compile(rb"P[1-6]\s" + _GAP + rb"0*(\d{1,10})\D" + _GAP + rb"0*(\d{1,10})")
_NUMBER = re.compile(rb"\+?0*(\d{1,10})")
# After the head's empty line, as C's sscanf has it: blanks may be missing, and a number has a sign.
_RADIANCE = re.compile(rb"\n\r?\n[-+]Y\s*\+?0*(\d{1,10})\s*[-+]X\s*\+?0*(\d{1,10})")

_FORMATS = (
    (rb"\xff\xd8\xff", _jpeg),
    (rb"\x89PNG\r\n\x1a\n", _png),
    (rb"GIF8[79]a", _gif),
    (rb"BM", _bmp),
    (rb"RIFF....WEBP", _webp),
    (rb"VP8[ L]", lambda head: _webp(bytes(12) + head[:64])),  # a chunk without its file, which libwebp reads
    (rb"II[*+]\0|MM\0[*+]", _tiff),
    (rb"....ftyp", _boxes),
    (rb"\0\0\0\x0cjP  ", _jpeg_2000),
    (_CODESTREAM, _jpeg_2000),
    (rb"P[1-6]\s", _pnm),
    (rb"P[Ff]\s", _pfm),
    (rb"P7\s", _pam),
    (rb"\x59\xa6\x6a\x95", _sun_raster),
    (rb"#\?R", _radiance),
)
