"""Pictures out of the bytes of their files: by OpenCV or Pillow, HEIC by pillow-heif, AVIF that is turned by Pillow."""

from __future__ import annotations

import io
import os
import re
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from mtcnn.images.bgr import as_bgr
from mtcnn.images.codec import Codec, codec
from mtcnn.images.dark import brightest_if_dark
from mtcnn.images.exif import jpeg_orientation
from mtcnn.images.jpeg import END_OF_JPEG, cut_jpeg_end
from mtcnn.images.picture_size import picture_size, says_its_size
from mtcnn.images.pillow import turned
from mtcnn.images.png import is_cut_png
from mtcnn.images.pnm import decode_pnm
from mtcnn.images.signatures import what_it_is
from mtcnn.images.too_large import TooLargeError
from mtcnn.runtime.pixel_limit import too_large
from mtcnn.runtime.silence import decoding, listening

__all__ = ["FLAWS", "Decoded", "Flaw", "UnreadableError", "decode"]

Flaw: TypeAlias = Literal["truncated", "damaged", "dark"]
# What is said of a picture that is read all the same.
FLAWS: dict[Flaw, str] = {
    "truncated": "truncated: the file ends too early, the rest of the picture is gray",
    "damaged": "damaged: parts of the picture are not what they were",
    "dark": "dark: none of its levels is above 15 of 255, in which no face is found; scale them to 0..255",
}

_DARK = 64  # levels up to which a picture may be one of 14 bits in a file of 16
_HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


class UnreadableError(Exception):
    """Why a picture cannot be read."""


class Decoded(NamedTuple):
    """A picture, BGR (H, W, 3), and what is wrong with it, as FLAWS has it. One that is wholly black is not "dark"."""

    img: npt.NDArray[np.uint8]
    flaw: Flaw | None = None


def decode(data: bytes, turn: bool = True, most: int | None = None) -> Decoded:
    """The picture in a file's bytes, the first one where there are several.

    Args:
        turn: whether it is turned as its EXIF orientation says.
        most: pixels that it may have, as its head says before it is decoded; None: as :func:`most_pixels`.

    Raises:
        UnreadableError: there is none that can be read, one of too many pixels, or one of another depth that would come
            out black.
        MtcnnError: neither OpenCV nor Pillow is installed.
    """
    if not data:
        raise UnreadableError("the file is empty")
    size = picture_size(data)
    if size and (problem := too_large(*size, most)):
        raise UnreadableError(problem)
    by = codec()
    if size is None and says_its_size(data):
        raise _no_picture(data, by)
    brand = data[8:12] if data[4:8] == b"ftyp" else b""
    try:
        with decoding() as decoder:
            if brand in _HEIF_BRANDS:
                found = Decoded(as_bgr(_heif(data, most), turn=turn))
            elif brand in (b"avif", b"avis") and turn and re.search(rb"irot|imir", data[:65536]):
                found = Decoded(as_bgr(_turned_avif(data, most)))
            else:
                found = _by_codec(data, turn, by)
    except MemoryError:
        raise UnreadableError("too large for this machine's memory") from None
    if found.flaw is None:
        if decoder.wrote and by.tells_damage and _is_damaged_jpeg(data, by):
            return found._replace(flaw="damaged")
        if brightest_if_dark(found.img):
            return found._replace(flaw="dark")
    return found


def _is_damaged_jpeg(data: bytes, by: Codec) -> bool:
    """Whether libjpeg says so, which it does to standard error alone. Other formats are refused where they are damaged,
    or cannot tell.
    """
    if not data.startswith(b"\xff\xd8"):
        return False
    with listening() as said:
        by.colour(data, turn=False)
        return b"Corrupt JPEG data" in said()


def _by_codec(data: bytes, turn: bool, by: Codec) -> Decoded:
    if is_cut_png(data):  # OpenCV 5 makes room for as much as is said to come, 4 GB in a file of 100 bytes
        raise _no_picture(data, by)
    if (portable := decode_pnm(data)) is not None:
        return Decoded(portable)
    end = cut_jpeg_end(data)
    if end is not None:  # OpenCV 5 refuses it, 4 leaves what was in memory in the place of what is missing
        data = data[:end] + END_OF_JPEG
    orientation = jpeg_orientation(data) if turn else 1
    try:
        img = by.colour(data, turn=orientation is None)
    except TooLargeError:
        raise UnreadableError(_too_many_pixels(data, by)) from None
    if img is None:
        return _by_levels(data, by)
    if img[::16, ::16].max() <= _DARK and img.max() <= _DARK:
        _check_depth(by.stored(data))
    if data.startswith(b"#?"):
        _check_radiance(by.stored(data))
    upright = np.asarray(img, np.uint8) if orientation is None else np.ascontiguousarray(turned(img, orientation))
    return Decoded(upright, None if end is None else "truncated")


def _no_picture(data: bytes, by: Codec) -> UnreadableError:
    what = what_it_is(data, by.name)
    return UnreadableError(f"no picture that {by.name} can read" + (f": it is {what}" if what else ""))


def _by_levels(data: bytes, by: Codec) -> Decoded:
    """A picture of levels that the library reads, but does not convert: a TIFF of floats or of 32 bits."""
    stored = by.stored(data) if data.startswith(_TIFF) else None
    if stored is None:
        raise _no_picture(data, by)
    try:
        return Decoded(as_bgr(stored))
    except (TypeError, ValueError):
        channels = "" if stored.ndim < 3 else f" in {stored.shape[2]} channels"
        levels = f"{stored.dtype}{channels} from {stored.min():g} to {stored.max():g}"
        raise UnreadableError(f"its levels are {levels}: scale them to 0..255, in 1, 3 or 4 channels") from None


def _too_many_pixels(data: bytes, by: Codec) -> str:
    if by.name == "OpenCV":
        return f"the picture has more than {os.environ.get('OPENCV_IO_MAX_IMAGE_PIXELS', str(1 << 30))} pixels"
    size = picture_size(data)
    return f"it has {size[0]}x{size[1]} pixels, more than Pillow takes" if size else "it is larger than Pillow takes"


def _check_depth(stored: npt.NDArray[Any] | None) -> None:
    """Refuse what is dark only because the library takes the levels for a part of a greater range."""
    if stored is None or stored.dtype == np.uint8 or stored.max() == 0:
        return
    low, high = stored.min(), stored.max()
    text = f"its levels are {stored.dtype} from {low:g} to {high:g}, which would be dark: scale them"
    raise UnreadableError(f"{text} to 0..65535" if stored.dtype == np.uint16 else f"{text} to 0..255")


def _check_radiance(stored: npt.NDArray[Any] | None) -> None:
    """Refuse a Radiance picture of other units than OpenCV's, whose white is 1."""
    if stored is not None and stored.mean() > 1:
        raise UnreadableError(f"its levels reach {stored.max():g}, which would be white: scale them to 0..1")


def _heif(data: bytes, most: int | None) -> Any:
    try:
        import pillow_heif
    except ImportError:
        raise UnreadableError("HEIC needs pillow-heif: pip install pillow-heif") from None
    try:
        file = pillow_heif.open_heif(data)
        _check_pixels(file.size, most)
        return file.to_pillow()
    except (EOFError, OSError, RuntimeError, SyntaxError, ValueError) as error:
        raise UnreadableError(f"no picture that pillow-heif can read: {error}") from None


def _turned_avif(data: bytes, most: int | None) -> Any:
    """OpenCV does not turn it."""
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError:
        raise UnreadableError("AVIF that is turned needs Pillow 11.3: pip install pillow") from None
    try:
        img = Image.open(io.BytesIO(data), formats=("AVIF",))
        _check_pixels(img.size, most)
        img.load()
    except (KeyError, UnidentifiedImageError):
        raise UnreadableError("AVIF that is turned needs Pillow 11.3: pip install -U pillow") from None
    except (EOFError, OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnreadableError(f"no picture that Pillow can read: {error}") from None
    return img


def _check_pixels(size: tuple[int, ...], most: int | None) -> None:
    width, height = size
    if problem := too_large(width, height, most):
        raise UnreadableError(problem)
