"""Portable pictures (PBM, PGM, PPM, PAM): what their heads say and OpenCV leaves out."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.images.bgr import as_bgr
from mtcnn.runtime.opencv import opencv

__all__ = ["decode_pnm", "is_pnm"]

# https://netpbm.sourceforge.net/doc/: the head is text, with comments from # to the line's end
_GAP = rb"(?:\s|#[^\n]*\n)+"
_PNM = re.compile(rb"P[2356]" + _GAP + rb"\d+" + _GAP + rb"\d+" + _GAP + rb"(\d{1,5})")
_PAM = re.compile(rb"P7\s.*?\nENDHDR\n", re.DOTALL)
_MOST_HEAD = 1 << 16  # bytes
_WHOLE = (255, 65535)  # greatest levels that OpenCV reads as they are meant


def is_pnm(data: bytes) -> bool:
    """Whether it is a PGM, PPM or PAM whose pixels OpenCV would give dark, or with red and blue exchanged."""
    head = _head(data)
    return head is not None and (head[0] not in _WHOLE or head[1])


def decode_pnm(data: bytes, stored: npt.NDArray[Any]) -> npt.NDArray[np.uint8]:
    """BGR (H, W, 3) of the levels as OpenCV stores them unchanged."""
    head = _head(data)
    assert head is not None
    most, exchanged = head
    levels = np.rint(np.minimum(stored, most) * np.float32(255 / most)).astype(np.uint8)
    return as_bgr(levels, color="rgb" if exchanged else "bgr")


def _head(data: bytes) -> tuple[int, bool] | None:
    """The greatest level, and whether OpenCV exchanges red and blue."""
    if pam := _PAM.match(data[:_MOST_HEAD]):
        level = re.search(rb"^MAXVAL\s+(\d{1,5})\s*$", pam[0], re.MULTILINE)
        kind = re.search(rb"^TUPLTYPE\s+(RGB|RGB_ALPHA)\s*$", pam[0], re.MULTILINE)
        most = int(level[1]) if level else 0
        exchanged = kind is not None and _exchanges(4 if kind[1] == b"RGB_ALPHA" else 3)
    elif pnm := _PNM.match(data[:_MOST_HEAD]):
        most, exchanged = int(pnm[1]), False
    else:
        return None
    return (most, exchanged) if 0 < most <= 65535 else None


@lru_cache(maxsize=2)
def _exchanges(depth: int) -> bool:
    """Whether this OpenCV takes a PAM's red for blue."""
    kind = {3: b"RGB", 4: b"RGB_ALPHA"}[depth]
    red = b"P7\nWIDTH 1\nHEIGHT 1\nDEPTH %d\nMAXVAL 255\nTUPLTYPE %s\nENDHDR\n\xff\0\0\0" % (depth, kind)
    cv2 = opencv()
    img = cv2.imdecode(np.frombuffer(red, np.uint8), cv2.IMREAD_UNCHANGED)
    return img is not None and int(img[0, 0, 0]) == 255
