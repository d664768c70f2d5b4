"""EXIF's orientation, also where other entries of the EXIF data are damaged: then OpenCV finds none."""

from __future__ import annotations

import struct

__all__ = ["exif_orientation", "jpeg_orientation"]

_ORIENTATION = 0x0112
_APP1, _START_OF_SCAN = 0xE1, 0xDA
_VALUES = {1: "B", 3: "H", 4: "I"}  # by the entry's type


def jpeg_orientation(data: bytes) -> int | None:
    """1 to 8; None where there is none, or the file is no JPEG."""
    if not data.startswith(b"\xff\xd8\xff"):
        return None
    at = 2
    try:
        while data[at] == 0xFF and (marker := data[at + 1]) != _START_OF_SCAN:
            if marker == 0xFF:  # a filler
                at += 1
                continue
            end = at + 2 + int(struct.unpack_from(">H", data, at + 2)[0])
            if marker == _APP1 and data.startswith(b"Exif\0\0", at + 4):
                return _orientation(data[at + 10 : end])
            at = end
    except (IndexError, struct.error):
        pass
    return None


def exif_orientation(exif: bytes) -> int | None:
    """1 to 8 of EXIF data as a PNG or WebP has them; None where they say nothing."""
    try:
        return _orientation(exif.removeprefix(b"Exif\0\0"))
    except (IndexError, struct.error):
        return None


def _orientation(exif: bytes) -> int | None:
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(exif[:4])
    if order is None:
        return None
    entries = struct.unpack_from(f"{order}I", exif, 4)[0]
    for i in range(struct.unpack_from(f"{order}H", exif, entries)[0]):
        at = entries + 2 + 12 * i
        tag, kind = struct.unpack_from(f"{order}HH", exif, at)
        if tag == _ORIENTATION and kind in _VALUES:
            found = int(struct.unpack_from(order + _VALUES[kind], exif, at + 8)[0])
            return found if 1 <= found <= 8 else None
    return None
