"""Pictures' files decoded and encoded by Pillow: the levels that OpenCV gives."""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from mtcnn.errors import MtcnnError
from mtcnn.images.exif import exif_orientation
from mtcnn.images.jpeg import without_notes
from mtcnn.images.pillow import turned
from mtcnn.images.png import png_chunks
from mtcnn.images.pnm import read_pnm
from mtcnn.images.too_large import TooLargeError
from mtcnn.runtime.pixel_limit import too_large

__all__ = ["PillowCodec"]

_EXTRA_SAMPLES, _BITS_PER_SAMPLE = 338, 258  # TIFF's tags
_CODESTREAM = b"\xff\x4f\xff\x51"  # of JPEG 2000
# By the file's first bytes: the module of Pillow and the class that reads it. Image.open would try all formats, some of
# which call other programs, and refuses large pictures by a number that belongs to the whole process.
_CLASSES: tuple[tuple[bytes, str, str], ...] = (
    (rb"\xff\xd8\xff", "Jpeg", "JpegImageFile"),
    (rb"\x89PNG\r\n\x1a\n", "Png", "PngImageFile"),
    (rb"GIF8[79]a", "Gif", "GifImageFile"),
    (rb"BM", "Bmp", "BmpImageFile"),
    (rb"RIFF....WEBP", "WebP", "WebPImageFile"),
    (rb"II[*+]\0|MM\0[*+]", "Tiff", "TiffImageFile"),
    (rb"....ftypavi[fs]", "Avif", "AvifImageFile"),
    (rb"\0\0\0\x0cjP  |" + _CODESTREAM, "Jpeg2K", "Jpeg2KImageFile"),
    (rb"\x59\xa6\x6a\x95", "Sun", "SunImageFile"),
)
# By the ending: Pillow's name of the format, and how it is written.
_WRITERS: dict[str, tuple[str, dict[str, Any]]] = {
    ".avif": ("AVIF", {"quality": 95}),
    ".bmp": ("BMP", {}),
    ".gif": ("GIF", {}),
    ".jp2": ("JPEG2000", {}),
    ".jpeg": ("JPEG", {}),
    ".jpg": ("JPEG", {}),
    ".pgm": ("PPM", {}),
    ".png": ("PNG", {}),
    ".ppm": ("PPM", {}),
    ".tif": ("TIFF", {"compression": "tiff_lzw"}),
    ".tiff": ("TIFF", {"compression": "tiff_lzw"}),
    ".webp": ("WEBP", {"lossless": True}),
}
# What Pillow may be built without, as its features name it; with Radiance it does not deal at all.
_FEATURES = {".avif": "avif", ".jp2": "jpg_2000", ".jpg": "jpg", ".png": "zlib", ".webp": "webp"}


class PillowCodec:
    """See :class:`mtcnn.images.codec.Codec`."""

    name = "Pillow"
    tells_damage = False

    def colour(self, data: bytes, turn: bool) -> npt.NDArray[np.uint8] | None:
        found = _decode(data)
        if found is None:
            return None
        levels, orientation = found
        if levels.dtype == np.uint16:
            levels = (levels >> 8).astype(np.uint8)
        elif re.match(rb"P[Ff]\s", data):
            levels = np.clip(np.rint(np.nan_to_num(levels)), 0, 255).astype(np.uint8)
        elif levels.dtype != np.uint8:
            return None
        if levels.ndim == 2 or levels.shape[2] < 3:
            levels = np.repeat(levels.reshape(*levels.shape[:2], -1)[:, :, :1], 3, axis=2)
        bgr = levels[:, :, :3]
        return np.ascontiguousarray(turned(bgr, orientation) if turn else bgr)

    def stored(self, data: bytes) -> npt.NDArray[Any] | None:
        found = _decode(data)
        if found is None:
            return None
        levels = found[0]
        if levels.dtype == np.uint8 and _has_16_bits(data):
            # Pillow keeps the higher byte alone of colours: what it may be at most
            return np.where(levels, levels.astype(np.uint16) << 8 | 255, 0).astype(np.uint16)
        return levels

    def encode(self, ending: str, img: npt.NDArray[np.uint8], quality: int = 97) -> bytes | None:
        from PIL import Image

        kind, options = _WRITERS.get(ending.lower(), (None, {}))
        if kind is None:
            return None
        picture = Image.fromarray(np.ascontiguousarray(img[:, :, ::-1]))
        if ending.lower() == ".pgm":
            picture = picture.convert("L")
        if kind == "JPEG":
            options = {"quality": quality}
        file = io.BytesIO()
        try:
            picture.save(file, kind, **options)
        except (KeyError, OSError, ValueError):  # Pillow was built without it, or it is too large for the format
            return None
        return file.getvalue()

    def endings(self) -> frozenset[str]:
        from PIL import features

        lacking = {ending for ending, feature in _FEATURES.items() if not _has(features, feature)}
        return frozenset({".bmp", ".gif", ".ppm", ".ras", ".tiff", *_FEATURES} - lacking)


def _has(features: Any, feature: str) -> bool:
    return feature in (*features.modules, *features.codecs, *features.features) and bool(features.check(feature))


def _decode(data: bytes) -> tuple[npt.NDArray[Any], int] | None:
    """The levels, (H, W) or (H, W, C) with blue first, and the EXIF orientation in which they lie."""
    if re.match(rb"P[1-7Ff]\s", data):
        portable = read_pnm(data)
        return None if portable is None or portable.size == 0 else (portable, 1)
    if re.match(rb"VP8[ L]", data):  # a chunk without its file, which libwebp reads
        data = b"RIFF" + (len(data) + 4).to_bytes(4, "little") + b"WEBP" + data
    kind = next((kind for kind in _CLASSES if re.match(kind[0], data[:16], re.S)), None)
    if kind is None:
        return None
    from PIL import Image

    try:
        return _by_class(data, *kind[1:])
    except Image.DecompressionBombError:
        raise TooLargeError from None
    except (MemoryError, MtcnnError, TooLargeError):
        raise
    except Exception:  # of damaged files Pillow raises many kinds
        return None


def _by_class(data: bytes, module: str, name: str) -> tuple[npt.NDArray[Any], int] | None:
    from importlib import import_module

    orientation = 1
    if module == "Jpeg":
        data = without_notes(data)
    elif module == "Png":
        chunks = png_chunks(data)
        if chunks is None:
            return None
        data, exif = chunks
        orientation = exif_orientation(exif) or 1
    with getattr(import_module(f"PIL.{module}ImagePlugin"), name)(io.BytesIO(data)) as img:
        if too_large(*img.size):
            raise TooLargeError
        if module == "Gif":
            return _gif(img), 1
        if getattr(img, "default_image", False) and img.n_frames > 2:  # an APNG's, which its animation does not show
            img.seek(1)
        if module == "WebP":
            orientation = exif_orientation(img.info.get("exif", b"")) or 1
        is_seen_through = (
            module == "Tiff" and 8 in img.tag_v2.get(_BITS_PER_SAMPLE, ()) and any(img.tag_v2.get(_EXTRA_SAMPLES, ()))
        )
        if module == "Jpeg2K" and img.mode in ("RGB", "RGBA") and _has_16_bits(data):  # whose white Pillow makes black
            return None
        img.load()
        levels = _levels(img)
    if is_seen_through and levels.ndim == 3 and levels.shape[2] == 4:  # as libtiff has it
        levels = _on_black(levels)
    if module == "Bmp" and int.from_bytes(data[28:30], "little") == 16:
        levels = _of_16_bits(levels, data)
    return levels, orientation


def _levels(img: Any) -> npt.NDArray[Any]:
    convert = _MODES.get(img.mode)
    array: npt.NDArray[Any] = np.asarray(img) if convert is None else convert(img)
    if img.mode == "I" and img.format in ("JPEG2000", "PNG"):  # 16 bits, of earlier Pillows
        array = array.astype(np.uint16)
    if img.mode == "LAB":
        raise ValueError("colours of another kind")
    return array[:, :, 2::-1] if convert is None and array.ndim == 3 else array


def _palette(img: Any) -> npt.NDArray[np.uint8]:
    """(256, 3), blue first."""
    table = np.zeros((256, 3), np.uint8)
    colours = np.frombuffer(bytes(img.getpalette("RGB") or ()), np.uint8).reshape(-1, 3)
    table[: len(colours)] = colours[:256, ::-1]
    return table


def _cmyk(img: Any) -> npt.NDArray[np.uint8]:
    """As OpenCV reckons, of JPEGs in whole 256ths."""
    left = 255 - np.asarray(img).astype(np.uint16)
    ink, black = left[:, :, 2::-1], left[:, :, 3:]
    if img.format == "TIFF":
        return (ink * black // 255).astype(np.uint8)
    return (black - ((255 - ink) * black >> 8)).astype(np.uint8)


def _rgba(img: Any) -> npt.NDArray[np.uint8]:
    return np.asarray(img)[:, :, [2, 1, 0, 3]]


_MODES: dict[str, Callable[[Any], npt.NDArray[Any]]] = {
    "1": lambda img: np.asarray(img).astype(np.uint8) * 255,
    "P": lambda img: _palette(img)[np.asarray(img)],
    "PA": lambda img: _palette(img)[np.asarray(img)[:, :, 0]],
    "LA": lambda img: np.asarray(img)[:, :, 0],
    "La": lambda img: np.asarray(img)[:, :, 0],
    "CMYK": _cmyk,
    "RGBA": _rgba,
    "YCbCr": lambda img: np.asarray(img.convert("RGB"))[:, :, ::-1],
}


def _on_black(levels: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    colours, alpha = levels[:, :, :3].astype(np.uint16), levels[:, :, 3:]
    return ((colours * alpha + 127) // 255).astype(np.uint8)


def _of_16_bits(levels: npt.NDArray[np.uint8], data: bytes) -> npt.NDArray[np.uint8]:
    """Five or six bits a colour, which Pillow stretches to 255."""
    has_six = int.from_bytes(data[30:34], "little") == 3 and int.from_bytes(data[58:62], "little") == 0x7E0
    return levels[:, :, :3] & np.array([0xF8, 0xFC if has_six else 0xF8, 0xF8], np.uint8)


def _gif(img: Any) -> npt.NDArray[np.uint8]:
    """The first picture on its background."""
    x1, y1, x2, y2 = img.tile[0][1]
    width, height = img.size
    hole = img.info.get("transparency")
    background, everywhere = img.info.get("background", 0), img.global_palette
    canvas = np.zeros((height, width, 3), np.uint8)
    if everywhere is not None:
        colour = bytes(everywhere.palette)[3 * background : 3 * background + 3]
        canvas[:] = tuple(colour[::-1]) if len(colour) == 3 else 0
    img.load()
    indices = np.asarray(img)[y1:y2, x1:x2]
    table = _palette(img) if img.mode == "P" else np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    shown = canvas[y1:y2, x1:x2]
    seen = np.ones(indices.shape, bool) if hole is None else indices != hole
    shown[seen] = table[indices[seen]]
    return canvas


def _has_16_bits(data: bytes) -> bool:
    if data.startswith(b"\x89PNG"):
        return data[24] == 16
    if (at := data.find(_CODESTREAM, 0, 1 << 16)) >= 0:
        return data[at + 42] & 0x7F > 7
    if data[:2] in (b"II", b"MM"):
        from PIL import TiffImagePlugin

        with TiffImagePlugin.TiffImageFile(io.BytesIO(data)) as img:
            return 16 in img.tag_v2.get(_BITS_PER_SAMPLE, ())
    return False
