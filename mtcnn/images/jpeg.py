"""The segments of a JPEG: https://www.w3.org/Graphics/JPEG/itu-t81.pdf, B.1."""

from __future__ import annotations

import re

__all__ = ["END_OF_JPEG", "cut_jpeg_end", "without_notes"]

END_OF_JPEG = b"\xff\xd9"
# Of the data between a JPEG's markers; what comes after FF is no marker there where it is 00, D0 to D7 or FF.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_START_OF_SCAN = 0xDA
_NOTES = {*range(0xE1, 0xEE), 0xEF, 0xFE}  # EXIF, profiles, comments; not APP0 and APP14, which tell of the colours


def cut_jpeg_end(data: bytes) -> int | None:
    """Where a JPEG has to end that ends before its picture does: after what is whole of it. None for other files."""
    if not data.startswith(b"\xff\xd8") or data.endswith(END_OF_JPEG):
        return None
    at = 2
    began = in_scan = False
    while marker := _MARKER.search(data, at):
        kind = data[marker.start() + 1]
        if kind == 0xD9 or (not in_scan and data[at : marker.start()].strip(b"\xff")):  # whole, or damaged otherwise
            return None
        at = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        if at > len(data) or len(data) < marker.end() + 2:
            return marker.start() if began else None
        in_scan = kind == _START_OF_SCAN
        began |= in_scan
    return len(data.rstrip(b"\xff")) if began else None


def without_notes(data: bytes) -> bytes:
    """The JPEG without what its libraries leave out where they decode it, which may be damaged."""
    kept, at = [data[:2]], 2
    while marker := _MARKER.search(data, at):  # what lies between segments is left out, too
        kind = data[marker.start() + 1]
        end = marker.end() + int.from_bytes(data[marker.end() : marker.end() + 2], "big")
        if kind == _START_OF_SCAN or end > len(data):
            kept.append(data[marker.start() :])
            break
        if kind not in _NOTES:
            kept.append(data[marker.start() : end])
        at = end
    return b"".join(kept)
