"""The chunks of a PNG: https://www.w3.org/TR/png-3/#11Chunks."""

from __future__ import annotations

import struct
import zlib

__all__ = ["is_cut_png", "png_chunks"]

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEPT = {b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND", b"acTL", b"fcTL", b"fdAT"}


def is_cut_png(data: bytes) -> bool:
    """Whether a PNG says that more comes than the file has."""
    if not data.startswith(_SIGNATURE):
        return False
    at = 8
    while at + 8 <= len(data):
        length = int.from_bytes(data[at : at + 4], "big")
        if at + 8 + length > len(data):
            return True
        if data[at + 4 : at + 8] == b"IEND":
            return False
        at += 12 + length
    return False


def png_chunks(data: bytes) -> tuple[bytes, bytes] | None:
    """The PNG without its texts, colour profiles and what else does not change its levels, and its EXIF data; None
    where the checksum of a chunk is wrong that does."""
    kept, exif, at = [_SIGNATURE], b"", len(_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            return None
        if kind in _KEPT:
            if zlib.crc32(data[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
                return None
            kept.append(data[at:end])
        elif kind == b"eXIf":
            exif = data[at + 8 : end - 4]
        if kind == b"IEND":
            break
        at = end
    return b"".join(kept), exif
