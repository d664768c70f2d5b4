"""Portable pictures (PBM, PGM, PPM, PAM): what their heads say and libraries leave out."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.images.bgr import as_bgr

__all__ = ["decode_pnm", "read_pnm"]

# https://netpbm.sourceforge.net/doc/: the head is text, with comments from # to the line's end
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P[2356]" + _GAP + rb"\d+" + _GAP + rb"\d+" + _GAP + rb"(\d{1,5})")
_PAM = re.compile(rb"P7\s.*?\nENDHDR\n", re.DOTALL)
_NETPBM = re.compile(rb"P[1-6Ff]" + _GAP + rb"(\d{1,10})" + _GAP + rb"(\d{1,10})")
_MOST_LEVEL = re.compile(_GAP + rb"(\d{1,5})\s")
_SCALE = re.compile(rb"\s+([-+]?[0-9.eE]{1,32})\s")
_NUMBERS = re.compile(rb"[\s\d]*")
_COMMENT = re.compile(rb"#[^\n]*")
_COLOURS = re.compile(rb"^TUPLTYPE\s+(RGB|RGB_ALPHA)\s*$", re.MULTILINE)
_PAM_NUMBERS = (b"WIDTH", b"HEIGHT", b"DEPTH", b"MAXVAL")
_MOST_HEAD = 1 << 16  # bytes
_WHOLE = (255, 65535)  # greatest levels that libraries read as they are meant


def decode_pnm(data: bytes) -> npt.NDArray[np.uint8] | None:
    """BGR (H, W, 3) of a PGM, PPM or PAM that libraries would give dark, white, or with red and blue exchanged; None of
    all else.
    """
    most = _most_level(data)
    if not most or (most in _WHOLE and not data.startswith(b"P7")) or (img := read_pnm(data)) is None or not img.size:
        return None
    if most > 1 or not data.startswith(b"P7"):
        img = np.rint(np.minimum(img, most) * np.float32(255 / most)).astype(np.uint8)
    return as_bgr(img[:, :, :1] if img.ndim == 3 and img.shape[2] == 2 else img)  # gray and alpha


def read_pnm(data: bytes) -> npt.NDArray[Any] | None:
    """The levels of a PBM, PGM, PPM, PAM or PFM as it holds them: (H, W) or (H, W, C), blue first. Bits are 0 and 255.
    None where it is none, or is cut.
    """
    try:
        return _read_pam(data) if data.startswith(b"P7") else _read_pnm(data)
    except (OverflowError, ValueError):  # numbers that are none, less data than its size wants
        return None


def _read_pnm(data: bytes) -> npt.NDArray[Any] | None:
    kind = data[1:2]
    head = _NETPBM.match(data, 0, _MOST_HEAD)
    if head is None:
        return None
    width, height = int(head[1]), int(head[2])
    if kind in b"14":
        return _bits(data[head.end() :], width, height, as_text=kind == b"1")
    depth = 3 if kind in b"36F" else 1
    more = (_SCALE if kind in b"Ff" else _MOST_LEVEL).match(data, head.end(), _MOST_HEAD)
    if more is None:
        return None
    if kind in b"Ff":
        scale = float(more[1])
        levels = np.frombuffer(data, "<f4" if scale < 0 else ">f4", height * width * depth, more.end())
        img: npt.NDArray[Any] = (levels / abs(scale)).astype(np.float32).reshape(height, width, depth)[::-1]
    else:
        img = _whole_levels(data, more.end(), (height, width, depth), int(more[1]), as_text=kind in b"23")
    return img[:, :, ::-1] if depth == 3 else img[:, :, 0]


def _whole_levels(
    data: bytes, start: int, shape: tuple[int, int, int], most: int, *, as_text: bool
) -> npt.NDArray[Any]:
    if not 0 < most <= 65535:
        raise ValueError
    dtype = np.dtype(np.uint8 if most < 256 else ">u2")
    count = shape[0] * shape[1] * shape[2]
    if not as_text:
        levels = np.frombuffer(data, dtype, count, start)
    else:
        text = _NUMBERS.match(_COMMENT.sub(b" ", data[start:]))
        if text is None or not text[0].strip():
            raise ValueError
        # without a count: of one that is greater NumPy leaves the rest as memory was
        levels = np.minimum(np.fromstring(text[0].decode(), np.int64, sep=" ")[:count], most)
    return levels.astype(dtype.newbyteorder("=")).reshape(shape)


def _bits(data: bytes, width: int, height: int, *, as_text: bool) -> npt.NDArray[np.uint8]:
    """1 is black."""
    if as_text:
        digits = np.frombuffer(_COMMENT.sub(b"", data), np.uint8)
        bits = digits[(digits == ord("0")) | (digits == ord("1"))][: height * width] - ord("0")
    else:
        packed = np.frombuffer(data[1:], np.uint8, height * -(-width // 8))  # one blank ends the head
        bits = np.unpackbits(packed.reshape(height, -1), axis=1)[:, :width]
    return np.asarray((1 - bits.reshape(height, width)) * 255, np.uint8)


def _read_pam(data: bytes) -> npt.NDArray[Any] | None:
    if (head := _PAM.match(data[:_MOST_HEAD])) is None:
        return None
    found = [re.search(rb"^%s\s+(\d{1,10})\s*$" % name, head[0], re.MULTILINE) for name in _PAM_NUMBERS]
    width, height, depth, most = (int(number[1]) if number else 0 for number in found)
    img = _whole_levels(data, head.end(), (height, width, depth), most, as_text=False)
    if most == 1:  # black and white
        img = np.minimum(img, 1) * np.uint8(255)
    if depth >= 3 and _COLOURS.search(head[0]):
        return img[:, :, [2, 1, 0, *range(3, depth)]]
    return img[:, :, 0] if depth == 1 else img


def _most_level(data: bytes) -> int:
    """Which level is white; 0: it is none of these."""
    if pam := _PAM.match(data[:_MOST_HEAD]):
        level = re.search(rb"^MAXVAL\s+(\d{1,5})\s*$", pam[0], re.MULTILINE)
    else:
        level = _PNM.match(data[:_MOST_HEAD])
    return int(level[1]) if level else 0
