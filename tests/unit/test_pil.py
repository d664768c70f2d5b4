"""PIL pictures: taken whatever their mode and class, turned by EXIF, without Pillow being imported."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from mtcnn.central import find_central_face
from mtcnn.images import as_bgr, picture_shape

RGB = np.random.default_rng(0).integers(0, 256, (6, 9, 3), dtype=np.uint8)
BGR = RGB[:, :, ::-1]


def picture(mode: str = "RGB") -> Image.Image:
    return Image.fromarray(RGB).convert(mode)


def with_orientation(img: Image.Image, orientation: int, kind: str = "PNG") -> Image.Image:
    """The picture as it comes from a file with that orientation."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = io.BytesIO()
    img.save(file, kind, exif=exif.tobytes())
    return Image.open(io.BytesIO(file.getvalue()))


@pytest.mark.parametrize("color", ["bgr", "rgb"])
def test_a_picture_knows_its_colours(color: Any) -> None:
    np.testing.assert_array_equal(as_bgr(picture(), color=color), BGR)
    with pytest.raises(ValueError, match="color must be 'bgr' or 'rgb'"):
        as_bgr(picture(), color="RGB")  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "RGBX", "CMYK", "YCbCr", "HSV"])
def test_modes(mode: str) -> None:
    img = picture("L" if mode == "PA" else "RGB").convert(mode)
    np.testing.assert_array_equal(as_bgr(img), np.asarray(img.convert("RGB"))[:, :, ::-1])


@pytest.mark.parametrize(("mode", "plain"), [("La", "LA"), ("RGBa", "RGBA")])
def test_premultiplied_modes(mode: str, plain: str) -> None:
    img = picture(plain).convert(mode)
    np.testing.assert_array_equal(as_bgr(img), np.asarray(picture(plain).convert("RGB"))[:, :, ::-1])


def test_transparent_palette() -> None:
    img = picture("P")
    img.info["transparency"] = bytes(range(256))
    np.testing.assert_array_equal(as_bgr(img), np.asarray(picture("P").convert("RGB"))[:, :, ::-1])


@pytest.mark.parametrize("mode", ["I;16", "I;16B", "I;16L"])
def test_of_16_bits(mode: str) -> None:
    deep = np.arange(54).reshape(6, 9) * 1200
    img = Image.frombytes(mode, (9, 6), deep.astype(">u2" if mode == "I;16B" else "<u2").tobytes())
    with pytest.raises(ValueError, match=r"from 0 to 63600.*np\.asarray\(ImageOps\.exif_transpose\(img\)\) / 257$"):
        as_bgr(img)
    mended = np.asarray(ImageOps.exif_transpose(img)) / 257
    np.testing.assert_allclose(as_bgr(mended)[:, :, 0], deep / 257, atol=0.5)


@pytest.mark.parametrize("mode", ["I", "F"])
def test_numbers(mode: str) -> None:
    levels = Image.fromarray(RGB[:, :, 0]).convert(mode)
    np.testing.assert_array_equal(as_bgr(levels)[:, :, 2], RGB[:, :, 0])
    deep = Image.fromarray(RGB[:, :, 0].astype(np.int32) * 257).convert(mode)
    with pytest.raises(ValueError, match=r"must lie in 0\.\.255.*np\.asarray\(ImageOps\.exif_transpose\(img\)\) / 257"):
        as_bgr(deep)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_by_exif(orientation: int) -> None:
    img = with_orientation(picture(), orientation)
    expected = np.asarray(ImageOps.exif_transpose(img))[:, :, ::-1]
    np.testing.assert_array_equal(as_bgr(img), expected)
    assert picture_shape(img) == expected.shape[:2]
    np.testing.assert_array_equal(as_bgr(img, turn=False), BGR)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_orientations_that_there_are_not(orientation: int) -> None:
    np.testing.assert_array_equal(as_bgr(with_orientation(picture(), orientation)), BGR)


def test_damaged_exif_says_nothing() -> None:
    img = picture()
    img.info["exif"] = b"Exif\0\0II*\0\xff\xff\xff\xff" + struct.pack("<H", 9)
    np.testing.assert_array_equal(as_bgr(img), BGR)


def test_subclasses_of_other_modules() -> None:
    class HeifPicture(Image.Image):
        pass

    assert not HeifPicture.__module__.startswith("PIL")
    img = HeifPicture()
    img.__dict__.update(picture().__dict__)
    np.testing.assert_array_equal(as_bgr(img), BGR)


def test_what_is_only_called_image_is_none() -> None:
    class Image:
        pass

    with pytest.raises(TypeError, match="img must be a NumPy array"):
        as_bgr(Image())


def test_a_file_that_is_cut() -> None:
    file = io.BytesIO()
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (99, 99, 3), np.uint8)).save(file, "PNG")
    img = Image.open(io.BytesIO(file.getvalue()[:2000]))
    with pytest.raises(ValueError, match="img is a PIL picture of mode RGB that cannot be read: .*truncated"):
        as_bgr(img)


def test_a_closed_picture() -> None:
    img = picture()
    img.close()
    with pytest.raises(ValueError, match="cannot be read"):
        as_bgr(img)


def test_an_empty_picture() -> None:
    with pytest.raises(ValueError, match="img is empty"):
        as_bgr(Image.new("RGB", (0, 5)))


def test_the_central_face_is_that_of_the_turned_picture() -> None:
    img = with_orientation(Image.new("RGB", (40, 200)), 6)  # 200 wide, once it is turned
    assert find_central_face(img, [[0, 0, 20, 20, 0.9], [90, 10, 110, 30, 0.8]]) == 1


def test_pillow_is_not_imported() -> None:
    code = """
import sys
import numpy as np
from mtcnn.images import as_bgr
as_bgr(np.zeros((3, 3), np.float32))
try:
    as_bgr(object())
except TypeError:
    print("PIL" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr
