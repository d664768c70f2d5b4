"""Sizes of pictures from the heads of their files."""

from __future__ import annotations

import random
import struct

import cv2
import numpy as np
import pytest

from mtcnn.images.picture_size import picture_size
from tests.support.pictures import gradient

ENDINGS = (".jpg", ".png", ".gif", ".bmp", ".webp", ".tif", ".avif", ".jp2", ".ppm", ".pgm", ".pbm")
OPTIONS = {"": [], "lossless": [cv2.IMWRITE_WEBP_QUALITY, 101], "progressive": [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]}


def encoded(ending: str, img: np.ndarray, option: str = "") -> bytes:
    try:
        whole, data = cv2.imencode(ending, img, OPTIONS[option])
    except cv2.error:
        whole = False
    if not whole:
        pytest.skip(f"this OpenCV writes no {ending}")
    return bytes(data)


@pytest.mark.parametrize("size", [(37, 301), (300, 20)])
@pytest.mark.parametrize("option", OPTIONS)
@pytest.mark.parametrize("ending", ENDINGS)
def test_as_the_decoder_has_it(ending: str, option: str, size: tuple[int, int]) -> None:
    img = gradient(*size)
    data = encoded(ending, img[:, :, 0] if ending in (".pgm", ".pbm") else img, option)
    assert picture_size(data) == size[::-1]


def test_a_jpegs_size_is_not_its_thumbnails() -> None:
    data = encoded(".jpg", gradient(40, 50))
    thumbnail = encoded(".jpg", gradient(8, 9))
    assert picture_size(data[:2] + b"\xff\xe1" + struct.pack(">H", 2 + len(thumbnail)) + thumbnail + data[2:]) == (
        50,
        40,
    )


def test_what_says_that_it_is_huge() -> None:
    png = bytearray(encoded(".png", gradient(10, 10)))
    png[16:24] = b"\xff" * 8
    assert picture_size(bytes(png)) == (2**32 - 1, 2**32 - 1)


@pytest.mark.parametrize("data", [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"BM", b"II*\0", b"no picture", b"P6 x"])
def test_what_has_none(data: bytes) -> None:
    assert picture_size(data) is None


@pytest.mark.parametrize("ending", ENDINGS)
def test_damaged_ones_have_a_size_or_none(ending: str) -> None:
    img = gradient(30, 40)
    data = encoded(ending, img[:, :, 0] if ending in (".pgm", ".pbm") else img)
    rng = random.Random(1)
    for _ in range(300):
        changed = bytearray(data)
        for _ in range(rng.randrange(1, 6)):
            changed[rng.randrange(len(changed))] = rng.randrange(256)
        size = picture_size(bytes(changed[: rng.randrange(len(changed) + 1)]))
        assert size is None or (len(size) == 2 and min(size) >= 0)
